from base64 import b64decode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.decision import Action, Decision, Inputs, Reason, Verdict
from policies.request import Phase
from webhook.reviews.answer import WARNING_LIMIT, WARNINGS_LIMIT, answer_bytes, bounded_warnings, denial_message

STEP = {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}
PLACE = Reason("place-outside-jurisdiction", "placement", "could run in `aws.us-east-1`", "spec", "require a place")
PINNED = Reason("image-not-pinned", "provenance", "image `a` is not pinned", "spec.containers[0]", "use a digest")


def answered(decision: Decision, phase: Phase = Phase.FAIL, index: int | None = 7) -> Any:
    return orjson.loads(answer_bytes("u-1", phase, decision, "d-1", index))["response"]


def test_allowed() -> None:
    """An admission echoes the uid and leads to its record."""
    answer = answered(Decision(Verdict.ALLOWED, inputs=Inputs(policies=b"\x01\x02")))
    assert answer == {
        "uid": "u-1",
        "allowed": True,
        "auditAnnotations": {
            "decision-id": "d-1",
            "leaf-index": "7",
            "policy-digest": "0102",
            "verdict": "allowed",
        },
    }


def test_dry_run_has_no_leaf() -> None:
    """Where nothing was recorded, no leaf is named."""
    assert "leaf-index" not in answered(Decision(Verdict.ALLOWED), index=None)["auditAnnotations"]


def test_denied() -> None:
    """A denial names all reasons for people, and the same again for programs."""
    status = answered(Decision(Verdict.DENIED, (PLACE, PINNED)))["status"]
    assert (status["code"], status["reason"], status["status"]) == (403, "Forbidden", "Failure")
    assert status["message"].splitlines() == [
        "1. place-outside-jurisdiction at spec (policy `placement`): could run in `aws.us-east-1`",
        "   to do: require a place",
        "2. image-not-pinned at spec.containers[0] (policy `provenance`): image `a` is not pinned",
        "   to do: use a digest",
    ]
    assert [(cause["reason"], cause["field"]) for cause in status["details"]["causes"]] == [
        ("place-outside-jurisdiction", "spec"),
        ("image-not-pinned", "spec.containers[0]"),
    ]


def test_equal_reasons_are_one() -> None:
    """One finding at many places is one paragraph that lists the places."""
    many = [Reason(PINNED.code, PINNED.policy, PINNED.message, f"spec.containers[{n}]", PINNED.fix) for n in range(3)]
    message = denial_message(many)
    assert message.count("image-not-pinned") == 1
    assert "spec.containers[0], spec.containers[1], spec.containers[2]" in message


def test_message_is_bounded() -> None:
    """A denial with more reasons than fit says how many are left out."""
    many = [Reason("policy-violated", "p", f"{n} " + "x" * 1000) for n in range(200)]
    message = denial_message(many)
    assert len(message) < 66_000
    kept = message.count("policy-violated")
    assert message.endswith(f"and {200 - kept} more reasons: see the record")


def test_only_denying_reasons_deny() -> None:
    """A reason that only warns does not stand in a denial's message."""
    warned = Reason("policy-violated", "p", "only a warning", actions=(Action.WARN,))
    assert "only a warning" not in answered(Decision(Verdict.DENIED, (warned, PLACE)))["status"]["message"]


@pytest.mark.parametrize(
    ("code", "status"), [("internal-fault", 500), ("record-not-durable", 503), ("deadline-exceeded", 504)]
)
def test_faults_of_ours(code: str, status: int) -> None:
    """A fault of ours does not look like the requester's; beside a real reason it does not hide it."""
    fault = Reason(code, "bailiwick", "something failed")
    assert answered(Decision(Verdict.DENIED, (fault,)))["status"]["code"] == status
    assert answered(Decision(Verdict.DENIED, (PLACE, fault)))["status"]["code"] == 403


def test_undetermined() -> None:
    """What is not known is denied, with the reason why."""
    unknown = Reason("undetermined", "placement", "node `n` is not known", undetermined=True)
    answer = answered(Decision(Verdict.UNDETERMINED, (unknown,)))
    assert not answer["allowed"]
    assert "node `n` is not known" in answer["status"]["message"]


def test_patch() -> None:
    """A patch leaves through the mutating door, as base64 of a JSON Patch."""
    answer = answered(Decision(Verdict.MUTATED, patch=(STEP,)), Phase.MUTATE)
    assert answer["patchType"] == "JSONPatch"
    assert orjson.loads(b64decode(answer["patch"])) == [STEP]


@pytest.mark.parametrize("phase", [Phase.FAIL, Phase.IGNORE])
def test_no_patch_elsewhere(phase: Phase) -> None:
    """A validating door never patches, and a denial never patches."""
    assert "patch" not in answered(Decision(Verdict.MUTATED, patch=(STEP,)), phase)
    assert "patch" not in answered(Decision(Verdict.DENIED, (PLACE,), patch=(STEP,)), Phase.MUTATE)


@given(st.lists(st.text(max_size=400), max_size=40))
def test_warnings_fit(warnings: list[str]) -> None:
    """Warnings hold what an API server passes on: no control characters, 256 characters each, 4096 together."""
    kept = bounded_warnings(warnings)
    assert all(text.isprintable() and 0 < len(text) <= WARNING_LIMIT for text in kept)
    assert sum(map(len, kept)) <= WARNINGS_LIMIT
    assert len(kept) == len(set(kept))


def test_no_warning_is_lost_silently() -> None:
    """Warnings that find no room are counted."""
    kept = bounded_warnings(f"{n:03}" + "x" * 250 for n in range(30))
    assert kept[-1] == f"and {30 - len(kept) + 1} more warnings"


def test_policy_annotations_do_not_override_ours() -> None:
    """A policy's own audit annotations travel too, but cannot take the place of ours."""
    decision = Decision(Verdict.ALLOWED, annotations=(("team", "a"), ("verdict", "denied")))
    annotations = answered(decision)["auditAnnotations"]
    assert (annotations["team"], annotations["verdict"]) == ("a", "allowed")
