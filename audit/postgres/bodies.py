"""The body of a stored batch taken apart: each frame is `u32 length | 32 leaf hash | leaf`."""

from audit.errors import LogCorrupt
from audit.leaves.counters import Pair
from audit.tlog.merkle import HASH_SIZE, leaf_hash


def pairs_of(body: bytes, count: int) -> list[Pair]:
    """Hash and leaf of each record, as they stand there. Raises LogCorrupt when the frames don't fill the body."""
    pairs: list[Pair] = []
    at, end = 0, len(body)
    while at < end and len(pairs) < count:
        begin = at + 4 + HASH_SIZE
        length = int.from_bytes(body[at : at + 4], "big")
        pairs.append((body[at + 4 : begin], body[begin : begin + length]))
        at = begin + length
    if at != end or len(pairs) != count:
        raise LogCorrupt(f"a batch of {count} records has a body that isn't theirs")
    return pairs


def checked_pairs(first: int, body: bytes, count: int) -> list[Pair]:
    """The same once every leaf hashes to what stands beside it. Raises LogCorrupt."""
    pairs = pairs_of(body, count)
    for index, (digest, leaf) in enumerate(pairs, first):
        if leaf_hash(leaf) != digest:
            raise LogCorrupt(f"record {index} in the database doesn't match the hash beside it: it was changed")
    return pairs
