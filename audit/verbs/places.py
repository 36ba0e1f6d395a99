"""Where a command finds a log and the keys to verify it with."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from audit.tlog.notes import VerifierKey

KEYS = "log.vkeys"  # beside the log: one verifier key a line, written by whoever writes the log


def log_directory(path: Path) -> Path:
    """The log itself, or the state directory that holds it."""
    inner = path / "log"
    return inner if inner.is_dir() and not (path / "checkpoint").exists() else path


def found_log(path: Path) -> Path:
    """The same, where there is one. Raises a usage error for a directory that holds nothing of a log."""
    from audit.files.layout import CHECKPOINT, HEAD, WAL
    from audit.files.shards import SHARDS, TOMBSTONE

    directory = log_directory(path)
    if not any((directory / name).exists() for name in (CHECKPOINT, HEAD, WAL, SHARDS, TOMBSTONE)):
        raise click.UsageError(f"no log in `{path}`: give its directory, or the state directory that holds it")
    return directory


def one_shard(log: Path, shard: int | None) -> tuple[Path, str]:
    """Where a shard's records lie, and its origin when it isn't the first. Raises a usage error for a wrong choice."""
    from audit.files.shards import is_pruned, shard_directory, shard_numbers, shard_origin
    from audit.reading import read_checkpoint

    there = shard_numbers(log)
    if shard is None and len(there) > 1:
        listed = ", ".join(map(str, there))
        raise click.UsageError(f"the log has the shards {listed}: say with --shard which one")
    if (shard or 0) not in there:
        raise click.UsageError(f"there is no shard {shard}: there are {', '.join(map(str, there))}")
    place = shard_directory(log, shard or 0)
    if is_pruned(place):
        raise click.UsageError(f"the records of shard {shard or 0} are pruned: `audit verify` says what is left of it")
    return place, shard_origin(read_checkpoint(log).origin, shard) if shard else ""


def verifier_keys(log: Path, given: Sequence[str]) -> "tuple[VerifierKey, ...]":
    """Keys by value (`name+hash+key`) or by file; without any, those that lie beside the log."""
    from audit.errors import MerkleError
    from audit.tlog.notes import VerifierKey

    lines = [line for one in given for line in _given(one)] or _beside(log)
    try:
        return tuple(VerifierKey.parse(line) for line in lines)
    except MerkleError as error:
        raise click.UsageError(f"no verifier key: {error}") from error


def _given(given: str) -> list[str]:
    """At least one: an empty variable or file must not mean the keys that whoever wrote the log laid beside it."""
    lines = _lines(given)
    if not lines:
        raise click.UsageError("--key is empty: give a verifier key, or a file that holds one")
    return lines


def _lines(given: str) -> list[str]:
    path = Path(given)
    try:
        text = path.read_text() if len(given) < 4096 and path.is_file() else given
    except UnicodeDecodeError as error:
        raise click.UsageError(f"`{given}` holds no verifier keys: it is no UTF-8") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _beside(log: Path) -> list[str]:
    path = log.parent / KEYS
    if not path.is_file():
        raise click.UsageError(f"no key to verify `{log}` with: give it with --key, as `name+hash+key` or as a file")
    return _lines(str(path))
