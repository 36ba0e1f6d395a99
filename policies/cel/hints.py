"""What to do about a rejection: the second half of a message, which only ever is for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from policies.cel.types import BOOL, DYN, INT, STRING, CelType, Kind

_MOST = 12  # names in a hint

SYNTAX: Mapping[str, str] = {
    "invalid int literal": "an int lies between -9223372036854775808 and 9223372036854775807",
    "invalid uint literal": "a uint lies between 0u and 18446744073709551615u",
    "invalid double literal": "a double is smaller than 1.8e308",
    "unable to unescape string": "write a backslash as `\\\\`, or the text as r'...'",
    "invalid unicode code point": "`\\u` and `\\U` take the number of a character",
    "invalid argument to has() macro": "`has` asks for a field: `has(object.spec)`",
    "argument must be a simple name": "the first argument names the element: `list.all(x, x > 0)`",
    "iteration variable overwrites accumulator variable": "choose another name",
    "sortBy can only be applied to a list, identifier, comprehension, call or select expression": "name the list first",
}
LITERALS: Mapping[str, str] = {
    "duration": "write it as `1h30m`, `90s` or `1.5s`",
    "timestamp": "write it as `2026-05-01T10:00:00Z`",
}
FORMATS = "`%s` takes anything, `%d` integers, `%f` and `%e` doubles, `%b`, `%o`, `%x` integers; `%%` is a percent sign"
_OPERATORS = frozenset({"_+_", "_-_", "_*_", "_/_", "_%_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"})
_CONVERSIONS = {BOOL: "bool", INT: "int", STRING: "string"}


def known_names(names: Iterable[str]) -> str:
    """What may be named instead, where that is not too much."""
    plain = sorted(name for name in names if "." not in name)
    return f"known here: {', '.join(f'`{name}`' for name in plain[:_MOST])}" if plain else ""


def no_function(since: tuple[int, int] | None) -> str:
    """Why there is no function of a name: it is of a later version, or of none."""
    if since is not None:
        return f"Kubernetes has it since {since[0]}.{since[1]}"
    return "there is no function of this name"


def overloads(name: str, signatures: Sequence[str], wanted: int) -> str:
    """How a function is called; `signatures` are those with the same call form, `wanted` how many there are at most."""
    if name in _OPERATORS:
        return "both sides must go together: convert one, for example with `int()`, `double()`, `string()` or `dyn()`"
    if name == "_?_:_":
        return "a condition is a bool, and both results are of one type"
    return f"it takes {' or '.join(f'`{text}`' for text in signatures[:wanted])}" if signatures else ""


def result(expected: Sequence[CelType], found: CelType) -> str:
    """What to do about an expression of the wrong type."""
    wanted = expected[0]
    if found == DYN and wanted in _CONVERSIONS:
        return f"what it is isn't known before: write `{_CONVERSIONS[wanted]}(...)` around it, or compare it"
    if wanted == BOOL:
        return "compare it with something"
    if wanted == STRING:
        return "write `string(...)` around it"
    if wanted.kind is Kind.LIST and found == wanted.parameters[0]:
        return "put it into a list: `[...]`"
    return f"it must give {' or '.join(map(str, expected))}"
