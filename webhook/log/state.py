"""What a state directory holds: the region's keyring, and the log that it signs. Opened here for every process.

Imports nothing of the web: the log's own process opens both too.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from audit.files.sharded_log import ShardedLog
from audit.files.shards import ShardSettings
from audit.key_changes import SIGNING, KeysInUse
from audit.leaves.drafts import Seal
from audit.settings import LogSettings, Writer
from audit.switching import Keeping
from audit.tlog.notes import VerifierKey
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.keys import KeyFacts
from keymgmt.public import PublicKeyring
from keymgmt.states import State
from keymgmt.uses.book import UseBook, uses_beside
from keymgmt.uses.use import KeyUses
from webhook.keys.live import Keys, LiveKeys
from webhook.log.beside import left, put
from webhook.log.whereabouts import Whereabouts, sealing_to
from webhook.options import Options

if TYPE_CHECKING:
    from keymgmt.ports import Signer

KEYS = "keys"
IN_USE = "keys-in-use.json"  # beside the log: which keys are used, written once that is recorded
_OVER = (State.RETIRED, State.REVOKED, State.DESTROYED)


def open_keyring(options: Options, uses: KeyUses | None = None) -> FileKeyring:
    """The region's keyring in the state directory, made when there is none.

    `uses` gets every use of a private key. Without, what is made with it must say so itself: records name the keys of
    their tags and of their sealed parts.
    """
    directory = options.directory / KEYS
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    unlock = KeyFile(directory / "unlock.key")
    if not unlock.path.exists():
        KeyFile.create(unlock.path)
        book = UseBook(uses_folder(options), "first start")
        try:
            FileKeyring.create(directory, options.region, unlock=unlock, now=datetime.now(UTC), uses=book)
        finally:
            book.close()
    return FileKeyring.open(directory, options.region, unlock=unlock, uses=uses)


def uses_folder(options: Options) -> Path:
    """Where uses of the state directory's keys are written down, until the log takes them up."""
    return uses_beside(options.directory / KEYS, options.region)


def service_public(options: Options) -> Path:
    """Where the public keys of the key service lie, as it showed them last; only of a log that it signs."""
    return options.directory / KEYS / f"{options.region}.service.json"


def public_side(options: Options, keyring: Keys) -> Keys | PublicKeyring:
    """What records are sealed to: the keyring's keys, or those of the key service. Raises KeyManagementError."""
    if options.keyring is None or not isinstance(keyring, FileKeyring):
        return keyring  # which are those of the key service already
    return PublicKeyring.load(service_public(options))


def active_keys(options: Options, keyring: FileKeyring) -> dict[str, KeyFacts]:
    """The keys in use by their purposes: a key service's before those of the file. Raises KeyManagementError."""
    return {key.purpose: key for key in all_keys(options, keyring) if key.state is State.ACTIVE}


def all_keys(options: Options, keyring: FileKeyring) -> tuple[KeyFacts, ...]:
    """The keys of both, whatever their state; a key service's last. Raises KeyManagementError."""
    known = keyring.keys()
    if options.keyring is not None:
        known += PublicKeyring.load(service_public(options)).keys()
    return known


def keys_in_use(options: Options, keyring: FileKeyring) -> dict[str, str]:
    """The keys in use by their purposes, as records announce them. Raises KeyManagementError."""
    return {purpose: announced(options, key) for purpose, key in active_keys(options, keyring).items()}


def known_keys(options: Options, keyring: FileKeyring) -> KeysInUse:
    """The same for a log that replicas share, with the keys that those replaced. Raises KeyManagementError."""
    over = [key for key in all_keys(options, keyring) if key.purpose == SIGNING and key.state in _OVER]
    return KeysInUse(keys_in_use(options, keyring), frozenset(announced(options, key) for key in over))


def announced(options: Options, key: KeyFacts) -> str:
    """A key as records announce it: what signs as a verifier key, others by their ids."""
    if key.purpose == SIGNING:
        return str(VerifierKey.ed25519(origin_of(options), key.public))
    return key.key_id


