"""What holds for every text, every expression and every object."""

from __future__ import annotations

import os
import re
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.cel import Budget, CompileError, Compiler, CostExceeded, Environment, EvaluationError, ParseError
from policies.cel.errors import CheckError, Fatal
from policies.cel.library.authorizer import Authorizer, Decision
from policies.cel.parser import parse
from policies.cel.program import Program
from policies.cel.types import DYN, ObjectType
from policies.cel.unparse import unparse
from policies.cel.values import MISSING
from tests.policies.cel.sources import (
    LONGER,
    anything,
    anything_like_cel,
    calls,
    composed,
    generated,
    raw,
    requests,
    seeds,
    soups,
    texts,
)

Json = dict[str, Any]
VARIABLES = ObjectType("kubernetes.variables", {"v": DYN})
ENVIRONMENTS = {
    (version, patches): Environment.admission(version, patches).extend(variables={"variables": VARIABLES})
    for version in ((1, 34), (1, 36), (1, 37))
    for patches in (False, True)
}
COMPILER = Compiler()
often = settings(max_examples=int(os.environ.get(LONGER, "100")))


def answered(source: str, names: Json, version: tuple[int, int] = (1, 36), *, patches: bool = False) -> Any:
    """The value, or the error; whatever isn't the engine's own error is let through."""
    try:
        program = COMPILER.compile(source, ENVIRONMENTS[version, patches])
    except CompileError as error:
        assert error.problems and str(error)
        return error
    return evaluated(program, names)


def evaluated(program: Program, names: Json) -> Any:
    user = {"username": "a"}
    authorizer = Authorizer(user, lambda _: Decision(allowed=True, reason="r"))
    given = {**names, "variables": {"v": names.get("params")}, "authorizer": authorizer}
    given["authorizer.requestResource"] = MISSING
    answers = [_once(program, MappingProxyType(given)) for _ in range(3)]  # the quick way begins with the second
    assert len({(type(value), _written(value), cost) for value, cost in answers}) == 1, program.source
    return answers[0][0]


def _once(program: Program, names: MappingProxyType[str, Any]) -> tuple[Any, int]:
    budget = Budget()
    try:
        value = program.evaluate(names, budget)
    except (EvaluationError, CostExceeded) as error:
        mistake = str(error).startswith("internal error") and not isinstance(error.__cause__, Fatal)
        assert not mistake, f"{program.source}: {error!r} from {error.__cause__!r}"
        value = error
    assert budget.spent >= 0
    return value, budget.spent


def _written(value: Any) -> str:
    """What tells answers apart. Decisions and formats are objects of their libraries, made anew each time."""
    return re.sub(r" object at 0x[0-9a-f]+", "", str(value) if isinstance(value, Exception) else repr(value))


@often
@given(anything_like_cel | texts | raw | soups, st.booleans())
def test_any_text_is_a_tree_or_a_parse_error(source: str, quoted: bool) -> None:
    """Any bytes give a tree or a ParseError, which points into the source; what has a tree keeps it when written anew.

    Nothing else is ever raised.
    """
    _tree_or_parse_error(source, quoted)


LONG = {
    "too long": "a" * 100_001,
    "as long as it may be": "a" * 99_000,
    "brackets": "(" * 400 + "1" + ")" * 400,
    "lists": "[" * 251,
    "minus": "-" * 2000 + "1",
    "ternaries": "a?b:" * 1000 + "c",
    "selections": "a" + ".b" * 900,
    "methods": "a" + ".b()" * 260,
    "sums": "1+" * 3000 + "1",
    "terms": "a||" * 9000 + "a",
    "a lone surrogate": "\ud800",
    "an escaped one": "'\\ud800'",
    "no character at all": "",
    "nothing but a comment": "// x",
}


@pytest.mark.parametrize("source", LONG.values(), ids=LONG)
def test_long_text_is_a_tree_or_a_parse_error(source: str) -> None:
    """So do texts of any length and depth."""
    _tree_or_parse_error(source, quoted=False)


def _tree_or_parse_error(source: str, quoted: bool) -> None:
    try:
        tree = parse(source, quoted_fields=quoted)
    except ParseError as error:
        assert all(one.offset is None or 0 <= one.offset <= len(source) for one in error.problems)
        assert str(error)
        return
    again = unparse(tree)
    assert parse(again, quoted_fields=True) == tree
    assert unparse(parse(again, quoted_fields=True)) == again


@often
@given(seeds, st.booleans())
def test_expressions_that_make_sense_keep_their_tree(seed: int, patches: bool) -> None:
    """So do random expressions that a type checker mostly accepts: few of them are refused by the parser."""
    source, _ = generated(seed, patches=patches)
    try:
        tree = parse(source, quoted_fields=True)
    except ParseError:
        return  # names are sometimes words that CEL reserves
    assert parse(unparse(tree), quoted_fields=True) == tree


@often
@given(seeds, st.booleans(), st.sampled_from([(1, 34), (1, 36), (1, 37)]))
def test_typed_expressions_give_values_or_our_errors(seed: int, patches: bool, version: tuple[int, int]) -> None:
    """A random typed expression over random objects gives a value or an error of the engine, the same each time."""
    source, names = generated(seed, patches=patches)
    first, again = (answered(source, names, version, patches=patches) for _ in range(2))
    assert type(first) is type(again)
    assert _written(first) == _written(again)


@often
@given(st.sampled_from([(1, 34), (1, 36), (1, 37)]).flatmap(lambda v: st.tuples(st.just(v), calls(v))), requests)
def test_every_function_takes_anything(asked: tuple[tuple[int, int], str], names: Json) -> None:
    """Every function of every library, with arguments whose types nobody knew, gives a value or an error of ours."""
    version, source = asked
    answered(source, names, version)


@often
@given(composed((1, 36)), requests)
def test_what_nobody_knows_gives_values_or_our_errors(source: str, names: Json) -> None:
    """So do operators, macros, selections and indexes over anything at all."""
    answered(source, names)


@often
@given(seeds, anything, anything)
def test_expressions_meet_objects_they_were_not_made_for(seed: int, one: Any, other: Any) -> None:
    """An expression made for one object is as safe over any other, whatever stands where it looks."""
    source, names = generated(seed)
    shuffled = {name: (one, other)[index % 2] for index, name in enumerate(names)}
    answered(source, shuffled)


@often
@given(soups | seeds.map(lambda seed: generated(seed)[0]))
def test_rejections_point_into_the_source(source: str) -> None:
    """Whatever a check refuses, each of its problems has a place in the source and a text for people."""
    try:
        COMPILER.compile(source, ENVIRONMENTS[(1, 36), False])
    except CheckError as error:
        for problem in error.problems:
            assert problem.message
            assert problem.offset is None or 0 <= problem.offset <= len(source)
            assert problem.shown(source).count("\n") >= (problem.offset is not None) * 2
    except ParseError:
        return


def test_the_properties_are_about_something() -> None:
    """Of the random expressions most compile, and of the evaluations many give values and many give errors."""
    found = [answered(*generated(seed)) for seed in range(400)]
    refused = sum(isinstance(one, CompileError) for one in found)
    failed = sum(isinstance(one, (EvaluationError, CostExceeded)) for one in found)
    assert refused < 200
    assert failed > 40
    assert len(found) - refused - failed > 80
