"""An ApplyConfiguration into an object: the structured merge of a server-side apply.

Objects are merged field by field, lists by the fields that their items go by; a part that is replaced as a whole may
not be written at all, because whoever writes it would remove what he doesn't name. Guarantees: neither value is
changed, and untouched parts are shared; what doesn't fit the shape raises `MergeRefused` in the API server's words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.json import Json, canonical
from policies.native.shapes import ListShape, MapShape, Shape

Path = str  # as the API server writes it: `.spec.containers[name="c"].image`
Key = tuple[tuple[str, bytes], ...]

_MISSING: Any = object()


class MergeRefused(ValueError):
    """The patch can't be merged: a field is unknown, a value has the wrong type, or a part is atomic."""


@dataclass(frozen=True, slots=True)
class _Wrong:
    path: Path
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True)
class Untaken:
    """A value that the API server can't make JSON of: it has no type that any field takes."""

    value: Json


@dataclass(frozen=True, slots=True)
class Foreign(Untaken):
    """A value of one of Go's own types: bytes, a duration, a moment. Its type and how Go would write it."""

    type: str
    source: str


def merged(shape: Shape, live: Json, patch: Json) -> Json:
    """The live object with the patch in it. Raises MergeRefused."""
    _hold(_wrongs(shape, patch, ""), "failed to convert patch object to typed object: ")
    atomics = list(_atomics(shape, patch, ""))
    if atomics:
        places = ", ".join(atomics)
        raise MergeRefused(f"invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {places}")
    return _merged(shape, live, patch)


def undeclared(shape: Shape, value: Json, path: Path = "") -> Iterator[Path]:
    """The fields that the shape doesn't know, as the API server's strict decoder names them."""
    chosen = _deduced(shape, value)
    if isinstance(value, Mapping) and chosen.map is not None:
        for name, member in sorted(value.items()):
            inner = chosen.map.fields.get(name, chosen.map.other)
            at = f"{path}.{name}" if path else name
            if inner is None:
                yield at
            else:
                yield from undeclared(inner.shape, member, at)
    elif isinstance(value, list) and chosen.list is not None:
        item = chosen.list.item.shape
        for index, member in enumerate(value):
            yield from undeclared(item, member, f"{path}[{index}]")


def mistyped(shape: Shape, value: Json) -> list[str]:
    """What has another type than the shape asks for, with its place."""
    return [str(wrong) for wrong in _wrongs(shape, value, "") if not wrong.message.startswith("duplicate entries")]


def _hold(wrongs: Iterator[_Wrong], prefix: str) -> None:
    found = list(wrongs)
    if found:
        text = str(found[0]) if len(found) == 1 else "\n  ".join(["errors:", *map(str, found)])
        raise MergeRefused(prefix + text)


def _deduced(shape: Shape, value: Json) -> Shape:
    """The one of the shape's possibilities that the value is; the shape itself where it is none."""
    if isinstance(value, str | int | float):
        return Shape(shape.scalar) if shape.scalar else shape
    if isinstance(value, list):
        return Shape(list=shape.list) if shape.list else shape
    if isinstance(value, Mapping):
        return Shape(map=shape.map) if shape.map else shape
    return shape


# what is wrong with a patch


def _wrongs(shape: Shape, value: Json, path: Path) -> Iterator[_Wrong]:
    chosen = _deduced(shape, value)
    if chosen.map is not None:
        yield from _wrong_members(chosen.map, value, path)
    elif chosen.scalar:
        yield from _wrong_scalar(chosen.scalar, value, path)
    elif chosen.list is not None:
        yield from _wrong_items(chosen.list, value, path)


def _wrong_members(shape: MapShape, value: Json, path: Path) -> Iterator[_Wrong]:
    if not isinstance(value, Mapping):
        yield _Wrong(path, f"expected map, got &{{{_go(value)}}}")
        return
    for name, member in value.items():
        inner = shape.fields.get(name, shape.other)
        if inner is None:
            yield _Wrong(f"{path}.{name}", "field not declared in schema")
            return
        yield from _wrongs(inner.shape, member, f"{path}.{name}")


