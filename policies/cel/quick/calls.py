"""Calls and operators: the usual operands in line, whatever else through the functions of the exact evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from policies.cel import ast, cost
from policies.cel.equality import unwatched
from policies.cel.functions import ByResult, Cost, Function, Overload, Timed
from policies.cel.kinds import guard
from policies.cel.library import authorizer, regex
from policies.cel.operators import logical_not
from policies.cel.plan.dispatch import Implementation, cost_of, implementation
from policies.cel.plan.shortcuts import member_test
from policies.cel.quick import operations, optionals
from policies.cel.quick.writer import Term, Unsupported, kind_of
from policies.cel.types import BOOL, INT, LIST_DYN, STRING, Kind, list_of
from policies.cel.values import MISSING

if TYPE_CHECKING:
    from policies.cel.quick.generator import Generator

_COMPARISONS = {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
_PRICES: Mapping[object, tuple[str, tuple[int, ...]]] = {  # of texts, by their sizes: a tenth, rounded up
    cost.traversal: ("({0} + 9) // 10", (0,)),
    cost.second_traversal: ("({1} + 9) // 10", (1,)),
    cost.two_traversals: ("(2 * {0} + 9) // 10", (0,)),
    cost.product: ("({0} + 9) // 10 * (({1} + 9) // 10)", (0, 1)),
}
_TEXTUAL = {
    "startsWith": "{0}.startswith({1})",
    "endsWith": "{0}.endswith({1})",
    "contains": "{1} in {0}",
}
_GROWING = frozenset({"replace"})  # their results can be much larger than their price
_TEXTS = list_of(STRING)
_TRUSTED = frozenset({Kind.BOOL, Kind.INT, Kind.STRING, Kind.OBJECT})


def call(g: Generator, node: ast.Call) -> Term:
    function, chosen = g.checked.overloads[id(node)]
    if function.name in authorizer.TABLE:
        raise Unsupported  # asks the host, who shall be asked once
    receiver = [node.target] if node.target is not None and chosen[0].member else []
    parts = [part for part in (*receiver, *node.args) if part is not None]
    if function.name == "orValue" and len(parts) == 2:
        return optionals.or_value(g, parts[0], parts[1])
    if function.name == "hasValue":
        return optionals.has_value(g, parts[0])
    if function.name == "or":
        raise Unsupported
    args = [g.name(part) for part in parts]
    match function.name:
        case "_==_" | "_!=_":
            return _equality(g, args[0], args[1], function.name == "_!=_")
        case "@in":
            return _membership(g, args[0], args[1], cost_of(function, chosen), folded=len(chosen) == 1)
        case "!_":
            g.writer.charge(1)
            (arg,) = args
            text = f"(not {arg.text})" if arg.kind == BOOL else f"{g.writer.constant(logical_not)}({arg.text})"
            return Term(text, BOOL)
        case "matches" if type(args[1].constant) is str:
            return _matches(g, args[0], args[1].constant, node.target is not None)
    price = cost_of(function, chosen)
    if function.name in _COMPARISONS:
        return _comparison(g, function, args, price)
    if function.name in _TEXTUAL:
        _must_be_text(g, args)
        _charge(g, price, args)
        return Term(f"({_TEXTUAL[function.name].format(args[0].text, args[1].text)})", BOOL)
    if function.name == "size":
        _charge(g, price, args)
        return _size(g, function, args[0])
    if function.name == "_+_":
        _charge(g, price, args)
        return _sum(g, args[0], args[1])
    return _general(g, function, chosen, args, price)


# prices and guards


def _charge(g: Generator, price: Cost, args: list[Term]) -> None:
    """What the call costs by its arguments."""
    if isinstance(price, int):
        g.writer.charge(price)
        return
    assert not isinstance(price, ByResult)
    short, counted = _PRICES.get(price, ("", ()))
    if not short or any(args[at].kind != STRING for at in counted):
        g.writer.line(f"n += {g.writer.constant(price)}({', '.join(arg.text for arg in args)})")
    elif all(args[at].constant is not MISSING for at in counted):
        g.writer.charge(price(*("" if arg.constant is MISSING else arg.constant for arg in args)))
    else:
        g.writer.line(f"n += {short.format(*map(_size_of, args))}")


def _size_of(text: Term) -> str:
    return str(len(text.constant)) if type(text.constant) is str else f"len({text.text})"


def _must_be_text(g: Generator, args: list[Term]) -> None:
    """From here on, all arguments are known to be text."""
    unknown = [arg.text for arg in args if arg.kind != STRING]
    if unknown:
        g.writer.line(f"if {' or '.join(f'type({name}) is not str' for name in unknown)}: {g.give_up}")
    args[:] = [Term(arg.text, STRING, constant=arg.constant) for arg in args]


# operators


def _equality(g: Generator, left: Term, right: Term, negated: bool) -> Term:
    wanted = right.constant
    if type(wanted) is str:
        return _text_equality(g, left, right, negated)
    if wanted is None or type(wanted) is bool:
        return _scalar_equality(g, left, right, negated)
    a, b = left.text, right.text
    price = g.writer.constant(cost.shorter if negated else cost.equality)
    slow = g.writer.constant(operations.differs if negated else operations.compared)
    if wanted is MISSING and left.constant is MISSING:
        tests, quick_price = f"type({a}) is str and type({b}) is str", f"(min(len({a}), len({b})) + 9) // 10"
    elif type(wanted) is int:
        tests, quick_price = f"type({a}) is int", "1"
    else:
        g.writer.line(f"n += {price}({a}, {b})")
        return Term(f"{slow}({a}, {b})", BOOL)
    result = g.writer.fresh()
    with g.writer.block(f"if {tests}:"):
        g.writer.line(f"n += {quick_price}")
        g.writer.line(f"{result} = {a} {'!=' if negated else '=='} {b}")
    with g.writer.block("else:"):
        g.writer.line(f"n += {price}({a}, {b})")
        g.writer.line(f"{result} = {slow}({a}, {b})")
    return Term(result, BOOL)


def _text_equality(g: Generator, left: Term, right: Term, negated: bool) -> Term:
    """With a constant text. The price is a tenth of the shorter of both, so it is 1 for most."""
    a, wanted = left.text, right.constant
    other = f"{g.writer.constant(operations.price_of_other)}({a}, {right.text})"
    if len(wanted) > 10:
        price = f"(len({a}) + 9) // 10 if len({a}) < {len(wanted)} else {(len(wanted) + 9) // 10}"
        g.writer.line(f"n += ({price}) if type({a}) is str else {other}")
    elif wanted:
        g.writer.charge(1)
        g.writer.line(f"if type({a}) is not str or not {a}: n += {other} - 1")
    else:
        g.writer.line(f"if type({a}) is not str: n += {other}")
    return Term(f"({a} {'!=' if negated else '=='} {right.text})", BOOL)


def _scalar_equality(g: Generator, left: Term, right: Term, negated: bool) -> Term:
    """bool and null compare by identity; an empty string, list or map on the left makes the comparison free."""
    g.writer.charge(1)
    if left.kind != BOOL:
        other = f"{g.writer.constant(operations.price_of_other)}({left.text}, {right.text})"
        usual = " and ".join(f"{left.text} is not {value}" for value in (True, False, None))
        g.writer.line(f"if {usual}: n += {other} - 1")
    return Term(f"({left.text} is {'not ' if negated else ''}{right.constant!r})", BOOL)


def _comparison(g: Generator, function: Function, args: list[Term], price: Cost) -> Term:
    _charge(g, price, args)
    assert callable(function.dynamic)
    a, b = (arg.text for arg in args)
    general = f"{g.writer.constant(function.dynamic)}({a}, {b})"
    tests = " and ".join(f"type({arg.text}) is int" for arg in args if arg.kind != INT)
    quick = f"{a} {_COMPARISONS[function.name]} {b}"
    return Term(f"({quick} if {tests} else {general})" if tests else f"({quick})", BOOL)


def _sum(g: Generator, left: Term, right: Term) -> Term:
    """Texts and lists in line, where they aren't large."""
    a, b = left.text, right.text
    general = f"{g.writer.constant(operations.total)}({a}, {b})"
    kind = "str" if STRING in (left.kind, right.kind) else "list"
    both = f"type({a}) is {kind} and type({b}) is {kind} and len({a}) + len({b}) < {operations.LARGE}"
    return Term(f"({a} + {b} if {both} else {general})")


