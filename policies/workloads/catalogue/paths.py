"""Catalogue paths, compiled once into a tree that is walked along an object.

    spec.containers[].image          every element of a list
    spec.limits{}                    every value of a map; the key matters
    metadata.annotations["a.b/c"]    one literal key

Guarantees: paths with a common beginning are walked once; a branch that an object lacks costs one look-up; nothing
raises, whatever the object holds (a value of an unexpected type simply has no parts). Null counts as absent.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from policies.json import Json
from policies.remembered import remembered

Tag = TypeVar("Tag")

EACH, EVERY = "[]", "{}"
_FEW = 3  # members that are looked up one by one

_STEP = re.compile(r'\[\]|\{\}|\["((?:[^"\\]|\\.)*)"\]|\.?([^.\[\]{}"]+)')
_PLAIN = re.compile(r"[A-Za-z_$][\w$-]*")


class PathMalformed(ValueError):
    """A path of the catalogue can't be read: correct it in the YAML file."""


class Found(NamedTuple, Generic[Tag]):
    """One value that a path led to: where it is, what it is, the nearest map key on the way, and the path's tag."""

    path: str
    value: Json
    key: str
    tag: Tag


def parse(path: str) -> list[str]:
    """The steps of a path; `[]` and `{}` stand for themselves, a literal key that reads so is written `["[]"]`.

    Raises PathMalformed.
    """
    steps: list[str] = []
    at = 0
    while match := _STEP.match(path, at):
        literal, plain = match.groups()
        if literal is not None:
            steps.append("." + literal.replace('\\"', '"').replace("\\\\", "\\"))
        else:
            steps.append(match[0] if plain is None else "." + plain)
        at = match.end()
    if at != len(path) or path.startswith("."):
        raise PathMalformed(f'path `{path}` can\'t be read from character {at + 1}: write a.b, a[], a{{}} or a["k"]')
    return steps


def member(path: str, key: str) -> str:
    """The path of a map's value: `path.key`, or `path["key"]` where the key needs quotes."""
    written = _written(key)
    return path + written if path else written.removeprefix(".")


@remembered(4096)  # names of labels, resources and fields are few
def _written(key: str) -> str:
    """How a key is written after a path."""
    if _PLAIN.fullmatch(key):
        return f".{key}"
    quoted = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'["{quoted}"]'


def pointer(path: str) -> str:
    """The RFC 6901 JSON Pointer of a concrete path, such as `spec.tasks[0].template`."""
    parts = re.findall(r'\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\.?([^.\[\]"]+)', path)
    keys = (index or plain or quoted.replace('\\"', '"').replace("\\\\", "\\") for index, quoted, plain in parts)
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


class _Node:
    """A place of the tree: the tags of the paths that end here, and where others go on."""

    __slots__ = ("each", "every", "members", "names", "tags")

    def __init__(self, tags: tuple[Any, ...], members: "Members", each: "_Node | None", every: "_Node | None") -> None:
        self.tags, self.members, self.each, self.every = tags, members, each, every
        # Where members are many, most objects have none of them.
        self.names = frozenset(name for name, _, _ in members) if len(members) > _FEW else frozenset[str]()


Members = tuple[tuple[str, str, _Node], ...]  # key, how it is written after a path, what follows


class Paths(Generic[Tag]):
    """Many tagged paths as one tree."""

    __slots__ = ("_root",)

    def __init__(self, tagged: Iterable[tuple[str, Tag]]) -> None:
        self._root = _tree([(parse(path), tag) for path, tag in tagged])

    def find(self, value: Json, prefix: str = "") -> list[Found[Tag]]:
        """Everything the paths lead to, in the order of the paths and then of the object."""
        found: list[Found[Tag]] = []
        _walk(self._root, value, prefix, "", found)
        return found

    def misfits(self, value: Json, prefix: str = "", ends: str = "") -> list[tuple[str, str, Json]]:
        """Where the paths go on but the value doesn't: where, what would have to be there, what is there.

        `ends` is `an object` where every path ends in one.
        """
        found: list[tuple[str, str, Json]] = []
        _misfits(self._root, value, prefix, ends, found)
        return found

    def __bool__(self) -> bool:
        root = self._root
        return bool(root.tags or root.members or root.each or root.every)

    def __iter__(self) -> Iterator[Tag]:
        pending = [self._root]
        while pending:
            node = pending.pop()
            yield from node.tags
            pending += [child for _, _, child in node.members] + [one for one in (node.each, node.every) if one]


def _tree(tagged: list[tuple[list[str], Tag]]) -> _Node:
    tags = tuple(tag for steps, tag in tagged if not steps)
    branches: dict[str, list[tuple[list[str], Tag]]] = {}
    for steps, tag in tagged:
        if steps:
            branches.setdefault(steps[0], []).append((steps[1:], tag))
    each, every = branches.pop(EACH, None), branches.pop(EVERY, None)
    members = tuple((step[1:], member("x", step[1:])[1:], _tree(below)) for step, below in branches.items())
    return _Node(tags, members, _tree(each) if each else None, _tree(every) if every else None)


def _walk(node: _Node, value: Json, path: str, key: str, found: list[Found[Tag]]) -> None:
    """Depth is bounded by the longest path, never by the object."""
    if node.tags:
        found += [Found(path, value, key, tag) for tag in node.tags]
    if isinstance(value, dict):
        for name, written, child in () if node.names and node.names.isdisjoint(value) else node.members:
            inner = value.get(name)
            if inner is not None:
                _walk(child, inner, path + written if path else written.lstrip("."), key, found)
        if node.every is not None:
            for name, inner in value.items():
                if inner is not None and isinstance(name, str):
                    _walk(node.every, inner, member(path, name), name, found)
    elif node.each is not None and isinstance(value, list):
        for index, inner in enumerate(value):
            if inner is not None:
                _walk(node.each, inner, f"{path}[{index}]", key, found)


def _misfits(node: _Node, value: Json, path: str, ends: str, found: list[tuple[str, str, Json]]) -> None:
    """Depth is bounded by the longest path. Empty values end a path without hiding anything."""
    inside = bool(node.members or node.every)
    if isinstance(value, dict) and inside:
        for name, written, child in () if node.names and node.names.isdisjoint(value) else node.members:
            if value.get(name) is not None:
                _misfits(child, value[name], path + written if path else written.lstrip("."), ends, found)
        for name, inner in value.items() if node.every is not None else ():
            if node.every is not None and inner is not None and isinstance(name, str):
                _misfits(node.every, inner, member(path, name), ends, found)
    elif isinstance(value, list) and node.each is not None:
        for index, inner in enumerate(value):
            if inner is not None:
                _misfits(node.each, inner, f"{path}[{index}]", ends, found)
    elif (inside or node.each is not None) and not node.tags and value not in (None, "", [], {}):
        wanted = " or ".join(["an object"] * inside + ["a list"] * (node.each is not None))
        found.append((path, wanted, value))
    elif ends and node.tags and not isinstance(value, dict) and value not in (None, "", [], {}):
        found.append((path, ends, value))