def _wrong_items(shape: ListShape, value: Json, path: Path) -> Iterator[_Wrong]:
    if not isinstance(value, list):
        yield _Wrong(path, f"expected list, got &{{{_go(value)}}}")
        return
    seen: set[Key] = set()
    for index, item in enumerate(value):
        at = f"[{index}]"
        if _associative(shape):
            try:
                key = _key(shape, item)
            except MergeRefused as refused:
                yield _Wrong(path, f"element {index}: {refused}")
                return
            at = _shown(key)
            if key in seen:
                yield _Wrong(path, f"duplicate entries for key {at}")
            seen.add(key)
        yield from _wrongs(shape.item.shape, item, path + at)


def _wrong_scalar(kind: str, value: Json, path: Path) -> Iterator[_Wrong]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "numeric" if not number:
            yield _Wrong(path, f"expected numeric (int or float), got {_go_type(value)}")
        case "string" if not isinstance(value, str):
            yield _Wrong(path, f"expected string, got &value.valueUnstructured{{Value:{_go_source(value)}}}")
        case "boolean" if not isinstance(value, bool):
            yield _Wrong(path, f"expected boolean, got &{{{_go(value)}}}")
        case "untyped" if not isinstance(value, str | int | float):
            yield _Wrong(path, f"expected any scalar, got &{{{_go(value)}}}")


