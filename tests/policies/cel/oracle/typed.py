"""Types as the generator writes them: `list<int>`, `map<string,A>`, with capitals for what is still open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Type:
    """A name and its parameters. A name of one capital letter is open and stands for any type."""

    name: str
    parameters: tuple[Type, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}<{','.join(map(str, self.parameters))}>" if self.parameters else self.name

    @property
    def is_open(self) -> bool:
        """Whether it is a variable such as `A`."""
        return len(self.name) == 1 and self.name.isupper()

    def opened(self) -> set[str]:
        """The variables in it."""
        if self.is_open:
            return {self.name}
        return {name for part in self.parameters for name in part.opened()}

    def closed(self, known: Mapping[str, Type]) -> Type:
        """The type with its variables replaced."""
        if self.is_open:
            return known[self.name]
        return Type(self.name, tuple(part.closed(known) for part in self.parameters))

    def fits(self, wanted: Type, known: dict[str, Type]) -> bool:
        """Whether it becomes `wanted` when its variables are chosen so; `known` then holds the choice."""
        if self.is_open:
            return known.setdefault(self.name, wanted) == wanted
        if self.name != wanted.name or len(self.parameters) != len(wanted.parameters):
            return False
        return all(mine.fits(theirs, known) for mine, theirs in zip(self.parameters, wanted.parameters, strict=True))


@lru_cache(maxsize=4096)
def parse(text: str) -> Type:
    """Read what `str(type)` writes."""
    tokens = re.findall(r"[\w.]+|[<>,]", text)
    position = 0

    def read() -> Type:
        nonlocal position
        name = tokens[position]
        position += 1
        inner: list[Type] = []
        while position < len(tokens) and tokens[position] in "<,":
            if tokens[position] == "," and not inner:
                break
            position += 1
            inner.append(read())
        if inner:
            position += 1  # the closing bracket
        return Type(name, tuple(inner))

    return read()


def list_of(element: Type) -> Type:
    return Type("list", (element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", (key, value))


def optional_of(value: Type) -> Type:
    return Type("optional", (value,))


BOOL, INT, UINT, DOUBLE, STRING, BYTES, NULL, DURATION, TIMESTAMP, DYN = map(
    Type, ("bool", "int", "uint", "double", "string", "bytes", "null", "duration", "timestamp", "dyn")
)
PLAIN = (BOOL, INT, UINT, DOUBLE, STRING, BYTES, NULL, DURATION, TIMESTAMP)
ORDERED = (BOOL, INT, UINT, DOUBLE, STRING, BYTES, DURATION, TIMESTAMP)
KEYS = (BOOL, INT, UINT, STRING)
OPAQUE = tuple(map(Type, ("quantity", "url", "ip", "cidr", "semver", "format")))
