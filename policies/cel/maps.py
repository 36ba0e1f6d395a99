"""Maps whose keys aren't all text. Python takes 1, 1.0 and True for one key; CEL doesn't.

A map of text keys alone is a dict. `lookup` finds a key in either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from policies.cel.errors import Fatal
from policies.cel.types import CelType, Kind
from policies.cel.values import INT_MAX, MISSING, UINT_MAX, Duration, LibraryValue, Optional, Timestamp, UInt, Value

_BY_VALUE: Final = frozenset({str, bool, int, UInt, float, type(None), Duration})


class TextMap(dict[str, Value]):
    """A map that an expression made, of text keys alone. Asking it for what Go can't hash breaks the API server's
    evaluation off.
    """

    __slots__ = ()


class LazyMap(dict[str, Value]):
    """A map whose values the host computes when they are asked for, such as `variables`.

    The API server selects from it and walks over its values, but takes it for no map otherwise.
    """

    __slots__ = ()
    cel_type = CelType(Kind.OBJECT, "kubernetes.variables")

    def names(self) -> list[str]:
        """All keys, whether their values are computed or not."""
        return list(self)


def is_map(value: Value) -> bool:
    """Whether functions and operators take it for a map."""
    return isinstance(value, Mapping) and not isinstance(value, LazyMap)


class KeyedMap(Mapping[Value, Value]):
    """A map by key and type of key; an equal number of another type finds as far as it does in cel-go."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[object, tuple[Value, Value]] = {}

    def __getitem__(self, key: Value) -> Value:
        value = self.find(key)
        if value is MISSING:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[Value]:
        return (key for key, _ in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{key!r}: {value!r}' for key, value in self._entries.values())}}}"

    def pairs(self) -> Iterable[tuple[Value, Value]]:
        """Keys and values. Unlike `items()`, also with keys that can't be found again."""
        return self._entries.values()

    def put(self, key: Value, value: Value, mark: object = None) -> None:
        """Adds or replaces. `mark` is what the key is told by, where that is known."""
        self._entries[_mark(key) if mark is None else mark] = key, value

    def put_constant(self, key: Value, value: Value) -> None:
        """The same for a key that the expression writes down: Go knows it again, whatever it is."""
        known = isinstance(key, (list, Mapping))
        self.put(key, value, (type(key), id(key)) if known else None)

    def marked(self) -> Iterable[tuple[object, tuple[Value, Value]]]:
        """What each key is told by, the key and its value."""
        return self._entries.items()

    def has(self, mark: object) -> bool:
        return mark in self._entries

    def drop(self, key: Value) -> None:
        self._entries.pop(_mark(key), None)

    def find(self, key: Value) -> Value:
        """The value under the key, or MISSING."""
        for mark in _marks(key):
            found = self._entries.get(mark)
            if found is not None:
                return found[1]
        return MISSING

    def settled(self) -> Mapping[Value, Value]:
        """A dict where all keys are text, else the map itself."""
        if all(type(key) is str for key in self):
            return TextMap(self._entries.values())
        return self


def _mark(key: Value) -> object:
    """What tells one key from another."""
    kind = type(key)
    if kind in _BY_VALUE:
        return kind, key
    if kind is Timestamp:
        return kind, key, _zone(key.offset)
    if isinstance(key, CelType):
        return CelType, key.name
    if kind is bytes:
        raise Fatal("runtime error: hash of unhashable type types.Bytes")
    if isinstance(key, LibraryValue):
        return kind, key.cel_mark()
    if kind is Optional and not key.present:
        return Optional, None  # there is only one that is empty
    return kind, object()  # cel-go finds such keys by their address: never again


def _zone(offset: int) -> object:
    """Go knows the zones of whole hours again, others only by their address."""
    return offset if offset % 3600 == 0 and -12 <= offset // 3600 <= 14 else object()


def _marks(key: Value) -> Iterator[object]:
    """The key as it is, then as the numbers that count as equal to it."""
    yield _mark(key)
    kind = type(key)
    if kind is int and key >= 0:
        yield UInt, key
    elif kind is UInt and key <= INT_MAX:
        yield int, int(key)
    elif kind is float and key.is_integer() and abs(key) <= UINT_MAX:
        if -(2.0**63) < key < 2.0**63:
            yield int, int(key)
        if 0 <= key < 2.0**64:
            yield UInt, int(key)


def pairs(mapping: Mapping[Value, Value]) -> Iterable[tuple[Value, Value]]:
    """Keys and values of any map."""
    return mapping.pairs() if type(mapping) is KeyedMap else mapping.items()


def lookup(mapping: Mapping[Value, Value], key: Value) -> Value:
    """The value under a key that is equal in CEL's sense, or MISSING."""
    if type(mapping) is KeyedMap:
        return mapping.find(key)
    if type(key) is not str:
        if type(mapping) is TextMap and mapping:
            _mark(key)  # raises for what Go can't look for
        return MISSING  # every other map has text keys
    try:
        return mapping[key]
    except KeyError:
        return MISSING