def _membership(g: Generator, value: Term, container: Term, price: Cost, *, folded: bool) -> Term:
    v, c = value.text, container.text
    members = container.constant
    if type(members) is list and folded:
        test = member_test(members)
        if test is not None:
            texts = g.writer.constant(test.texts)
            general = f"{g.writer.constant(test)}({v})"
            return Term(f"({v} in {texts} if type({v}) is str else {general})", BOOL)
    _charge(g, price, [value, container])
    search = operations.member if isinstance(price, int) else operations.searched
    slow = f"{g.writer.constant(search)}({v}, {c})"
    textual = "" if value.kind == STRING else f" and type({v}) is str"
    return Term(f"({v} in {c} if type({c}) is dict{textual} else {slow})", BOOL)


def _size(g: Generator, function: Function, arg: Term) -> Term:
    assert callable(function.dynamic)
    general = f"{g.writer.constant(function.dynamic)}({arg.text})"
    return Term(f"(len({arg.text}) if type({arg.text}) is str or type({arg.text}) is list else {general})", INT)


def _matches(g: Generator, text: Term, pattern: str, member: bool) -> Term:
    args = [text]
    _must_be_text(g, args)
    if member or g.habits.priced_matches:
        each = cost.regex("", pattern)
        g.writer.line(f"n += (len({text.text}) + 10) // 10 * {each}")
    else:
        g.writer.charge(1)
    return Term(f"{g.writer.constant(regex.searcher(pattern))}({text.text})", BOOL)


