"""Inclusion and consistency proofs of RFC 6962: made from a reader of complete subtrees, verified from nothing else.

Verification raises ProofInvalid, or is silent. Two functions check consistency because two specifications differ at
size 0: `verify_consistency` refuses it as meaningless (as transparency-dev/merkle does), `verify_extension` takes an
empty proof for it (as tlog-witness asks).
"""

from collections.abc import Callable, Sequence

from audit.errors import ProofInvalid
from audit.tlog.merkle import EMPTY_ROOT, HASH_SIZE, node_hash

Subtrees = Callable[[int, int], bytes]
"""`subtrees(level, index)`: root over the leaves `[index << level, (index + 1) << level)`, all of them present."""


def subtrees_of(leaves: Sequence[bytes]) -> Subtrees:
    """A reader over leaf hashes in memory."""

    def read(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        return node_hash(read(level - 1, 2 * index), read(level - 1, 2 * index + 1))

    return read


def range_root(begin: int, end: int, subtrees: Subtrees) -> bytes:
    """Root over the leaves `[begin, end)`; `begin` must be a multiple of the largest power of two below the width."""
    if begin == end:
        return EMPTY_ROOT
    width = end - begin
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return subtrees(level, begin >> level)
    middle = begin + _split(width)
    return node_hash(range_root(begin, middle, subtrees), range_root(middle, end, subtrees))


def inclusion_proof(index: int, size: int, subtrees: Subtrees) -> tuple[bytes, ...]:
    """The hashes beside the path from leaf `index` to the root of `size` leaves, the leaf's sibling first."""
    if not 0 <= index < size:
        raise ProofInvalid(f"a tree of {size} leaves has no leaf {index}")
    path = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(range_root(middle, end, subtrees))
            end = middle
        else:
            path.append(range_root(begin, middle, subtrees))
            begin = middle
    return tuple(reversed(path))


def consistency_proof(old: int, new: int, subtrees: Subtrees) -> tuple[bytes, ...]:
    """The hashes that show the tree of `old` leaves to be a prefix of that of `new`; none for 0 and equal sizes."""
    if not 0 <= old <= new:
        raise ProofInvalid(f"a tree of {new} leaves does not extend one of {old}")
    if old in (0, new):
        return ()
    path = []
    begin, end = 0, new
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(range_root(middle, end, subtrees))
            end = middle
        else:
            path.append(range_root(begin, middle, subtrees))
            begin = middle
    if begin:  # the old tree ends in a subtree that is not its whole: its root isn't known to the verifier
        path.append(range_root(begin, end, subtrees))
    return tuple(reversed(path))


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Silence means: `leaf` is leaf number `index` of the tree of `size` leaves with this root."""
    if root_from_inclusion(index, size, leaf, proof) != root:
        raise ProofInvalid(f"the inclusion proof of leaf {index} leads to another root than the checkpoint's")


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root to which the proof leads. Raises ProofInvalid when its shape is wrong."""
    if not 0 <= index < size:
        raise ProofInvalid(f"a tree of {size} leaves has no leaf {index}")
    _check_hashes((leaf, *proof))
    inner, border = _shape(index, size)
    if len(proof) != inner + border:
        raise ProofInvalid(
            f"the inclusion proof of leaf {index} in {size} needs {inner + border} hashes, got {len(proof)}"
        )
    at = leaf
    for height, sibling in enumerate(proof[:inner]):
        at = node_hash(sibling, at) if index >> height & 1 else node_hash(at, sibling)
    for sibling in proof[inner:]:
        at = node_hash(sibling, at)
    return at


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Silence means: the tree of `old` leaves is a prefix of that of `new`. An empty old tree is refused."""
    if old == 0 and new != 0:
        raise ProofInvalid("consistency with an empty tree shows nothing: start from a checkpoint with leaves")
    _verify_consistency(old, new, proof, old_root, new_root)


def verify_extension(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """As a tlog-witness checks: like `verify_consistency`, and from size 0 the empty proof holds for any tree."""
    if old == 0 and new != 0:
        if proof:
            raise ProofInvalid(f"a proof from size 0 is empty, got {len(proof)} hashes")
        if old_root != EMPTY_ROOT:
            raise ProofInvalid("the old tree is empty and its root is not that of an empty tree")
        return
    _verify_consistency(old, new, proof, old_root, new_root)


def _verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    if not 0 <= old <= new:
        raise ProofInvalid(f"a tree of {new} leaves does not extend one of {old}")
    _check_hashes(proof)
    if old == new:
        if proof:
            raise ProofInvalid(f"a proof between equal sizes is empty, got {len(proof)} hashes")
        if old_root != new_root:
            raise ProofInvalid(f"two trees of {old} leaves have different roots")
        if old == 0 and old_root != EMPTY_ROOT:
            raise ProofInvalid("the tree is empty and its root is not that of an empty tree")
        return
    from_old, from_new = _both_roots(old, new, list(proof), old_root)
    if from_old != old_root:
        raise ProofInvalid(f"the consistency proof does not lead to the old root at size {old}")
    if from_new != new_root:
        raise ProofInvalid(f"the consistency proof does not lead to the new root at size {new}")


def _both_roots(old: int, new: int, proof: list[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """The roots at both sizes to which a consistency proof leads."""
    inner, border = _shape(old - 1, new)
    trailing = (old & -old).bit_length() - 1  # height of the old tree's last complete subtree
    inner -= trailing
    if old & (old - 1) == 0:  # the old tree is one complete subtree: the proof leaves out its root
        proof.insert(0, old_root)
    if len(proof) != 1 + inner + border:
        raise ProofInvalid(
            f"the consistency proof from {old} to {new} has {len(proof)} hashes, not {1 + inner + border}"
        )
    path = (old - 1) >> trailing
    from_old = from_new = proof[0]
    for height, sibling in enumerate(proof[1 : 1 + inner]):
        if path >> height & 1:
            from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
        else:
            from_new = node_hash(from_new, sibling)
    for sibling in proof[1 + inner :]:
        from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
    return from_old, from_new


def _shape(index: int, size: int) -> tuple[int, int]:
    """How many hashes a path has below and on the tree's right border."""
    inner = (index ^ (size - 1)).bit_length()
    return inner, (index >> inner).bit_count()


def _split(width: int) -> int:
    """The largest power of two below `width`."""
    return 1 << (width - 1).bit_length() - 1


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_SIZE:
            raise ProofInvalid(f"a hash has {HASH_SIZE} bytes, got one of {len(value)}")
