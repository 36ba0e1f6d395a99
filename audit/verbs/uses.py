"""The records of one kind in a log, verified first, for commands of packages that know nothing of logs."""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.verbs.mirror import copy_of
from audit.verbs.places import log_directory, verifier_keys
from audit.verbs.progress import progress_bar
from audit.verbs.said import tell_unread
from audit.verbs.secrets import is_http, is_postgres

if TYPE_CHECKING:
    from audit.tlog.notes import VerifierKey


@dataclass(frozen=True, slots=True)
class Logged:
    """Records with their numbers, and the time that the log covers."""

    leaves: Sequence[tuple[int, Mapping[str, Any]]]
    until: datetime  # of the newest record
    since: datetime | None  # of the oldest one, where older ones were pruned


def logged(
    place: str, kind: str, keys: Sequence[str], token_file: Path | None = None, authority: Path | None = None
) -> Logged:
    """The records of this kind in the log at a directory or an address. Leaves with 1 when the log doesn't verify.

    At an address, the shard that is shown there; its keys must be given.
    """
    from audit.errors import LogCorrupt, LogForked, SignatureInvalid, SourceBehind, SourceBroken
    from audit.verified import LogNotVerified

    try:
        with _copied(place, keys, token_file, authority) as (directory, vkeys):
            return _read(directory, vkeys, kind)
    except (LogNotVerified, LogForked, LogCorrupt, SourceBroken, SourceBehind, SignatureInvalid) as error:
        click.echo(f"problem: {error}", err=True)
        click.echo("hint: nothing was compared; run `bailiwick audit verify` for the details", err=True)
        sys.exit(1)


@contextmanager
def _copied(
    place: str, keys: Sequence[str], token_file: Path | None, authority: Path | None
) -> "Iterator[tuple[Path, tuple[VerifierKey, ...]]]":
    """Where the log lies, or a checked copy of it."""
    if not (is_http(place) or is_postgres(place)):
        if not Path(place).is_dir():
            raise click.UsageError(f"`{place}` is no directory of a log, and no address of one")
        directory = log_directory(Path(place))
        yield directory, verifier_keys(directory, keys)
        return
    if not keys:
        raise click.UsageError(f"no key to check the log at `{place}` with: give --log-key")
    with tempfile.TemporaryDirectory(prefix="bailiwick-") as folder:
        vkeys = verifier_keys(Path(folder), keys)
        copy = copy_of(place, None, token_file, authority, Path(folder) / "log", vkeys)
        try:
            copy.open()
            with progress_bar("copying") as progress:
                copy.round(progress)
        finally:
            copy.close()
        yield Path(folder) / "log", vkeys


def _read(directory: Path, keys: "tuple[VerifierKey, ...]", kind: str) -> Logged:
    from audit.verified import VerifiedLog

    with progress_bar("verifying") as progress:
        log = VerifiedLog(directory, keys, progress)
    found: list[tuple[int, Mapping[str, Any]]] = []
    first = last = ""
    tell_unread(log.unread)
    for record in log.records():
        if record.unreadable:
            continue
        first, last = first or record.fields["time"], record.fields["time"]
        if str(record.fields["schema"]).startswith(f"bailiwick.{kind}/"):
            found.append((record.index, record.fields))
    if not last:
        raise click.UsageError(f"`{directory}` holds no signed record")
    since = datetime.fromisoformat(first) if log.is_pruned else None
    return Logged(found, datetime.fromisoformat(last), since)
