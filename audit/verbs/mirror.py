"""`bailiwick audit mirror`: keeps a copy of a log elsewhere, checks all of it, and says so when it forks."""

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from audit.verbs.places import verifier_keys
from audit.verbs.progress import progress_bar
from audit.verbs.said import FORMATS
from audit.verbs.secrets import is_http, is_postgres, published_in, secret_of
from audit.verbs.written import written

if TYPE_CHECKING:
    from audit.mirror import Copied, Progress
    from audit.tlog.notes import VerifierKey


class Copy(Protocol):
    """A copy that follows its log: of one shard, or of all of a shared log's."""

    def open(self) -> int: ...

    def round(self, progress: "Progress") -> "Copied": ...

    def close(self) -> None: ...


@click.command(short_help="keep a verified copy of a log elsewhere")
@click.argument("source", metavar="URL")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--key", "keys", multiple=True, metavar="VKEY|FILE", help="Who may sign; repeatable.")
@click.option("--policy", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A tlog-policy with them.")
@click.option("--origin", help="Whose log it must be.")
@click.option("--once", is_flag=True, help="One round, then end.")
@click.option(
    "--interval", default=10.0, show_default=True, type=click.FloatRange(0.01, 86_400), help="Seconds between rounds."
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What the server asks for: a token, a password.",
)
@click.option("--ca", type=click.Path(dir_okay=False, path_type=Path), help="The authority of its certificate (PEM).")
@click.option("-o", "--output", type=FORMATS, default="table", show_default=True)
def mirror(
    source: str,
    directory: Path,
    keys: Sequence[str],
    policy: Path | None,
    origin: str | None,
    once: bool,
    interval: float,
    token_file: Path | None,
    ca: Path | None,
    output: str,
) -> None:
    """Follow the log at URL (http://, https:// or postgres://) into DIR, checking every tile, record and checkpoint.

    DIR is laid out like a log, for `audit verify`. A log that signed two histories ends the mirror with exit code 1;
    both checkpoints then lie in DIR/evidence. What passes by itself is told and tried again, unless --once.

    \b
    bailiwick audit mirror https://log.example mirror/ --key log.vkeys
    bailiwick audit mirror postgres://mirror@db.example/audit mirror/ \\
        --key log.vkeys
    """
    if not (is_postgres(source) or is_http(source)):
        raise click.UsageError(f"`{source}` is no address: expected http://, https:// or postgres://")
    known = _keys(directory, keys, policy)
    copy = copy_of(source, origin, token_file, ca, directory, known)
    try:
        copy.open()
        if once:
            _tell(_round(copy), output)
        else:
            _follow(copy, interval, output)
    except Exception as error:
        _judge(error)
        raise
    finally:
        copy.close()


def _keys(directory: Path, keys: Sequence[str], policy: Path | None) -> "tuple[VerifierKey, ...]":
    if policy is not None:
        from audit.verbs.policies import policy_of

        return (*(log.key for log in policy_of(policy).logs), *(verifier_keys(directory, keys) if keys else ()))
    if not keys:
        raise click.UsageError("no key to check the log with: give --key, or --policy with the log's key in it")
    return verifier_keys(directory, keys)


def copy_of(
    source: str,
    origin: str | None,
    secret: Path | None,
    authority: Path | None,
    directory: Path,
    keys: "Sequence[VerifierKey]",
) -> "Copy":
    """A copy in a directory of the log at an address; with its shards, where a database has them."""
    if is_postgres(source):
        published = published_in(source, origin, secret)
        published.close()
        from audit.postgres.address import Address
        from audit.postgres.mirroring import SharedMirror

        return SharedMirror(Address.parse(source, secret_of(secret)), published.origin, directory, keys)
    from audit.mirror import Mirror
    from audit.web.client import Access, HttpClient
    from audit.web.far_log import FarLog

    far = FarLog(HttpClient(source, Access(token=secret_of(secret), authority=authority)))
    return Mirror(far, directory, keys, origin=origin)


def _follow(copy: "Copy", interval: float, output: str) -> None:
    """Rounds until SIGTERM or SIGINT. What a later round may put right is told, once."""
    from audit.errors import AuditError, LogCorrupt, LogForked
    from audit.exports.text import shown

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    told: object = None
    while not ended.is_set():
        try:
            copied = _round(copy)
        except (LogForked, LogCorrupt):
            raise
        except (AuditError, OSError) as error:
            if str(error) != told:
                click.echo(shown(f"trouble: {error}", 1000), err=True)
            told = str(error)
        else:
            if copied != told:
                _tell(copied, output)
            told = copied
        ended.wait(interval)


def _round(copy: "Copy") -> "Copied":
    with progress_bar("copying", patience=0.0) as progress:
        return copy.round(progress)


def _tell(copied: "Copied", output: str) -> None:
    if output == "table":
        witnessed = f", {copied.witnessed} of them witnessed" if copied.witnessed else ""
        click.echo(f"holds: {copied.size} records, {copied.new} of them new{witnessed}")
        return
    click.echo(written({"records": copied.size, "new": copied.new, "witnessed": copied.witnessed}, output), nl=False)


def _judge(error: Exception) -> None:
    """Leave with 1 when the log or the copy doesn't hold; anything else is the caller's."""
    from audit.errors import LogCorrupt, LogForked, NoteMalformed, SignatureInvalid, SourceBehind, SourceBroken
    from audit.exports.text import shown

    if isinstance(error, LogForked | LogCorrupt | SourceBroken | SourceBehind | SignatureInvalid | NoteMalformed):
        click.echo(shown(f"{'fork' if isinstance(error, LogForked) else 'problem'}: {error}", 1000), err=True)
        hint = getattr(error, "hint", "")
        if hint:
            click.echo(f"hint: {hint}", err=True)
        sys.exit(1)
