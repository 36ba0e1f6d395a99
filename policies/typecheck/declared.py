"""From shapes to the types that an expression sees: of every kind, the fields it has and what they hold.

As the API server declares them: names that are no identifiers are escaped, a list or map whose content has no type
isn't exposed, and neither is a field without one, quantities among them. `gaps` says what stands there instead: None
as the API server has it, or `dyn`, where a warning about what the schema merely doesn't say would be false. With `dyn`,
objects of different fields also go together, as they do when evaluated: `containers + initContainers` is a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.cel.lexer import KEYWORDS, RESERVED
from policies.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    CelType,
    ObjectType,
    list_of,
    map_of,
)

_SCALARS: Mapping[str, CelType] = {
    "s": STRING,
    "f": STRING,
    "y": BYTES,
    "t": TIMESTAMP,
    "d": DURATION,
    "i": INT,
    "n": DOUBLE,
    "b": BOOL,
    "u": DYN,
}
_RESERVED = RESERVED | KEYWORDS
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ESCAPED = re.compile(r"__|[.\-/]")
_PLAIN = re.compile(r"[A-Za-z_./\-][A-Za-z0-9_./\-]*")


class Declared:
    """Types out of one table of shapes; each field's type is made when it is first asked for."""

    def __init__(self, shapes: Mapping[str, Any], gaps: CelType | None) -> None:
        self._shapes, self._gaps = shapes, gaps

    def root(self, shape: str, name: str) -> CelType | None:
        """The type of a kind; `name` stands in messages."""
        return self.of(f"#{shape}", name, frozenset())

    def of(self, compact: Any, name: str, above: frozenset[str]) -> CelType | None:
        """The type of a shape, None where it isn't exposed. `above` are the named shapes that it lies in."""
        if isinstance(compact, str):
            return self._text(compact, name, above)
        if isinstance(compact, list):
            item = self.of(compact[1], f"{name}.@idx", above)
            return None if item is None else list_of(item)
        return self._object(compact, name, above)

    def _text(self, compact: str, name: str, above: frozenset[str]) -> CelType | None:
        if compact.startswith("#"):
            referred = compact.lstrip("#!")
            if referred in above or referred not in self._shapes:  # there the API server gives up
                return self._gaps or ObjectType(name)
            return self.of(self._shapes[referred], name, above | {referred})
        if compact == "~":
            return self._gaps or ObjectType(name)
        return _SCALARS.get(compact, self._gaps)

    def _object(self, compact: Mapping[str, Any], name: str, above: frozenset[str]) -> CelType | None:
        rest = compact.get("*", "")
        if rest not in ("", "*"):
            value = self.of(rest, f"{name}.@elem", above)
            return None if value is None else map_of(STRING, value)
        if rest and self._gaps:
            return self._gaps
        members: dict[Any, Any] = {
            escaped(field): member for field, member in compact.items() if field not in ("*", "!")
        }
        members.pop(None, None)
        return ObjectType("object" if self._gaps else name, _Fields(self, members, name, above))


class _Fields(Mapping[str, CelType]):
    """The fields of an object by the names that an expression writes."""

    def __init__(self, declared: Declared, members: Mapping[str, Any], name: str, above: frozenset[str]) -> None:
        self._declared, self._members, self._name, self._above = declared, members, name, above
        self._made: dict[str, CelType | None] = {}

    def __getitem__(self, name: str) -> CelType:
        if name not in self._made:
            self._made[name] = self._make(name)
        found = self._made[name]
        if found is None:
            raise KeyError(name)
        return found

    def _make(self, name: str) -> CelType | None:
        known = name if name in self._members else f"__{name}__" if name in _RESERVED else ""
        if not known or known not in self._members:
            return None
        return self._declared.of(self._members[known], f"{self._name}.{known}", self._above)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._members if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def escaped(name: str) -> str | None:
    """The identifier that stands for a field, None where there is none."""
    if name in _RESERVED:
        return f"__{name}__"
    if not _PLAIN.fullmatch(name):
        return None
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], name)
