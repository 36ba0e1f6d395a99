"""RFC 6902 JSON Patch over plain values, by path copying: the original is never changed, untouched parts are shared.

Guarantees: `apply` gives a new value or raises `PatchRefused`; nothing is half applied.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from policies.json import Json, JsonObject


class PatchRefused(ValueError):
    """The patch doesn't fit the object: a path is missing, a test failed, or an operation is unknown."""


def pointer(path: Sequence[str | int]) -> str:
    """The RFC 6901 JSON Pointer of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def parse_pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise PatchRefused(f"`{text}` is no JSON pointer: it must begin with `/`")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def apply(document: Json, operations: Iterable[JsonObject]) -> Json:
    """The document with all operations carried out in order (RFC 6902 section 4)."""
    for operation in operations:
        document = _apply_one(document, operation)
    return document


def _apply_one(document: Json, operation: JsonObject) -> Json:
    path = parse_pointer(str(operation.get("path", "")))
    match operation.get("op"):
        case "add":
            return _edit(document, path, operation.get("value"), _add)
        case "remove":
            return _edit(document, path, None, _remove)
        case "replace":
            return _edit(document, path, operation.get("value"), _replace)
        case "move":
            source = parse_pointer(str(operation.get("from", "")))
            moved = resolve(document, source)
            return _edit(_edit(document, source, None, _remove), path, moved, _add)
        case "copy":
            return _edit(document, path, resolve(document, parse_pointer(str(operation.get("from", "")))), _add)
        case "test":
            if not same(resolve(document, path), operation.get("value")):
                raise PatchRefused(f"test at `{pointer(path)}` failed")
            return document
        case other:
            raise PatchRefused(f"unknown operation `{other}`: use add, remove, replace, move, copy or test")


def resolve(document: Json, path: Sequence[str]) -> Json:
    """The value at a path. Raises PatchRefused where there is none."""
    for depth, part in enumerate(path):
        try:
            document = document[_index(part, len(document))] if isinstance(document, list) else _member(document, part)
        except (KeyError, IndexError) as missing:
            raise PatchRefused(f"nothing at `{pointer(path[: depth + 1])}`") from missing
    return document


def same(left: Json, right: Json) -> bool:
    """JSON equality: `true` is not 1, numbers compare by value."""
    if left is right:
        return True  # path copying shares what it leaves alone
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _member(document: Json, part: str) -> Json:
    if not isinstance(document, dict):
        raise KeyError(part)
    return document[part]


def _index(part: str, length: int, *, end: bool = False) -> int:
    if end and part == "-":
        return length
    if not part.isascii() or not part.isdigit() or (part != "0" and part.startswith("0")):
        raise PatchRefused(f"`{part}` is no array index")
    index = int(part)
    if index > length - (not end):
        raise IndexError(part)
    return index


def _edit(document: Json, path: list[str], value: Json, change: Any, depth: int = 0) -> Json:
    if not path:
        return value
    try:
        if depth == len(path) - 1:
            return change(document, path[depth], value)
        if isinstance(document, list):
            index = _index(path[depth], len(document))
            return [*document[:index], _edit(document[index], path, value, change, depth + 1), *document[index + 1 :]]
        below = _edit(_member(document, path[depth]), path, value, change, depth + 1)
        return {**document, path[depth]: below}
    except (KeyError, IndexError) as missing:
        raise PatchRefused(f"nothing at `{pointer(path[: depth + 1])}`") from missing


def _add(parent: Json, part: str, value: Json) -> Json:
    if isinstance(parent, list):
        index = _index(part, len(parent), end=True)
        return [*parent[:index], value, *parent[index:]]
    if not isinstance(parent, dict):
        raise KeyError(part)
    return {**parent, part: value}


def _remove(parent: Json, part: str, _: Json) -> Json:
    if isinstance(parent, list):
        index = _index(part, len(parent))
        return [*parent[:index], *parent[index + 1 :]]
    _member(parent, part)
    return {key: kept for key, kept in parent.items() if key != part}


def _replace(parent: Json, part: str, value: Json) -> Json:
    if isinstance(parent, list):
        index = _index(part, len(parent))
        return [*parent[:index], value, *parent[index + 1 :]]
    _member(parent, part)
    return {**parent, part: value}
