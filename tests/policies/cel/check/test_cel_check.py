"""Types: what every sort of expression has, what fits where, and what doesn't."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.cel import CheckError, Compiler, Environment
from policies.cel.check.checker import check
from policies.cel.check.names import did_you_mean, signature, written
from policies.cel.check.unify import Substitution, assignable, most_general, substitute
from policies.cel.parser import parse
from policies.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    CelType,
    ObjectType,
    list_of,
    map_of,
    nullable,
    optional_of,
    parameter,
    type_of,
)

CAR = ObjectType("test.Car", {"wheels": INT, "name": STRING, "tags": map_of(STRING, STRING), "next": DYN})
ENVIRONMENT = Environment.admission((1, 36)).extend(variables={"car": CAR, "cars": list_of(CAR)})

TYPES = {
    "1": "int",
    "1u": "uint",
    "1.0": "double",
    "'a'": "string",
    "b'a'": "bytes",
    "null": "null_type",
    "true": "bool",
    "int": "type(int)",
    "type(1)": "type(int)",
    "[]": "list(dyn)",
    "[1]": "list(int)",
    "[dyn(1)]": "list(dyn)",
    "{}": "map(dyn, dyn)",
    "{'a': 1}": "map(string, int)",
    "{'a': [1]}": "map(string, list(int))",
    "[?optional.of(1)]": "list(int)",
    "{?'a': optional.of(1)}": "map(string, int)",
    "object": "dyn",
    "object.a.b": "dyn",
    "object.?a": "optional_type(dyn)",
    "object.?a.b": "optional_type(dyn)",
    "car.wheels": "int",
    "car.?name": "optional_type(string)",
    "car.?tags.a": "optional_type(string)",
    "car.next.anything": "dyn",
    "cars[0].name": "string",
    "cars[?0]": "optional_type(test.Car)",
    "car.tags['a']": "string",
    "cars.map(c, c.wheels)": "list(int)",
    "cars.filter(c, c.wheels > 4)": "list(test.Car)",
    "cars.all(c, c.wheels > 4)": "bool",
    "cars.exists_one(c, true)": "bool",
    "car.tags.transformMap(k, v, size(v))": "map(string, int)",
    "car.tags.transformList(k, v, k)": "list(string)",
    "car.?name.optMap(n, size(n))": "optional_type(int)",
    "car.?name.orValue('')": "string",
    "true ? 1 : dyn(2)": "dyn",
    "true ? [] : [1]": "list(int)",
    "1 + dyn(2)": "int",
    "dyn(1) + dyn(2)": "dyn",
    "dyn(1) < 2": "bool",
    "!dyn(true)": "bool",
    "size('a') == 1": "bool",
    "duration('1s') + timestamp(0)": "google.protobuf.Timestamp",
    "timestamp(0) - timestamp(0)": "google.protobuf.Duration",
    "quantity('1')": "kubernetes.Quantity",
    "ip('::1')": "net.IP",
    "request.userInfo.groups": "list(string)",
    "request.options": "dyn",
    "namespaceObject.metadata.creationTimestamp": "google.protobuf.Timestamp",
    "authorizer.path('/').check('get')": "kubernetes.authorization.Decision",
    "optional.none()": "optional_type(dyn)",
    "cars.sortBy(c, c.name)": "list(test.Car)",
}


@pytest.mark.parametrize(("source", "type_"), TYPES.items())
def test_types(source: str, type_: str) -> None:
    """An expression's type is the one that the API server finds."""
    assert str(Compiler().compile(source, ENVIRONMENT).type) == type_


WRONG = [
    "car.weels",
    "car.name.first",
    "cars.name",
    "car.wheels == 'a'",
    "car.wheels > car.name",
    "cars.map(c, c.weels)",
    "cars.all(c, c.wheels)",
    "cars.all(c, c.wheels > 1 ? 1 : 2)",
    "car.tags[1]",
    "cars['a']",
    "1 in ['a']",
    "[car, 1]",
    "{car.name: 1, 1: 2}",
    "size(1)",
    "car.?name.orValue(1)",
    "true ? 1 : 'a'",
    "optional.of(1).or(optional.of('a'))",
    "[?1]",
    "{?'a': 1}",
    "test.Car{wheels: 1}",
    "c",
    "cars.map(c, c).all(x, c.wheels > 1)",
]


@pytest.mark.parametrize("source", WRONG)
def test_what_does_not_fit(source: str) -> None:
    """What can't be typed is refused, with a place in the source."""
    with pytest.raises(CheckError) as refused:
        Compiler().compile(source, ENVIRONMENT)
    assert refused.value.offset is not None


