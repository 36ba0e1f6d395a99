"""Planned programs: what is evaluated and what isn't, which errors are absorbed, what it costs, who may share it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pytest

from policies.cel import Budget, Compiler, CostExceeded, Environment, EvaluationError, Function
from policies.cel.functions import free
from policies.cel.program import Program
from policies.cel.types import BOOL, INT

ENVIRONMENT = Environment.admission((1, 36))
COMPILER = Compiler()


class Watched(Mapping[str, object]):
    """Names that remember which of them were looked at."""

    def __init__(self, **names: object) -> None:
        self._names = names
        self.seen: list[str] = []

    def __getitem__(self, name: str) -> object:
        self.seen.append(name)
        return self._names[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def program(source: str, environment: Environment = ENVIRONMENT) -> Program:
    return COMPILER.compile(source, environment)


def run(source: str, **names: Any) -> Any:
    """The value; the text of an error where there is none."""
    try:
        return program(source).evaluate(names)
    except EvaluationError as error:
        return f"error: {error}"


def test_names_are_looked_at_when_they_are_needed() -> None:
    """What isn't evaluated isn't looked at: the other branch, what comes after a decision, a name that isn't said."""
    names = Watched(object={"a": 1}, oldObject=None, params={})
    program("object.a == 1 || oldObject.b == 2").evaluate(names)
    program("object.a == 1 ? true : params.c").evaluate(names)
    program("object.a == 2 && params.d").evaluate(names)
    assert set(names.seen) == {"object"}


OPERANDS = {"true": "object.t", "false": "object.f", "error": "object.missing", "no bool": "object.n"}


@pytest.mark.parametrize(("left", "right"), list(product(OPERANDS, OPERANDS)))
def test_errors_that_do_not_matter(left: str, right: str) -> None:
    """`&&` and `||` absorb the error of one side where the other decides alone, whichever comes first."""
    names = {"object": {"t": True, "f": False, "n": 1}}
    either = run(f"{OPERANDS[left]} || {OPERANDS[right]}", **names)
    both = run(f"{OPERANDS[left]} && {OPERANDS[right]}", **names)
    sides = {left, right}
    assert either is True if "true" in sides else either is False if sides == {"false"} else "error" in either
    assert both is False if "false" in sides else both is True if sides == {"true"} else "error" in both


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("[1, 0].exists(x, 1 / x == 1)", True),
        ("[0, 1].exists(x, 1 / x == 1)", True),
        ("[0, 2].exists(x, 1 / x == 1)", "error: division by zero"),
        ("[0, 2].all(x, 1 / x == 1)", False),
        ("[0, 1].all(x, 1 / x == 1)", "error: division by zero"),
        ("[0, 1].exists_one(x, 1 / x == 1)", "error: division by zero"),
        ("[0, 1].map(x, 1 / x)", "error: division by zero"),
        ("[0, 1].filter(x, 1 / x == 1)", "error: division by zero"),
        ("[].all(x, 1 / 0 == 1)", True),
        ("[].exists(x, 1 / 0 == 1)", False),
        ("true || 1 / object.zero == 1", True),
        ("false ? 1 / object.zero : 2", 2),
        ("has(object.a.b)", "error: no such key: a"),
        ("has(object.list.b)", "error: unsupported index type 'string' in list"),
        ("has(object.nothing.b)", False),
        ("object.?a.b.c.orValue(3)", 3),
        ("object.?nothing.?b.hasValue()", False),
    ],
)
def test_absorbed_or_not(source: str, value: object) -> None:
    """Loops absorb errors as their operator does, and nothing else absorbs any."""
    assert run(source, object={"zero": 0, "list": [], "nothing": None}) == value


COSTS = {
    "1": 0,
    "object": 1,
    "object.a": 2,
    "object.a + 1": 3,
    "[1, 2]": 0,
    "[object.a]": 12,
    "{'a': object.a}": 32,
    "has(object.a)": 1,
    "object.a in [1, 2, 3]": 2,
    "object.a in object.items": 5,
    "object.text + object.text": 5,
    "object.text + 'a'": 13,
    "object.text.contains('aaaaaaaaaa')": 2 + 10,
    "size(object.text)": 3,
}


@pytest.mark.parametrize(("source", "cost"), COSTS.items())
def test_costs(source: str, cost: int) -> None:
    """A name, a selection, a list, a map, a call and every tenth character cost what they cost the API server; what is
    constant costs nothing.
    """
    budget = Budget()
    program(source).evaluate({"object": {"a": 1, "text": "a" * 100, "items": [1, 2]}}, budget)
    assert budget.spent == cost


