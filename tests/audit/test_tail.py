"""Reading a log's records from its segments while they are written."""

import random
from pathlib import Path

import pytest

from audit.errors import LogCorrupt
from audit.files import tail
from audit.files.log import FileLog
from audit.files.tail import Tail
from audit.reading import read_records
from tests.audit.disks import SimulatedDisk
from tests.audit.worlds import decision, open_log

HOME = Path("/log")


def _filled(disk: SimulatedDisk, seed: int, count: int = 300) -> FileLog:
    """A log in many segments, in batches of any size."""
    chance = random.Random(seed)
    log = open_log(HOME, files=disk, segment_bytes=40_000)
    while log.status().size < count:
        log.append_batch([(decision(number), ()) for number in range(chance.randint(1, 20))])
    return log


def _read_all(place: Tail) -> None:
    while place.read(1 << 20):
        pass


@pytest.mark.parametrize("seed", range(3))
def test_from_any_record_on(seed: int) -> None:
    """From any record on, in any steps, each record comes once and in order, over the ends of segments."""
    disk, chance = SimulatedDisk(), random.Random(seed)
    _filled(disk, seed).close_now()
    whole = [(record.hash, record.leaf) for record in read_records(HOME, files=disk)]
    for _ in range(40):
        begin = chance.randint(0, len(whole))
        place, read = Tail(disk, HOME, begin), []
        while more := place.read(len(whole)):
            read += more
        assert read == whole[begin:]


def test_beside_the_writer() -> None:
    """What is durable is read while more is written, and nothing that comes after it."""
    disk = SimulatedDisk()
    log, place, seen = _filled(disk, 1, 10), Tail(disk, HOME, 0), 0
    for number in range(200):
        durable = log.status().size
        log.append_now(decision(number))
        while more := place.read(durable):
            seen += len(more)
        assert seen == durable
    log.close_now()


def test_a_batch_larger_than_what_is_read_at_once() -> None:
    """It is read all the same."""
    disk = SimulatedDisk()
    log = open_log(HOME, files=disk, segment_bytes=16 << 20)
    count = 3 * tail.CHUNK // len(decision(0).body)
    log.append_batch([(decision(number), ()) for number in range(count)])
    size = log.status().size
    log.close_now()
    place, read = Tail(disk, HOME, 0), 0
    while more := place.read(size):
        read += len(more)
    assert read == size


def test_a_record_that_is_durable_and_not_there() -> None:
    """Where fewer records lie than are durable, or damaged ones, the reader says so and doesn't wait."""
    disk = SimulatedDisk()
    log = _filled(disk, 2, 20)
    log.close_now()
    with pytest.raises(LogCorrupt, match="not where it was written"):
        _read_all(Tail(disk, HOME, 0))
    with pytest.raises(LogCorrupt, match="no segments"):
        Tail(disk, Path("/elsewhere"), 0).read(1)
    wal = next(path for path in disk.files(HOME) if path.parent.name == "wal" and path.suffix == ".seg")
    content = bytearray(disk.read(wal))
    content[-10 - (len(content) - len(content.rstrip(b"\0")))] ^= 1
    descriptor = disk.open(wal)
    disk.write(descriptor, bytes(content), 0)
    with pytest.raises(LogCorrupt, match="does not read back"):
        _read_all(Tail(disk, HOME, 0))
