"""Generated functions against the steps: a program's first evaluation goes the one way, its later ones the other."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.cel import Budget, CompileError, Compiler, CostExceeded, Environment, EvaluationError, Program
from policies.cel.check.checker import check
from policies.cel.parser import parse
from policies.cel.plan.planner import plan
from policies.cel.quick.draft import Draft
from policies.cel.quick.generator import draft
from policies.cel.tagged import tagged
from policies.cel.versions import macro_table
from tests.policies.cel.oracle import objects
from tests.policies.cel.oracle.generator import Generator

Json = dict[str, Any]
VERSIONS = ((1, 31), (1, 34), (1, 36), (1, 37))
OBJECT: Json = {
    "spec": {"replicas": 3, "containers": [{"name": "a", "image": "r/a:1"}, {"name": "b"}], "empty": []},
    "metadata": {"name": "n", "labels": {"app": "x", "tier": ""}},
}


def outcome(program: Program, names: Mapping[str, object], limit: int = 1_000_000) -> tuple[object, int]:
    """The tagged value or the error's text, and what it cost."""
    budget = Budget(limit)
    try:
        value: object = tagged(program.exact(names, budget))
    except (EvaluationError, CostExceeded) as error:
        value = str(error)
    return value, budget.spent


def outcomes(source: str, names: Mapping[str, object], environment: Environment) -> tuple[object, object, bool]:
    """Of the first evaluation and of a later one; and whether that had a generated function."""
    program = Compiler().compile(source, environment)
    first = outcome(program, names)
    later = outcome(program, names)
    return first, later, program.is_quick


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_both_ways_agree_on_random_expressions(seed: int) -> None:
    """Value, error and cost of random expressions over random objects are the same the first time and later."""
    random = Random(seed)
    names = objects.bindings(random)
    generator = Generator(random, names, False)
    environment = Environment.admission(random.choice(VERSIONS))
    for _ in range(10):
        source = generator.expression().text
        try:
            first, later, _ = outcomes(source, names, environment)
        except CompileError:
            continue
        assert first == later, source


EXPRESSIONS = (
    "object.spec.containers.all(c, has(c.name) && has(c.image) || c.name == 'b')",
    "object.spec.containers.exists_one(c, c.name.startsWith('a'))",
    "object.spec.containers.map(c, c.?image.orValue('none'))",
    "object.spec.containers.filter(c, has(c.image)).map(c, c.image.split('/')[1])",
    "object.metadata.labels.exists(k, v, k == 'tier' && v == '')",
    "object.?spec.?missing.orValue(object.metadata.name) + '!'",
    "object.spec.containers[0].name in ['a', 'b'] ? object.spec.replicas : 0",
    "object.spec.replicas in [1, 2, 3] && 'app' in object.metadata.labels && size(object.spec.empty) == 0",
    "object.spec.containers.map(c, c.name).join(',').upperAscii()",
    "quantity('1Gi').compareTo(quantity('512Mi')) > 0 && !isQuantity(object.metadata.name)",
    "object.metadata.name.matches('^[a-z]+$') && object.spec.replicas >= 3 && object != null",
    "{'a': 1, 'b': 3}['b'] == object.spec.replicas && {'a': object.spec.replicas}.size() == 1",
    "object.missing == 1 || true",
    "object.spec.containers.all(c, c.image != '')",
    "object.spec.?replicas.optMap(r, r + 1).orValue(0) == 4 && !object.?none.optMap(r, r.x).hasValue()",
    "[?object.?none, object.?spec.?replicas.orValue(1)].size() == 1",
    "has(object.spec.?missing.x) || object.spec.containers.size() == 2",
)


@pytest.mark.parametrize("source", EXPRESSIONS)
def test_the_usual_expressions_have_a_quick_form(source: str) -> None:
    """What policies are made of is evaluated by a generated function, to the same value at the same cost."""
    first, later, is_quick = outcomes(source, {"object": OBJECT}, Environment.admission())
    assert is_quick
    assert first == later


@pytest.mark.parametrize(
    "source",
    [
        "object.spec.replicas == 3 ? has(object.spec.?missing.x) : false",
        "object.spec.containers.map(c, quantity('1').compareTo(quantity('1e400')) < 0)",
        "[quantity('1')].map(q, [q.compareTo(quantity('1e400')), q.isInteger() ? 1 : 0])",
        "object.spec.containers.all(c, has(c.image) ? true : c.name == 'b')",
        "object.spec.containers.all(c, c.image == 'r/a:1' || c.name == 'b')",
        "lists.range(2000).all(i, i < 2000) && object.missing == 1",
        "optional.of(optional.of(object.spec.replicas)).optMap(r, r)",
        "object.spec.?replicas.optFlatMap(r, r > 2 ? optional.of(r) : optional.none()).orValue(0)",
    ],
)
def test_oddities_are_the_same_both_ways(source: str) -> None:
    """What the API server does in a way of its own, and what fails late, comes out the same however it is evaluated."""
    first, later, _ = outcomes(source, {"object": OBJECT}, Environment.admission())
    assert first == later


