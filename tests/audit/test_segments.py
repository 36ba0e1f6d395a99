"""The segment format: what was written is read again, what is torn or corrupt is told apart, any bytes are survived."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import LogCorrupt
from audit.files.segments import (
    BATCH_MAGIC,
    batch_head,
    frames,
    frames_body,
    header_bytes,
    parse_header,
    scan,
    segment_first,
    segment_name,
)
from audit.tlog import leaf_hash

STATE = {"first": 5, "kind": "log", "origin": "o"}
batches = st.lists(st.lists(st.binary(max_size=60), min_size=1, max_size=4), max_size=5)


def _segment(groups: list[list[bytes]], zeros: int = 0) -> tuple[bytes, int]:
    """A segment of these batches from index 5 on, and where its batches begin."""
    header = header_bytes(STATE)
    data, index = header, 5
    for group in groups:
        body = frames_body([(leaf_hash(part), part) for part in group])
        data += batch_head(index, len(group), body) + body
        index += len(group)
    return data + bytes(zeros), len(header)


@given(batches, st.integers(0, 100))
def test_what_is_written_is_read(groups: list[list[bytes]], zeros: int) -> None:
    """Batches come back whole and in order, with or without zeros after them."""
    data, begin = _segment(groups, zeros)
    assert parse_header(data, segment_name(5)) == (STATE, begin)
    found = scan(data, begin, 5)
    assert found.damage is None
    assert found.end == len(data) - zeros
    read = [frame for batch in found.batches for frame in frames(data, batch)]
    flat = [part for group in groups for part in group]
    assert [(frame.index, frame.data) for frame in read] == list(enumerate(flat, 5))
    assert all(leaf_hash(frame.data) == frame.hash for frame in read)
    assert found.next_index == 5 + len(flat)


@given(batches.filter(bool), st.data())
def test_torn_is_not_corrupt(groups: list[list[bytes]], data: st.DataObject) -> None:
    """Damage in the last batch may be a torn write; in any other it is corruption. Neither is taken for records."""
    written, begin = _segment(groups)
    at = data.draw(st.integers(begin, len(written) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    damaged = bytearray(written)
    damaged[at] ^= bit
    last = written.rindex(BATCH_MAGIC)
    found = scan(bytes(damaged), begin, 5)
    assert found.damage is not None
    assert found.end <= at
    assert found.damage.corrupt == (at < last)


@given(batches.filter(bool), st.data())
def test_a_cut_segment_is_torn(groups: list[list[bytes]], data: st.DataObject) -> None:
    """A segment cut anywhere holds its whole batches, and nothing of the one that was cut."""
    written, begin = _segment(groups)
    end = data.draw(st.integers(begin, len(written) - 1))
    found = scan(written[:end], begin, 5)
    assert found.end <= end
    assert (found.damage is None) == (found.end == end)
    assert found.damage is None or not found.damage.corrupt


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a segment or corrupt, and a scan of them never fails."""
    name = segment_name(5)
    for head in (b"", header_bytes(STATE)[:12], header_bytes(STATE) + BATCH_MAGIC):
        try:
            state, begin = parse_header(head + data, name)
        except LogCorrupt:
            continue
        assert state == STATE
        scan(head + data, begin, 5)
    scan(data, 0, 0)


@pytest.mark.parametrize("state", [{}, {"first": 6, "kind": "log", "origin": "o"}, {"first": "x"}, [], "text"])
def test_a_header_that_says_something_else(state: object) -> None:
    """A header with right checksums and a wrong state is refused."""
    right = header_bytes(STATE)
    body = orjson.dumps(state)
    from zlib import crc32

    forged = right[:8] + len(body).to_bytes(4, "big") + crc32(body).to_bytes(4, "big") + body
    with pytest.raises(LogCorrupt):
        parse_header(forged, segment_name(5))


def test_forged_frames() -> None:
    """A batch with right checksums whose frames don't fill it is refused."""
    body = frames_body([(leaf_hash(b"x"), b"x")])
    for bad in (body + b"\0", body[:-1], body[:20]):
        data = batch_head(5, 1, bad) + bad
        (batch,) = scan(data, 0, 5).batches
        with pytest.raises(LogCorrupt):
            list(frames(data, batch))


def test_names() -> None:
    """Segments are named by their first index and sort by it; other files are none."""
    assert segment_first(segment_name(12)) == 12
    assert sorted([segment_name(9), segment_name(10)]) == [segment_name(9), segment_name(10)]
    for name in ("spare-1.tmp", "12.seg", "x" * 20 + ".seg", Path("a").name):
        assert segment_first(name) is None
