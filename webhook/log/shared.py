"""The parts of a webhook's log that lie beyond its host: a database that replicas share, witnesses that cosign."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import LogRefused, LogUnavailable, PolicyMalformed
from audit.files.shards import shard_directory, shard_numbers
from audit.key_changes import KeyringBehind, KeyringForeign, KeysInUse
from audit.process.serving import Served
from audit.settings import LogSettings, LogStatus
from webhook.keys.live import Keys
from webhook.log.state import keeping_of, origin_of, put_used_keys
from webhook.log.telling import Telling
from webhook.options import Options

if TYPE_CHECKING:
    from audit.postgres.address import Address
    from audit.postgres.sharded_log import SharedShards
    from audit.tlog.policy import Policy
    from audit.witness.collecting import WitnessedLog, WitnessStatus

logger = logging.getLogger("bailiwick.webhook")


def open_shared(options: Options, keyring: Keys, known: Callable[[], KeysInUse]) -> "SharedShards":
    """The log in the database that the options name, signed by the region's key under the cluster's name.

    When this returns the log has a record of the keys that are used, which `known` tells; should they be older than
    another replica's, records are appended all the same. Raises LogRefused, also where the extra is not installed.
    """
    address = _address(options)
    from audit.postgres.sharded_log import SharedShards

    log = SharedShards.open(address, keeping_of(options, keyring, LogSettings()), keys=known)
    put_used_keys(options, known().used)
    return log


def is_announced(options: Options, log: "SharedShards", keys: KeysInUse) -> bool:
    """Have the log record these keys, where no other replica has; false when it can't now."""
    try:
        log.announce(keys)
    except (KeyringBehind, KeyringForeign, LogUnavailable) as error:
        logger.warning("the keyring has new keys, and the log no record of them: %s", error)
        return False
    put_used_keys(options, keys.used)
    return True


@contextmanager
def witnessed(log: Served, options: Options) -> Iterator[Served]:
    """Within, checkpoints are taken to the witnesses of the options, if they name any. Raises LogRefused."""
    if options.witnesses is None:
        yield log
        return
    from audit.web.submitting import Submitter
    from audit.witness.collecting import Collector

    policy = _policy(options.witnesses)
    with ExitStack() as stack:
        published = _published(options)
        stack.callback(published.close)
        submitter = Submitter()
        stack.callback(submitter.close)
        collector = Collector(published, policy, submitter)
        collector.start()
        stack.callback(collector.stop)
        yield Telling(log, lambda told: _account(told, collector.status()))


def _account(told: LogStatus, seen: "WitnessStatus") -> LogStatus:
    return replace(told, witnessed=seen.size, split=seen.split)


def _policy(path: str) -> "Policy":
    """The policy in a file, once the witnesses that have an address can make its quorum."""
    from audit.tlog.policy import Policy

    try:
        policy = Policy.parse(Path(path).read_bytes())
    except (OSError, PolicyMalformed) as error:
        raise LogRefused(f"the witnesses' policy `{path}` can't be read: {error}") from error
    if not policy.is_met_by([witness.name for witness in policy.witnesses if witness.url]):
        raise LogRefused(
            f"the policy `{path}` names too few addresses for its quorum `{policy.quorum}`: "
            "a witness that is to be asked has one at the end of its line"
        )
    return policy


def _published(options: Options) -> "WitnessedLog":
    if options.log is not None:
        from audit.postgres.published import PublishedTables

        return PublishedTables(_address(options), origin_of(options), newest=True)
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
