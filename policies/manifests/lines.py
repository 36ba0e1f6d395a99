"""Where each value of a document stands, worked out only when somebody asks."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from policies.manifests.scalars import ScalarRefused, key
from policies.manifests.yaml_values import scalar_of, yaml_events

Path = tuple[str | int, ...]

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s{}\[\],:"]+')


@dataclass(slots=True)
class Lines:
    """The lines of one document's values. `first` is the 1-based line where the text begins in its source."""

    text: bytes = b""
    first: int = 1
    index: int = 0  # which document of the text, when it holds several
    json: bool = False
    _known: dict[Path, int] = field(default_factory=dict)

    def of(self, path: Path) -> int:
        """The line of the value at this path, or of the nearest above it; 0 when there is no text."""
        if not self._known and self.text:
            steps = _json_steps(self.text.decode()) if self.json else _yaml_steps(self.text, self.index)
            self._known = {path: line + self.first for path, line in _places(steps)}
        while path and path not in self._known:
            path = path[:-1]
        return self._known.get(path, 0)


class _Step(NamedTuple):
    """One thing that a text says: `{` or `[` opens, `}` closes either, and a scalar is `.` with its name as a key."""

    sign: str
    line: int
    name: str = ""


@dataclass(slots=True)
class _Open:
    path: Path
    is_list: bool
    items: int = 0
    key: str | None = None
    key_line: int = 0


def _places(steps: Iterator[_Step]) -> Iterator[tuple[Path, int]]:
    """The path of every value and its line; for a mapping's entry, that of its key."""
    stack: list[_Open] = []
    for step in steps:
        if step.sign == "}":
            stack.pop()
            if not stack:
                return
            continue
        parent = stack[-1] if stack else None
        if parent and not parent.is_list and parent.key is None:
            parent.key, parent.key_line = step.name, step.line
            continue
        path, line = _next_place(parent, step.line)
        yield path, line
        if step.sign != ".":
            stack.append(_Open(path, step.sign == "["))
        elif parent is None:
            return


def _next_place(parent: _Open | None, line: int) -> tuple[Path, int]:
    if parent is None:
        return (), line
    if parent.is_list:
        parent.items += 1
        return (*parent.path, parent.items - 1), line
    name, parent.key = parent.key or "", None
    return (*parent.path, name), parent.key_line


def _yaml_steps(text: bytes, index: int) -> Iterator[_Step]:
    begun = -1
    for event in yaml_events(text):
        begun += isinstance(event, DocumentStartEvent)
        if begun != index:
            continue
        line = event.start_mark.line
        if isinstance(event, ScalarEvent):
            yield _Step(".", line, _name(event))
        elif isinstance(event, AliasEvent):
            yield _Step(".", line, f"*{event.anchor}")
        elif isinstance(event, CollectionEndEvent):
            yield _Step("}", line)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            yield _Step("{" if isinstance(event, MappingStartEvent) else "[", line)


def _name(event: ScalarEvent) -> str:
    """What a scalar would be called as a key; one that is a value need not be fit for it."""
    try:
        return key(scalar_of(event))
    except ScalarRefused:
        return str(event.value)


def _json_steps(text: str) -> Iterator[_Step]:
    line, seen = 0, 0
    for token in _JSON_TOKEN.finditer(text):
        line += text.count("\n", seen, token.start())
        seen = token.start()
        word = token[0]
        if word in "{[}]":
            yield _Step("}" if word == "]" else word, line)
        else:
            yield _Step(".", line, json.loads(word) if word[0] == '"' else word)
