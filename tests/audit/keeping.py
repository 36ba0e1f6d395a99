"""Logs in shards with their archives, on files and in a database, as the tests of retention see them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from audit.checks.chain_check import ChainReport, verify_chain
from audit.files.sharded_log import ShardedLog
from audit.files.shards import ShardSettings
from audit.key_changes import SIGNING, KeysInUse
from audit.postgres.mirroring import SharedMirror
from audit.postgres.pruning import SharedPruning
from audit.postgres.sharded_log import SharedShards
from audit.postgres.whole import WholeTables
from audit.reading import LoggedRecord
from audit.sealed.archive import Archive, PartErased, PartMissing
from audit.sealed.erasure import Approved, Eraser, Whole, surveyed
from audit.sealed.erasure_plan import Scope, action_bytes
from audit.sealed.inputs import Origin
from audit.switching import Keeping
from audit.tlog.notes import VerifierKey
from audit.whole import WholeFiles, present_shards
from tests.audit.backends import Tables
from tests.audit.lives import HOME, KEY, QUICK, Time, World
from tests.audit.worlds import ORIGIN, WRITER, NoteKey

NEXT = b"\x0b" * 32  # the seed of the key that comes after
WHOSE = Origin("prod-7", "eu-de", "0.1.0")
AnyShards = ShardedLog | SharedShards


def approved(nonce: bytes = b"n" * 16) -> Approved:
    """What two of two people gave."""
    return Approved(2, 2, nonce)


class Kept:
    """What both have in common."""

    time: Time
    key: NoteKey
    settings: ShardSettings
    whole: Whole
    keys: list[VerifierKey]  # with which it is verified

    def open(self, name: str = WRITER.name) -> AnyShards:
        raise NotImplementedError

    def prune(self, log: AnyShards, number: int, days: int = 90) -> int:
        raise NotImplementedError

    def part(self, digest: bytes) -> bytes | None:
        """A sealed part, None when it is gone."""
        raise NotImplementedError

    def verify(self) -> ChainReport:
        raise NotImplementedError

    def eraser(self, log: AnyShards) -> Eraser:
        """Erases in this log."""
        return Eraser(log, self.whole, WHOSE, self.time)

    def records(self) -> Iterator[tuple[int, LoggedRecord]]:
        return self.whole.records()

    def schemas(self, shard: int) -> list[str]:
        """The short schemas of a shard's records."""
        return [r.fields["schema"].split(".")[1].split("/")[0] for number, r in self.records() if number == shard]

    def parts(self) -> dict[str, bytes]:
        """The hash of each decision's part, by the decision's id."""
        return {
            record.fields["id"]: bytes.fromhex(record.fields["written"]["sealed"][0]["sha256"])
            for _, record in self.records()
            if "id" in record.fields and "sealed" in record.fields["written"]
        }

    def action(self, scope: Scope, basis: str = "GDPR 17(1)(b)") -> bytes:
        """What people approve for this scope, as the log is now."""
        end = self.whole.end()
        return action_bytes(ORIGIN, end, scope, basis, surveyed(self.whole, scope, end).chosen)

    def found(self) -> list[str]:
        """What verification complains of."""
        report = self.verify()
        return [str(one) for one in (*report.problems, *(p for shard in report.shards for p in shard.report.problems))]

    def key_replaced(self) -> NoteKey:
        """The keyring is rotated while no log is open: the key that signs from now on."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class KeptFiles(Kept):
    """On files, on a disk in memory."""

    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.time, self.key = self.world.time, self.world.key
        self.keys = [KEY]
        self.whole = WholeFiles(HOME, self.world.disk)

    @property
    def settings(self) -> ShardSettings:  # type: ignore[override]
        return self.world.settings

    @settings.setter
    def settings(self, given: ShardSettings) -> None:
        self.world.settings = given

    def open(self, name: str = WRITER.name) -> ShardedLog:  # one writer
        return self.world.open()

    def prune(self, log: AnyShards, number: int, days: int = 90) -> int:
        assert isinstance(log, ShardedLog)
        return log.prune(number, older_than=days, basis="retention of 90 days")

    def part(self, digest: bytes) -> bytes | None:
        archive = Archive.open([place for _, place in present_shards(HOME, self.world.disk)], self.world.disk)
        try:
            return archive.get(digest)
        except (PartErased, PartMissing):
            return None

    def verify(self) -> ChainReport:
        return verify_chain(HOME, self.keys, files=self.world.disk)

    def key_replaced(self) -> NoteKey:
        self.world.key = self.key = NoteKey(seed=NEXT)
        return self.key


class KeptTables(Kept):
    """In a database, by logins that may each do one thing; verified through a mirror."""

    def __init__(self, tables: Tables, folder: Path) -> None:
        self.tables = tables
        self.time, self.key = Time(), NoteKey()
        self.keys, self._replaced = [KEY], frozenset[str]()
        self.settings = ShardSettings(keep_days=30)
        self.copies = folder / "copies"
        server, database = tables.server, tables.database
        self.address = server.address("replica", database)
        self.whole = WholeTables(self.address, ORIGIN, server.address("eraser", database))

    def open(self, name: str = WRITER.name) -> SharedShards:
        return self.opened(name)

    def opened(self, name: str = WRITER.name, **more: Any) -> SharedShards:
        """A replica."""
        keeping = Keeping(
            origin=ORIGIN,
            signer=self.key,
            clock=self.time,
            writer=replace(WRITER, name=name),
            settings=QUICK,
            shards=self.settings,
        )
        keys = KeysInUse({SIGNING: str(self.key.verifier())}, self._replaced)
        more = ({"keys": lambda: keys} if self._replaced else {}) | more
        return SharedShards.open(more.pop("address", self.address), keeping, **more)

    def key_replaced(self) -> NoteKey:
        self._replaced, self.key = frozenset({str(self.key.verifier())}), NoteKey(seed=NEXT)
        return self.key

    def prune(self, log: AnyShards, number: int, days: int = 90) -> int:
        return self.pruning(log).prune(number, older_than=days, basis="retention of 90 days")

    def pruning(self, log: AnyShards) -> SharedPruning:
        """By the login that may."""
        remover = self.tables.server.address("pruner", self.tables.database)
        keep = self.settings.keep_days
        return SharedPruning(log, self.address, remover, ORIGIN, self.key.public_key, WHOSE, self.time, keep)

    def part(self, digest: bytes) -> bytes | None:
        found = self.tables.execute(f"SELECT data FROM bailiwick.part WHERE sha256 = '\\x{digest.hex()}'")
        return bytes(found[0][0]) if found else None  # type: ignore[call-overload]

    def verify(self) -> ChainReport:
        """Of a copy that follows the log from here on."""
        self.mirror("copy")
        return verify_chain(self.copies / "copy", self.keys)

    def mirror(self, name: str) -> Path:
        """A copy under this name, brought up to date."""
        with SharedMirror(self.address, ORIGIN, self.copies / name, self.keys) as copy:
            copy.round()
        return self.copies / name


def later(kept: Kept, days: int = 400) -> None:
    """So many days go by."""
    kept.time.now += timedelta(days=days)
