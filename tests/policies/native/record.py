"""`python -m tests.policies.native.record`: what a real API server answers to the scenes, for tests that have none.

Everything is installed in the control plane of `tests.cluster.bed`, and every request made there as a dry run. The same
requests are put to `policies.native`; the first difference in status, words, warnings, audit annotations or objects
ends the recording. So whatever stands in `answers.json` is the API server's answer, and was ours, too.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from policies.native import Outcome, Policies, admit, read
from policies.request import GroupKind, Operation, Request, Resource
from policies.snapshot import Answer, Authorization, MemorySnapshot, Question
from tests.cluster.bed.cluster import Reply, User
from tests.cluster.bed.control_plane import Binaries, ControlPlane
from tests.policies.native.scenes import (
    CASES,
    CLUSTERWIDE,
    CONFIGMAPS,
    DEFINITION,
    PLURALS,
    SCENES,
    Case,
    Json,
    looked_up,
    manifest,
    manifests,
    namespace_of,
    recorded,
    snapshot,
)

ANSWERS = Path(__file__).parent / "answers.json"
USERS = {"": User("bed-admin", ("system:masters",)), "reader": User("native-reader", ("native-readers",))}
PLAIN = "native-plain"  # a namespace that no policy selects
MARKER = "native-marker"
NEW_EVERY_TIME = ("uid", "creationTimestamp", "managedFields", "resourceVersion", "generation")
METHODS = {"UPDATE": "PUT", "DELETE": "DELETE"}
RBAC = {"apiVersion": "rbac.authorization.k8s.io/v1"}


def path_of(found: Json, namespace: str, of: str = "") -> str:
    """The collection that an object belongs to."""
    version = "apps/v1" if of else found["apiVersion"]
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    space = "" if found["kind"] in CLUSTERWIDE else f"/namespaces/{namespace}"
    return f"{root}{space}/{of or PLURALS[found['kind']]}"


def steady(found: Json) -> Json:
    """An object without what is new every time."""
    metadata = {key: value for key, value in found["metadata"].items() if key not in NEW_EVERY_TIME}
    return {**found, "metadata": metadata}


def install(cluster: ControlPlane) -> None:
    """Everything that the scenes need, in force when this returns."""
    put(cluster, DEFINITION)
    cluster.wait_for("widgets to be served", partial(served, cluster))
    put(cluster, namespace_of(PLAIN, {}))
    for scene in SCENES.values():
        name = f"native-{scene['name']}"
        put(cluster, namespace_of(name, {"scene": scene["name"], **scene.get("labels", {})}))
        for found in (*scene.get("params", ()), *scene.get("objects", ())):
            put(cluster, {"apiVersion": "v1", **found}, name)
    for name in (PLAIN, *(f"native-{name}" for name in SCENES)):
        cluster.wait_for(f"the account in `{name}`", partial(settled, cluster, name))
    grant(cluster)
    for found in (*(one for scene in SCENES.values() for one in manifests(scene)), *markers()):
        put(cluster, found)
    cluster.wait_for("the policies to be in force", partial(in_force, cluster))


def put(cluster: ControlPlane, found: Json, namespace: str = "") -> None:
    cluster.request("POST", path_of(found, namespace), found).ok()


def served(cluster: ControlPlane) -> bool:
    """Both versions are served, with their schema: without that the API server can't merge."""
    paths = [f"apis/native.bed.invalid/{version}" for version in ("v1", "v2")]
    published = cluster.request("GET", "/openapi/v3").body.get("paths", {})
    return all(path in published and cluster.request("GET", f"/{path}/widgets").status == 200 for path in paths)


def settled(cluster: ControlPlane, namespace: str) -> bool:
    return cluster.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default").status == 200


def grant(cluster: ControlPlane) -> None:
    """The reader may create ConfigMaps everywhere, and nothing else."""
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]
    head = {"metadata": {"name": "native-reader"}, **RBAC}
    put(cluster, {**head, "kind": "ClusterRole", "rules": rules})
    group = "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": "ClusterRole", "name": "native-reader"}
    subject = {"apiGroup": group, "kind": "Group", "name": "native-readers"}
    put(cluster, {**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]})
    cluster.wait_for("the reader's rights", lambda: probe(cluster, {}, USERS["reader"]).status == 201)


