"""YAML text to plain values, in one pass over libyaml's events, with bounds on depth and on what aliases expand to.

No nodes are built: what nests deeply can't exhaust the C stack, and what repeats is shared, not copied.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from yaml import YAMLError
from yaml._yaml import CParser
from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from yaml.reader import ReaderError

from policies.manifests.scalars import HINTS, Scalar, ScalarRefused, key, plain, tagged, whole

MOST_DEEP = 200  # levels; Kubernetes objects have some 20, and JSON writers stop at 254
MOST_VALUES = 400_000  # values that a document with aliases may expand to
_STRETCH = 256  # characters of text that weigh as much as one more value

_MERGE = object()
_NO_KEY = object()


class Fault(ValueError):
    """Why a stretch of text can't be read; `line` and `column` count from 0 within it, `offset` where it is known."""

    def __init__(self, message: str, line: int, column: int, hint: str = "", *, offset: int = 0) -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.hint, self.offset = message, line, column, hint, offset


@dataclass(slots=True)
class _Frame:
    """A collection that is still open."""

    value: Any
    begin: Any  # the event that opened it
    weight: int  # how much had been read when it began
    key: Any = _NO_KEY
    explicit: set[str] | None = None  # the keys written out, once a merge has made that differ from all keys


@dataclass(slots=True)
class _Reader:
    """Builds the values of one document after the other."""

    parser: Any  # CParser, whose events are typed too widely to be of use
    anchors: dict[str, tuple[Any, int] | _Frame] = field(default_factory=dict)  # a frame: its collection is still open
    weight: int = 0

    def documents(self) -> Iterator[tuple[int, Any]]:
        """The 0-based line where each document's value begins, and the value."""
        event = self.parser.get_event()
        while event is not None:
            if type(event) is DocumentStartEvent:
                self.anchors, self.weight = {}, 0
                first = self.parser.get_event()
                yield first.start_mark.line, self._value(first)
            event = self.parser.get_event()

    def _value(self, event: Any) -> Any:
        """The value that begins with this event; reads as far as it goes."""
        stack: list[_Frame] = []
        get_event = self.parser.get_event
        while True:
            kind = type(event)
            if kind is ScalarEvent:
                value = self._scalar(event)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self._open(stack, event)
                event = get_event()
                continue
            elif kind is AliasEvent:
                value = self._alias(event)
            else:
                event = stack[-1].begin
                value = self._close(stack.pop())
            if not stack:
                return whole(value) if type(value) is float else value
            frame = stack[-1]
            if type(frame.value) is dict and frame.key is _NO_KEY:
                frame.key = self._key(frame, event, value)
            else:
                self._put(frame, event, whole(value) if type(value) is float else value)
            event = get_event()

    def _scalar(self, event: ScalarEvent) -> Any:
        weight = 1 + len(event.value) // _STRETCH
        self.weight += weight
        try:
            value = scalar_of(event)
        except ScalarRefused as refused:
            raise _fault(event, str(refused), "put it in quotes if it is text") from refused
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, weight)
        return value

    def _open(self, stack: list[_Frame], event: Any) -> None:
        if len(stack) >= MOST_DEEP:
            raise _fault(event, f"nested more than {MOST_DEEP} levels deep")
        frame = _Frame({} if type(event) is MappingStartEvent else [], event, self.weight)
        self.weight += 1
        stack.append(frame)
        if event.anchor is not None:
            self.anchors[event.anchor] = frame

    def _close(self, frame: _Frame) -> Any:
        if (
            frame.begin.anchor is not None and self.anchors[frame.begin.anchor] is frame
        ):  # else the name has been taken over inside
            self.anchors[frame.begin.anchor] = (frame.value, self.weight - frame.weight)
        return frame.value

    def _alias(self, event: AliasEvent) -> Any:
        meant = self.anchors.get(event.anchor or "")
        if meant is None:
            raise _fault(event, f"unknown anchor `{event.anchor}`", "put text that begins with `*` in quotes")
        if isinstance(meant, _Frame):
            raise _fault(event, f"the anchor `{event.anchor}` contains itself")
        value, weight = meant
        self.weight += weight
        if self.weight > MOST_VALUES:
            raise _fault(event, f"aliases expand to more than {MOST_VALUES} values")
        return value

    def _key(self, frame: _Frame, event: Any, value: Any) -> Any:
        if value == "<<" and type(event) is ScalarEvent and (event.implicit[0] or event.tag == _MERGE_TAG):
            return _MERGE
        if isinstance(value, dict | list):
            raise _fault(event, "a mapping or a list can't be a key", _TEMPLATE_HINT)
        try:
            name = key(value)
        except ScalarRefused as refused:
            raise _fault(event, str(refused), "put it in quotes") from refused
        if name in (frame.value if frame.explicit is None else frame.explicit):
            raise _fault(event, f"the key `{name}` is there twice", "keep one of the two")
        return name

    def _put(self, frame: _Frame, event: Any, value: Any) -> None:
        if type(frame.value) is list:
            frame.value.append(value)
            return
        name, frame.key = frame.key, _NO_KEY
        if name is _MERGE:
            if frame.explicit is None:
                frame.explicit = set(frame.value)
            # as kubectl does it: what comes later wins, whether merged or written out
            for merged in reversed(value) if isinstance(value, list) else (value,):
                if not isinstance(merged, dict):
                    raise _fault(event, "`<<` takes a mapping or a list of mappings")
                frame.value.update(merged)
            return
        frame.value[name] = value
        if frame.explicit is not None:
            frame.explicit.add(name)


