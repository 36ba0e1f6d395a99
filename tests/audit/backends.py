"""The logs that share one contract, each with what a test needs to hold it up, cut it off and look into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import psycopg

from audit.checks.report import Report
from audit.checks.verify import verify_log
from audit.files.log import FileLog
from audit.key_changes import KeysInUse
from audit.mirror import Mirror
from audit.postgres.log import PostgresLog
from audit.postgres.published import PublishedTables
from audit.published import PublishedFiles
from audit.reading import LoggedRecord, prove, read_records, read_sealed
from audit.settings import LogStatus
from audit.switching import Keeping
from audit.tlog import TlogProof
from tests.audit.disks import SimulatedDisk
from tests.audit.servers import Server, Wire
from tests.audit.worlds import ORIGIN, SMALL, WRITER, Clock, NoteKey, open_log

TURN_LOCK = 1112822595


class AnyLog(Protocol):
    """What the webhook uses of a log."""

    def append_now(self, record: Any, sealed: Any = ()) -> Any: ...

    def healthy(self) -> bool: ...

    def status(self) -> LogStatus: ...

    def close_now(self) -> None: ...


class Files:
    """The log on files, on a disk in memory."""

    shared = False

    def __init__(self, folder: Path) -> None:
        self.disk = SimulatedDisk()
        self._home = Path("/log")

    def open(self, **options: Any) -> AnyLog:
        """A log with small bounds."""
        log: FileLog = open_log(self._home, files=self.disk, **options)
        return log

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within, nothing becomes durable."""
        import threading

        gate = threading.Event()
        self.disk.before = lambda _method, _what: gate.wait(10)  # type: ignore[assignment,return-value]
        try:
            yield
        finally:
            self.disk.before = lambda _method, _what: None
            gate.set()

    def cut_off(self) -> None:
        """The log's process can write no more, as if it were gone."""
        self.disk.lose_power()

    def recover(self) -> None:
        """What the next process finds."""
        self.disk = self.disk.copy()

    def is_durable(self, digest: bytes) -> bool:
        """Whether this would survive a power loss now."""
        return digest in b"".join(inode.durable for inode in self.disk._inodes)

    def records(self) -> list[LoggedRecord]:
        """All records in order."""
        return list(read_records(self._home, files=self.disk))

    def sealed(self, digest: bytes) -> bytes | None:
        """A sealed part."""
        return read_sealed(self._home, digest, files=self.disk)

    def proof(self, index: int) -> TlogProof:
        """The proof of a record."""
        return prove(self._home, index, files=self.disk)

    def report(self) -> Report:
        """What verification says."""
        return verify_log(self._home, [NoteKey().verifier()], files=self.disk)

    def close(self) -> None:
        """Nothing is held."""


class Tables:
    """The log in PostgreSQL, in a database of its own; verified through a mirror of what it publishes."""

    shared = True

    def __init__(self, server: Server, database: str, folder: Path) -> None:
        self.server = server
        self.database = database
        self.wire = Wire(server)
        self.folder = folder
        server.execute(f"CREATE DATABASE {database} TEMPLATE log", database="postgres")

    def open(
        self,
        *,
        boot: str = "boot-1",
        name: str = WRITER.name,
        signer: NoteKey | None = None,
        wire: bool = True,
        patience: float = 3.0,
        keys: KeysInUse | None = None,
        **changes: Any,
    ) -> PostgresLog:
        """A replica with small bounds, over our wire."""
        return PostgresLog.open(
            self.server.address("replica", self.database, self.wire.home if wire else None),
            Keeping(
                origin=ORIGIN,
                signer=signer or NoteKey(),
                clock=Clock(),
                writer=replace(WRITER, boot=boot, name=name),
                settings=replace(SMALL, **changes),
            ),
            patience=patience,
            keys=keys,
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within, nothing becomes durable: we have the turn."""
        with psycopg.connect(self.server.url("owner", self.database)) as session:
            session.execute("SELECT pg_advisory_xact_lock(%s, log) FROM bailiwick.log", [TURN_LOCK])
            yield

    def cut_off(self) -> None:
        """The replica reaches the server no more."""
        self.wire.refuse = True
        self.wire.cut()

    def recover(self) -> None:
        """What the next process finds, after a crash of the server too."""
        self.wire.refuse = False
        self.server.restart()

    def is_durable(self, digest: bytes) -> bool:
        """Whether this survives a crash of the server now."""
        self.server.restart()
        return any(digest in bytes(body) for (body,) in self.execute("SELECT body FROM bailiwick.batch"))  # type: ignore[call-overload]

    def execute(self, statement: str, user: str = "owner") -> list[tuple[object, ...]]:
        """One statement in this log's database."""
        return self.server.execute(statement, user=user, database=self.database)

    def records(self) -> list[LoggedRecord]:
        """All published records in order."""
        self._mirror()
        return list(read_records(self.folder / "copy"))

    def sealed(self, digest: bytes) -> bytes | None:
        """A sealed part."""
        tables = self.published()
        try:
            return tables.sealed(digest)
        finally:
            tables.close()

    def proof(self, index: int) -> TlogProof:
        """The proof of a record."""
        self._mirror()
        return prove(self.folder / "copy", index)

    def report(self) -> Report:
        """What verification says of a mirror."""
        self._mirror()
        return verify_log(self.folder / "copy", [NoteKey().verifier()])

    def published(self) -> PublishedTables:
        """The log's public side."""
        return PublishedTables.open(self.server.url("replica", self.database))

    def copy(self) -> PublishedFiles:
        """The mirror's."""
        return PublishedFiles(self.folder / "copy")

    def _mirror(self) -> None:
        copy = Mirror(self.published(), self.folder / "copy", [NoteKey().verifier()])
        try:
            copy.open()
            copy.round()
        finally:
            copy.close()

    def close(self) -> None:
        """Let go of the wire and the database."""
        self.wire.close()
        self.server.execute(f"DROP DATABASE {self.database} WITH (FORCE)", database="postgres")


Backend = Files | Tables
