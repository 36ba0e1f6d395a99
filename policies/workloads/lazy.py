"""Dicts whose values are computed when they are first asked for, and then kept.

Guarantees: to a reader it is a dict: `[]`, `in`, `get`, iteration and equality see every key. Code that reads a dict's
memory directly (a C extension such as orjson) sees only what was computed: give it `whole(value)`.
"""

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, ClassVar


class Lazy(dict[str, Any]):
    """A dict with `given` values at once; the others come from `source`, by the table of its class."""

    __slots__ = ("source",)
    LATER: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}  # key: how the source computes it

    def __init__(self, given: Mapping[str, Any], source: object) -> None:
        super().__init__(given)
        self.source = source

    def __missing__(self, key: str) -> Any:
        compute = self.LATER.get(key)
        if compute is None:
            raise KeyError(key)
        value = self[key] = compute(self.source)
        return value

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or key in self.LATER

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def whole(self) -> dict[str, Any]:
        """Itself, with everything computed."""
        for key in self.LATER:
            self[key]
        return self

    def __iter__(self) -> Iterator[str]:
        return dict.__iter__(self.whole())

    def __len__(self) -> int:
        return dict.__len__(self.whole())

    def __eq__(self, other: object) -> bool:
        return dict.__eq__(self.whole(), other.whole() if isinstance(other, Lazy) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __repr__(self) -> str:
        return dict.__repr__(self.whole())

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        return dict.keys(self.whole())

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        return dict.values(self.whole())

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        return dict.items(self.whole())


def whole(value: Any) -> Any:
    """The value as plain dicts and lists, everything computed."""
    if isinstance(value, Lazy):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list) and any(isinstance(one, Lazy) for one in value):
        return [whole(one) for one in value]
    return value
