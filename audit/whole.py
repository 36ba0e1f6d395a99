"""A log as a whole, shard after shard: its records in order, each with the number of the shard that it counts in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.files.shards import is_pruned, shard_directory, shard_numbers
from audit.files.store import Disk, FileSystem
from audit.reading import LoggedRecord, read_records
from audit.sealed.erasing import erase_parts

Place = tuple[int, int]  # shard, record in it


def whole_log(directory: Path, files: FileSystem | None = None) -> Iterator[tuple[int, LoggedRecord]]:
    """Every record that is there, pruned shards left out. Raises LogCorrupt where a segment is damaged."""
    for number, place in present_shards(directory, files):
        for record in read_records(place, files=files):
            yield number, record


def present_shards(directory: Path, files: FileSystem | None = None) -> list[tuple[int, Path]]:
    """Numbers and directories of the shards whose records are there."""
    files = files or Disk()
    places = [(number, shard_directory(directory, number)) for number in shard_numbers(directory, files)]
    return [(number, place) for number, place in places if not is_pruned(place, files)]


def base_name(origin: str, number: int) -> str:
    """The log's own name, from that of its shard of this number."""
    return origin.removesuffix(f"/{number}") if number else origin


@dataclass(frozen=True, slots=True)
class WholeFiles:
    """A log in a directory with its shards and archives: what `sealed.erasure` reads, and erases for its writer."""

    directory: Path
    files: FileSystem | None = None

    def name(self) -> str:
        """The log's own name, as its newest shard says; empty where nothing was ever written."""
        number, place = present_shards(self.directory, self.files)[-1]
        first = next(iter(read_records(place, 0, 1, self.files)), None)
        return base_name(str(first.fields.get("origin", "")), number) if first else ""

    def records(self) -> Iterator[tuple[int, LoggedRecord]]:
        return whole_log(self.directory, self.files)

    def end(self) -> Place:
        """Where the next record goes."""
        number, place = present_shards(self.directory, self.files)[-1]
        return number, max((record.index for record in read_records(place, files=self.files)), default=-1) + 1

    def erase(self, parts: Sequence[bytes]) -> None:
        """Only for the process that holds the log's lock. Raises OSError."""
        for _, place in present_shards(self.directory, self.files):
            erase_parts(self.files or Disk(), place, parts)