_MERGE_TAG = "tag:yaml.org,2002:merge"
_TEMPLATE_HINT = "quote text that begins with `{` or `[`; a Helm template has to be rendered first"


def yaml_values(text: bytes) -> Iterator[tuple[int, Any]]:
    """The documents in a stretch of UTF-8 text: the 0-based line where each begins, and its value. Raises Fault."""
    try:
        yield from _Reader(CParser(text)).documents()
    except YAMLError as error:
        raise _from_libyaml(text, error) from error


def scalar_of(event: ScalarEvent) -> Scalar:
    """What a scalar means in YAML, before it becomes JSON. Raises ScalarRefused."""
    text: str = event.value
    if event.tag is not None:
        return tagged(event.tag, text)
    if event.implicit[0] and (not text or text[0] in HINTS):
        return plain(text)
    return text


def yaml_events(text: bytes) -> Iterator[Any]:
    """libyaml's events for text that `yaml_values` has read."""
    parser = CParser(text)
    event = parser.get_event()
    while event is not None:
        yield event
        event = parser.get_event()


def _fault(event: Any, message: str, hint: str = "") -> Fault:
    return Fault(message, event.start_mark.line, event.start_mark.column, hint)


def _from_libyaml(text: bytes, error: YAMLError) -> Fault:
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        message = error.problem or "can't be read as YAML"
        hint = next((hint for words, hint in _HINTS if words in message), "")
        return Fault(message, mark.line if mark else 0, mark.column if mark else 0, hint)
    if isinstance(error, ReaderError):
        before = text[: error.position]
        start = before.rfind(b"\n") + 1
        return Fault(f"{error.reason}", before.count(b"\n"), len(before[start:].decode(errors="replace")))
    return Fault(str(error), 0, 0)


_HINTS = (
    ("mapping values are not allowed", "text with `: ` in it needs quotes, or the indentation is off"),
    ("cannot start any token", "indent with spaces instead of tabs; quote text that begins with `@` or a backtick"),
    ("could not find expected ':'", "a key needs `: ` after it; text over several lines needs quotes or `|`"),
    ("did not find expected key", "indent this line as its neighbours are"),
    ("did not find expected '-' indicator", "indent this line as its neighbours are"),
    ("did not find expected ',' or", "close the bracket or brace, or put the text in quotes"),
    ("did not find expected node content", "give a value, or close the bracket"),
    ("unexpected end of stream", "close the quotes"),
    ("unexpected document indicator", "close the quotes before the next `---`"),
    ("did not find expected alphabetic", "put text that begins with `*`, `&`, `%` or `!` in quotes"),
)
