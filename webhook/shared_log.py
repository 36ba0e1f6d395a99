"""The parts of a webhook's log that lie beyond its host: a database that replicas share, witnesses that cosign."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import LogRefused, PolicyMalformed
from audit.shards import shard_directory, shard_numbers
from audit.tlog.notes import VerifierKey
from keymgmt.keyring import FileKeyring
from webhook.forming import AtOnce
from webhook.state import SIGNING, Options, origin_of, show_key, whereabouts, writer_of

if TYPE_CHECKING:
    from audit.postgres.address import Address
    from audit.postgres.log import PostgresLog
    from audit.witness.collecting import WitnessedLog
    from keymgmt.ports import Signer


def open_shared(options: Options, keyring: FileKeyring) -> "PostgresLog":
    """The log in the database that the options name, signed by the region's key under the cluster's name.

    Raises LogRefused, also where the extra is not installed.
    """
    address = _address(options)
    from audit.postgres.log import PostgresLog

    origin = origin_of(options)
    signer: Signer = keyring.signer(SIGNING, origin)
    show_key(options, VerifierKey.ed25519(origin, signer.public_key))
    return PostgresLog.open(
        address,
        origin=origin,
        signer=signer,
        clock=lambda: datetime.now(UTC),
        writer=writer_of(options),
        seal=AtOnce(whereabouts(options, keyring), keyring.sealer()).seal,
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

    directory = options.directory / "log"
    return PublishedFiles(lambda: shard_directory(directory, shard_numbers(directory)[-1]))  # where it is written now


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
