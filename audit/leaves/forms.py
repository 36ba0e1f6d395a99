"""A schema's leaves as a pattern of bytes: what nearly every leaf looks like, told without taking it apart.

Guarantees that what a pattern matches is canonical JSON of just this schema and version, each value of the table's type
and within its bounds. A leaf that no pattern matches may still be a good one: escapes, other scripts than ASCII, values
that were cut and the rarest dates are left to whoever reads with care (`audit.leaves.readable`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from audit.leaves.leaf import Field, fields_of_written, schemas

_CHARACTER = r"[ !#-\[\]-~]"
_COUNT = r"(?:0|[1-9][0-9]{0,14}+)"
_DATE = r"(?:19[7-9]|[2-9][0-9]{2})[0-9]-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
_TIME = rf'"{_DATE}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}}Z"'

Matches = Callable[[bytes], object]


@cache
def form(name: str, version: int) -> Matches:
    """What matches a whole leaf of this schema and version, which the table must have."""
    schema = schemas()[name].at(version)
    fields = [replace(one, choices=(schema.name,)) if one.name == "schema" else one for one in schema.fields]
    written = _members(fields_of_written())
    members = [f"{text}," if is_required else f"(?:{text},)?+" for text, is_required in _rows(fields)]
    return re.compile(rf'\{{{"".join(members)}"written":\{{{written}\}}\}}'.encode()).fullmatch


def _rows(fields: Sequence[Field]) -> list[tuple[str, bool]]:
    """Each top-level member as a pattern, in the order of their names, and whether it must be there."""
    nested: dict[str, list[Field]] = {}
    rows: dict[str, tuple[str, bool]] = {}
    for field in fields:
        head, dot, rest = field.name.partition(".")
        if dot:
            nested.setdefault(head, []).append(replace(field, name=rest))
        else:
            rows[head] = (f'"{head}":{_value(field)}', field.required)
    for head, inner in nested.items():
        name, made = head.removesuffix("[]"), rf'\{{(?="){_members(inner)}\}}'
        if head.endswith("[]"):
            items = max(field.items for field in inner if field.type == "text") or 100
            made = _list(made, items)
        rows[name] = (f'"{name}":{made}', False)
    return [rows[name] for name in sorted(rows)]


def _members(fields: Sequence[Field]) -> str:
    """The members of an object within a leaf: after each stands a comma, or the object's end."""
    follows = r'(?:,(?=")|(?=\}))'
    return "".join(f"{text}{follows}" if must else f"(?:{text}{follows})?+" for text, must in _rows(fields))


def _list(entry: str, items: int) -> str:
    return rf"\[{entry}(?:,{entry}){{0,{max(items, 1) - 1}}}+\]"


def _value(field: Field) -> str:
    return _VALUES[field.type](field)


def _text(field: Field) -> str:
    if field.choices:
        return f'"(?:{"|".join(map(re.escape, field.choices))})"'
    return f'"{_CHARACTER}{{1,{field.limit}}}+"'


_VALUES: dict[str, Callable[[Field], str]] = {
    "text": _text,
    "texts": lambda field: _list(f'"{_CHARACTER}{{0,{field.limit}}}+"', field.items),
    "count": lambda _: _COUNT,
    "flag": lambda _: "(?:true|false)",
    "time": lambda _: _TIME,
    "digest": lambda _: '"[0-9a-f]{64}"',
    "digests": lambda field: _list('"[0-9a-f]{64}"', field.items),
    "tag": lambda _: '"[0-9a-f]{32}"',
    "tags": lambda field: _list('"[0-9a-f]{32}"', field.items),
}
