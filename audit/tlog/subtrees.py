"""Proofs about subtrees `[start, end)` of a log, as tlog-witness's `sign-subtree` asks for them.

A subtree is valid when `start` is a multiple of the smallest power of two that is at least its width.
"""

from collections.abc import Sequence

from audit.errors import ProofInvalid
from audit.tlog.merkle import EMPTY_ROOT, HASH_SIZE, node_hash
from audit.tlog.proofs import verify_inclusion

LARGEST_SIZE = (1 << 63) - 1


def check_subtree(start: int, end: int) -> None:
    """Raise ProofInvalid unless `[start, end)` is a subtree that a log can have."""
    if not 0 <= start <= end <= LARGEST_SIZE:
        raise ProofInvalid(f"[{start}, {end}) is no range of leaves")
    width = end - start
    if width and start % (1 << (width - 1).bit_length()):
        raise ProofInvalid(f"[{start}, {end}) is no subtree: it does not begin at a multiple of its height")


def verify_subtree_inclusion(
    index: int, start: int, end: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Silence means: `leaf` is leaf `index` of the log, within the subtree with this root."""
    check_subtree(start, end)
    if not start <= index < end:
        raise ProofInvalid(f"leaf {index} is not within [{start}, {end})")
    verify_inclusion(index - start, end - start, leaf, proof, root)


def verify_subtree_consistency(
    start: int, end: int, size: int, proof: Sequence[bytes], subtree_root: bytes, root: bytes
) -> None:
    """Silence means: the subtree with this root is part of the tree of `size` leaves. An empty one always is."""
    check_subtree(start, end)
    if end > size:
        raise ProofInvalid(f"[{start}, {end}) goes beyond a tree of {size} leaves")
    if any(len(value) != HASH_SIZE for value in proof):
        raise ProofInvalid(f"a hash has {HASH_SIZE} bytes")
    if start == end:
        if proof or subtree_root != EMPTY_ROOT:
            raise ProofInvalid("an empty subtree has the root of an empty tree and needs no proof")
        return
    from_subtree, from_tree = _both_roots(start, end, size, list(proof), subtree_root)
    if from_subtree != subtree_root:
        raise ProofInvalid(f"the proof does not lead to the root of [{start}, {end})")
    if from_tree != root:
        raise ProofInvalid(f"the proof does not lead to the root at size {size}")


def _both_roots(start: int, end: int, size: int, proof: list[bytes], subtree_root: bytes) -> tuple[bytes, bytes]:
    """Climb three paths at once: the subtree's first and last leaf, and the tree's last leaf."""
    first, last, top = start, end - 1, size - 1
    while first != last and (last == top or last & 1):
        first, last, top = first >> 1, last >> 1, top >> 1
    if first == last:  # the subtree is one node of the tree: its root is where the path begins
        proof.insert(0, subtree_root)
    if not proof:
        raise ProofInvalid("the proof has no hashes")
    from_subtree = from_tree = proof[0]
    for sibling in proof[1:]:
        if top == 0:
            raise ProofInvalid("the proof has hashes left at the root")
        if last & 1 or last == top:
            if first < last:
                from_subtree = node_hash(sibling, from_subtree)
            from_tree = node_hash(sibling, from_tree)
            while not last & 1:
                first, last, top = first >> 1, last >> 1, top >> 1
        else:
            from_tree = node_hash(from_tree, sibling)
        first, last, top = first >> 1, last >> 1, top >> 1
    if top:
        raise ProofInvalid("the proof ends below the root")
    return from_subtree, from_tree