@pytest.mark.parametrize("source", EXPRESSIONS)
def test_the_limit_is_the_same_to_a_unit(source: str) -> None:
    """An evaluation that may cost exactly what it costs succeeds; with one unit less it is cancelled, both ways."""
    environment = Environment.admission()
    program, names = Compiler().compile(source, environment), {"object": OBJECT}
    _, cost = outcome(program, names)
    for limit in (cost - 1, cost):
        slow = outcome(Compiler().compile(source, environment), names, limit)
        assert outcome(program, names, limit) == slow
        assert (slow[0] == "operation cancelled: actual cost limit exceeded") is (limit < cost)


class Recorded(dict[str, object]):
    """Names that say which of them were looked up."""

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__()
        self.values_behind = values
        self.asked: list[str] = []

    def __missing__(self, name: str) -> object:
        self.asked.append(name)
        return self.values_behind[name]


@pytest.mark.parametrize(
    ("source", "touched"),
    [
        ("object.spec.replicas == 3 || params.x == 1", {"object"}),
        ("object.spec.empty.all(e, e in params.allowed)", {"object"}),
        ("object.spec.replicas == 3 ? object.metadata.name : oldObject.metadata.name", {"object"}),
        ("object.?spec.?replicas.orValue(params.replicas) == 3", {"object"}),
    ],
)
def test_names_are_looked_up_only_where_they_count(source: str, touched: set[str]) -> None:
    """A name that decides nothing is never asked for: it may be costly, unknown or an error."""
    program = Compiler().compile(source, Environment.admission())
    for _ in range(4):
        names = Recorded({"object": OBJECT})
        assert program.evaluate(names) in (True, "n")
        assert set(names.asked) == touched


def skeleton(source: str) -> str:
    """The generated source without its numbers: names are numbered, and sizes of constants are written out."""
    return re.sub(r"\d+", "0", drafted(source).source)


def drafted(source: str) -> Draft:
    environment = Environment.admission()
    checked = check(parse(source, macro_table(environment.kubernetes)), source, environment)
    found = draft(checked, plan(checked, source, environment).known, environment)
    assert found is not None
    return found


def quoted(text: str) -> str:
    return "'" + "".join(f"\\U{ord(character):08x}" for character in text) + "'"


@given(text=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=10))
def test_nothing_of_the_user_is_in_the_source(text: str) -> None:
    """But for sizes, generated source is the same whatever texts and keys an expression has: it has none of them."""
    pattern = "object[{0}] == {0} && object[{0}].contains({0}) && [{0}, 'z'].exists(e, e == {0})"
    assert skeleton(pattern.format(quoted(text))) == skeleton(pattern.format("'a'"))


def test_many_threads_share_a_program() -> None:
    """Threads that evaluate a new program at the same time all get its value."""
    source = "object.spec.containers.map(c, c.name) == ['a', 'b']"
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads meet in the middle of things
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(100):
                program = Compiler().compile(source, Environment.admission())
                found = list(pool.map(lambda _, p=program: p.evaluate({"object": OBJECT}), range(24)))
                assert found == [True] * 24
    finally:
        sys.setswitchinterval(switching)


def deep(levels: int) -> Iterator[str]:
    yield "!" * levels + "(object.spec.replicas == 3)"
    yield "[" * levels + "object.spec.replicas" + "]" * levels
    yield " && ".join(["object.spec.replicas == 3"] * levels)
    yield " ? ".join(["object.spec.replicas == 3"] * levels) + " ? 1" + " : 1" * levels
    if levels <= 14:
        loops = (f"object.spec.containers.all(v{level}, " for level in range(levels))
        yield "".join(loops) + "true" + ")" * levels


@pytest.mark.parametrize("levels", [2, 8, 14, 60, 120])
def test_what_python_could_not_nest_is_still_evaluated(levels: int) -> None:
    """Depth that Python's grammar has no room for changes nothing."""
    for source in deep(levels):
        try:
            first, later, _ = outcomes(source, {"object": OBJECT}, Environment.admission())
        except CompileError:
            continue  # deeper than the API server allows
        assert first == later
