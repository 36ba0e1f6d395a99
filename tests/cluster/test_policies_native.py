"""Native admission policies in force on a real API server, and the same policies evaluated by us: the same answers.

Each file of `native_policies` is a policy, its binding and what they need, followed by requests (`kind: Try`) whose
answers nobody wrote down: the API server gives them. Every file has a namespace (`${ns}`) that its policy is bound to,
and a twin that no policy knows. A request is first made in the twin, where webhooks record the review that our
engine is then asked about, and then in the namespace; all are dry runs. Objects are compared after the API server has
defaulted both: what a policy made of them there, and what we did.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial, reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.native import Outcome, Policies, PoliciesInvalid, admit, read
from policies.snapshot import Absent, Answer, Authorization, Lookup, MemorySnapshot, Question
from policies.typecheck import Schemas
from tests.cluster.bed.cluster import Cluster, Json, Reply, User
from tests.cluster.bed.recorder import Recorded, Recorder
from tests.cluster.bed.webhooks import configuration, register, rule
from tests.policies.typecheck.cases import checked, theirs
from webhook.reviews.review import parse_review

pytestmark = pytest.mark.cluster

FOLDER = Path(__file__).with_name("native_policies")
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
TWIN = "native-twin"  # the label of what the recorder is asked about
PLURALS = {"Ingress": "ingresses", "PriorityClass": "priorityclasses"}
CLUSTER_WIDE = frozenset({"Namespace", "PriorityClass", "CustomResourceDefinition"})
OURS = ("uid", "creationTimestamp", "managedFields", "generation", "resourceVersion", "selfLink")
DRY = {"dryRun": "All"}


@dataclass(frozen=True, slots=True)
class Case:
    """One file: its objects by what they are for."""

    name: str
    policies: tuple[Json, ...]
    definitions: tuple[Json, ...]
    others: tuple[Json, ...]
    labels: Mapping[str, str]
    tries: tuple[Json, ...]

    @property
    def kind(self) -> str:
        """Which policies it has: the API server fills in more of an object before it is validated."""
        return str(self.policies[0]["kind"]).removesuffix("AdmissionPolicy")

    @property
    def namespace(self) -> str:
        return f"native-{self.name}"

    @property
    def twin(self) -> str:
        return f"twin-{self.name}"


def load(path: Path) -> Case:
    """Read a file for its namespace."""
    name = path.stem
    found = list(yaml.safe_load_all(path.read_text().replace("${ns}", f"native-{name}")))
    kinds = [str(one["kind"]) for one in found]
    named = list(zip(kinds, found, strict=True))
    return Case(
        name=name,
        policies=tuple(one for kind, one in named if "AdmissionPolicy" in kind),
        definitions=tuple(one for kind, one in named if kind == "CustomResourceDefinition"),
        others=tuple(one for kind, one in named if "apiVersion" in one and not re.search("Admission|Definition", kind)),
        labels=next((one["labels"] for kind, one in named if kind == "Namespace" and "labels" in one), {}),
        tries=tuple(one for kind, one in named if kind == "Try"),
    )


CASES = tuple(map(load, sorted(FOLDER.glob("*.yaml"))))
TRIES = [pytest.param(case, one, id=f"{case.name}-{one['name']}") for case in CASES for one in case.tries]


def path_of(found: Json, namespace: str) -> str:
    """The collection that an object is created in."""
    group, _, version = str(found["apiVersion"]).rpartition("/")
    kind = str(found["kind"])
    plural = PLURALS.get(kind, ("policies" if kind.endswith("Policy") else f"{kind}s").lower())
    if kind.endswith("Policy"):
        plural = f"{kind[:-1].lower()}ies"
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    inside = "" if kind in CLUSTER_WIDE or group.startswith("admissionregistration") else f"/namespaces/{namespace}"
    return f"{root}{inside}/{plural}"


@dataclass(slots=True)
class Stage:
    """The API server with everything in force."""

    cluster: Cluster
    recorder: Recorder
    policies: Policies
    snapshot: MemorySnapshot
    answers: dict[Question, Answer] = field(default_factory=dict)

    def ask(self, case: Case, one: Json, namespace: str) -> Reply:
        """Make the request as a dry run in one of the case's two namespaces."""
        user = self._user(one)
        operation = one.get("operation", "CREATE")
        found = _placed(one.get("object") or one["old"], case, namespace)
        name = found["metadata"].get("name", "")
        collection = path_of(found, namespace)
        if "subresource" in one:
            sub = one["subresource"]
            path = f"/apis/{sub['group']}/v1/namespaces/{namespace}/{sub['of']}/{name}/{sub['name']}"
            return self.cluster.request("PUT", path, found, as_user=user, params=DRY)
        if operation == "DELETE":
            return self.cluster.request("DELETE", f"{collection}/{name}", as_user=user, params=DRY)
        if operation == "UPDATE":
            return self.cluster.request("PUT", f"{collection}/{name}", found, as_user=user, params=DRY)
        return self.cluster.request("POST", collection, found, as_user=user, params=DRY)

    def review(self, case: Case, one: Json) -> bytes:
        """What the API server makes of the request where no policy meets it, moved to the case's namespace."""
        before = len(self.recorder.reviews)
        reply = self.ask(case, one, case.twin)
        assert reply.status < 300, f"the request fails without any policy: {reply.message}"
        recorded = [seen for seen in self.recorder.reviews[before:] if _is_about(seen, case, one)]
        assert recorded, "no review was recorded"
        text = recorded[0].body.decode().replace(case.twin, case.namespace)
        return text.replace(f'"{TWIN}":"true",', "").replace(f',"{TWIN}":"true"', "").encode()

    def outcome(self, review: bytes) -> Outcome:
        """Our answer; what the authorizer is asked, the API server's own authorizer answers."""
        request = parse_review(review)
        while True:
            outcome = admit(self.policies, request, self.snapshot.with_answers(self.answers))
            asked = [one for one in outcome.questions if one not in self.answers]
            if not asked:
                return outcome
            self.answers |= {one: self._answered(one) for one in asked}

    def defaulted(self, case: Case, one: Json, found: Json) -> Json:
        """The object as the API server stores it where no policy meets it."""
        moved: Json = json.loads(json.dumps(found).replace(case.namespace, case.twin))
        for name in OURS:
            moved["metadata"].pop(name, None)
        return self.ask(case, {**one, "object": moved}, case.twin).ok()

    def _answered(self, question: Question) -> Answer:
        if isinstance(question, Lookup):
            ref = question.ref
            root = f"/apis/{ref.group}/v1" if ref.group else "/api/v1"
            found = self.cluster.request("GET", f"{root}/namespaces/{ref.namespace}/{ref.kind.lower()}s/{ref.name}")
            return Answer(Absent() if found.status == 404 else found.ok())
        assert isinstance(question, Authorization), question
        spec = json.loads(question.attributes)
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        reply = self.cluster.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        return Answer(reply.ok()["status"])

    @staticmethod
    def _user(one: Json) -> User | None:
        user = one.get("user")
        return None if user is None else User(user["name"], tuple(user.get("groups", ())))


