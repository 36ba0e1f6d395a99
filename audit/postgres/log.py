"""The log in PostgreSQL: an append returns once its record is committed, in one order that many replicas share.

Guarantees: nothing is acknowledged before its transaction is durable as the server is set up (looked at when the log is
opened, and after every reconnection); a record is in the log at most once, also when an acknowledgement was lost. While
the server can't be reached, appends are refused at once, and taken again by themselves. Like in `files.log` whoever
appends does the writing, and a keeper (`audit.postgres.keeper`) publishes and beats.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from audit.errors import LogBusy, LogClosed, LogEnded, LogFull, LogPoisoned, LogRefused, LogUnavailable
from audit.files.committer import Committed, Item, Late, nobody
from audit.key_changes import RESTARTED, ROTATED, SIGNING, KeyringBehind, KeyringForeign, KeysInUse, changes
from audit.leaves.drafts import made
from audit.leaves.leaf import table_digest
from audit.leaves.record import Draft, Record, Unsealed, event_record
from audit.ports import Envelope, Position
from audit.postgres.address import Address
from audit.postgres.keeper import SharedKeeper
from audit.postgres.publisher import SharedPublisher
from audit.postgres.turns import Items, Turns
from audit.settings import LogStatus
from audit.switching import Keeping
from audit.tlog.notes import VerifierKey

logger = logging.getLogger("bailiwick.audit")

PATIENCE = 3.0  # seconds for a commit, a lost connection included; less than an admission's deadline
Clock = Callable[[], datetime]
_ROUND = 30.0  # seconds for a round of the keeper; its statements have ten each


class PostgresLog:
    """One replica's side of a shared log. Made by `open`; for as many threads as there are."""

    @classmethod
    def open(
        cls,
        address: Address,
        keeping: Keeping,
        *,
        patience: float = PATIENCE,
        genesis: Mapping[str, object] | None = None,
        holds: Sequence[Mapping[str, object]] = (),
        keys: KeysInUse | None = None,
    ) -> "PostgresLog":
        """Connect, check and start; a start record is durable when this returns, in a new log after a genesis record.

        `genesis`: what else that says, for example which shard it follows; `holds`: what held there, said again in a
        new log. `keys`: those that this replica uses; where they replace others, a record says so. Blocks on the
        network. Raises LogUnsafe, LogLocked and LogRefused, LogUnavailable.
        """
        keeping.writer.check()
        log = cls(address, keeping, patience, keys)
        log._start(genesis or {}, holds)
        return log

    def __init__(self, address: Address, keeping: Keeping, patience: float, keys: KeysInUse | None = None) -> None:
        self._address = address
        self._keeping = keeping
        self._patience = patience
        self._keys = keys
        self._writing = threading.Lock()  # one turn at a time
        self._vkey = str(VerifierKey.ed25519(keeping.signer.name, keeping.signer.public_key))
        before = keys.signed_before if keys is not None else ()
        self._turns = Turns(address, keeping.origin, self._vkey, keeping.writer, patience, before)
        self._refusal: LogUnavailable | None = None  # why appends are refused for good
        self._down: LogUnavailable | None = None  # why they are refused for now
        self._refused = 0
        self._keeper: SharedKeeper | None = None
        self._watched = threading.Event()

    @property
    def origin(self) -> str:
        """The log's own name: a shard's, where it is one."""
        return self._keeping.origin

    # — appending —

    def append_now(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed] = ()) -> Position:
        """Return once the record and its sealed parts are durable; blocks.

        Raises LogBusy, LogFull, LogPoisoned, LogClosed (all LogUnavailable), RecordInvalid for too many parts. Who
        is refused may find the record in the log all the same, when the server committed it and couldn't be asked.
        """
        committed = self.append_batch([self.made(record, sealed)])
        return Position(self.origin, committed.first, committed.pairs[0][0])

    def made(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed]) -> Item:
        """What `append_batch` takes. Raises RecordInvalid for too many parts, and for a draft that is no record."""
        return made(record, sealed, self._keeping.seal)

    def append_batch(self, items: Sequence[Item], late: Late = nobody) -> Committed:
        """Make these records durable in the caller's own thread, all or none. Blocks. Raises LogUnavailable.

        `late` is asked once it is this replica's turn: whoever came meanwhile goes along, behind the others.
        """
        if self._hindrance() is not None:
            raise self._refuse()
        if not items:
            return Committed(self._turns.size, [])
        batch = list(items)

        def make(_size: int) -> list[Item]:
            batch.extend(late())
            return batch

        return self._commit(make)

    def announce(self, keys: KeysInUse) -> None:
        """Return once the log has a record of each of these keys, ours or another replica's; then they may be used.

        Raises KeyringBehind, KeyringForeign, LogUnavailable.
        """
        self._commit(lambda size: self._changed(size, keys, ROTATED))

    def tend(self) -> None:
        """Nothing to do here: the keeper does."""

    def has_ended(self) -> bool:
        """Whether a replica has ended this shard, as far as was seen: another one goes on."""
        return isinstance(self._refusal, LogEnded)

    def healthy(self) -> bool:
        """Whether an append may succeed now."""
        return self._hindrance() is None

    def status(self) -> LogStatus:
        """The state of things, cheap enough for every scrape. `size` is what this replica has seen."""
        keeper = self._keeper
        return LogStatus(
            size=max(self._turns.size, keeper.published if keeper else 0),
            published=keeper.published if keeper else 0,
            signed=keeper.signed if keeper else 0,
            unsigned_seconds=keeper.unsigned_seconds() if keeper else 0.0,
            waiting=0,
            refused=self._refused,
            trouble=str(self._refusal or self._down or (keeper and (keeper.refuses or keeper.trouble)) or ""),
        )

    def publish_soon(self) -> None:
        """Have what is durable published and signed now rather than in the next round."""
        if self._keeper is not None:
            self._keeper.hurry()

    def close_now(self, *, successor: str = "") -> None:
        """Write a stop record, publish, sign, let go; appends from here on are LogClosed.

        With a `successor` this log has ended, for all replicas: that shard goes on.
        """
        with self._writing:
            if isinstance(self._refusal, LogClosed):
                return
            said: dict[str, Any] = {"refused": self._refused, "reason": "closed"}
            if successor:
                said |= {"reason": "the next shard goes on", "next": successor}
            if self._refusal is None and self._down is None:
                with contextlib.suppress(LogUnavailable):
                    self._committed(lambda _size: [(self._event("stop", said), ())])
            self._refusal = LogClosed("the log is closed")
        if self._keeper is not None:
            self._keeper.stop()
        self._watched.set()
        self._turns.close()

    # — what the keeper asks of the log —

    @property
    def size(self) -> int:
        """Records that this replica has seen."""
        return self._turns.size

    def look_after(self, unsigned_seconds: float, *, beat: bool) -> None:
        """Between the keeper's rounds: ask whether a lost server is back, beat."""
        if self._down is not None:
            self._probe()
        if beat:
            said = {"refused": self._refused, "unsigned_s": int(unsigned_seconds)}
            with contextlib.suppress(LogUnavailable):
                self.append_now(self._event("heartbeat", said))

    def poison(self, error: Exception) -> None:
        """Acknowledge nothing any more."""
        if not isinstance(self._refusal, LogPoisoned):
            self._refusal = LogPoisoned(f"the log has stopped for good: {error}")

    def _watch(self) -> None:
        """Cut what hangs: a server that takes no notice of its own limits."""
        while not self._watched.wait(self._patience / 4):
            self._turns.cut(1.5 * self._patience)
            if self._keeper is not None:
                self._keeper.cut(_ROUND)

    # — starting —

    def _start(self, genesis: Mapping[str, object], holds: Sequence[Mapping[str, object]]) -> None:
        self._turns.open()
        publisher = SharedPublisher(self._turns.log, self.origin, self._keeping.signer)
        self._keeper = SharedKeeper(self, self._address, publisher, self._keeping.settings)
        try:
            last = self._turns.last_schema()
            clean = not last or last.startswith("bailiwick.stop/")
            self._turns.commit(lambda size: self._beginning(size, genesis, holds, clean=clean))
            if self._keys is not None:
                self._begin_with(self._keys)
        except BaseException:
            self._turns.close()
            raise
        self._keeper.start()
        threading.Thread(target=self._watch, name="audit-watch", daemon=True).start()

    def _begin_with(self, keys: KeysInUse) -> None:
        """Another key than in the run before has its record; whose keyring is behind appends, and signs nothing."""
        try:
            self._turns.commit(lambda size: self._changed(size, keys, RESTARTED))
        except KeyringBehind as error:
            logger.warning("%s: %s", error, error.hint)

    def _changed(self, size: int, keys: KeysInUse, reason: str) -> list[Item]:
        """A record for each key that comes into use; made within our turn, so that one replica writes it."""
        standing = self._turns.standing_keys(keys.used.get(SIGNING, self._vkey))
        found = changes(standing, keys)
        self._turns.keep_keys({one: key for one, key in keys.used.items() if one not in standing.used}, size)
        return [(self._event("key-rotation", change.fields(reason)), ()) for change in found]

    def _beginning(
        self, size: int, said: Mapping[str, object], holds: Sequence[Mapping[str, object]], *, clean: bool
    ) -> list[Item]:
        """The first records of this run: in a new log, what it is comes first."""
        items: list[Item] = []
        if size == 0:
            genesis = {"origin": self.origin, "log_key": self._vkey, "table": table_digest().hex(), **said}
            items.append((self._event("genesis", genesis), ()))
        items.append((self._event("start", {"found": size, "clean": clean}), ()))
        if size == 0:
            items += [(self._event("hold", {**hold}), ()) for hold in holds]
        return items

    def _event(self, schema: str, fields: dict[str, Any]) -> Record:
        writer = self._keeping.writer
        who = {"cluster": writer.cluster, "region": writer.region, "engine": writer.engine}
        return event_record(schema, {"time": self._keeping.clock(), **who, **fields})

    # — writing —

    def _commit(self, make: Items) -> Committed:
        """One batch, one turn. Raises LogUnavailable."""
        with self._writing:
            lasting = self._refusal or self._down
            if lasting is not None:
                raise type(lasting)(str(lasting))
            return self._committed(make)

    def _committed(self, make: Items) -> Committed:
        """The same for who holds `_writing`; what lasts is remembered, so that the next is refused at once."""
        try:
            committed = self._turns.commit(make)
        except (LogFull, KeyringBehind, KeyringForeign):
            raise
        except LogPoisoned as error:
            self.poison(error)
            raise self._refusal or error from error
        except LogEnded as error:
            self._refusal = error
            raise
        except LogUnavailable as error:
            self._down = error
            raise
        except LogRefused as error:  # another server than before, or another process under our name
            self._down = LogBusy(str(error))
            raise self._down from error
        except Exception as error:  # whatever it is, nobody may be left waiting, and nothing acknowledged
            self.poison(error)
            raise self._refusal or LogUnavailable(str(error)) from error
        if self._keeper is not None:
            self._keeper.saw(self._turns.size)
        return committed

    def _probe(self) -> None:
        try:
            with self._writing:
                if self._turns.settle():
                    self._down = None
        except LogPoisoned as error:
            self.poison(error)
        except LogRefused as error:
            self._down = LogBusy(str(error))

    def _hindrance(self) -> LogUnavailable | None:
        """Why an append would be refused now."""
        if self._refusal is not None:
            return self._refusal
        if self._down is not None:
            return self._down
        if self._keeper is not None and self._keeper.refuses is not None:
            return self._keeper.refuses
        return None

    def _refuse(self) -> LogUnavailable:
        self._refused += 1
        why = self._hindrance() or LogBusy("try again")
        return type(why)(str(why))
