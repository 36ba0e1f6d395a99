"""YAML with positions: plain values, and for each field the line it stands on. Knows nothing about places."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]


class RegionsInvalid(ValueError):
    """A data file can't be used: correct the field it names. All faults of the file are in the message, one a line."""


@dataclass(frozen=True, slots=True)
class Document:
    name: str  # the file, as the user wrote it
    value: Any
    lines: dict[Path, int]

    def at(self, path: Path) -> str:
        """`file:line` of a field, or of the nearest parent that this document has."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines.get(path, 1)}"


def parse(name: str, text: str) -> Document:
    """Raises RegionsInvalid for what is no YAML, has several documents, or names a field twice."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        root = _only_root(name, loader)
        lines = dict(_lines(name, root, ())) if root is not None else {}
        value = loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise RegionsInvalid(f"{name}:{line}: not readable as YAML: {fault.problem}") from fault
    except yaml.YAMLError as fault:
        raise RegionsInvalid(f"{name}: not readable as YAML: {fault}") from fault
    finally:
        loader.dispose()
    return Document(name, value, lines)


def _only_root(name: str, loader: Any) -> yaml.Node | None:
    """The root of the one document that there may be: PyYAML says of a second one what it expected, and no more."""
    root = loader.get_node() if loader.check_node() else None
    if loader.check_node():
        line = loader.get_node().start_mark.line + 1
        raise RegionsInvalid(f"{name}:{line}: a second document begins here: data about regions is one document")
    return root


def dotted(path: Path) -> str:
    """The path for people: `providers.aws.regions.eu-west-2`, `hosts[3]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the document"


def _lines(name: str, node: yaml.Node, path: Path, above: frozenset[int] = frozenset()) -> Iterator[tuple[Path, int]]:
    """Each field with its line. A field's own line is that of its key."""
    if path == () or isinstance(path[-1], int):
        yield path, node.start_mark.line + 1
    if id(node) in above:
        raise RegionsInvalid(f"{name}:{node.start_mark.line + 1}: `{dotted(path)}` contains itself: write it out")
    above |= {id(node)}
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            at = f"{name}:{key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise RegionsInvalid(f"{at}: a key is no plain text")
            if key.value in seen:
                raise RegionsInvalid(f"{at}: `{dotted((*path, key.value))}` is there twice: keep one")
            seen.add(key.value)
            yield (*path, key.value), key.start_mark.line + 1
            yield from _lines(name, value, (*path, key.value), above)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(name, value, (*path, index), above)
