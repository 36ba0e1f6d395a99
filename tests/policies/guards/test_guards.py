"""The native policies that guard labels: who gets past them by our reader, and that nobody is refused by accident."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.guards import Actors, Guarding, native
from policies.native import Outcome, read, validate
from policies.request import GroupKind, Operation, Request, Resource
from policies.snapshot import MemorySnapshot
from policies.typecheck import Schemas, warnings_of
from tests.policies.guards.attempts import ATTEMPTS, KEYS, LABEL_KEYS, PROFILE, SOMEBODY, Attempt, refusing

Json = dict[str, Any]
ALWAYS = ("kube-system",)
GUARDING = Guarding.of(PROFILE, ALWAYS)
POLICIES = read(native(GUARDING)).validating


def asked(
    kind: str,
    name: str,
    before: Json | None,
    after: Json | None,
    user: str,
    groups: tuple[str, ...] = (),
    via: str = "",
) -> Request:
    """As the API server would ask; None for labels means that `metadata` has none."""

    def found(labels: Json | None) -> Json:
        metadata = {"name": name} if labels is None else {"name": name, "labels": labels}
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata}

    return Request(
        uid="u",
        operation=Operation.CREATE if before is None else Operation.UPDATE,
        kind=GroupKind("", "v1", kind),
        resource=Resource("", "v1", f"{kind.lower()}s"),
        subresource=via,
        name=name,
        object=found(after or None),
        old_object=None if before is None else found(before or None),
        user={"username": user, "groups": list(groups)} if groups else {"username": user},
    )


def judged(request: Request, policies: Any = POLICIES) -> Outcome:
    return validate(policies, request, MemorySnapshot.of([]))


def asked_by(one: Attempt) -> Request:
    return asked(one.kind, one.name, one.before, one.after, one.user, one.groups, one.via)


@pytest.mark.parametrize("one", ATTEMPTS, ids=lambda one: one.name)
def test_attempts(one: Attempt) -> None:
    """Each attempt is refused by the policy that is named, and by no other; what isn't one goes through."""
    outcome = judged(asked_by(one))
    assert {denial.policy for denial in outcome.denials} == ({f"bailiwick-{one.refused}"} if one.refused else set())
    assert outcome.undetermined == ()
    if one.refused:
        assert outcome.status is not None
        assert outcome.status.code == 403


def test_a_refusal_says_which_label_and_who_may() -> None:
    """The keys that were touched, the names of those who may, and the field that says so."""
    request = asked("Namespace", "n", {KEYS["CLASS"]: "restricted", "a": "b"}, {KEYS["RESIDENCY"]: "us"}, "eve")
    (denial,) = judged(request).denials
    assert denial.message == (
        "`bailiwick.dev/jurisdiction`, `bailiwick.dev/data-class` may be changed only by group `privacy`, "
        "`compliance@example.eu`; `spec.guards.classes` of the ClusterProfile says who may"
    )


def test_changes_that_go_through_stand_in_the_audit_log() -> None:
    """An allowed change is annotated with its labels, anything else with nothing."""
    allowed = judged(asked("Node", "n", {}, {KEYS["PLACE"]: "x"}, "ops", ("platform",)))
    assert allowed.annotations == {"bailiwick-places/changed": KEYS["PLACE"]}
    assert judged(asked("Node", "n", {}, {"rack": "7"}, "eve")).annotations == {}


def test_no_type_warnings() -> None:
    """Every expression fits the kinds that the policies are about."""
    for one in native(GUARDING):
        if one["kind"] == "ValidatingAdmissionPolicy":
            assert list(warnings_of(one, Schemas.of(()))) == []


def test_unclassified_namespaces_can_be_refused() -> None:
    """`unclassified: Refuse`: only those who may classify make one; machinery and subresources go on."""
    strict = {**PROFILE, "guards": {**PROFILE["guards"], "unclassified": "Refuse"}}
    policies = read(native(Guarding.of(strict, ALWAYS))).validating

    def refused(name: str, user: str, *groups: str, before: Json | None = None, via: str = "") -> bool:
        return not judged(asked("Namespace", name, before, {"a": "b"}, user, groups, via), policies).allowed

    assert refused("n", "dev@example.eu")
    assert not refused("n", "dpo", "privacy")
    assert not refused("n", "dev@example.eu", before={}, via="finalize")
    assert not refused("gpu-operator", "ops", "platform")
    assert not refused("kube-system", "system:apiserver", "system:masters")
    assert refused("other", "ops", "platform")


def test_who_may_when_nobody_is_named() -> None:
    """Whoever can take the policies away, the labeller for places, and the API server for its own namespaces."""
    bare = Guarding.of({"cluster": "c"})
    masters = ("system:masters",)
    assert bare.places == Actors(("system:serviceaccount:bailiwick-system:bailiwick",), masters)
    assert bare.classes == Actors((), masters)
    assert bare.infrastructure == Actors(("system:apiserver",), masters)


def test_a_kubelet_is_nobody_who_may() -> None:
    """Where the NodeRestriction plugin is off, the policy refuses the kubelet all the same; its heartbeat goes on."""
    kubelet = ("system:node:n", ("system:nodes",))
    for via in ("", "status"):
        assert not judged(asked("Node", "n", {}, {KEYS["PLACE"]: "aws.eu-central-1"}, *kubelet, via)).allowed
        assert judged(asked("Node", "n", {KEYS["PLACE"]: "x"}, {KEYS["PLACE"]: "x", "a": "b"}, *kubelet, via)).allowed
    assert not judged(asked("Node", "n", None, {KEYS["PLACE"]: "aws.eu-central-1"}, *kubelet)).allowed


def test_labels_that_kubelets_set_are_not_guarded_for_a_site() -> None:
    """A site may be known by them beside other things, and kubelets go on setting them."""
    assert GUARDING.site_labels == ("pool.node-restriction.kubernetes.io/cellar",)


def test_names_are_text_whatever_they_are() -> None:
    """A quote, a backslash or a name beyond the first plane is part of the name and never of the expression."""
    odd = ['a"] || true || x in ["', "back\\slash", "\U0001f511\u2028", "tab\tname"]
    guarding = Guarding.of({"guards": {"classes": {"users": odd, "groups": odd}}})
    policies = read(native(guarding)).validating
    for name in odd:
        assert judged(asked("Namespace", "n", {}, {KEYS["CLASS"]: "a"}, name), policies).allowed
        assert judged(asked("Namespace", "n", {}, {KEYS["CLASS"]: "a"}, "x", (name,)), policies).allowed
    assert not judged(asked("Namespace", "n", {}, {KEYS["CLASS"]: "a"}, "x"), policies).allowed


LABELS = st.none() | st.dictionaries(st.sampled_from(LABEL_KEYS), st.sampled_from(["", "a", "b"]), max_size=4)
WHO = st.sampled_from(SOMEBODY)


@given(st.sampled_from(["Node", "Namespace"]), LABELS, LABELS, WHO, st.booleans())
def test_random_changes(kind: str, before: Json | None, after: Json | None, who: Any, made: bool) -> None:
    """A guarded label is changed by those who may and by nobody else, and no request fails by an error."""
    user, groups = who
    old = None if made else before or {}
    outcome = judged(asked(kind, "n", old, after, user, groups))
    refused = {denial.policy.removeprefix("bailiwick-") for denial in outcome.denials}
    assert refused == refusing(old, after, kind, groups)
    assert not any("resulted in error" in denial.message for denial in outcome.denials)
