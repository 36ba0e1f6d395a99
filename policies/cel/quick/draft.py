"""The source of a quick function, and the values it reads as globals."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policies.cel.plan.frame import Frame
from policies.cel.values import Value

Quick = Callable[[Mapping[str, object], Frame], tuple[Value, int]]
"""Names and a frame, for its clocks, to the value and the cost. Any exception but Stopped means: no idea."""


class Stopped(Exception):
    """The evaluation has cost or taken too much, whatever else would come of it. The frame says what it cost."""


class Draft:
    """The source of a quick function. Python compiles it when it turns out to be needed: that takes as long as all that
    came before it.
    """

    __slots__ = ("_table", "source")

    def __init__(self, source: str, table: Mapping[str, object]) -> None:
        self.source = source
        self._table = table

    def compiled(self) -> Quick:
        space = dict(self._table)
        exec(compile(self.source, "<quick>", "exec"), space)  # noqa: S102 - source of our own, see writer.py
        made: Quick = space.pop("quick")  # type: ignore[assignment]
        return made
