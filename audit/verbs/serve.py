"""`bailiwick audit serve`: shows a log to mirrors, monitors and third-party tools, read only."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.verbs.places import found_log
from audit.verbs.secrets import is_postgres, published_in, secret_of

if TYPE_CHECKING:
    from audit.published import Published


@click.command(short_help="serve a log over HTTP, as C2SP tlog-tiles")
@click.argument("log", metavar="LOG")
@click.option("--origin", help="Which log, where a database holds several.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8480, show_default=True, type=click.IntRange(0, 65535), help="0 for any free one.")
@click.option("--certificate", type=click.Path(dir_okay=False, path_type=Path), help="Serve TLS with it (PEM).")
@click.option("--key", type=click.Path(dir_okay=False, path_type=Path), help="Its private key (PEM).")
@click.option("--token-file", type=click.Path(dir_okay=False, path_type=Path), help="Serve only who has this token.")
@click.option(
    "--password-file", type=click.Path(dir_okay=False, path_type=Path), help="The database's password; or PGPASSWORD."
)
@click.option("--witnessed", is_flag=True, help="Show as `checkpoint` the newest one with a quorum of witnesses.")
def serve(
    log: str,
    origin: str | None,
    host: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
    token_file: Path | None,
    password_file: Path | None,
    witnessed: bool,
) -> None:
    """Serve the LOG (its directory, or postgres://...) over HTTP in the layout of C2SP tlog-tiles, until SIGTERM.

    Shown are checkpoints, tiles and records, never sealed parts. Records hold no personal data in clear.

    \b
    bailiwick audit serve state --port 8480
    """
    from audit.web.reading import reading_app
    from audit.web.running import Door, run

    app = reading_app(_published(log, origin, password_file), token=secret_of(token_file), witnessed=witnessed)

    def started(number: int) -> None:
        click.echo(f"serving on port {number}")

    run(app, Door(host, port, certificate, key), started)


def _published(log: str, origin: str | None, password_file: Path | None) -> "Published":
    if is_postgres(log):
        return published_in(log, origin, password_file)
    from audit.published import PublishedFiles

    directory = Path(log)
    if not directory.is_dir():
        raise click.UsageError(f"no log in `{log}`: give its directory, or the state directory that holds it")
    return PublishedFiles(found_log(directory))
