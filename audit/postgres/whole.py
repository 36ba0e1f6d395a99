"""A shared log as a whole, for erasing: its records shard after shard, and its sealed parts.

Reading needs a writer's rights, erasing a login that has bailiwick_eraser. What is erased is gone for every query at
once; PostgreSQL keeps the bytes until the owner's `VACUUM FULL bailiwick.part`, and so do archives of its WAL, and
backups, as long as they are kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audit.postgres.address import Address
from audit.postgres.bodies import pairs_of
from audit.postgres.errors import reading
from audit.postgres.registry import shards_of
from audit.postgres.tables import Tables
from audit.reading import LoggedRecord, record_of
from audit.sealed.erasure_plan import ErasureRefused
from audit.whole import Place

READ_AT_ONCE = 1 << 14  # records
ERASED_AT_ONCE = 1 << 12  # parts that go with one transaction


@dataclass(frozen=True, slots=True)
class WholeTables:
    """The log of this name in a database: what `sealed.erasure` reads and erases."""

    address: Address
    log: str
    eraser: Address | None = None

    def name(self) -> str:
        return self.log

    def records(self) -> Iterator[tuple[int, LoggedRecord]]:
        """Every record that is there, pruned shards left out. Raises LogCorrupt, Unreachable."""
        with reading(f"the log in `{self.address.shown}`"), self.address.connect("bailiwick", write=False) as session:
            for shard in shards_of(session, self.log):
                tables = Tables(session, shard.log)
                at = 0
                while not shard.pruned and (bodies := tables.bodies(at, READ_AT_ONCE)):
                    for first, count, body in bodies:
                        for index, (_, leaf) in enumerate(pairs_of(body, count), first):
                            yield shard.number, record_of(index, leaf)
                    at = bodies[-1][0] + bodies[-1][1]

    def end(self) -> Place:
        """Where the next record goes."""
        with reading(f"the log in `{self.address.shown}`"), self.address.connect("bailiwick", write=False) as session:
            last = shards_of(session, self.log)[-1]
            return last.number, Tables(session, last.log).size()

    def erase(self, parts: Sequence[bytes]) -> None:
        """Remove the parts that an erasure record names; the tables let no other go. Raises Unreachable."""
        if self.eraser is None:
            raise ErasureRefused(
                "writers of a shared log erase nothing", "name a login that has bailiwick_eraser with --eraser"
            )
        if not parts:
            return
        with reading("the erasure"), self.eraser.connect("bailiwick eraser", write=True) as session:
            for begin in range(0, len(parts), ERASED_AT_ONCE):
                values = [list(parts[begin : begin + ERASED_AT_ONCE])]
                session.execute("DELETE FROM bailiwick.part WHERE sha256 = ANY(%s::bytea[])", values)
