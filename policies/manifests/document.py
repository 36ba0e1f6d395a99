"""What reading gives: a document that knows where each of its values stands, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.manifests.lines import Lines, Path


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stretch of a source that gives no object. Lines and columns count from 1; 0 when there is none to name."""

    source: str
    line: int
    column: int
    message: str
    hint: str = ""

    @property
    def where(self) -> str:
        """The source, with its line where it has one."""
        return f"{self.source}:{self.line}" if self.line else self.source

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.source, self.line, self.column) if part)
        return f"{place}: {self.message}" if place else self.message


@dataclass(frozen=True, slots=True)
class Document:
    """One object. `value` is plain JSON-like data, shared where the source used aliases: read it, never change it.

    `origin` is the file that a renderer took it from (Helm's `# Source:` comments), empty when none is named.
    """

    source: str
    line: int
    value: Mapping[str, Any]
    origin: str = ""
    path: Path = ()  # where in the source's own document: not at the root for an item of a List
    lines: Lines = field(default_factory=Lines, repr=False, compare=False)

    def position(self, path: Path, /) -> int:
        """The 1-based line of the value at this path, or of the nearest above it that is written down."""
        return self.lines.of((*self.path, *path)) or self.line
