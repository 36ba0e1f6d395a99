"""A shared log's public side, read from its tables: `audit.published.Published`, for serving, mirrors and witnesses.

Partial tiles and bundles are made from the records when somebody asks. One session, reconnected when it breaks; safe
to be used by several threads, which take turns.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from psycopg import Connection, OperationalError

from audit.files.layout import CHECKPOINT
from audit.postgres.address import Address
from audit.postgres.errors import reading
from audit.postgres.registry import found, shards_of
from audit.postgres.tables import Buried, Tables, part_of
from audit.published import WITNESSED, NotPublished
from audit.tlog.checkpoints import Checkpoint
from audit.tlog.merkle import HASH_SIZE
from audit.tlog.notes import parse_note
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, bundle_bytes, tile_path

T = TypeVar("T")
Session = Connection[tuple[Any, ...]]


class PublishedTables:
    """A log in a database."""

    @classmethod
    def open(cls, url: str, origin: str | None = None, password: str = "") -> "PublishedTables":
        """The log of this origin, or the only one there is. Raises LogRefused, Unreachable."""
        return cls(Address.parse(url, password), origin)

    def __init__(self, address: Address, origin: str | None = None, *, newest: bool = False) -> None:
        """As `open`, over an address. With `newest`, its shard that is written, found anew for each note."""
        self._newest = newest
        self._address = address
        self._guard = threading.Lock()
        self._session: Session | None = None
        self._log, self.origin = 0, origin or ""
        try:
            self._log, self.origin = self._asked("no log", lambda session: found(session, origin, address.shown))
        except BaseException:
            self.close()
            raise

    def note(self, name: str = CHECKPOINT) -> bytes:
        if self._newest:
            self._log = self._asked("can't be read", lambda session: shards_of(session, self.origin)[-1].log)
        found = self._read(lambda tables: tables.note(name))
        if found is None:
            raise NotPublished(f"the log has no `{name}` yet")
        return found

    def tile(self, level: int | str, index: int, width: int) -> bytes:
        found = self._read(lambda tables: _tile(tables, level, index, width))
        if found is None:
            raise NotPublished(f"the log has no `{tile_path(level, index, width)}`")
        return found

    def leaf(self, index: int) -> bytes:
        """One record's bytes, published or not yet. Raises LogCorrupt when it isn't there."""
        ((_, leaf),) = self._read(lambda tables: tables.records(index, index + 1))
        return leaf

    def buried(self) -> Buried | None:
        """What lies in the place of a pruned shard's records."""
        return self._read(lambda tables: tables.buried())

    def sealed(self, digest: bytes) -> bytes | None:
        """The sealed part with this SHA-256, in this shard or a later one; None when it isn't there (any more).

        Needs a writer's rights.
        """

        def question(session: Session) -> bytes | None:
            logs = [shard.log for shard in shards_of(session, self.origin)]
            return part_of(session, logs, digest)

        return self._asked("can't be read", question)

    def keep_witnessed(self, note: bytes) -> None:
        """Keep the cosigned checkpoint. Needs a writer's rights. Raises Unreachable."""
        size = Checkpoint.parse(parse_note(note).text).size
        statement = """
        INSERT INTO bailiwick.note (log, name, size, note) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
        """
        self._asked("not kept", lambda session: session.execute(statement, [self._log, WITNESSED, size, note]))

    def close(self) -> None:
        """Let go of the session."""
        with self._guard:
            if self._session is not None:
                self._session.close()
            self._session = None

    def _read(self, question: Callable[[Tables], T]) -> T:
        return self._asked("can't be read", lambda session: question(Tables(session, self._log)))

    def _asked(self, what: str, question: Callable[[Session], T]) -> T:
        """The answer; once more over a new session when a kept one turns out to be gone."""
        with self._guard, reading(f"the log in `{self._address.shown}`: {what}"):
            if self._session is not None and not self._session.closed:
                try:
                    return question(self._session)
                except OperationalError:
                    self._session.close()
            self._session = self._address.connect("bailiwick reader", write=False)
            return question(self._session)


def _tile(tables: Tables, level: int | str, index: int, width: int) -> bytes | None:
    """The tile or bundle of this width, as far as it is published."""
    begin = index * TILE_WIDTH
    height = 0 if level == ENTRIES else int(level)
    head = tables.head()
    if head is None or (head.size >> (8 * height)) < begin + width:
        return None
    if level != ENTRIES and width == TILE_WIDTH:
        return tables.tile(height, index)
    if height == 0 and (buried := tables.buried()) is not None:  # its records are gone, or may go any time
        is_last = level != ENTRIES and begin == head.size - head.size % TILE_WIDTH
        return buried.edge[: width * HASH_SIZE] if is_last else None
    if level == ENTRIES:
        return bundle_bytes([leaf for _, leaf in tables.records(begin, begin + width)])
    if height == 0:
        return b"".join([digest for digest, _ in tables.records(begin, begin + width)])
    return b"".join(tables.roots(height - 1, begin, begin + width))
