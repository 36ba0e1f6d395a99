"""What the tables of one log hold, read by whoever needs it. Raises psycopg.Error and LogCorrupt; never writes."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from audit.errors import LogCorrupt
from audit.files.heads import TreeHead
from audit.leaves.counters import Pair
from audit.postgres.bodies import checked_pairs
from audit.tlog.tiles import TILE_WIDTH


@dataclass(frozen=True, slots=True)
class Buried:
    """Proofs of a pruned shard's first record and of the record of its pruning; hashes of its unfinished tile."""

    genesis: bytes
    tombstone: bytes
    edge: bytes


class Tables:
    """A log's tables, over a session."""

    def __init__(self, session: "Connection[tuple[Any, ...]]", log: int) -> None:
        self._session = session
        self._log = log

    def size(self) -> int:
        """Records in the log."""
        query = "SELECT first + count FROM bailiwick.batch WHERE log = %s ORDER BY first DESC LIMIT 1"
        row = self._session.execute(query, [self._log]).fetchone()
        return int(row[0]) if row else 0

    def buried(self) -> "Buried | None":
        """What lies in the place of a pruned shard's records."""
        query = "SELECT genesis, tombstone, edge FROM bailiwick.buried WHERE log = %s"
        row = self._session.execute(query, [self._log], binary=True).fetchone()
        return Buried(*map(bytes, row)) if row else None

    def head(self) -> TreeHead | None:
        """The newest published head."""
        row = self._session.execute(
            "SELECT size, root FROM bailiwick.head WHERE log = %s ORDER BY size DESC LIMIT 1", [self._log], binary=True
        ).fetchone()
        return TreeHead(row[0], row[1]) if row else None

    def note(self, name: str) -> bytes | None:
        """The newest note of this name."""
        query = "SELECT note FROM bailiwick.note WHERE log = %s AND name = %s ORDER BY size DESC LIMIT 1"
        row = self._session.execute(query, [self._log, name], binary=True).fetchone()
        return bytes(row[0]) if row else None

    def note_size(self, name: str) -> int:
        """The size that the newest note of this name covers."""
        query = "SELECT coalesce(max(size), 0) FROM bailiwick.note WHERE log = %s AND name = %s"
        row = self._session.execute(query, [self._log, name]).fetchone()
        return int(row[0]) if row else 0

    def bodies(self, begin: int, most: int) -> list[tuple[int, int, bytes]]:
        """First index, count and body of the batches from record `begin` on, up to about `most` records."""
        query = """
        SELECT first, count, body FROM bailiwick.batch
        WHERE log = %s AND first >= %s AND first < %s ORDER BY first
        """
        rows = self._session.execute(query, [self._log, begin, begin + most], binary=True).fetchall()
        expected = begin
        for first, count, _ in rows:
            if first != expected:
                raise LogCorrupt(f"the log has a gap before record {first}, which should be {expected}")
            expected += count
        return [(first, count, bytes(body)) for first, count, body in rows]

    def records(self, begin: int, end: int) -> list[Pair]:
        """Hash and leaf of the records `[begin, end)`, hashed anew. Raises LogCorrupt when some are missing."""
        query = """
        SELECT first, count, body FROM bailiwick.batch
        WHERE log = %(log)s AND first < %(end)s AND first >= coalesce(
            (SELECT max(first) FROM bailiwick.batch WHERE log = %(log)s AND first <= %(begin)s), 0)
        ORDER BY first
        """
        rows = self._session.execute(query, {"log": self._log, "begin": begin, "end": end}, binary=True).fetchall()
        found: list[Pair] = []
        for first, count, body in rows:
            pairs = checked_pairs(first, bytes(body), count)
            found += pairs[max(begin - first, 0) : max(end - first, 0)]
        if len(found) != end - begin:
            raise LogCorrupt(f"records are missing between {begin} and {end}")
        return found

    def tile(self, level: int, number: int) -> bytes | None:
        """The hashes of a full tile."""
        query = "SELECT hashes FROM bailiwick.tile WHERE log = %s AND level = %s AND number = %s"
        row = self._session.execute(query, [self._log, level, number], binary=True).fetchone()
        return bytes(row[0]) if row else None

    def roots(self, level: int, begin: int, end: int) -> list[bytes]:
        """The roots of the full tiles `[begin, end)` of a level: what the level above is made of."""
        query = """
        SELECT root FROM bailiwick.tile WHERE log = %s AND level = %s AND number >= %s AND number < %s ORDER BY number
        """
        rows = self._session.execute(query, [self._log, level, begin, end], binary=True).fetchall()
        if len(rows) != end - begin:
            raise LogCorrupt(f"tiles of level {level} are missing between {begin} and {end}")
        return [bytes(root) for (root,) in rows]

    def edges(self, size: int, leaves: list[bytes]) -> list[list[bytes]]:
        """The hashes of each level's unfinished tile; `leaves`: those of the lowest."""
        edges, level, count = [leaves] if size else [], 1, size // TILE_WIDTH
        while count:
            width = count % TILE_WIDTH
            edges.append(self.roots(level - 1, count - width, count))
            level, count = level + 1, count // TILE_WIDTH
        return edges


def part_of(session: "Connection[tuple[Any, ...]]", logs: list[int], digest: bytes) -> bytes | None:
    """The sealed part with this SHA-256 in any of these logs."""
    query = "SELECT data FROM bailiwick.part WHERE log = ANY(%s) AND sha256 = %s LIMIT 1"
    row = session.execute(query, [logs, digest], binary=True).fetchone()
    return bytes(row[0]) if row else None
