"""Whether an older checkpoint lies where a newer one was: told by what the log's heartbeats say of their time.

A heartbeat says how old the oldest record was that no signed checkpoint covered. When a record that the checkpoint does
not cover was older than that, in the same run of the writer, it had been under a checkpoint, which is gone.
"""

from collections.abc import Iterable

from audit.reading import LoggedRecord, time_of

SLACK = 60.0  # seconds by which a clock may be set while records wait for their signature


def put_back(tail: Iterable[LoggedRecord]) -> str:
    """Why the checkpoint before these records is an old one; empty when nothing says so."""
    oldest: dict[str, LoggedRecord] = {}  # of each run of a writer
    for record in tail:
        if record.unreadable:
            continue
        first = oldest.setdefault(str(record.fields["written"]["boot"]), record)
        if not str(record.fields.get("schema")).startswith("bailiwick.heartbeat/"):
            continue
        age = (time_of(record) - time_of(first)).total_seconds()
        unsigned = float(record.fields.get("unsigned_s", 0))
        if age > unsigned + SLACK:
            return (
                f"is older than one that was there: heartbeat {record.index} says that what was unsigned was "
                f"{unsigned:.0f} s old, and record {first.index} was {age:.0f} s old then: put back?"
            )
    return ""
