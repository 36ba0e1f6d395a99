"""A log's keys in the region's key service or module: they sign checkpoints there, and seal here.

Guarantees that no answer waits for the service: sealing needs public keys only, and those that it showed last lie in
the state directory. While it is away records are durable and published, and signed when it is back; only a first start
needs it. Every signature is a use, recorded with the service's own request id. A key that is rotated there is noticed
within seconds (`watched`), and signs and seals once the log has a record of it. Tags stay with the file keyring of the
state directory: a service's tag would be a call for each value.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from audit.files.store import Disk, put_files
from keymgmt.approvals import ApprovalPolicy
from keymgmt.choosing import KeyringFile, KeyringSettingsInvalid, load_keyring_file
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.errors import KeyManagementError, NoSuchKey, SignerUnavailable
from keymgmt.file.keyring import FileKeyring
from keymgmt.hardware.keyring import Pkcs11Keyring
from keymgmt.keys import KeyFacts
from keymgmt.ports import Signer
from keymgmt.public import PublicKeyring, encode_public
from keymgmt.states import State
from keymgmt.transit.keyring import TransitKeyring
from keymgmt.uses.use import KeyUses, NoUses
from webhook.rounds import rounds

logger = logging.getLogger("bailiwick.webhook")

Ring = TransitKeyring | Pkcs11Keyring
AGAIN = 5.0  # seconds between attempts to reach a service that is away
LOOK = 5.0  # seconds between looks at its keys


class ServiceKeys:
    """`live_keys.Keys`. Made by `open`."""

    def __init__(
        self,
        settings: KeyringFile,
        public: PublicKeyring,
        ring: Ring | None,
        uses: KeyUses,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._public = public
        self._ring = ring
        self._uses = uses
        self._clock = clock
        self._tried = clock()
        self._guard = threading.Lock()

    @classmethod
    def open(cls, path: Path, region: str, public: Path, uses: KeyUses) -> "ServiceKeys":
        """The service that the settings at `path` name; its public keys are kept at `public`.

        Raises KeyManagementError when it can't be reached and never was, or is another than was seen before.
        """
        settings = service_settings(path, region)
        seen = PublicKeyring.load(public) if public.exists() else None
        ring: Ring | None = None
        try:
            ring = _connected(settings, seen, uses)
        except KeyManagementError as error:
            if seen is None or not _is_away(error):
                raise
            logger.warning("%s; records are sealed as before, and signed when the key service is back", error)
        else:
            _keep(public, ring, settings.jurisdiction)
        return cls(settings, PublicKeyring.load(public), ring, uses)

    @property
    def region(self) -> str:
        return self._public.region

    @property
    def jurisdiction(self) -> str:
        return self._public.jurisdiction

    @property
    def generation(self) -> int:
        """Of what the service showed last."""
        return self._public.generation

    def refresh(self) -> bool:
        """Nothing: a version that was withdrawn signs nothing there, whatever is known here."""
        return False

    def keys(self) -> tuple[KeyFacts, ...]:
        """As the service showed them last."""
        return self._public.keys()

    def sealer(self) -> RegionSealer:
        """Seals here."""
        return self._public.sealer()

    def signer(self, purpose: str, name: str) -> Signer:
        """Signs there, with the version that was active when this was opened. Raises NoSuchKey."""
        return _ServiceSigner(name, active_key(self._public, purpose), self)

    def sign(self, key: KeyFacts, message: bytes) -> bytes:
        """64 bytes, verified. Raises SignerUnavailable."""
        return self._reached().sign(key, message)

    def _reached(self) -> Ring:
        with self._guard:
            if self._ring is None:
                if self._clock() < self._tried + AGAIN:
                    raise SignerUnavailable("the key service is away; it is asked again soon")
                self._tried = self._clock()
                try:
                    self._ring = _connected(self._settings, self._public, self._uses)
                except KeyManagementError as error:
                    raise SignerUnavailable(f"the key service is away: {error}") from error
                logger.warning("the key service is back")
            return self._ring


@contextmanager
def watched(path: Path, region: str, public: Path) -> Iterator[None]:
    """While this runs, a thread asks the service for its keys every few seconds, and keeps what it shows."""
    settings = service_settings(path, region)
    ring: Ring | None = None

    def look() -> None:
        nonlocal ring
        try:
            if ring is None:
                ring = _connected(settings, PublicKeyring.load(public), NoUses())
            else:
                ring.refresh()
            _keep(public, ring, settings.jurisdiction)
        except KeyManagementError as error:
            logger.debug("the key service was not asked for its keys: %s", error)

    with rounds("key-service", LOOK, look, patience=LOOK):
        yield


@dataclass(frozen=True, slots=True)
class _ServiceSigner:
    name: str
    key: KeyFacts
    _keys: ServiceKeys

    @property
    def public_key(self) -> bytes:
        return self.key.public

    def sign(self, message: bytes) -> bytes:
        return self._keys.sign(self.key, message)


@dataclass(frozen=True, slots=True)
class ServiceApproving:
    """What orders need of the keys: who may approve, and what their votes are sealed to."""

    region: str
    jurisdiction: str
    approvals: ApprovalPolicy | None
    _public: PublicKeyring

    @classmethod
    def of(cls, path: Path, region: str, public: Path) -> "ServiceApproving":
        """By the settings at `path` and the public keys at `public`. Raises KeyManagementError."""
        shown = PublicKeyring.load(public)
        return cls(shown.region, shown.jurisdiction, service_settings(path, region).policy(), shown)

    def sealer(self) -> RegionSealer:
        return self._public.sealer()


def service_settings(path: Path, region: str) -> KeyringFile:
    """The settings of this region's key service. Raises KeyringSettingsInvalid."""
    settings = load_keyring_file(path)
    if settings.file or settings.region != region:
        raise KeyringSettingsInvalid(f"`{path}` names no key service or module of region `{region}`")
    return settings


def active_key(public: PublicKeyring, purpose: str) -> KeyFacts:
    """The version that signs. Raises NoSuchKey."""
    known = public.keys()
    for key in known:
        if key.purpose == purpose and key.state is State.ACTIVE:
            return key
    raise NoSuchKey(f"the key service of `{public.region}` has no active key for `{purpose}`; name it under `keys`")


def _connected(settings: KeyringFile, seen: PublicKeyring | None, uses: KeyUses) -> Ring:
    known = seen.keys() if seen is not None else ()
    ring = settings.connect(os.environ, uses, known)
    assert not isinstance(ring, FileKeyring)  # as `service_settings` has seen to
    return ring


def _is_away(error: KeyManagementError) -> bool:
    """Whether it may come back by itself; what proves to be another service, or an older one, is refused."""
    from keymgmt.transit.errors import Busy, Sealed, Standby, TooSlow, Uninitialized, Unreachable

    return isinstance(error, Busy | Sealed | Standby | TooSlow | Uninitialized | Unreachable)


def _keep(path: Path, ring: Ring, jurisdiction: str) -> None:
    document = encode_public(ring.generation, jurisdiction, ring.keys(), ring.assurance)
    if not path.exists() or path.read_bytes() != document:
        files = Disk()
        put_files(files, [(path, document)])
        files.sync_directory(path.parent)
