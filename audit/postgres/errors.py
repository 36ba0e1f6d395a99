"""What a session's failure means: the outcome is known (nothing counts), or it isn't (the connection is gone)."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Error, errors

from audit.errors import AuditError, LogBusy, LogEnded, LogFull, LogUnavailable

ENDED = "BW001"  # what the tables say to who writes to a shard that has ended


class Unreachable(AuditError):
    """The database can't be reached now: what was under way may or may not have happened."""

    hint = "check the address, the server and the role's password; then try again"


def refusal(error: Error) -> LogUnavailable:
    """What a caller is told about a transaction that the server rolled back."""
    told = str(error).split("\n", maxsplit=1)[0]
    if error.sqlstate == ENDED:
        return LogEnded(told)
    if isinstance(error, errors.DiskFull):
        return LogFull(f"the database's disk is full: {told}")
    if isinstance(error, errors.LockNotAvailable):
        return LogBusy("another replica holds the log for too long: try again")
    return LogBusy(f"the database refused the records: {told}")


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Foreign exceptions end here."""
    try:
        yield
    except Error as error:
        told = str(error).split("\n", maxsplit=1)[0]
        raise Unreachable(f"{what}: {told}") from error
