"""OAEP's padding taken off: what a library put on comes off, and anything else gives nothing."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from keymgmt.envelopes.wrapping import OAEP
from keymgmt.hardware.oaep import unpadded

KEY = rsa.generate_private_key(65537, 1024)
SIZE = KEY.key_size // 8


def encoded(message: bytes) -> bytes:
    """The padded block, which a private key gives back without looking at it."""
    private = KEY.private_numbers()
    wrapped = int.from_bytes(KEY.public_key().encrypt(message, OAEP), "big")
    return pow(wrapped, private.d, private.public_numbers.n).to_bytes(SIZE, "big")


@given(st.binary(max_size=SIZE - 66))
@settings(max_examples=30, deadline=None)
def test_what_was_put_on_comes_off(message: bytes) -> None:
    """Messages of every length, empty too."""
    assert unpadded(encoded(message)) == message


@given(st.integers(0, SIZE * 8 - 1))
@settings(max_examples=60, deadline=None)
def test_every_flipped_bit_is_noticed(at: int) -> None:
    """Whichever bit of the block is another, there is no message."""
    block = bytearray(encoded(b"k" * 32))
    block[at // 8] ^= 1 << at % 8
    assert unpadded(bytes(block)) is None


@given(st.binary(max_size=600))
def test_any_bytes(block: bytes) -> None:
    """Rubbish gives nothing, and never raises."""
    assert unpadded(block) is None


def test_a_block_without_an_end_of_padding() -> None:
    """Right hash and zeros, but no 0x01."""
    from keymgmt.hardware.oaep import EMPTY_LABEL, _mask, _xored

    seed, block = os.urandom(32), EMPTY_LABEL + bytes(SIZE - 65)
    masked = _xored(block, _mask(seed, len(block)))
    assert unpadded(b"\0" + _xored(seed, _mask(masked, 32)) + masked) is None