def _go(value: Json) -> str:
    """A value as Go prints it. CEL's null isn't JSON's there: nothing takes it."""
    if isinstance(value, Untaken):
        return _go(value.value)
    if value is None:
        return "NULL_VALUE"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{_go(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    return str(value)


def _go_source(value: Json) -> str:
    """A value as Go would write it in a program."""
    if value is None:
        return "0"
    if isinstance(value, Foreign):
        return value.source
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        members = ", ".join(f"{_quoted(key)}:{_go_source(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{members}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_source, value))}}}"
    return _go(value)


def _quoted(text: str) -> str:
    return canonical(text).decode()


def _go_type(value: Json) -> str:
    return value.type if isinstance(value, Foreign) else _GO_TYPES[type(value)]


_GO_TYPES: Mapping[type, str] = {
    bool: "bool",
    str: "string",
    list: "[]interface {}",
    dict: "map[string]interface {}",
    type(None): "structpb.NullValue",
    Untaken: "map[ref.Val]ref.Val",
}


def _atomics(shape: Shape, value: Json, path: Path) -> Iterator[Path]:
    """Where the patch writes something that would be replaced as a whole."""
    if isinstance(value, Mapping) and shape.map is not None:
        if shape.map.atomic:
            yield path
        for name, member in value.items():
            inner = shape.map.fields.get(name)
            if inner is not None:
                yield from _atomics(inner.shape, member, f"{path}.{name}")
    elif isinstance(value, list) and shape.list is not None:
        if shape.list.atomic:
            yield path
        item = shape.list.item.shape
        for index, member in enumerate(value):
            yield from _atomics(item, member, f"{path}[{index}]")


# the merge itself; both sides are there


def _merged(shape: Shape, live: Json, patch: Json) -> Json:
    chosen = _deduced(shape, patch)
    if chosen.map is not None:
        return _merged_maps(chosen.map, live, patch)
    if chosen.scalar or chosen.list is None:
        return patch
    return _merged_lists(chosen.list, live, patch)


def _merged_maps(shape: MapShape, live: Json, patch: Json) -> Json:
    before = live if isinstance(live, Mapping) else {}
    after = patch if isinstance(patch, Mapping) else {}
    if shape.atomic or (not before and not after):
        return patch
    made = dict(before)
    for name, member in after.items():
        inner = shape.fields.get(name, shape.other)
        held = before.get(name, _MISSING)
        made[name] = member if held is _MISSING or inner is None else _merged(inner.shape, held, member)
    return made


def _merged_lists(shape: ListShape, live: Json, patch: Json) -> Json:
    before = live if isinstance(live, list) else []
    after = patch if isinstance(patch, list) else []
    if shape.atomic or (not before and not after):
        return patch
    return _Zip(shape, before, after).merged()


class _Zip:
    """Two lists whose items have keys. Order: the patch's among the items both have; the others stay about where they
    are.
    """

    def __init__(self, shape: ListShape, before: Sequence[Json], after: Sequence[Json]) -> None:
        self._item = shape.item.shape
        self._before, self._after = before, after
        self._left = [_key(shape, item) for item in before]
        self._right = [_key(shape, item) for item in after]
        self._old: dict[Key, Json] = {}
        for key, item in zip(self._left, before, strict=True):
            self._old[key] = None if key in self._old else item  # one of several is merged with nothing
        self._new = dict(zip(self._right, after, strict=True))
        self._shared = iter([key for key in self._right if key in self._old])
        self._next = next(self._shared, None)
        self._done: set[Key] = set()
        self._made: list[Json] = []

    def merged(self) -> list[Json]:
        left = right = 0
        while left < len(self._left) or right < len(self._right):
            mine = self._left[left] if left < len(self._left) else None
            theirs = self._right[right] if right < len(self._right) else None
            if mine is not None and theirs is not None:
                if mine == theirs:
                    self._take(mine)
                    self._advance()
                    left, right = left + 1, right + 1
                    continue
                if mine in self._new and self._next is not None and self._next != mine:
                    left += 1  # shared, and its turn comes later
                    continue
            if mine is not None:
                if mine not in self._new:
                    self._made.append(self._before[left])
                    left += 1
                    continue
                if mine in self._done:
                    left += 1
            if theirs is not None:
                self._take(theirs)
                right += 1
                if self._next == theirs:
                    self._advance()
        return self._made

    def _take(self, key: Key) -> None:
        self._done.add(key)
        new = self._new[key]
        self._made.append(_merged(self._item, self._old[key], new) if key in self._old else new)

    def _advance(self) -> None:
        self._next = next(self._shared, None)


def _associative(shape: ListShape) -> bool:
    return not shape.atomic


def _key(shape: ListShape, item: Json) -> Key:
    """What an item goes by: its key fields, or in a set itself. Raises MergeRefused where it has none."""
    if not shape.keys:
        return (("", canonical(_scalar(item))),)
    if item is None:
        raise MergeRefused("associative list with keys may not have a null element")
    if not isinstance(item, Mapping):
        raise MergeRefused("associative list with keys may not have non-map elements")
    found = ((name, item.get(name, default) if name in item else default) for name, default in shape.keys)
    key = tuple(sorted((name, canonical(value)) for name, value in found if value is not None or name in item))
    if not key:
        names = " ".join(f'"{name}"' for name, _ in shape.keys)
        raise MergeRefused(
            f"associative list with keys has an element that omits all key fields [{names}]"
            " (and doesn't have default values for any key fields)"
        )
    return key


def _scalar(item: Json) -> Json:
    refusals: Sequence[tuple[Callable[[Json], bool], str]] = (
        (lambda value: isinstance(value, Mapping), "associative list without keys has an element that's a map type"),
        (lambda value: isinstance(value, list), "not supported: associative list with lists as elements"),
        (lambda value: value is None, "associative list without keys has an element that's an explicit null"),
    )
    for refuses, message in refusals:
        if refuses(item):
            raise MergeRefused(message)
    return item


def _shown(key: Key) -> str:
    """A key in a path."""
    if len(key) == 1 and not key[0][0]:
        return f"[={key[0][1].decode()}]"
    return f"[{','.join(f'{name}={value.decode()}' for name, value in key)}]"
