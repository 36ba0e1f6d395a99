"""What logs in shards have in common, on files and in a database: one shard is open, or none is and it is said why.

`ShardedLog` and `SharedShards` say how a shard is ended and the next one begun; who may append meanwhile, what the
status is between two shards, and that looking after them raises nothing, is here.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from audit.errors import LogBusy
from audit.files.committer import Item
from audit.files.shards import ShardSettings, ShardSigner, is_due
from audit.leaves.drafts import Seal, made
from audit.leaves.record import Draft, Record, Unsealed
from audit.ports import Envelope, Signer
from audit.settings import LogSettings, LogStatus, Writer

logger = logging.getLogger("bailiwick.audit")


class Shard(Protocol):
    """The log of one shard."""

    def healthy(self) -> bool: ...

    def status(self) -> LogStatus: ...


L = TypeVar("L", bound=Shard)


@dataclass(frozen=True, slots=True)
class Keeping:
    """Whose log it is, and how it is kept."""

    origin: str
    signer: Signer
    clock: Callable[[], datetime]
    writer: Writer
    settings: LogSettings = field(default_factory=LogSettings)
    shards: ShardSettings = field(default_factory=ShardSettings)
    seal: Seal | None = None

    def of_shard(self, origin: str) -> "Keeping":
        """The same of one shard, signed under its name."""
        return replace(self, origin=origin, signer=self.signer_of(origin))

    def signer_of(self, origin: str) -> Signer:
        """The log's key under the name of a shard."""
        return self.signer if origin == self.origin else ShardSigner(origin, self.signer)


class Switching(Generic[L]):
    """The shard that is written, for any threads; `_switch` is held while it is changed, and by whoever appends."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping
        self._switch = threading.RLock()
        self._log: L | None = None
        self._begun: datetime | None = None
        self._between = ""  # why there is no shard to write to
        self._status: LogStatus | None = None

    def made(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed]) -> Item:
        """What `append_batch` takes. Raises RecordInvalid."""
        return made(record, sealed, self._keeping.seal)

    def healthy(self) -> bool:
        """Whether an append may succeed now."""
        return self._log is not None and self._log.healthy()

    def status(self) -> LogStatus:
        """Of the shard that is written; between two shards, of the last one, with the reason."""
        if self._log is not None:
            self._status = self._log.status()
            return self._status
        return replace(self._status or LogStatus(0, 0, 0, 0.0, 0, 0, ""), trouble=self._between)

    def tend(self) -> None:
        """Begin the next shard when it is due; to be called about once a second. Never raises."""
        try:
            with self._switch:
                self._tend()
        except Exception as error:  # noqa: BLE001 — a signer may raise anything; the next turn tries again
            if self._log is None:
                self._between = str(error)
            logger.warning("the log's shards: %s: %s", type(error).__name__, error)

    def _tend(self) -> None:
        raise NotImplementedError

    def _current(self) -> L:
        if self._log is None:
            raise LogBusy(f"no shard is open: {self._between}")
        return self._log

    def _is_due(self) -> bool:
        if self._log is None or not self._log.healthy():
            return False
        keeping = self._keeping
        return is_due(keeping.shards, self._log.status(), self._begun, keeping.clock(), keeping.settings)
