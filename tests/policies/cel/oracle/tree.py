"""An expression as text with typed places in it, so that it can be made smaller without being parsed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.policies.cel.oracle.typed import Type

SIMPLEST = {
    "bool": ("true", "false"),
    "int": ("0", "1"),
    "uint": ("0u", "1u"),
    "double": ("0.0", "1.0"),
    "string": ("''", "'a'"),
    "bytes": ("b''",),
    "null": ("null",),
    "duration": ("duration('0s')",),
    "timestamp": ("timestamp(0)",),
    "list": ("[]",),
    "map": ("{}",),
    "optional": ("optional.none()", "optional.of(0)"),
    "dyn": ("dyn(0)", "object"),
    "quantity": ("quantity('0')",),
    "object": ("Object{}",),
}


@dataclass(frozen=True, slots=True)
class Tree:
    """A type and the parts whose texts make the expression."""

    type: Type
    parts: tuple[str | Tree, ...]

    @property
    def text(self) -> str:
        """The expression."""
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    @property
    def children(self) -> tuple[Tree, ...]:
        """The parts that are expressions themselves."""
        return tuple(part for part in self.parts if isinstance(part, Tree))

    def smaller(self) -> Iterator[Tree]:
        """Trees with one place replaced by something inside of it or by a plain literal; the boldest first."""
        yield from self.descendants()
        if self.children:
            yield from (Tree(self.type, (text,)) for text in SIMPLEST.get(self.type.name, ()))
        for place, part in enumerate(self.parts):
            if isinstance(part, Tree):
                for replaced in part.smaller():
                    yield Tree(self.type, (*self.parts[:place], replaced, *self.parts[place + 1 :]))

    def descendants(self) -> Iterator[Tree]:
        """All trees below, the nearest first."""
        level = self.children
        while level:
            yield from level
            level = tuple(child for tree in level for child in tree.children)