def _is_about(seen: Recorded, case: Case, one: Json) -> bool:
    """Whether a review is the one that was meant, and not of a controller's doing."""
    request, found = seen.request, one.get("object") or one["old"]
    return seen.path.startswith(f"/{case.kind}") and request["kind"]["kind"] == found["kind"] and request["dryRun"]


def _placed(found: Json, case: Case, namespace: str) -> Json:
    """The object in one of the two namespaces. What lies in none gets the twin's label instead."""
    text = json.dumps(found)
    if namespace == case.twin:
        text = text.replace(case.namespace, case.twin)
    placed: Json = json.loads(text)
    if placed["kind"] in CLUSTER_WIDE and namespace == case.twin:
        placed["metadata"].setdefault("labels", {})[TWIN] = "true"
    return placed


@pytest.fixture(scope="module")
def stage(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """All policies in force, a recorder for the twins."""
    if control_plane.webhook_host is None:
        pytest.skip("set BAILIWICK_TEST_WEBHOOK_HOST to an address under which the cluster reaches this machine")
    for case in CASES:
        _prepare(control_plane, case)
    _in_force(control_plane)
    snapshot = _snapshot(control_plane)
    policies = read([one for case in CASES for one in case.policies])
    with Recorder(tmp_path_factory.mktemp("native"), host=control_plane.webhook_host) as recorder:
        hooks = [_hook(kind, recorder) for kind in ("Mutating", "Validating")]
        with register(control_plane, hooks):
            yield Stage(control_plane, recorder, policies, snapshot)


def _hook(kind: str, recorder: Recorder) -> Json:
    """A webhook that is told of everything in the twins."""
    return configuration(
        f"{kind}WebhookConfiguration",
        f"native-twins-{kind.lower()}",
        url=f"{recorder.url}/{kind}",
        ca_bundle=recorder.ca_bundle,
        rules=[rule("*", ["*/*"], version="*")],
        settings={
            "namespaceSelector": {"matchLabels": {TWIN: "true"}},
            "matchPolicy": "Exact",
            "matchConditions": [{"name": "not-leases", "expression": "request.resource.resource != 'leases'"}],
        },
    )


def _prepare(cluster: Cluster, case: Case) -> None:
    """Everything that requests and policies need, then the policies."""
    for definition in case.definitions:
        collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        cluster.request("POST", collection, definition).ok()
        cluster.wait_for(f"{definition['metadata']['name']} to be served", partial(_served, cluster, definition))
    cluster.create_namespace(case.namespace, labels=case.labels)
    cluster.create_namespace(case.twin, labels={**case.labels, TWIN: "true"})
    for other in case.others:
        cluster.request("POST", path_of(other, case.namespace), other).ok()
    for one in case.tries:
        for namespace in (case.namespace, case.twin):
            if "old" in one:
                cluster.request("POST", path_of(one["old"], namespace), one["old"]).ok()
            if "role" in one.get("user", {}):
                cluster.grant(User(one["user"]["name"]), one["user"]["role"], namespace)
    for policy in case.policies:
        cluster.request("POST", path_of(policy, ""), policy).ok()


def _served(cluster: Cluster, definition: Json) -> bool:
    spec = definition["spec"]
    paths = [f"/apis/{spec['group']}/{one['name']}/{spec['names']['plural']}" for one in spec["versions"]]
    return all(cluster.request("GET", path).status == 200 for path in paths)


def _in_force(cluster: Cluster) -> None:
    """Wait for a policy of each kind that was stored after all others: they are taken up in the order of storing."""
    cluster.create_namespace("native-probe")
    spec = {"matchConstraints": {"resourceRules": [rule("", ["configmaps"], ["CREATE"])]}, "failurePolicy": "Fail"}
    validating = {**spec, "validations": [{"expression": "false", "message": "in force"}]}
    broken = "Object{metadata: Object.metadata{labels: {'a': object.data.nothing}}}"
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": broken}}
    mutating = {**spec, "reinvocationPolicy": "Never", "mutations": [mutation]}
    for kind, words, policy in (
        ("Mutating", "native-probe-mutating", mutating),
        ("Validating", "in force", validating),
    ):
        name = f"native-probe-{kind.lower()}"
        resource = f"{ADMISSION}/{kind.lower()}admissionpolic"
        made = {"metadata": {"name": name}, "spec": policy}
        cluster.request("POST", f"{resource}ies", made).ok()
        bound: Json = {"policyName": name, "matchResources": {"namespaceSelector": {"matchLabels": _labelled("probe")}}}
        if kind == "Validating":
            bound["validationActions"] = ["Deny"]
        cluster.request("POST", f"{resource}ybindings", {"metadata": {"name": name}, "spec": bound}).ok()
        cluster.wait_for(f"{name} to be in force", partial(_refused, cluster, words))
        if kind == "Mutating":  # else it would refuse before the other is asked
            cluster.request("DELETE", f"{resource}ybindings/{name}").ok()


def _labelled(name: str) -> dict[str, str]:
    return {"kubernetes.io/metadata.name": f"native-{name}"}


def _refused(cluster: Cluster, words: str) -> bool:
    path = "/api/v1/namespaces/native-probe/configmaps"
    return words in cluster.request("POST", path, {"metadata": {"name": "a"}}, params=DRY).message


def _snapshot(cluster: Cluster) -> MemorySnapshot:
    """What our engine may know: namespaces, params and definitions, completely."""
    kept = (
        ("", "v1", "Namespace", "namespaces"),
        ("", "v1", "ConfigMap", "configmaps"),
        ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"),
        ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses"),
    )
    objects: list[Json] = []
    for group, version, kind, plural in kept:
        path = f"/apis/{group}/{version}/{plural}" if group else f"/api/{version}/{plural}"
        items = cluster.request("GET", path).ok()["items"]
        objects += [{**one, "apiVersion": f"{group}/{version}".lstrip("/"), "kind": kind} for one in items]
    return MemorySnapshot.of(objects, [(group, kind) for group, _, kind, _ in kept], live=True).with_answers({})


@pytest.mark.parametrize(("case", "one"), TRIES)
def test_same_answer(stage: Stage, case: Case, one: dict[str, Any]) -> None:
    """A native policy evaluated by us admits, refuses, warns and patches as the API server does, in the same words."""
    review = stage.review(case, one)
    ours, theirs = stage.outcome(review), stage.ask(case, one, case.namespace)
    assert ours.undetermined == ()
    assert ours.warnings == theirs.warnings
    if theirs.status >= 400:
        assert ours.status is not None, f"the API server refuses and we don't: {theirs.message}"
        assert _without_go(ours.status.message) == _without_go(theirs.message)
        assert (ours.status.code, ours.status.reason) == (theirs.status, theirs.body["reason"])
        return
    assert ours.status is None, f"we refuse and the API server doesn't: {ours.status}"
    if case.kind == "Mutating":
        assert isinstance(ours.object, dict)
        assert _comparable(stage.defaulted(case, one, ours.object), case) == _comparable(theirs.body, case)


VALIDATING = [case for case in CASES if any(policy["kind"] == "ValidatingAdmissionPolicy" for policy in case.policies)]


@pytest.mark.parametrize("case", VALIDATING, ids=lambda case: case.name)
def test_same_type_warnings(stage: Stage, case: Case) -> None:
    """What the API server's type check says of a policy in its status is what we say of it."""
    schemas = Schemas.of(definition for one in CASES for definition in one.definitions)
    for policy in case.policies:
        if policy["kind"] == "ValidatingAdmissionPolicy":
            path = f"{ADMISSION}/validatingadmissionpolicies/{policy['metadata']['name']}"
            stage.cluster.wait_for(f"the type check of {case.name}", partial(_is_checked, stage.cluster, path))
            assert checked(policy, schemas) == theirs(stage.cluster.request("GET", path).ok())


def _is_checked(cluster: Cluster, path: str) -> bool:
    found = cluster.request("GET", path).ok()
    return bool(found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"])


def _without_go(message: str) -> str:
    """Without the names of Go's types, by which the API server's decoder says what it can't read."""
    return re.sub(r"(json: cannot unmarshal).*", r"\1", message)


def _comparable(found: Json, case: Case) -> Json:
    """Without what is made up for each request."""
    text = re.sub(r"kube-api-access-[a-z0-9]{5}", "kube-api-access", json.dumps(found))
    cleaned: Json = json.loads(text.replace(case.twin, case.namespace))
    for name in OURS:
        cleaned["metadata"].pop(name, None)
    cleaned["metadata"].get("labels", {}).pop(TWIN, None)
    cleaned.pop("status", None)
    return cleaned


RULES = {"resourceRules": [rule("", ["configmaps"], ["CREATE"])]}
BASES: dict[str, Json] = {
    "validating": {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "refused"},
        "spec": {"matchConstraints": RULES, "validations": [{"expression": "true"}]},
    },
    "mutating": {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "refused"},
        "spec": {
            "matchConstraints": RULES,
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}],
        },
    },
    "binding": {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "refused"},
        "spec": {"policyName": "refused", "validationActions": ["Deny"]},
    },
}
REFUSED = [
    pytest.param(kind, one["set"], id=f"{kind}-{one['why'].replace(' ', '-')}")
    for kind, several in yaml.safe_load(FOLDER.with_name("native_policies_refused.yaml").read_text()).items()
    for one in several
]


@pytest.mark.parametrize(("kind", "changes"), [*((kind, {}) for kind in BASES), *REFUSED])
def test_same_refusal(control_plane: Cluster, kind: str, changes: Json) -> None:
    """A policy that the API server doesn't store can't be put into force here, and one that it stores can."""
    policy: Any = copy.deepcopy(BASES[kind])
    for path, value in changes.items():
        *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
        reduce(lambda inner, step: inner[step], steps, policy)[last] = value
    reply = control_plane.request("POST", path_of(policy, ""), policy, params=DRY)
    assert (reply.status >= 400) is bool(changes), reply.message
    if changes:
        with pytest.raises(PoliciesInvalid):
            read([policy])
    else:
        read([policy])


def test_enough_policies() -> None:
    """There are at least thirty policies, and both kinds are among them."""
    kinds = [policy["kind"] for case in CASES for policy in case.policies if "spec" in policy]
    assert len(CASES) >= 30
    assert kinds.count("MutatingAdmissionPolicy") >= 10
    assert kinds.count("ValidatingAdmissionPolicy") >= 20