def test_longer_costs_more() -> None:
    """Loops cost with the length of the list, patterns with that of text and pattern."""

    def cost(source: str, **found: object) -> int:
        budget = Budget()
        program(source).evaluate({"object": found}, budget)
        return budget.spent

    loop = [cost("object.l.all(x, x > 0)", l=[1] * length) for length in (1, 2, 3, 10)]
    assert loop[1] - loop[0] == loop[2] - loop[1] > 0
    assert loop[3] - loop[0] == 9 * (loop[1] - loop[0])
    assert cost("object.t.matches('a+')", t="a" * 1000) > cost("object.t.matches('a+')", t="a" * 10)
    assert cost("object.t.matches('a{1,3}b{1,3}')", t="a" * 100) > cost("object.t.matches('a')", t="a" * 100)


def test_a_budget_ends_an_evaluation() -> None:
    """What costs more than is left is stopped; nothing absorbs that, and it is spent from the parent, too."""
    parent = Budget(50)
    budget = Budget(parent=parent)
    with pytest.raises(CostExceeded):
        program("object.l.all(x, x > 0) || true").evaluate({"object": {"l": [1] * 100}}, budget)
    assert budget.spent > 50 and parent.left == 0
    with pytest.raises(CostExceeded):
        program("object.l").evaluate({"object": {"l": []}}, budget)


def test_failures_are_paid_for() -> None:
    """An evaluation that fails costs what it did until then."""
    budget = Budget()
    with pytest.raises(EvaluationError):
        program("object.a.b.c").evaluate({"object": {"a": {}}}, budget)
    assert budget.spent == 3


def test_a_program_is_shared_by_threads() -> None:
    """One program gives each of many threads its own answer."""
    shared = program("object.l.map(x, x + object.n).filter(x, x > 50).size()")
    wrong: list[object] = []

    def ask(number: int) -> None:
        for _ in range(50):
            found = shared.evaluate({"object": {"l": list(range(100)), "n": number}})
            if found != sum(value + number > 50 for value in range(100)):
                wrong.append(found)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_inputs_stay_as_they_are() -> None:
    """An evaluation changes nothing of what it is given, and what it builds is new."""
    given = {"object": {"l": [3, 1, 2], "m": {"a": [1]}}}
    before = repr(given)
    assert run("object.l.sort() + object.l.reverse() + object.l.map(x, x)", **given)
    assert run("[object.m].map(m, m.a + [2])", **given) == [[1, 2]]
    assert repr(given) == before


def test_plain_values_in_plain_values_out() -> None:
    """Nothing is converted: what is selected is the very object that was given."""
    found = {"a": {"b": [1, "x", None, 1.5, True]}}
    assert run("object.a", object=found) is found["a"]
    assert run("object.a.b[1]", object=found) == "x"


def test_functions_of_the_host() -> None:
    """A function of ours gets plain values; whatever it raises is an error of the evaluation, with the cause kept."""

    def halve(number: int) -> int:
        return 2 // number

    environment = ENVIRONMENT.extend(functions=[Function("halve", [free([INT], INT, halve)], cost=7)])
    assert program("halve(1)", environment).evaluate({}) == 2
    with pytest.raises(EvaluationError) as failed:
        program("halve(0)", environment).evaluate({})
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    budget = Budget()
    program("halve(2) == 1", environment).evaluate({}, budget)
    assert budget.spent == 8
    assert program("halve(0) == 1 || true", environment).evaluate({}) is True


def test_values_keep_their_kinds() -> None:
    """Python's own equality is never asked: true is no 1, 1 is no text, and numbers are equal over their types."""
    names = {"object": {"one": 1, "yes": True, "half": 0.5, "text": "1", "float": 1.0}}
    assert run("object.one == object.yes", **names) is False
    assert run("object.one in [object.yes]", **names) is False
    assert run("object.one == object.float && object.one in [object.float]", **names) is True
    assert run("object.one == object.text", **names) is False
    assert run("{object.one: 'a', object.text: 'b'}.size()", **names) == 2
    assert run("object.list[-1]", object={"list": [1]}) == "error: index out of bounds: -1"
    assert run("object.yes < true", **names) is False


def test_the_wanted_type_is_asked_for() -> None:
    """A program that must give a bool gives one, or there is none."""
    assert COMPILER.compile("object.a == 1", ENVIRONMENT, BOOL).type == BOOL
