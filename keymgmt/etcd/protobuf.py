"""Protocol buffers without their descriptions: the fields of a message, for the two small ones that matter here."""

from collections.abc import Iterator

Field = tuple[int, int | bytes]  # number; a varint's value, or the bytes of everything else


def fields(data: bytes) -> Iterator[Field]:
    """The fields in their order. Raises ValueError for bytes that are no message."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"field {number} is of the unknown kind {kind}")
        if number == 0 or at + size > len(data):
            raise ValueError(f"field {number} ends behind its message")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number has no end")
