"""The shards of a shared log, as its tables tell: which there are, where one ended, what holds, its last checkpoint.

A shard is a log of its own in the same tables; the record that ends it stands in the last batch that it ever takes,
which a trigger sees to. Raises psycopg.Error but where it says otherwise.
"""

import time
from collections.abc import Collection, Sequence
from typing import Any

import orjson
from psycopg import Connection

from audit.errors import HeadMoved, LogBusy
from audit.files.holds import Holds, take_hold
from audit.files.layout import CHECKPOINT
from audit.key_changes import KeyNotInUse
from audit.ports import Signer
from audit.postgres.address import Address
from audit.postgres.publisher import SharedPublisher
from audit.postgres.registry import SharedShard
from audit.postgres.safety import check_server
from audit.postgres.sureness import Sureness
from audit.postgres.tables import Tables

FINISHED_WITHIN = 5.0  # seconds that another replica has to sign the end of a shard
Session = Connection[tuple[Any, ...]]


def standing_in(session: Session, log: int) -> Holds:
    """The fields of each legal hold that stands, as this shard tells: each says at its beginning what stood before."""
    holds: Holds = {}
    for (said,) in session.execute("SELECT said FROM bailiwick.hold WHERE log = %s ORDER BY at", [log]):
        take_hold(holds, orjson.loads(said))
    return holds


def standing_holds(session: Session, shards: Sequence[SharedShard]) -> Holds:
    """What holds now in a log of these shards: as the newest of them tells that has begun."""
    begun = [shard for shard in shards if shard.ended or is_begun(session, shard.origin)]
    return standing_in(session, begun[-1].log) if begun else {}


def is_begun(session: Session, origin: str) -> bool:
    """Whether a shard has any record yet."""
    query = "SELECT EXISTS (SELECT FROM bailiwick.batch JOIN bailiwick.log USING (log) WHERE origin = %s)"
    row = session.execute(query, [origin]).fetchone()
    return row is not None and bool(row[0])


def finished(address: Address, shard: SharedShard, signer: Signer, signed_before: Collection[str] = ()) -> bytes:
    """The checkpoint of a whole shard that has ended; published and signed here where no other replica does.

    Raises LogBusy when nobody could within a while, LogRefused, what signing raises.
    """
    until = time.monotonic() + FINISHED_WITHIN
    with address.connect("bailiwick keeper", write=True) as session:
        check_server(session)
        publisher = SharedPublisher(shard.log, shard.origin, signer, signed_before)
        publisher.hear(Sureness(session))
        while True:
            publisher.look(session)
            note = Tables(session, shard.log).note(CHECKPOINT)
            if publisher.signed >= shard.ended and note is not None:
                return note
            if time.monotonic() < until and publisher.is_ours(session):
                _publish(publisher, session)
            elif time.monotonic() > until:
                raise LogBusy(f"`{shard.origin}` has ended and its publisher has not signed all of it yet")
            else:
                time.sleep(0.05)


def _publish(publisher: SharedPublisher, session: Session) -> None:
    try:
        while publisher.publish(session):
            pass
        publisher.sign(session)
    except HeadMoved:
        pass  # another replica, just now
    except KeyNotInUse:
        publisher.leave(session)  # to one that has the key
        time.sleep(0.05)
