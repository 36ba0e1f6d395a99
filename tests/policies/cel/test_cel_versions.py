"""What each Kubernetes version's CEL has, and what it does its own way."""

from __future__ import annotations

from typing import Any

import pytest

from policies.cel import Budget, CheckError, CompileError, Compiler, Environment, EvaluationError
from policies.cel.functions import Version
from policies.cel.versions import NEWEST, OLDEST, functions, habits, macro_table, new_expressions, since

VERSIONS = [(1, minor) for minor in range(OLDEST[1], NEWEST[1] + 1)]
COMPILER = Compiler()

# An expression, and the minor version from which on it compiles. Held to the API server's own code up to 1.36 in
# oracle/test_cel_libraries_peer.py.
APPEARED = {
    "isSorted([1])": 99,  # it is a method in every version
    "[1].isSorted()": 0,
    "'a1'.find('[0-9]') == '1'": 0,
    "url('https://a').getHost() == 'a'": 0,
    "authorizer.path('/').check('get').allowed()": 27,
    "object.?a.hasValue()": 28,
    "quantity('1').isInteger()": 28,
    "sets.contains([1], [1])": 29,
    "'a'.charAt(0) == 'a'": 29,
    "ip('1.2.3.4').family() == 4": 30,
    "type(cidr('10.0.0.0/8')) == net.CIDR": 30,
    "format.dns1123Label().validate('a').hasValue()": 31,
    "authorizer.group('').resource('pods').fieldSelector('a=b').check('list').allowed()": 31,
    "[1].all(i, v, i < v)": 32,
    "[1].transformList(i, v, v) == [1]": 32,
    "{'a': 1}.transformMap(k, v, v) == {'a': 1}": 32,
    "semver('1.2.3').major() == 1": 33,
    "isSemver('v1.2', true)": 33,
    "[2, 1].sort() == [1, 2]": 34,
    "[2, 1].sortBy(x, x) == [1, 2]": 34,
    "[[1]].flatten() == [1]": 34,
    "[1, 2].slice(0, 1) == [1]": 34,
    "[1].distinct() == [1]": 34,
    "[1].reverse() == [1]": 34,
    "lists.range(1) == [0]": 34,
    "[1].includes(1)": 37,
    "dyn({'a-b': 1}).`a-b` == 1": 37,
    "'a'.reverse() == 'a'": 99,
    "math.least(1, 2) == 1": 99,
    "cel.bind(x, 1, x) == 1": 99,
    "base64.encode(b'a') == 'YQ=='": 99,
}


def run(source: str, version: Version, **names: Any) -> Any:
    """The value, or the error as text."""
    program = COMPILER.compile(source, Environment.admission(version))
    try:
        return program.evaluate({"object": None, **names})
    except EvaluationError as error:
        return f"error: {error}"


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"1.{version[1]}")
@pytest.mark.parametrize("expression", APPEARED)
def test_libraries_appear_when_they_did(expression: str, version: Version) -> None:
    """An expression compiles from the version on that brought what it uses, and in none before."""
    environment = Environment.admission(version)
    if version[1] >= APPEARED[expression]:
        COMPILER.compile(expression, environment)
    else:
        with pytest.raises(CompileError):
            COMPILER.compile(expression, environment)


def test_what_comes_later_is_named() -> None:
    """A function of a later version is refused with the version that brings it; one of no version, without."""
    for source, hint in (("[1].sort()", "1.34"), ("semver('1.2.3')", "1.33"), ("[1].includes(1)", "1.37")):
        with pytest.raises(CheckError) as refused:
            COMPILER.compile(source, Environment.admission((1, 32)))
        assert refused.value.hint == f"Kubernetes has it since {hint}"
    assert since("lists.range", (1, 31)) == (1, 34)
    assert since("nothing", (1, 31)) is None


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"1.{version[1]}")
def test_or_value_of_what_is_no_optional(version: Version) -> None:
    """Up to 1.36, `orValue` yields what isn't an optional; since 1.37, it is an error."""
    found = run("dyn(object.a).orValue('b')", version, object={"a": "x"})
    assert found == ("x" if version < (1, 37) else "error: no such overload")
    assert run("object.?b.orValue('b')", version, object={"a": "x"}) == "b"


def test_what_a_pattern_costs() -> None:
    """`matches(text, pattern)` costs more since 1.37; the method never changed its price."""
    names = {"object": {"t": "a" * 200}}

    def cost(source: str, version: Version) -> int:
        budget = Budget()
        COMPILER.compile(source, Environment.admission(version)).evaluate(names, budget)
        return budget.spent

    function, method = "matches(object.t, '^a+$')", "object.t.matches('^a+$')"
    assert cost(method, (1, 36)) == cost(method, (1, 37)) == cost(function, (1, 37)) > cost(function, (1, 36))


def test_names_that_a_loop_hides() -> None:
    """Before 1.37 a dotted name shines through a loop's variable; since then the variable hides it."""
    source = "[1].all(authorizer, type(authorizer.requestResource) == int)"
    COMPILER.compile(source.replace("type(authorizer.requestResource) == int", "true"), Environment.admission((1, 36)))
    COMPILER.compile("[1].all(authorizer, has(dyn(authorizer).a) || true)", Environment.admission((1, 37)))
    COMPILER.compile(source.replace("== int", "!= int"), Environment.admission((1, 36)))
    with pytest.raises(CheckError):
        COMPILER.compile(source, Environment.admission((1, 37)))


def test_nothing_ever_goes_away() -> None:
    """Each version has every function and macro of the version before."""
    for version in VERSIONS[1:]:
        before = (1, version[1] - 1)
        assert set(functions(before)) <= set(functions(version))
        assert set(macro_table(before)) <= set(macro_table(version))


def test_new_expressions_wait_a_version() -> None:
    """An API server grants new expressions what the version before had, so that it can be rolled back."""
    assert new_expressions((1, 35)) == (1, 34)
    COMPILER.compile("[2, 1].sort()", Environment.admission(new_expressions((1, 35))))
    with pytest.raises(CheckError):
        COMPILER.compile("[2, 1].sort()", Environment.admission(new_expressions((1, 34))))


def test_habits_change_once() -> None:
    """All that cel-go 0.29 does its own way comes with 1.37."""
    assert {habits(version) for version in VERSIONS} == {habits((1, 36)), habits((1, 37))}
    assert [habits(version).strict_or for version in VERSIONS] == [False] * 6 + [True]