# everything else


def _general(g: Generator, function: Function, chosen: tuple[Overload, ...], args: list[Term], price: Cost) -> Term:
    """A call of a library's function, behind its guards."""
    if _foreseeable(g, function, chosen) and all(arg.constant is not MISSING for arg in args):
        return _beforehand(g, function, chosen, args, price)
    host = function.name in g.environment.functions  # trusted to cost what it says
    single = len(chosen) == 1 and function.dynamic is None
    run = chosen[0].call if single else implementation(function, chosen)
    fenced = not host and (not function.quick or isinstance(run, Timed) or function.name in _GROWING)
    if single and not function.unguarded:
        _guards(g, chosen[0], args)
    if fenced:
        _keep_small(g, args)
    text = _called(g, run, args)
    kind = chosen[0].result if single and not host else None
    if kind is not None and kind.kind not in _TRUSTED:
        kind = None
    if not isinstance(price, ByResult):
        _charge(g, price, args)
        return Term(text, kind)
    result = Term(g.writer.kept(text), kind)
    if price is cost.RESULT_TWICE and kind == STRING:
        _charge(g, cost.two_traversals, [result])
    else:
        g.writer.line(f"n += {g.writer.constant(price.of)}({result.text})")
    return result


def _called(g: Generator, run: Implementation, args: list[Term]) -> str:
    texts = [arg.text for arg in args]
    if not isinstance(run, Timed):
        return f"{g.writer.constant(run)}({', '.join(texts)})"
    return f"{g.writer.constant(run.call)}({', '.join((g.writer.constant(unwatched), *texts))})"


def _foreseeable(g: Generator, function: Function, chosen: tuple[Overload, ...]) -> bool:
    """Whether the call always yields the same, and nobody can change that: values of a library may change."""
    own = function.name not in g.environment.functions
    return own and all(overload.result.kind not in (Kind.OBJECT, Kind.OPAQUE) for overload in chosen)


def _beforehand(g: Generator, function: Function, chosen: tuple[Overload, ...], args: list[Term], price: Cost) -> Term:
    """A call of constants is made once and for all, but paid for in each evaluation. It isn't a constant to others."""
    run = implementation(function, chosen)
    values = [arg.constant for arg in args]
    try:
        for value in values:
            operations.small(value)
        found = run.call(unwatched, *values) if isinstance(run, Timed) else run(*values)
    except Exception as error:
        raise Unsupported from error
    if isinstance(price, int):
        g.writer.charge(price)
    else:
        g.writer.charge(price.of(found) if isinstance(price, ByResult) else price(*values))
    return Term(g.writer.constant(found), kind_of(found))


def _guards(g: Generator, overload: Overload, args: list[Term]) -> None:
    """The call only gets what it is declared for."""
    texts = [at for at, declared in enumerate(overload.args) if declared == STRING]
    known = [args[at] for at in texts]
    _must_be_text(g, known)
    for at, term in zip(texts, known, strict=True):
        args[at] = term
    for declared, arg in zip(overload.args, args, strict=True):
        if declared == _TEXTS:  # judged by its first element, as everywhere
            name = arg.text
            g.writer.line(f"if type({name}) is not list or {name} and type({name}[0]) is not str: {g.give_up}")
        elif arg.kind != declared and (test := guard(declared)) is not None:
            g.writer.line(f"if not {g.writer.constant(test)}({arg.text}): {g.give_up}")


def _keep_small(g: Generator, args: list[Term]) -> None:
    """A call that may work long on much only gets little."""
    for arg in args:
        if arg.kind == STRING and arg.constant is MISSING:
            g.writer.line(f"if len({arg.text}) > {operations.LONG}: {g.give_up}")
        elif arg.kind is None or arg.kind in (INT, LIST_DYN):
            g.writer.line(f"{g.writer.constant(operations.small)}({arg.text})")
