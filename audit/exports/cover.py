"""One proof for many leaves: the roots of the complete subtrees that hold none of them, from left to right.

The tree of `size` leaves is walked as RFC 6962 splits it. A subtree that holds a chosen leaf is entered; one that holds
none and is complete gives its root; both sides do the same walk, so positions needn't be written. For one leaf that is
its inclusion proof, for neighbours far less than a proof each. Nothing but hashes of others is in it.
"""

from collections.abc import Iterable, Iterator

from audit.errors import ProofInvalid
from audit.tlog.merkle import EMPTY_ROOT, node_hash
from audit.tlog.proofs import Subtrees


def covering_hashes(chosen: Iterable[int], size: int, subtrees: Subtrees) -> Iterator[bytes]:
    """The hashes beside the chosen leaves, whose numbers ascend and are below `size`."""
    numbers = iter(chosen)
    following = next(numbers, size)
    waiting = [(0, size)]
    while waiting:
        low, high = waiting.pop()
        width = high - low
        if width == 0:
            continue
        if following >= high and width & (width - 1) == 0:
            level = width.bit_length() - 1
            yield subtrees(level, low >> level)
        elif width == 1:
            if following != low:
                raise ProofInvalid(f"record {following} is out of order")
            following = next(numbers, size)
        else:
            middle = low + split(width)
            waiting += [(middle, high), (low, middle)]
    if following != size:
        raise ProofInvalid(f"the tree of {size} records has no record {following}")


def covered_root(chosen: Iterable[tuple[int, bytes]], size: int, beside: Iterable[bytes]) -> bytes:
    """The root to which chosen leaves (number and hash, ascending) and the hashes beside them lead.

    Raises ProofInvalid when there are too many or too few of either.
    """
    leaves, others = iter(chosen), iter(beside)
    following = next(leaves, (size, b""))

    def root(low: int, high: int) -> bytes:
        nonlocal following
        width = high - low
        if following[0] >= high and width & (width - 1) == 0:
            found = next(others, b"")
            if len(found) != 32:
                raise ProofInvalid("the proof lacks a hash")
            return found
        if width == 1:
            number, found = following
            if number != low:
                raise ProofInvalid(f"record {number} is out of order")
            following = next(leaves, (size, b""))
            return found
        middle = low + split(width)
        return node_hash(root(low, middle), root(middle, high))

    found = root(0, size) if size else EMPTY_ROOT
    if following[0] != size or next(others, None) is not None:
        raise ProofInvalid("the proof has more hashes or records than the tree")
    return found


def split(width: int) -> int:
    """The largest power of two below `width`."""
    return 1 << (width - 1).bit_length() - 1
