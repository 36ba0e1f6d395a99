"""Logs with leaves that nobody can read: from our own log's writing end, and from another tool that holds the key."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from audit.leaves.record import Record
from audit.tlog import Checkpoint, bundle_bytes, leaf_hash, root_hash, signed_checkpoint
from audit.tlog.tiles import ENTRIES, tile_path
from tests.audit.worlds import ORIGIN, NoteKey, decision, open_log


def _put(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body.replace(old, new)


# what stands in the place of a decision's body, and what is wrong with it
BODIES: Mapping[str, tuple[Callable[[bytes], bytes], str]] = {
    "no text": (_put(b"decision-3", b"decision-\xff\xfe\xc0\xaf"), "is no UTF-8 from byte"),
    "no JSON": (lambda _: b"GET / HTTP/1.1\r\n<script>alert(1)</script>}", "is no JSON: "),
    "control": (_put(b"decision-3", b"decision\x1b[31m"), "is no JSON: "),
    "another's": (lambda _: b'{"level":"info","msg":"=cmd|\' /C calc\'!A0"}', "`None` is no schema of ours"),
    "mistyped": (_put(b'"latency_us":240', b'"latency_us":[240]'), "`latency_us`: expected a whole"),
    "a new field": (_put(b'"latency_us"', b'"latency_ns"'), "has no field `latency_ns`"),
    "no time": (_put(b'"time":"2026-11-21T', b'"time":"2026-11-31T'), "field `time`: expected a UTC"),
    "said twice": (_put(b'"verdict":', b'"verdict":"allowed","verdict":'), "says `verdict` twice"),
    "spaces": (_put(b'"verdict":', b'"verdict": '), "is not in canonical form"),
    "another order": (_put(b'"verdict":"allowed"', b'"a":1,"verdict":"allowed"'), "is not in canonical form"),
}


def with_body(directory: Path, kind: str, count: int = 6) -> int:
    """A closed log of ours whose fourth decision has such a body; its number."""
    log = open_log(directory, segment_bytes=1 << 20)
    bad = -1
    for number in range(count):
        record = decision(number)
        if number == 3:
            record = Record(record.schema, record.tenant, BODIES[kind][0](record.body))
            bad = log.append_now(record).index
        else:
            log.append_now(record)
    log.close_now()
    return bad


def published(directory: Path, leaves: Sequence[bytes], key: NoteKey | None = None) -> Path:
    """What another tool that holds the key publishes: up to 256 leaves of any bytes."""
    hashes = [leaf_hash(leaf) for leaf in leaves]
    note = signed_checkpoint(Checkpoint(ORIGIN, len(leaves), root_hash(hashes)), [key or NoteKey()])
    files = {
        tile_path(0, 0, len(leaves)): b"".join(hashes),
        tile_path(ENTRIES, 0, len(leaves)): bundle_bytes(leaves),
        "checkpoint": str(note).encode(),
    }
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    return directory