def test_all_problems_are_told_in_order() -> None:
    """Everything that is wrong is told at once, by place, and one mistake isn't told twice."""
    with pytest.raises(CheckError) as refused:
        Compiler().compile("car.weels + nothing.at.all + size(1) == car.naem", ENVIRONMENT)
    assert [problem.message.split("'")[1] for problem in refused.value.problems] == ["weels", "nothing", "size", "naem"]
    assert [problem.offset for problem in refused.value.problems] == [3, 12, 33, 43]


def test_names_and_scopes() -> None:
    """A loop's variable hides a variable of its name, inside the loop alone."""
    Compiler().compile("[car].all(object, object.wheels > 1) && object.wheels == 'a'", ENVIRONMENT)
    with pytest.raises(CheckError):
        Compiler().compile("['a'].all(car, car.wheels > 1)", ENVIRONMENT)


def test_the_overloads_of_a_call_are_kept() -> None:
    """Only the overloads that can be meant are left for the evaluation."""
    tree = parse("size(object) + size('a')")
    found = check(tree, "", ENVIRONMENT)
    chosen = [len(overloads) for function, overloads in found.overloads.values() if function.name == "size"]
    assert sorted(chosen) == [1, 4]


def test_environments_are_apart() -> None:
    """An environment that is extended stays as it was, and what isn't named can't be named."""
    bare = Environment(MappingProxyType({"x": INT}))
    larger = bare.extend(variables={"y": INT})
    assert str(Compiler().compile("x + y", larger).type) == "int"
    with pytest.raises(CheckError):
        Compiler().compile("x + y", bare)
    with pytest.raises(CheckError):
        Compiler().compile("object", bare)


# what fits where

PLAIN = [BOOL, INT, UINT, DOUBLE, STRING, BYTES, DURATION, TIMESTAMP, NULL, CAR, ObjectType("test.Other")]
_A, _B = parameter("A"), parameter("B")
types: st.SearchStrategy[CelType] = st.recursive(
    st.sampled_from([*PLAIN, DYN]),
    lambda inner: inner.map(list_of) | inner.map(optional_of) | st.tuples(inner, inner).map(lambda kv: map_of(*kv)),
    max_leaves=4,
)


@given(types)
def test_every_type_fits_itself_and_dyn(type_: CelType) -> None:
    """A type fits where it is declared, dyn fits everywhere, and anything fits dyn."""
    assert assignable({}, type_, type_)
    assert assignable({}, DYN, type_) and assignable({}, type_, DYN)


@given(types, types)
def test_fitting_goes_both_ways(one: CelType, other: CelType) -> None:
    """Whether two types go together doesn't depend on which is asked first."""
    assert assignable({}, one, other) is assignable({}, other, one)


@given(types)
def test_variables_take_what_they_meet(type_: CelType) -> None:
    """A type variable becomes the first type that it meets, and from then on takes only what goes with it."""
    bound: Substitution = {}
    assert assignable(bound, _A, type_)
    assert substitute(bound, list_of(_A)) == list_of(type_)
    assert assignable(bound, list_of(_A), list_of(type_))
    assert substitute({}, _A) == _A
    assert substitute({}, map_of(_A, _B), free_to_dyn=True) == map_of(DYN, DYN)


def test_what_goes_together() -> None:
    """Plain types go with themselves; null with objects, opaque values and wrappers, not with plain ones."""
    for one in PLAIN[:8]:
        assert [other for other in PLAIN[:8] if assignable({}, one, other)] == [one]
    assert assignable({}, NULL, CAR) and assignable({}, NULL, TIMESTAMP) and assignable({}, nullable(INT), NULL)
    assert not assignable({}, NULL, INT) and not assignable({}, NULL, list_of(INT))
    assert not assignable({}, list_of(INT), list_of(STRING))
    assert not assignable({}, CAR, ObjectType("test.Other"))
    assert assignable({}, type_of(INT), type_of(STRING))
    assert not assignable({_A: list_of(_A)}, _A, INT)


def test_the_more_general_one() -> None:
    """Of two types that go together, the one that says less."""
    assert most_general(INT, DYN) == DYN
    assert most_general(list_of(DYN), list_of(INT)) == list_of(DYN)
    assert most_general(INT, INT) == INT


def test_texts_for_people() -> None:
    """Types and signatures are written as the API server writes them, and near names are found."""
    assert written(map_of(STRING, list_of(DURATION))) == "map(string, list(duration))"
    assert signature((STRING, INT), True) == "string.(int)"
    assert signature((STRING, INT), False) == "(string, int)"
    assert did_you_mean("containrs", ["containers", "volumes"]) == "did you mean `containers`?"
    assert did_you_mean("zzz", ["containers"]) == ""
