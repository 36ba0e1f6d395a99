"""Removes the records of an old shard of a shared log and leaves what keeps the chain verifiable.

As `files.pruning` does: batches, sealed parts and counters go; tiles, heads and checkpoints stay, with the hashes of
the unfinished tile and proofs of two records, the shard's first one and the one that says that it was pruned. That
record is durable and under a signed checkpoint first; then both proofs are durable, which is what the tables ask for
before they let anything go; then a login that may remove does so, a little at a time, and after a crash again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

from psycopg import Connection

from audit.errors import LogBusy, LogCorrupt, PruneRefused
from audit.files.layout import CHECKPOINT
from audit.files.shards import too_young
from audit.leaves.record import Record, event_record
from audit.ports import Position
from audit.postgres.address import Address
from audit.postgres.errors import reading
from audit.postgres.published import PublishedTables
from audit.postgres.registry import SharedShard, shards_of
from audit.postgres.shards import standing_holds
from audit.postgres.tables import Tables
from audit.published import NotPublished, proof_of
from audit.reading import record_of, time_of
from audit.sealed.inputs import Origin
from audit.tlog.checkpoints import Checkpoint
from audit.tlog.merkle import leaf_hash
from audit.tlog.notes import VerifierKey, parse_note
from audit.tlog.tiles import TILE_WIDTH
from audit.tlog.tlog_proof import TlogProof

SIGNED_WITHIN = 30.0  # seconds that a pruning waits for its record's checkpoint
AT_ONCE = 1 << 16  # records that go with one transaction
Session = Connection[tuple[Any, ...]]


class Log(Protocol):
    """The open log."""

    def append_now(self, record: Record) -> Position: ...


@dataclass(frozen=True, slots=True)
class SharedPruning:
    """Prunes shards of one shared log. `remover` is a login that has bailiwick_pruner; writers remove nothing."""

    log: Log
    address: Address
    remover: Address | None
    name: str  # the log's own
    public_key: bytes  # of its signer
    origin: Origin
    clock: Callable[[], datetime]
    keep_days: int

    def prune(self, number: int, *, older_than: int, basis: str) -> int:
        """Remove the records of an ended shard that is older than so many days; the number of the record of that.

        Raises PruneRefused, LogUnavailable, LogCorrupt, Unreachable.
        """
        if self.remover is None:
            raise PruneRefused("writers of a shared log remove nothing: name a login that has bailiwick_pruner")
        with self._session() as session:
            shards = shards_of(session, self.name)
            if not 0 <= number < len(shards) or not shards[number].ended:
                raise PruneRefused(f"shard {number} is none that has ended")
            shard = shards[number]
            if not shard.pruned:
                said = self._said(session, shard, shards, max(older_than, self.keep_days))
        if shard.pruned:  # a crash, maybe in the middle of it
            self._remove(shard)
            raise PruneRefused(f"`{shard.origin}` is pruned already")
        said |= {"older_than": older_than, "basis": basis}
        position = self.log.append_now(event_record("prune", {**self.origin.fields(self.clock()), **said}))
        self._bury(shard, position)
        self._remove(shard)
        return position.index

    def _said(
        self, session: Session, shard: SharedShard, shards: Sequence[SharedShard], days: int
    ) -> dict[str, object]:
        """What the record says of the shard. Raises PruneRefused for one that has to stay."""
        if holds := sorted(standing_holds(session, shards)):
            raise PruneRefused(f"`{shard.origin}` is under the legal hold {', '.join(f'`{name}`' for name in holds)}")
        until = last_time(session, shard)
        if why := too_young(shard.origin, until, self.clock(), timedelta(days=days)):
            raise PruneRefused(why)
        note = Tables(session, shard.log).note(CHECKPOINT)
        checkpoint = Checkpoint.parse(parse_note(note or b"").text)
        if checkpoint.size != shard.ended:
            raise PruneRefused(f"`{shard.origin}` is not signed to its end yet")
        return {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "checkpoint": sha256(note or b"").hexdigest(),
            "until": until,
        }

    def _bury(self, shard: SharedShard, position: Position) -> None:
        """Put proofs in the shard's place, once the record of the pruning is signed."""
        genesis = self._proof(shard.origin, 0)
        tombstone = self._proof(position.origin, position.index)
        with self._session() as session:
            tail = Tables(session, shard.log).records(shard.ended - shard.ended % TILE_WIDTH, shard.ended)
            edge = b"".join([digest for digest, _ in tail])
            values = [shard.log, genesis.to_bytes(), tombstone.to_bytes(), edge]
            session.execute("INSERT INTO bailiwick.buried VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", values)

    def _proof(self, origin: str, index: int) -> TlogProof:
        """The proof of a record, with the record itself; waits until it is under a signed checkpoint."""
        published = PublishedTables(self.address, origin)
        until = time.monotonic() + SIGNED_WITHIN
        try:
            while _covered(published) <= index:
                if time.monotonic() > until:
                    raise LogBusy("the record of the pruning is not under a signed checkpoint yet: ask again later")
                time.sleep(0.02)
            return replace(proof_of(published, index), extra=published.leaf(index))
        finally:
            published.close()

    def _remove(self, shard: SharedShard) -> None:
        """Remove the records of a shard that is buried in good order."""
        self._check_tombstone(shard)
        assert self.remover is not None
        with reading("the pruning"), self.remover.connect("bailiwick pruner", write=True) as session:
            for begin in range(0, shard.ended, AT_ONCE):
                values = [shard.log, begin + AT_ONCE]
                session.execute("DELETE FROM bailiwick.batch WHERE log = %s AND first < %s", values)
            session.execute("DELETE FROM bailiwick.counters WHERE log = %s", [shard.log])
            session.execute("DELETE FROM bailiwick.part WHERE log = %s", [shard.log])

    def _check_tombstone(self, shard: SharedShard) -> None:
        """Any writer could have put one there. Raises MerkleError, LogCorrupt when it proves nothing."""
        with self._session() as session:
            buried = Tables(session, shard.log).buried()
        if buried is None:
            raise LogCorrupt(f"`{shard.origin}` has no proof of its pruning")
        proof = TlogProof.parse(buried.tombstone)
        claimed = Checkpoint.parse(parse_note(proof.checkpoint).text).origin
        if not claimed.startswith(f"{self.name}/"):
            raise LogCorrupt(f"the record of the pruning of `{shard.origin}` lies in `{claimed}`, which is another log")
        leaf = proof.extra or b""
        proof.verify(leaf_hash(leaf), [VerifierKey.ed25519(claimed, self.public_key)], claimed)
        said = record_of(proof.index, leaf).fields
        if not str(said.get("schema")).startswith("bailiwick.prune/") or said.get("origin") != shard.origin:
            raise LogCorrupt(f"`{shard.origin}` is buried under the record of something else")

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with reading(f"the log in `{self.address.shown}`"), self.address.connect("bailiwick", write=True) as session:
            yield session


def last_time(session: Session, shard: SharedShard) -> datetime:
    """When an ended shard's last record was made."""
    ((_, leaf),) = Tables(session, shard.log).records(shard.ended - 1, shard.ended)
    return time_of(record_of(shard.ended - 1, leaf))


def _covered(published: PublishedTables) -> int:
    try:
        return Checkpoint.parse(parse_note(published.note()).text).size
    except NotPublished:
        return 0