def probe(cluster: ControlPlane, labels: Json, user: User | None = None) -> Reply:
    """A ConfigMap is created where no policy is, and isn't stored."""
    found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe", "labels": labels}}
    path = path_of(found, PLAIN)
    return cluster.request("POST", path, found, as_user=user, params={"dryRun": "All"})


def in_force(cluster: ControlPlane) -> bool:
    return MARKER in probe(cluster, {MARKER: "yes"}).message


def markers() -> list[Json]:
    """Policies that come last: once they are in force, all are."""
    constraints = {"objectSelector": {"matchLabels": {MARKER: "yes"}}, "resourceRules": [CONFIGMAPS]}
    patch = {"expression": "Object{data: {'marked': 'yes'}}"}
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": patch}
    validation = {"expression": "!has(object.data) || !has(object.data.marked)", "message": MARKER}
    mutating = {"matchConstraints": constraints, "reinvocationPolicy": "Never", "mutations": [mutation]}
    return [
        manifest("MutatingAdmissionPolicy", MARKER, mutating),
        manifest("MutatingAdmissionPolicyBinding", MARKER, {"policyName": MARKER}),
        manifest("ValidatingAdmissionPolicy", MARKER, {"matchConstraints": constraints, "validations": [validation]}),
        manifest("ValidatingAdmissionPolicyBinding", MARKER, {"policyName": MARKER, "validationActions": ["Deny"]}),
    ]


