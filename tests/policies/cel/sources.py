"""Strategies of sources and inputs: any text, text that is nearly CEL, random typed expressions, calls of everything
with anything.
"""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import strategies as st

from policies.cel import versions
from policies.cel.functions import Overload, Version
from tests.policies.cel.oracle import objects
from tests.policies.cel.oracle.generator import Generator
from tests.policies.cel.oracle.mutation import broken

Json = dict[str, Any]

LONGER = "BAILIWICK_CEL_EXAMPLES"  # the setting that asks for so many examples of each property, and for whole corpora
CHARACTERS = st.characters(codec=None, exclude_categories=())  # lone surrogates, too
_WORDS = """
object x a in true null 1 2u 1.5 -1 'a' "b" r'c' b'd' 0x1f 1e3 .5 [ ] ( ) { } , . .? [? ? : ! - + * / % && || == != <
<= > >= has all exists map filter optMap optFlatMap exists_one sortBy transformMap size `a.b` // ' as if
"""
WORDS = [*_WORDS.split(), "\n"]

seeds = st.integers(0, 2**64 - 1)
texts = st.text(CHARACTERS, max_size=60)
raw = st.binary(max_size=60).map(lambda data: data.decode("utf-8", "surrogateescape"))
soups = st.lists(st.sampled_from(WORDS), max_size=25).flatmap(
    lambda words: st.sampled_from(["", " "]).map(lambda between: between.join(words))
)


def generated(seed: int, *, patches: bool = False) -> tuple[str, Json]:
    """A random typed expression, and what it is to be evaluated over."""
    random = Random(seed)
    bindings = objects.bindings(random)
    return Generator(random, bindings, patches).expression().text, bindings


def damaged(seed: int) -> str:
    """A random typed expression with small mistakes in it."""
    return broken(generated(seed)[0], Random(seed + 1))


anything_like_cel = st.one_of(texts, raw, soups, seeds.map(damaged), seeds.map(lambda seed: generated(seed)[0]))

# values of every sort, as expressions

_VALUES = """
null true 0 1 -1 9223372036854775807 -9223372036854775807 0u 18446744073709551615u 0.0 -0.5 1e308 double('NaN')
double('-Infinity') '' 'a' 'é\\u0000' '1.2.3.4' '10.0.0.0/8' '1.5Gi' 'https://a/b?c' '2024-02-29T00:00:00Z' '1h'
'1.2.3-a' '%s%d' '(a+)+' '/a~1b' 'CREATE' b'' b'\\xff' [] [1] ['a','b'] [[1],[2]] {} {'a':1} {1:'b'}
{'op':'add','path':'/a'} int string duration('1.5s') duration('-2562047h') timestamp('0001-01-01T00:00:00Z')
timestamp('9999-12-31T23:59:59.999999999Z') quantity('1') quantity('-1e30') ip('::1') ip('127.0.0.1')
cidr('10.0.0.0/8') url('http://[::1]:80/a') semver('1.2.3') format.dns1123Label() optional.none() optional.of(1)
optional.of('a') authorizer authorizer.path('/a') authorizer.group('').resource('pods') request namespaceObject
object object.spec object.a.b object.items params oldObject variables.v
"""
VALUES = _VALUES.split()
values = st.sampled_from([f"dyn({one})" for one in VALUES] + VALUES)


def calls(version: Version) -> st.SearchStrategy[str]:
    """A call of any function in any of its forms, with arguments of any sort: mostly unknown before the evaluation."""
    rows = [
        (name, overload)
        for name, function in sorted(versions.functions(version).items())
        for overload in function.overloads
        if name.isidentifier() or "." in name
    ]
    return st.sampled_from(rows).flatmap(lambda row: _call(*row))


def _call(name: str, overload: Overload) -> st.SearchStrategy[str]:
    def written(args: list[str]) -> str:
        if overload.member:
            return f"{args[0]}.{name}({', '.join(args[1:])})"
        return f"{name}({', '.join(args)})"

    count = len(overload.args)
    return st.lists(values, min_size=count, max_size=count).map(written)


def composed(version: Version) -> st.SearchStrategy[str]:
    """Operators, macros, selections and indexes over such calls."""
    return st.recursive(values | calls(version), _over, max_leaves=6)


def _over(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = "+ - * / % == != < <= > >= && || in".split()  # noqa: SIM905 # reads as what it is
    dyn = inner.map(lambda text: f"dyn({text})")
    return st.one_of(
        st.tuples(dyn, st.sampled_from(operators), dyn).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(dyn, dyn, dyn).map(lambda parts: "({} ? {} : {})".format(*parts)),
        st.tuples(dyn, dyn).map(lambda parts: "{}[{}]".format(*parts)),
        st.tuples(dyn, dyn).map(lambda parts: "{}[?{}]".format(*parts)),
        st.tuples(dyn, st.sampled_from([".a", ".?a", ".spec.b", ".?a.orValue(1)"])).map("".join),
        st.tuples(dyn, st.sampled_from(["all", "exists", "exists_one", "filter", "map"]), dyn).map(
            lambda parts: "{}.{}(x, x == {})".format(*parts)
        ),
        st.tuples(dyn, st.sampled_from(["all", "transformList", "transformMap"]), dyn).map(
            lambda parts: "{}.{}(k, v, v == {})".format(*parts)
        ),
        st.tuples(dyn, dyn).map(lambda parts: "{}.sortBy(x, {})".format(*parts)),
        st.tuples(dyn, st.sampled_from(["!", "-"])).map(lambda parts: f"{parts[1]}{parts[0]}"),
        st.tuples(dyn, dyn).map(lambda parts: "[{}, {}]".format(*parts)),
        st.tuples(dyn, dyn).map(lambda parts: "{{{}: {}}}".format(*parts)),
        st.tuples(inner, dyn).map(lambda parts: "optional.of({}).optMap(o, {})".format(*parts)),
    )


# objects

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(CHARACTERS, max_size=6)
    | st.sampled_from(["1.2.3.4", "1Gi", "2024-01-01T00:00:00Z", "1h"])
)
_keys = st.sampled_from(["a", "b", "spec", "items", "metadata", "name", "", "é", "namespace"]) | st.text(max_size=3)
anything: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)
requests = st.fixed_dictionaries(
    {"object": anything, "oldObject": anything, "params": anything, "request": anything, "namespaceObject": anything}
)
