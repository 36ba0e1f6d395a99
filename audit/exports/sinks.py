"""What every export that is written record by record has: a place to write to, `add`, `finish`."""

from typing import Any, Protocol

from audit.reading import LoggedRecord


class Writes(Protocol):
    """Where bytes go: a file, standard output, a member of a pack."""

    def write(self, data: bytes, /) -> Any: ...


class Sink(Protocol):
    """One export under way. Holds no more of the records than its format asks for."""

    def add(self, record: LoggedRecord) -> None:
        """The next record, in the log's order."""

    def finish(self) -> None:
        """After the last one: what the format needs at its end."""


def is_decision(record: LoggedRecord) -> bool:
    """Whether the record is one answer of one call, and not something that happened to the log or its writer."""
    return str(record.fields.get("schema", "")).startswith("bailiwick.decision/")