def live_keys(
    options: Options, keyring: FileKeyring, changes: Path | None = None, uses: KeyUses | None = None
) -> LiveKeys[FileKeyring]:
    """The keyring in the state directory, followed when the file `changes` changes, else when its keys do.

    Those of a key service are followed by what it showed last. `uses` as `open_keyring` has it.
    """
    directory = options.directory / KEYS
    unlock = KeyFile(directory / "unlock.key")
    serviced = options.keyring is not None
    shown = [service_public(options)] if serviced else []
    return LiveKeys(
        keyring,
        [changes] if changes is not None else [keyring.path, *shown],
        lambda before: FileKeyring.open(directory, options.region, unlock=unlock, seen=before.head, uses=uses),
        others=serviced,
    )


def open_log(options: Options, keyring: Keys, *, apart: bool = False) -> ShardedLog:
    """The log in the state directory, signed by the region's key under the log's own name.

    `apart`: publish in a process of its own, for whoever answers requests meanwhile.
    """
    settings = LogSettings(reserve_bytes=options.log_reserve << 20, alarm_bytes=options.log_alarm << 20, apart=apart)
    keeping = keeping_of(options, keyring, settings)
    directory = options.directory / "log"
    directory.mkdir(parents=True, exist_ok=True)
    return ShardedLog.open(directory, keeping)


def keeping_of(options: Options, keyring: Keys, settings: LogSettings) -> Keeping:
    """Whose log it is and how it is kept; its key lies beside it when this returns. Raises NoSuchKey."""
    return Keeping(
        origin=origin_of(options),
        signer=show_signer(options, keyring),
        clock=lambda: datetime.now(UTC),
        writer=writer_of(options),
        settings=settings,
        shards=ShardSettings(options.shard_records, options.shard_days, options.keep_days),
        seal=sealing(options, keyring),
    )


def origin_of(options: Options) -> str:
    """The log's name: each writer's own, or the cluster's where its replicas share one."""
    name = f"audit.{options.region}/{options.cluster_name}"
    return name if options.log is not None else f"{name}/{options.writer}"


def sealing(options: Options, keyring: Keys) -> Seal:
    """What seals parts of this state directory's records: to the region's public key, bound to its whereabouts."""
    return sealing_to(whereabouts(options, keyring), public_side(options, keyring).sealer())


def whereabouts(options: Options, keyring: Keys) -> Whereabouts:
    """Whose records these are, and what their parts are bound to."""
    return Whereabouts(options.cluster_name, options.region, public_side(options, keyring).jurisdiction)


def writer_of(options: Options) -> Writer:
    """This replica, in a run of its own."""
    return Writer(options.writer, str(uuid.uuid4()), options.cluster_name, options.region, options.version)


def show_signer(options: Options, keyring: Keys) -> "Signer":
    """What signs the log's checkpoints, once its public key lies beside the log. Raises NoSuchKey."""
    signer = keyring.signer(SIGNING, origin_of(options))
    show_key(options, VerifierKey.ed25519(signer.name, signer.public_key))
    return signer


def is_recorded(options: Options, keyring: Keys) -> bool:
    """Whether the log has a record of the key that signs; if so, it lies beside the log now. Raises NoSuchKey."""
    signer = keyring.signer(SIGNING, origin_of(options))
    if used_keys(options).get(SIGNING) != str(VerifierKey.ed25519(signer.name, signer.public_key)):
        return False
    show_signer(options, keyring)
    return True


def used_keys(options: Options) -> dict[str, str]:
    """The keys that the log has records of, as it stands beside it; empty before the first run."""
    return left(options.directory / IN_USE)


def put_used_keys(options: Options, used: Mapping[str, str]) -> None:
    """The log has records of these."""
    put(options.directory / IN_USE, used)


def show_key(options: Options, key: VerifierKey) -> None:
    """The public key with which the log is verified, beside it. Older ones stay: older checkpoints need them."""
    path = options.directory / "log.vkeys"
    known = path.read_text().splitlines() if path.exists() else []
    if str(key) not in known:
        path.write_text("".join(f"{line}\n" for line in (*known, str(key))))
