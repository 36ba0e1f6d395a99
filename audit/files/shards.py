"""A log in shards: one ends, the next commits to it, and old ones can be removed without breaking the chain.

The first shard is the log's directory itself, the others lie below it:

    wal/ tile/ checkpoint …     the first shard, origin `<origin>`
    shards/000001/ …            the second, origin `<origin>/1`: a whole log of its own
    shards/lock                 held by the writer of the whole
    holds.json, orders/         legal holds that stand, and what the writer is asked to do (`webhook.log.orders`)

The last leaf of a shard that has ended is a stop record that names the next; the first leaf of a shard carries origin,
size, root and checkpoint hash of the one before. Which shard is written is what lies on the disk, so a crash at any
point is gone on from. Counters of writers and tenants begin anew in each shard.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from audit.errors import LogCorrupt
from audit.files.layout import CHECKPOINT, wal_of
from audit.files.log import successor_in
from audit.files.publisher import Publisher
from audit.files.recovery import load_segment, recover_segments, segment_paths
from audit.files.segments import batch_pairs, parse_header
from audit.files.signing import Signing, Source
from audit.files.store import Disk, FileSystem
from audit.settings import LogSettings, LogStatus
from audit.tlog.checkpoints import Checkpoint
from audit.tlog.notes import ED25519, NoteSigner, VerifierKey, parse_note

SHARDS = "shards"
TOMBSTONE = "pruned.tlog-proof"  # in the place of a shard that was pruned: the record of that,
GENESIS = "genesis.tlog-proof"  # and the first record, which commits to the shard before
_NOTE_LIMIT = 4096  # characters of a note that a leaf holds


@dataclass(frozen=True, slots=True)
class ShardSettings:
    """When a shard ends, and how long it stays."""

    records: int = 0  # the next shard is begun when it has so many; 0: never
    days: float = 0  # the same by its age
    keep_days: int = 180  # no shard is pruned before it is so old, whatever is asked


def is_due(shards: ShardSettings, log: LogStatus, begun: datetime | None, now: datetime, rhythm: LogSettings) -> bool:
    """Whether the shard that is written should end: it is long or old enough, and could be signed to its end now."""
    if log.trouble or log.unsigned_seconds > 5 * rhythm.publish_seconds + 5:
        return False
    is_old = shards.days and begun is not None and now - begun >= timedelta(days=shards.days)
    return bool(is_old) or 0 < shards.records <= log.size


def too_young(origin: str, last: datetime, now: datetime, keep: timedelta) -> str:
    """Why a shard whose last record is of that time is too young to be pruned; empty when it isn't."""
    age = now - last
    return "" if age >= keep else f"`{origin}` is {age.days} days old by its last record, and is kept for {keep.days}"


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard by its place."""

    number: int
    origin: str
    directory: Path


@dataclass(frozen=True, slots=True)
class ShardSigner:
    """The log's key under a shard's name: a checkpoint is signed in the name of its origin."""

    name: str
    key: NoteSigner

    @property
    def public_key(self) -> bytes:
        return self.key.public_key

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message)


def shard_directory(directory: Path, number: int) -> Path:
    """Where a shard lies."""
    return directory / SHARDS / f"{number:06d}" if number else directory


def shard_origin(origin: str, number: int) -> str:
    """A shard's own name."""
    return f"{origin}/{number}" if number else origin


def shard_numbers(directory: Path, files: FileSystem | None = None) -> list[int]:
    """The shards that are there, the first one always among them."""
    names = (files or Disk()).names(directory / SHARDS)
    return [0, *sorted(int(name) for name in names if len(name) == 6 and name.isdecimal() and int(name))]


def shard_directories(directory: Path, files: FileSystem | None = None) -> list[Path]:
    """The directories of a log's shards in order, pruned ones left out. For a log without shards: itself."""
    files = files or Disk()
    places = [shard_directory(directory, number) for number in shard_numbers(directory, files)]
    return [place for place in places if not is_pruned(place, files)]


def is_pruned(directory: Path, files: FileSystem | None = None) -> bool:
    """Whether this shard's records were removed in good order."""
    return TOMBSTONE in (files or Disk()).names(directory)


def keys_of_shards(keys: tuple[VerifierKey, ...], origin: str) -> tuple[VerifierKey, ...]:
    """The same keys, and the log's own under the name of this shard."""
    own = [VerifierKey.ed25519(origin, key.public) for key in keys if key.kind == ED25519 and key.name != origin]
    return (*keys, *own)


def last_leaf(directory: Path, files: FileSystem) -> bytes:
    """The last record of a log as its segments hold it, empty when there is none. Raises LogCorrupt, OSError."""
    for path in reversed(segment_paths(files, wal_of(directory))):
        state, _ = parse_header(files.read(path), path.name)
        loaded = load_segment(files, path, "log", state["origin"])
        if loaded.scan.batches:
            return batch_pairs(loaded.data, loaded.scan.batches[-1])[1][-1]
    return b""


def successor_of(directory: Path, files: FileSystem) -> str:
    """The origin of the shard that goes on after this one; empty while it hasn't ended."""
    return successor_in(last_leaf(directory, files))


def finish(source: Source) -> bytes:
    """Publish and sign what an ended shard still owes; its last checkpoint. Raises what signing raises, OSError."""
    files, directory, origin = source.files, source.directory, source.origin
    publisher, signing = Publisher(files, directory, source.head), Signing(source)
    boundary = publisher.boundary()
    signing.resume(publisher.head)
    records = recover_segments(files, wal_of(directory), "log", origin, begin=boundary)
    publisher.resume(records.size)
    while publisher.size < records.size:
        publisher.publish(records.size)
    signing.sign(publisher.head)
    note = files.read(directory / CHECKPOINT)
    if Checkpoint.parse(parse_note(note).text).size != records.size:
        raise LogCorrupt(f"the checkpoint of `{origin}` doesn't cover its {records.size} records: run `audit verify`")
    return note


def commitment(number: int, note: bytes) -> Mapping[str, object]:
    """What the genesis record of shard `number` says of the one before, whose last checkpoint this is."""
    previous = Checkpoint.parse(parse_note(note).text)
    text = note.decode()
    whole = {"previous": text} if len(text) <= _NOTE_LIMIT else {}
    return whole | {
        "shard": number,
        "previous_origin": previous.origin,
        "previous_size": previous.size,
        "previous_root": previous.root.hex(),
        "previous_checkpoint": sha256(note).hexdigest(),
    }
