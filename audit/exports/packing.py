"""What the page needs to check itself, packed small: leaf hashes, rows, whole leaves, the tree outside the range.

A report of a hundred thousand records has to stay readable by mail: hashes are raw bytes, columns hold numbers into
lists of distinct values, everything else is deflated, and whole leaves are embedded up to a budget: denials first,
then an even sample. What was left out is counted and said.
"""

import base64
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from audit.exports.cover import covering_hashes
from audit.exports.summary import Row
from audit.tlog.proofs import Subtrees

LEAF_BUDGET = 4 << 20  # bytes of deflated leaves
_COLUMNS = ("verdict", "namespace", "kind", "operation", "data_class", "jurisdiction")


class LeafSampler:
    """Keeps the leaves to be embedded: all when they fit, else every denial while it fits, and a thinning sample."""

    def __init__(self, budget: int = LEAF_BUDGET) -> None:
        self._budget = budget * 3  # leaves deflate to about a third
        self._kept: list[tuple[int, bytes, bool]] = []
        self._size = 0
        self._every = 1
        self._urgent_size = 0

    def add(self, index: int, leaf: bytes, *, urgent: bool) -> None:
        """Offer a leaf. Urgent ones may take up to half of the room for themselves."""
        urgent = urgent and self._urgent_size + len(leaf) <= self._budget // 2
        if not urgent and index % self._every:
            return
        self._kept.append((index, leaf, urgent))
        self._size += len(leaf)
        self._urgent_size += len(leaf) * urgent
        while self._size > self._budget:
            self._every *= 2
            self._kept = [kept for kept in self._kept if kept[2] or kept[0] % self._every == 0]
            self._size = sum(len(kept[1]) for kept in self._kept)

    def kept(self) -> list[tuple[int, bytes]]:
        """Index and bytes of the leaves to embed, in order."""
        return [(index, leaf) for index, leaf, _ in self._kept]


def deflated(value: object) -> str:
    """JSON, deflated, in base64: nothing in it can end a script element."""
    return base64.b64encode(zlib.compress(orjson.dumps(value), 9)).decode()


def packed_hashes(hashes: Sequence[bytes]) -> str:
    """The leaf hashes one after the other, in base64."""
    return base64.b64encode(b"".join(hashes)).decode()


def packed_rows(rows: Sequence[Row]) -> dict[str, Any]:
    """Columns: numbers for times and indices as differences, for the rest into lists of distinct values."""
    packed: dict[str, Any] = {
        "index": _differences([row.index for row in rows]),
        "second": _differences([row.second for row in rows]),
    }
    for name in _COLUMNS:
        packed[name] = _coded(getattr(row, name) for row in rows)
    packed["codes"] = _coded(", ".join(row.codes) for row in rows)
    packed["models"] = _coded(", ".join(row.models) for row in rows)
    return packed


def packed_leaves(leaves: Sequence[tuple[int, bytes]]) -> dict[str, Any]:
    """Leaves as texts, byte for byte: they are UTF-8 by their making."""
    return {"index": [index for index, _ in leaves], "text": [leaf.decode() for _, leaf in leaves]}


def runs(numbers: Sequence[int]) -> list[list[int]]:
    """Ascending numbers as runs of neighbours: first and how many."""
    found: list[list[int]] = []
    for number in numbers:
        if found and sum(found[-1]) == number:
            found[-1][1] += 1
        else:
            found.append([number, 1])
    return found


def outside(numbers: Sequence[int], size: int, subtrees: Subtrees | None) -> bytes:
    """The hashes beside the records that lead to the root at `size`; a reader is needed unless nothing is beside."""
    covered = [number for number in numbers if number < size]
    if len(covered) == size:
        return b""
    if subtrees is None:
        raise ValueError("a report of a part of the log needs the tree: give `subtrees`")
    return b"".join(covering_hashes(covered, size, subtrees))


def _differences(numbers: Sequence[int]) -> list[int]:
    before, differences = 0, []
    for number in numbers:
        differences.append(number - before)
        before = number
    return differences


def _coded(values: Iterable[str]) -> dict[str, Any]:
    known: dict[str, int] = {}
    codes = [known.setdefault(value, len(known)) for value in values]
    return {"values": list(known), "codes": codes}
