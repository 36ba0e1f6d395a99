"""From text to documents. A bad document costs only itself: what comes after the next `---` is still read.

Pure: opens nothing. Whether an object is of a kind that anybody knows is not asked here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.manifests.document import Document, Unreadable
from policies.manifests.json_values import NotJson, json_values
from policies.manifests.lines import Lines, Path
from policies.manifests.yaml_values import Fault, yaml_values

# Nothing else can begin a line with these: text inside quotes and block scalars must be indented or is a mistake.
_MARKER = re.compile(rb"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_ONLY_DIRECTIVES = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\r?\n|%[^\n]*\n)*\Z")
_ORIGIN = re.compile(rb"(?:(?:---[ \t]*|[ \t]*#[^\n]*|[ \t\r]*)\n)*# Source: ([^\r\n]+)")
_BLANKS = re.compile(r"[ \t\r\n]*")
_NEXT_JSON = re.compile(r"^\{", re.MULTILINE)
_BOMS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The text of one document, and the 1-based line where it begins."""

    source: str
    text: bytes
    line: int

    def unreadable(self, fault: Fault) -> Unreadable:
        hint = fault.hint
        if b"{{" in self.text and b"\0" not in self.text:
            hint = "this looks like a template: render it first, for example `helm template CHART | bailiwick check -`"
        return Unreadable(self.source, self.line + fault.line, fault.column + 1, fault.message, hint)


def read_documents(text: str | bytes, source: str) -> Iterator[Document | Unreadable]:
    """Every object in the text, in order; Lists give their items. Total: whatever the text is, nothing is raised.

    Empty documents are left out.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    for bom, name in _BOMS:
        if data.startswith(bom):
            yield Unreadable(source, 1, 1, f"the text is {name}", "save it as UTF-8")
            return
    for chunk in _chunks(data.removeprefix(b"\xef\xbb\xbf"), source):
        for found in _read(chunk):
            yield from _expanded(found) if isinstance(found, Document) else (found,)


def _chunks(data: bytes, source: str) -> Iterator[_Chunk]:
    start, line = 0, 1
    for marker in _MARKER.finditer(data):
        text = data[start : marker.start()]
        ends = marker[0] == b"..."
        if not ends and b"%" in text and _ONLY_DIRECTIVES.match(text):
            continue  # directives belong to the document that they stand before
        yield _Chunk(source, text, line)
        following = marker.end() if ends else marker.start()
        line += data.count(b"\n", start, following)
        start = following
    yield _Chunk(source, data[start:], line)


def _read(chunk: _Chunk) -> Iterator[Document | Unreadable]:
    try:
        text = chunk.text.decode()
    except UnicodeDecodeError as error:
        before = chunk.text[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace"))
        hint = "name files of YAML or JSON" if b"\0" in chunk.text else "save it as UTF-8"
        fault = Fault("the text is not UTF-8", before.count(b"\n"), column, hint)
        yield chunk.unreadable(fault)
        return
    start = _after_remarks(text)
    if text.startswith("{", start):
        yield from _read_json(chunk, text, start)
    else:
        yield from _read_yaml(chunk)


def _after_remarks(text: str) -> int:
    """Where the text begins after blanks, comments and its marker."""
    at = 3 if text.startswith("---") else 0
    while True:
        blanks = _BLANKS.match(text, at)
        at = blanks.end() if blanks else at
        if not text.startswith("#", at):
            return at
        at = text.find("\n", at) + 1 or len(text)


def _read_yaml(chunk: _Chunk) -> Iterator[Document | Unreadable]:
    origin = _origin(chunk.text)
    try:
        for index, (line, value) in enumerate(yaml_values(chunk.text)):
            if value is not None:
                lines = Lines(chunk.text, chunk.line, index)
                yield _document(value, chunk.source, chunk.line + line, lines, origin=origin)
    except Fault as fault:
        yield chunk.unreadable(fault)


def _read_json(chunk: _Chunk, text: str, start: int) -> Iterator[Document | Unreadable]:
    """JSON values one after the other; what begins with a brace and is no JSON may still be YAML."""
    line, seen, begun = chunk.line, 0, False  # lines are counted on from value to value: a stream may be long
    while True:
        try:
            for begin, end, value in json_values(text, start):
                line, seen, begun = line + text.count("\n", seen, begin), begin, True
                part = text[begin:end].encode()
                yield _document(value, chunk.source, line, Lines(part, line, json=True))
        except Fault as fault:
            if not begun and isinstance(fault, NotJson):
                yield from _yaml_instead(chunk, fault)
                return
            yield chunk.unreadable(fault)
            end = text.find("\n", fault.offset)
            following = _NEXT_JSON.search(text, end) if end >= 0 else None
            if not following:
                return
            start = following.start()
        else:
            return


def _yaml_instead(chunk: _Chunk, fault: Fault) -> Iterator[Document | Unreadable]:
    found = list(_read_yaml(chunk))
    if any(isinstance(one, Unreadable) for one in found):
        yield chunk.unreadable(fault)
    else:
        yield from found


def _document(
    value: Any, source: str, line: int, lines: Lines, *, origin: str = "", path: Path = ()
) -> Document | Unreadable:
    if isinstance(value, Mapping):
        return Document(source, line, value, origin, path, lines)
    what = "a list" if isinstance(value, list) else "text" if isinstance(value, str) else "a single value"
    items = "put its items into `items` of a List, or divide them by `---`"
    hint = items if what == "a list" else "a manifest begins with `apiVersion: ...` and `kind: ...`: name files that do"
    return Unreadable(source, line, 1, f"expected an object, not {what}", hint)


def _expanded(document: Document) -> Iterator[Document | Unreadable]:
    """The items of a List, however deep Lists lie in each other; anything else is itself."""
    kind, items = document.value.get("kind"), document.value.get("items")
    if not (isinstance(kind, str) and kind.endswith("List") and isinstance(items, list)):
        yield document
        return
    for index, item in enumerate(items):
        path = (*document.path, "items", index)
        line = document.position(("items", index))
        value = _named(item, document.value)
        found = _document(value, document.source, line, document.lines, origin=document.origin, path=path)
        yield from _expanded(found) if isinstance(found, Document) else (found,)


def _named(item: Any, around: Mapping[str, Any]) -> Any:
    """An item of a typed list needn't say its kind: `PodList` holds Pods."""
    kind = str(around.get("kind")).removesuffix("List")
    if not isinstance(item, dict) or not kind or item.get("kind") or item.get("apiVersion"):
        return item
    return {"apiVersion": around.get("apiVersion"), "kind": kind, **item}


def _origin(text: bytes) -> str:
    match = _ORIGIN.match(text) if b"# Source: " in text else None
    return match[1].decode(errors="replace").strip() if match else ""
