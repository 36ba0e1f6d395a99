"""A log as a whole, shard after shard: its records in order, each with the number of the shard that it counts in."""

from collections.abc import Iterator
from pathlib import Path

from audit.files.shards import is_pruned, shard_directory, shard_numbers
from audit.files.store import Disk, FileSystem
from audit.reading import LoggedRecord, read_records

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


def name_of_log(directory: Path, origin: str, files: FileSystem | None = None) -> str:
    """The log's own name, from that of the shard that is written."""
    number = shard_numbers(directory, files)[-1]
    return origin.removesuffix(f"/{number}") if number else origin
