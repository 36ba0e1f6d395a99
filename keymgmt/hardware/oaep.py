"""RSA-OAEP's padding taken off in software, for modules that offer it with SHA-1 alone. Pure.

    EM = 0x00 ‖ maskedSeed[32] ‖ maskedDB;  DB = SHA-256("") ‖ 0x00… ‖ 0x01 ‖ message        (RFC 8017, 7.1.2)

Guarantees one answer for every fault: everything is computed and compared before anything is decided, so that neither
the error nor its moment says which part did not fit (Manger's attack needs to know that). The private key never leaves
its module; what is here is a data key, which leaves it anyway.
"""

import hashlib
import hmac

HASH_SIZE = 32
EMPTY_LABEL = hashlib.sha256(b"").digest()


def unpadded(encoded: bytes) -> bytes | None:
    """The message of an encoded block as long as the modulus, or None when anything does not fit."""
    if len(encoded) < 2 * HASH_SIZE + 2:
        return None
    masked_seed, masked_block = encoded[1 : 1 + HASH_SIZE], encoded[1 + HASH_SIZE :]
    seed = _xored(masked_seed, _mask(masked_block, HASH_SIZE))
    block = _xored(masked_block, _mask(seed, len(masked_block)))
    rest = block[HASH_SIZE:]
    bad = encoded[0] | (1 - hmac.compare_digest(block[:HASH_SIZE], EMPTY_LABEL))
    at, found = 0, 0  # of the 0x01 that ends the padding; the whole block is walked
    for index, byte in enumerate(rest):
        one = (byte ^ 1) == 0
        at |= index * (one & (1 - found))
        bad |= (byte != 0) & (1 - one) & (1 - found)
        found |= one
    return None if bad | (1 - found) else rest[at + 1 :]


def _mask(seed: bytes, size: int) -> bytes:
    blocks = (hashlib.sha256(seed + count.to_bytes(4, "big")).digest() for count in range(-(-size // HASH_SIZE)))
    return b"".join(blocks)[:size]


def _xored(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")
