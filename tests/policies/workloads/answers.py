"""What the extractor says of one object, in the words of the table of expectations, each with the lines it stands on.

Lines come from YAML's own marks, found by the path that the extractor gives: a path that leads nowhere in the manifest
fails here.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import yaml

from policies.json import Json
from policies.workloads import extract, whole
from tests.policies.workloads.table_of_expectations import SAMPLES

_WORDS: Final = {"runtime": "runtimeClass", "apart": "podAntiAffinity", "together": "podAffinity", "node": "nodeName"}
_STEP: Final = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\.?([^.\[]+)')


@dataclass(frozen=True, slots=True)
class Answer:
    """One fact as the extractor gives it: what it may be called in a table, and the lines it may be said on."""

    dimension: str
    names: frozenset[str]
    first: int
    last: int

    def says(self, line: int, dimension: str, value: str) -> bool:
        return self.dimension == dimension and value in self.names and self.first <= line <= self.last

    def covers(self, line: int, dimension: str, value: str) -> bool:
        """Whether the row is part of an answer: a bucket and its endpoint are one destination, as is a repeated URL."""
        return dimension == "destination" and self.says(line, dimension, value)

    def __str__(self) -> str:
        return f"{self.first} {self.dimension} {' or '.join(sorted(self.names))}"


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a manifest, with the marks of its text."""

    node: yaml.MappingNode
    value: Json

    def lines(self, path: str) -> tuple[int, int]:
        """The first and the last line of what stands at a path, its key included."""
        node: yaml.Node = self.node
        first = node.start_mark.line
        for key, index, plain in _STEP.findall(path):
            assert isinstance(node, yaml.MappingNode | yaml.SequenceNode), f"`{path}` leads nowhere"
            if index:
                node = node.value[int(index)]
                first = node.start_mark.line
            else:
                name = key.replace('\\"', '"') or plain
                first, node = next((k.start_mark.line, v) for k, v in node.value if k.value == name)
        end = node.end_mark
        return first + 1, max(first, end.line - (end.column == 0)) + 1

    def at(self, path: str) -> Json:
        value: Any = self.value
        for key, index, plain in _STEP.findall(path):
            value = value[int(index)] if index else value[key.replace('\\"', '"') or plain]
        return value


@cache
def documents(file: str) -> dict[int, Document]:
    """The objects of a manifest by the line of their `kind:`."""
    text = (SAMPLES / file).read_text(encoding="utf-8")
    found = {}
    for node in yaml.compose_all(text, Loader=yaml.CSafeLoader):
        if isinstance(node, yaml.MappingNode):
            loader = yaml.constructor.SafeConstructor()
            value = loader.construct_document(node)
            found[next(key.start_mark.line + 1 for key, _ in node.value if key.value == "kind")] = Document(node, value)
    return found


def answers(document: Document) -> list[Answer]:
    """Every fact of the object."""
    lazy = extract(document.value)
    pods = [_pod(document, pod) for pod in lazy["pods"]]
    facts = whole(lazy)
    return [
        *pods,
        *(_answer(document, "image", one["path"], one["reference"]) for one in facts["images"]),
        *(_answer(document, "model", one["path"], one["reference"]) for one in facts["models"]),
        *(_device(document, one) for one in facts["devices"]),
        *(_destination(document, one) for one in facts["destinations"]),
        *(
            _answer(document, "identity", one["path"], one["role"] or one["serviceAccount"])
            for one in facts["identities"]
        ),
        *(_answer(document, "key", one["path"], one["reference"]) for one in facts["keys"]),
        *(_place(document, one) for one in facts["placement"]),
    ]


def _answer(document: Document, dimension: str, path: str, *names: str) -> Answer:
    return Answer(dimension, frozenset(names), *document.lines(path))


def _pod(document: Document, pod: Any) -> Answer:
    """A pod by the path of its template, and by the path of its spec."""
    spec = pod.source.pointers()["spec"].removeprefix("/").replace("/", ".")
    names = {pod["path"], re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", spec)}
    return Answer("pod", frozenset(names), *document.lines(pod["path"]))


def _device(document: Document, one: dict[str, Any]) -> Answer:
    path, count = one["path"], one["count"]
    names = {f"claim/{one['claim']}", f"{one['claim']}={count}"} if one["claim"] else set()
    if one["resource"]:
        names |= {f"{one['resource']}={count}", one["resource"]}
    held = document.at(path)
    if not names and not isinstance(held, dict | list):
        names = {f"{''.join(_STEP.findall(path)[-1])}={held}"}
    if not names:
        names = {one["mechanism"]}
    return _answer(document, "device", path, *names)


def _destination(document: Document, one: dict[str, Any]) -> Answer:
    names = [one[name] for name in ("host", "bucket", "cluster", "provider") if one[name]]
    above = one["path"].rpartition(".")[0].rpartition(".")[0] if len(names) > 1 else one["path"]
    return _answer(document, "destination", above, *names)


def _place(document: Document, one: dict[str, Any]) -> Answer:
    """A constraint, in the table's words."""
    values = ",".join(one["values"])
    if one["kind"] == "label" and isinstance(document.at(one["path"]), str):
        name = f"nodeSelector {one['key']}={values}"
    elif one["kind"] in ("label", "field"):
        name = f"affinity {one['key']} {one['operator']} {values}".rstrip()
    else:
        name = f"{_WORDS.get(one['kind'], one['kind'])} {values}"
    return _answer(document, "place", one["path"], name)