@dataclass
class Stage:
    """The API server with everything in force, and ours beside it."""

    cluster: ControlPlane
    policies: Policies
    snapshot: MemorySnapshot
    reviews: dict[str, Json] = field(default_factory=dict)  # what the authorizer was asked and said

    def send(self, case: Case, found: Json, namespace: str) -> Reply:
        """The request as a dry run."""
        operation = case.asked.get("operation", "CREATE")
        path = path_of(found, namespace, case.of)
        if operation != "CREATE":
            path += f"/{found['metadata']['name']}"
        if "subresource" in case.asked:
            path += f"/{case.asked['subresource']}"
        user = USERS[case.asked["user"]] if "user" in case.asked else None
        body = None if operation == "DELETE" else found
        return self.cluster.request(METHODS.get(operation, "POST"), path, body, as_user=user, params={"dryRun": "All"})

    def request(self, case: Case) -> Request:
        """The request as policies see it."""
        found = case.object()
        group, _, version = found["apiVersion"].rpartition("/")
        operation = Operation(case.asked.get("operation", "CREATE"))
        user = USERS[case.asked.get("user", "")]
        namespaces = {"Namespace": found["metadata"].get("name", ""), "ClusterRole": ""}
        stored = operation in (Operation.UPDATE, Operation.DELETE) and not case.of
        return Request(
            uid="",
            operation=operation,
            kind=GroupKind(group, version, found["kind"]),
            resource=Resource("apps", "v1", case.of) if case.of else Resource(group, version, PLURALS[found["kind"]]),
            subresource=case.asked.get("subresource", ""),
            namespace=namespaces.get(found["kind"], case.namespace),
            name=found["metadata"].get("name", ""),
            object=self._defaulted(case, found, operation),
            old_object=steady(self._stored(case, found)) if stored else None,
            options={"kind": f"{operation.capitalize()}Options", "apiVersion": "meta.k8s.io/v1", "dryRun": ["All"]},
            user={"username": user.name, "groups": [*user.groups, "system:authenticated"]},
            dry_run=True,
        )

    def _defaulted(self, case: Case, found: Json, operation: Operation) -> Json | None:
        """The object as it reaches policies: what the API server makes of it where there are none."""
        if operation is Operation.DELETE:
            return None
        metadata = dict(found["metadata"])
        if found["kind"] not in CLUSTERWIDE:
            metadata["namespace"] = case.namespace
        if operation is Operation.UPDATE:
            return {**({} if case.of else steady(self._stored(case, found))), **found, "metadata": metadata}
        labels = {key: value for key, value in metadata.get("labels", {}).items() if key != "scene"}
        plain = {**found, "metadata": {**found["metadata"], "labels": labels}}
        return {**steady(self.send(case, plain, PLAIN).ok()), "metadata": metadata}

    def _stored(self, case: Case, found: Json) -> Json:
        return self.cluster.request(
            "GET", f"{path_of(found, case.namespace, case.of)}/{found['metadata']['name']}"
        ).ok()

    def outcome(self, request: Request) -> Outcome:
        """Ours; what it needs to know is asked of the API server."""
        while True:
            outcome = admit(self.policies, request, self.snapshot)
            if not outcome.questions:
                assert not outcome.undetermined, outcome.undetermined
                return outcome
            answers = {one: looked_up(one) or self._authorized(one) for one in outcome.questions}
            self.snapshot = self.snapshot.with_answers(answers)

    def _authorized(self, question: Question) -> Answer:
        assert isinstance(question, Authorization)
        spec = json.loads(question.attributes)
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        status = self.cluster.request("POST", path, review).ok()["status"]
        self.reviews[question.attributes.decode()] = status
        return Answer(status)

    def annotations(self, case: Case) -> Mapping[str, str]:
        """What policies wrote into the audit event of the case's last request."""
        verb = case.asked.get("operation", "create").lower()
        spaces = ("", case.namespace, case.object()["metadata"].get("name"))
        events = [
            event
            for event in self.cluster.audit_events()
            if event["verb"] == verb
            and event["objectRef"]["resource"] in (case.of, PLURALS.get(case.object()["kind"]))
            and event["objectRef"].get("namespace", "") in spaces
            and event["objectRef"].get("name") == case.object()["metadata"].get("name")
        ]
        own = (f"{case.scene}-", "validation.policy.admission.k8s.io/")
        written = events[-1].get("annotations", {}) if events else {}
        return {key: value for key, value in written.items() if key.startswith(own)}

    def compared(self, case: Case) -> Json:
        """The case's answer. Raises AssertionError where ours is another."""
        request = self.request(case)
        ours, theirs = self.outcome(request), self.send(case, case.object(), case.namespace)
        status = None
        if theirs.status >= 400:
            message = theirs.message
            if "name" not in case.object()["metadata"]:  # the API server has made up a name by then
                message = message.replace(theirs.body["details"]["name"], case.object()["metadata"]["generateName"])
            status = {"code": theirs.status, "reason": theirs.body["reason"], "message": message}
            assert ours.status is not None, message
            mine = {"code": ours.status.code, "reason": ours.status.reason, "message": ours.status.message}
            assert mine == status, f"{case}: ours {mine}, API server's {status}"
        else:
            assert ours.status is None, f"{case}: {ours.status}"
            self._same_object(case, ours, theirs.body)
        warnings, annotations = sorted(theirs.warnings), dict(self.annotations(case))
        assert sorted(ours.warnings) == warnings, f"{case}: ours {ours.warnings}, API server's {warnings}"
        assert dict(ours.annotations) == annotations, f"{case}: ours {ours.annotations}, API server's {annotations}"
        answer = {"status": status, "warnings": warnings, "annotations": annotations, "patch": list(ours.patch)}
        return {"request": recorded(request), **answer}

    def _same_object(self, case: Case, ours: Outcome, theirs: Json) -> None:
        """What the API server made of the object is what it makes of our patched one where there are no policies."""
        if not ours.patch:
            return
        moved = {**ours.object, "metadata": {**ours.object["metadata"], "namespace": PLAIN}}
        mine, other = steady(self.send(case, moved, PLAIN).ok()), steady(theirs)
        mine["metadata"]["namespace"] = other["metadata"].get("namespace")
        assert mine == other, f"{case}: ours {mine}, API server's {other}"


def record(cluster: ControlPlane) -> Json:
    """The answers to all cases."""
    install(cluster)
    policies = read(one for scene in SCENES.values() for one in manifests(scene))
    stage = Stage(cluster, policies, snapshot())
    cases = {str(case): stage.compared(case) for case in CASES}
    version = cluster.request("GET", "/version").ok()["gitVersion"]
    return {"recordedFrom": f"kube-apiserver {version}", "reviews": stage.reviews, "cases": cases}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cluster = ControlPlane.start(Path(folder), Binaries.built())
        try:
            found = record(cluster)
        finally:
            cluster.close()
    ANSWERS.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
