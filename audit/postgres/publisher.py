"""Publishes a shared log from its tables: full tiles, then the head by compare-and-swap, then the signed checkpoint.

Any replica may do it, one does: it holds an advisory lock for as long as its session lives. Should two believe to, the
head has one successor and the other's transaction fails. Every record is hashed anew from what the database gives, so
the root stands for what is stored. Partial tiles and bundles are derived by whoever reads. For one thread.
"""

import itertools
from collections.abc import Collection, Sequence
from typing import Any

from psycopg import Connection
from psycopg import errors as server

from audit.errors import HeadMoved, LogCorrupt, LogRolledBack
from audit.files.heads import TreeHead
from audit.files.layout import CHECKPOINT
from audit.files.tree import File, GrowingTree
from audit.key_changes import SIGNING, KeyNotInUse, named_alike
from audit.leaves.counters import Pair
from audit.ports import Signer
from audit.postgres.bodies import checked_pairs
from audit.postgres.registry import signs_now, standing_keys
from audit.postgres.sureness import Sureness
from audit.postgres.tables import Tables
from audit.tlog.checkpoints import Checkpoint, signed_checkpoint
from audit.tlog.merkle import complete_root
from audit.tlog.notes import VerifierKey
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, parse_tile, parse_tile_path

PUBLISHER_LOCK = 1112822597
PUBLISHER = "(publisher)"  # who settles heads
AT_ONCE = 64 * TILE_WIDTH  # records of one publication; more are published in several

Session = Connection[tuple[Any, ...]]


class SharedPublisher:
    """The published side of a shared log, as this replica sees it."""

    def __init__(self, log: int, origin: str, signer: Signer, signed_before: Collection[str] = ()) -> None:
        """`signed_before`: of a log that has ended, the keys that the signer's replaces."""
        self._signed_before = signed_before
        self._log = log
        self._origin = origin
        self._signer = signer
        self._tree: GrowingTree | None = None
        self._head: TreeHead | None = None
        self._sureness: Sureness | None = None
        self._sure_of = 0  # records whose commits are known to have reached all that they must
        self.signed = 0

    def hear(self, sureness: Sureness) -> None:
        """A new session: what it warns of is heard by this."""
        self._sureness = sureness

    @property
    def size(self) -> int:
        """Records under the newest head that this replica has seen."""
        return self._head.size if self._head else 0

    def look(self, session: Session) -> None:
        """Learn the newest head and checkpoint. Raises LogRolledBack when they are older than what was seen."""
        tables = Tables(session, self._log)
        head = tables.head()
        signed = tables.note_size(CHECKPOINT)
        if (head.size if head else 0) < self.size or signed < self.signed:
            raise LogRolledBack(
                f"the database shows {head.size if head else 0} published records, {self.size} were seen before "
                "(a standby that lagged behind, or a restored copy?): bring the newer server back"
            )
        if head is not None and self._head is not None and head.size == self._head.size and head != self._head:
            raise LogRolledBack(f"the database shows another root for its first {head.size} records than was seen")
        self._head, self.signed = head, signed

    def is_ours(self, session: Session) -> bool:
        """Whether this replica publishes: it is the first that asked, or those before it are gone."""
        row = session.execute("SELECT pg_try_advisory_lock(%s, %s)", [PUBLISHER_LOCK, self._log]).fetchone()
        return row is not None and bool(row[0])

    def publish(self, session: Session) -> bool:
        """Publish up to `AT_ONCE` records; whether there may be more. Raises LogCorrupt, HeadMoved, psycopg.Error."""
        tree = self._tree_at_head(session)
        pairs = _paired(Tables(session, self._log).bodies(tree.size, AT_ONCE))
        if not pairs:
            return False
        made: list[File] = []
        rest = iter(pairs)
        while chunk := list(itertools.islice(rest, tree.room())):
            made += tree.extend([digest for digest, _ in chunk], [entry for _, entry in chunk])
        new = TreeHead(tree.size, tree.root())
        self._tree = None  # until the head has moved
        self._begin()
        try:
            with session.transaction():
                self._insert_tiles(session, made)
                session.execute(
                    "INSERT INTO bailiwick.head (log, size, previous, root) VALUES (%s, %s, %s, %s)",
                    [self._log, new.size, self.size, new.root],
                )
        except server.UniqueViolation as error:
            raise HeadMoved("another replica published meanwhile") from error
        self._check()
        self._head, self._tree, self._sure_of = new, tree, new.size
        return len(pairs) >= AT_ONCE

    def sign(self, session: Session) -> None:
        """Sign the head when no checkpoint covers it. Raises what the signer raises, Unsure, psycopg.Error.

        Raises KeyNotInUse where the log has a record that another key does.

        INVARIANT: nothing is signed that a failover could take back: a commit of ours after it was free of warnings.
        """
        if self._head is None or self.signed >= self._head.size:
            return
        if self._sure_of < self._head.size:
            self._begin()
            values = [self._log, PUBLISHER, self._head.size]
            session.execute("INSERT INTO bailiwick.settled (log, writer, seq) VALUES (%s, %s, %s)", values)
            self._check()
            self._sure_of = self._head.size
        vkey = str(VerifierKey.ed25519(self._origin, self._signer.public_key))
        if not (signs_now(session, self._log, self._head.size, vkey) or self._replaces(session, vkey)):
            raise KeyNotInUse(f"another key signs the checkpoint of {self._head.size} records")
        note = signed_checkpoint(Checkpoint(self._origin, self._head.size, self._head.root), [self._signer])
        session.execute(
            "INSERT INTO bailiwick.note (log, name, size, note) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [self._log, CHECKPOINT, self._head.size, str(note).encode()],
        )
        self.signed = self._head.size

    def leave(self, session: Session) -> None:
        """Another replica may publish."""
        session.execute("SELECT pg_advisory_unlock(%s, %s)", [PUBLISHER_LOCK, self._log])

    def _replaces(self, session: Session, vkey: str) -> bool:
        """Whether ours is the successor of the key in use, in a log where no record can say so any more."""
        return standing_keys(session, self._log, vkey).used[SIGNING] in {
            named_alike(key, vkey) for key in self._signed_before
        }

    def _begin(self) -> None:
        if self._sureness is not None:
            self._sureness.begin()

    def _check(self) -> None:
        if self._sureness is not None:
            self._sureness.check()

    def _insert_tiles(self, session: Session, made: Sequence[File]) -> None:
        for file in made:
            level, number, width = parse_tile_path(file.path)
            if level != ENTRIES and width == TILE_WIDTH:
                root = complete_root(parse_tile(file.data, TILE_WIDTH))
                session.execute(
                    "INSERT INTO bailiwick.tile (log, level, number, root, hashes) VALUES (%s, %s, %s, %s, %s)",
                    [self._log, level, number, root, file.data],
                )

    def _tree_at_head(self, session: Session) -> GrowingTree:
        """The tree up to the head: ours, or made from the tables and checked against the head's root."""
        size = self.size
        if self._tree is not None and self._tree.size == size:
            return self._tree
        tree = GrowingTree()
        if self._head is not None:
            tables = Tables(session, self._log)
            tail = tables.records(size - size % TILE_WIDTH, size)
            tree = GrowingTree(size, [entry for _, entry in tail], tables.edges(size, [digest for digest, _ in tail]))
            if tree.root() != self._head.root:
                raise LogCorrupt(
                    f"the records up to {size} are not those that were published: two histories, or damage"
                )
        return tree


def _paired(bodies: Sequence[tuple[int, int, bytes]]) -> list[Pair]:
    return [pair for first, count, body in bodies for pair in checked_pairs(first, body, count)]
