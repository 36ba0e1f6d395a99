"""Our models judge every case of tests/vectors/kinds as its author did."""

from __future__ import annotations

from collections import Counter

import pytest

from policies.kinds import KINDS, KindInvalid, parse
from tests.policies.kinds.mutants import mutants
from tests.policies.kinds.vectors import Case, cases

CASES = cases()


@pytest.mark.parametrize("case", [case for case in CASES if case.good], ids=str)
def test_good(case: Case) -> None:
    """A good object becomes a model that says the same."""
    kind = parse(case.value)
    assert (kind.kind, kind.metadata.name) == (case.value["kind"], case.value["metadata"]["name"])
    assert kind.model_dump(by_alias=True, exclude_unset=True, mode="json")["spec"] == _without_nulls(case.value["spec"])


@pytest.mark.parametrize("case", [case for case in CASES if not case.good], ids=str)
def test_bad(case: Case) -> None:
    """A bad object is refused with a problem at each field that is wrong, and at no other."""
    with pytest.raises(KindInvalid) as caught:
        parse(case.value)
    assert sorted(problem.field for problem in caught.value.problems) == sorted(case.at)
    for problem in caught.value.problems:
        assert problem.message
        assert "\n" not in str(problem)


def test_mutants() -> None:
    """Whatever is wrong with an object, it is a problem with a field and a message, never another exception."""
    refused = 0
    for case in mutants(3000, seed=1):
        try:
            parse(case.value)
        except KindInvalid as invalid:
            refused += 1
            assert invalid.problems
            assert all(problem.field and problem.message for problem in invalid.problems)
    assert 2000 < refused < 3000


def test_enough() -> None:
    """Every kind has good and bad cases, and no case stands there twice."""
    counted = Counter((case.value["kind"], case.good) for case in CASES)
    assert set(counted) == {(kind, good) for kind in KINDS for good in (True, False)}
    assert max(Counter(str(case) for case in CASES).values()) == 1
    assert len(CASES) >= 60


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
