"""What a real API server answered to policies of ours, recorded: the same statuses, words, warnings, annotations."""

from __future__ import annotations

import json
from functools import cache

import pytest

from policies.native import Outcome, Policies, admit, read
from policies.patch import apply, same
from policies.snapshot import Answer, Authorization, MemorySnapshot, Question
from tests.policies.native.record import ANSWERS
from tests.policies.native.scenes import CASES, SCENES, Case, Json, looked_up, manifests, request_of, snapshot

RECORDED = json.loads(ANSWERS.read_text())


@cache
def policies() -> Policies:
    """All policies of all scenes at once, as they were installed."""
    return read(one for scene in SCENES.values() for one in manifests(scene))


def outcome(case: Case) -> Outcome:
    """Ours, with the authorizer's recorded answers."""
    request, known = request_of(RECORDED["cases"][str(case)]["request"]), snapshot()
    while True:
        found = admit(policies(), request, known)
        if not found.questions:
            return found
        known = answered(known, found.questions)


def answered(known: MemorySnapshot, questions: tuple[Question, ...]) -> MemorySnapshot:
    return known.with_answers({one: looked_up(one) or reviewed(one) for one in questions})


def reviewed(question: Question) -> Answer:
    assert isinstance(question, Authorization)
    return Answer(RECORDED["reviews"][question.attributes.decode()])


def answer(case: Case) -> Json:
    """What the API server said."""
    found: Json = RECORDED["cases"][str(case)]
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_same_answer(case: Case) -> None:
    """We admit or refuse what the API server did, with its code, reason and words."""
    ours, theirs = outcome(case), answer(case)
    found = ours.status
    status = None if found is None else {"code": found.code, "reason": found.reason, "message": found.message}
    assert status == theirs["status"]
    assert sorted(ours.warnings) == theirs["warnings"]
    assert dict(ours.annotations) == theirs["annotations"]
    assert not ours.undetermined


@pytest.mark.parametrize("case", CASES, ids=str)
def test_same_object(case: Case) -> None:
    """Our patch makes the object that the API server made, and the one that we say it makes."""
    ours, theirs = outcome(case), answer(case)
    made = apply(theirs["request"]["object"], ours.patch)
    assert same(made, apply(theirs["request"]["object"], theirs["patch"]))
    if ours.allowed:
        assert same(made, ours.object)


def test_the_recording_is_whole() -> None:
    """Every case has its answer, and there are at least thirty policies of the one kind and fifteen of the other."""
    assert set(RECORDED["cases"]) == {str(case) for case in CASES}
    assert len(policies().validating) >= 30
    assert len(policies().mutating) >= 15


def test_refusals_and_admissions() -> None:
    """The recording has plenty of both, and of warnings and annotations."""
    found = [answer(case) for case in CASES]
    assert sum(one["status"] is not None for one in found) > 25
    assert sum(one["status"] is None for one in found) > 25
    assert sum(bool(one["warnings"]) for one in found) > 10
    assert sum(bool(one["annotations"]) for one in found) > 5
    assert sum(bool(one["patch"]) for one in found) > 10
