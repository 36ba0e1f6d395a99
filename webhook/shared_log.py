"""The parts of a webhook's log that lie beyond its host: a database that replicas share, witnesses that cosign."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import LogRefused, PolicyMalformed
from audit.settings import Writer
from webhook.state import Options, origin_of

if TYPE_CHECKING:
    from audit.drafts import Seal
    from audit.ports import Signer
    from audit.postgres.address import Address
    from audit.postgres.log import PostgresLog
    from audit.witness.collecting import WitnessedLog


def open_shared(options: Options, origin: str, signer: "Signer", writer: Writer, seal: "Seal") -> "PostgresLog":
    """The log in the database that the options name. Raises LogRefused, also where the extra is not installed."""
    address = _address(options)
    from audit.postgres.log import PostgresLog

    return PostgresLog.open(
        address, origin=origin, signer=signer, clock=lambda: datetime.now(UTC), writer=writer, seal=seal
    )


@contextmanager
def witnessed(options: Options) -> Iterator[None]:
    """Within, checkpoints are taken to the witnesses of the options, if they name any."""
    if options.witnesses is None:
        yield
        return
    from audit.tlog.policy import Policy
    from audit.web.submitting import Submitter
    from audit.witness.collecting import Collector

    try:
        policy = Policy.parse(Path(options.witnesses).read_bytes())
    except (OSError, PolicyMalformed) as error:
        raise LogRefused(f"the witnesses' policy `{options.witnesses}` can't be read: {error}") from error
    with ExitStack() as stack:
        log = _published(options)
        stack.callback(log.close)
        submitter = Submitter()
        stack.callback(submitter.close)
        collector = Collector(log, policy, submitter)
        collector.start()
        stack.callback(collector.stop)
        yield


def _published(options: Options) -> "WitnessedLog":
    if options.log is not None:
        from audit.postgres.published import PublishedTables

        return PublishedTables(_address(options), origin_of(options))
    from audit.published import PublishedFiles

    return PublishedFiles(options.directory / "log")


def _address(options: Options) -> "Address":
    try:
        from audit.postgres.address import Address
    except ImportError as error:
        raise LogRefused("a log in PostgreSQL needs more software: pip install 'bailiwick[postgres]'") from error
    password = ""
    if options.log_password_file is not None:
        try:
            password = Path(options.log_password_file).read_text().strip()
        except OSError as error:
            raise LogRefused(f"no password in `{options.log_password_file}`: {error.strerror}") from error
    return Address.parse(options.log or "", password)
