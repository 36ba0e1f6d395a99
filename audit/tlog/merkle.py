"""RFC 6962 hashing: leaves, nodes, roots. Pure; the tree only grows, durability is the store's business.

leaf = SHA-256(0x00 ‖ entry)      node = SHA-256(0x01 ‖ left ‖ right)      empty tree = SHA-256("")
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
LEAF, _NODE = sha256(b"\x00"), sha256(b"\x01")  # hashes begun: a copy of one is cheaper than one begun anew


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry as a leaf."""
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """The leaf hash of each entry, for whoever has very many."""
    begun, hashes = LEAF.copy, []
    for entry in entries:
        leaf = begun()
        leaf.update(entry)
        hashes.append(leaf.digest())
    return hashes


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """The root over 2^k hashes of equal height; the work of a full tile."""
    begun, level = _NODE.copy, list(hashes)
    while len(level) > 1:
        pairs, above = iter(level), []
        for left, right in zip(pairs, pairs, strict=True):
            node = begun()
            node.update(left + right)
            above.append(node.digest())
        level = above
    return level[0]


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, any number of them."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


class Frontier:
    """The right edge of a growing tree: at most 64 hashes, enough to append and to give the root.

    INVARIANT: `_peaks` holds one root per set bit of `size`, the largest subtree first.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks, got {len(peaks)}")
        self.size = size
        self._peaks = list(peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        peaks, size = self._peaks, self.size
        while size & 1:
            leaf = sha256(b"\x01" + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def append_subtree(self, root: bytes, height: int) -> None:
        """Add the root over 2^height leaves. The size must be a multiple of that."""
        if self.size & ((1 << height) - 1):
            raise ValueError(f"a subtree of height {height} does not begin at leaf {self.size}")
        peaks, bits = self._peaks, self.size >> height
        while bits & 1:
            root = node_hash(peaks.pop(), root)
            bits >>= 1
        peaks.append(root)
        self.size += 1 << height

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def peaks(self) -> tuple[bytes, ...]:
        """The hashes that make a frontier again."""
        return tuple(self._peaks)
