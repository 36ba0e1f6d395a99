"""What the plugin answers: Status, Encrypt and Decrypt as plain calls. No gRPC here, and no socket.

Guarantees: Status and Encrypt never wait for a key service; Decrypt refuses another region, an unknown key or what was
changed beside the ciphertext before any call; every use is recorded before its result leaves, and without a record
there is no result; a refusal is one word. Which version is written with is the watch's business.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from keymgmt.canonical import stamp
from keymgmt.envelopes.envelope import UnverifiedEnvelope
from keymgmt.envelopes.opening import RegionOpener
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.envelopes.wrapping import Recipient
from keymgmt.errors import KeyManagementError, NoSuchKey
from keymgmt.keys import KeyFacts
from keymgmt.kms.annotations import (
    LARGEST_PLAINTEXT,
    annotations_of,
    check_annotations,
    parse_stored,
)
from keymgmt.kms.reasons import Reason, reason_of
from keymgmt.kms.usage import KeyUse, Uses, bound_hash
from keymgmt.kms.watch import OneKey, Watch
from keymgmt.secret import Secret
from keymgmt.states import MAY, Use

log = logging.getLogger("bailiwick.kms")

VERSION = "v2"


class Refused(Exception):
    """The operation did not happen; `reason` says why in one word, and nothing else leaves."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class WouldWait(Exception):
    """The key service must be asked: call again from where waiting is allowed."""


@dataclass(frozen=True, slots=True)
class Health:
    """The answer to Status."""

    healthz: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Encrypted:
    """The answer to Encrypt."""

    ciphertext: bytes
    key_id: str
    annotations: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Stored:
    """What Decrypt is asked with."""

    ciphertext: bytes
    key_id: str
    annotations: Mapping[str, bytes]
    uid: str


class KmsService:
    """Answers for one region and one cluster."""

    def __init__(
        self,
        watch: Watch,
        uses: Uses,
        *,
        nudge: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._watch = watch
        self._uses = uses
        self._nudge = nudge
        self._clock = clock
        self._now = now
        self._bound = watch.bound
        self._bound_hash = bound_hash(watch.bound)
        self._sealer = RegionSealer(_Served(watch))
        self._gate = _Gate(watch)
        self._opener = RegionOpener(self._gate, clock=clock)

    def status(self) -> Health:
        """From memory, whatever the key service does. A key id is named only while all is well.

        kube-apiserver prolongs its leave to write whenever Status names the key id it has, also when `healthz` is bad:
        with the id there, a sealed key service would stop no write, ever.
        """
        standing = self._watch.standing
        named = standing.key.key_id if standing.key and standing.reason is Reason.OK else ""
        return Health(standing.reason.value, named)

    def encrypt(self, plaintext: bytes, uid: str) -> Encrypted:
        """Seal to the version that Status names. Raises Refused."""
        began, at = self._clock(), self._now()
        try:
            answer, key = self._encrypted(plaintext)
        except Exception as error:  # noqa: BLE001  # whatever it is, its text stays here
            raise self._refused("encrypt", uid, None, began, at, error) from None
        self._record("encrypt", uid, key, began, at, Reason.OK)
        return answer

    def decrypt(self, stored: Stored, *, may_wait: bool = True) -> bytes:
        """Open. Raises Refused; and WouldWait when the key service must be asked and `may_wait` is false."""
        began, at = self._clock(), self._now()
        try:
            with self._gate.held(open=may_wait or not self._watch.waits):
                plaintext, key = self._decrypted(stored)
        except WouldWait:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, its text stays here
            named = self._watch.standing.known(stored.key_id)
            raise self._refused("decrypt", stored.uid, named, began, at, error) from None
        self._record("decrypt", stored.uid, key, began, at, Reason.OK)
        return plaintext

    def _encrypted(self, plaintext: bytes) -> tuple[Encrypted, KeyFacts]:
        standing = self._watch.standing
        if standing.reason is not Reason.OK:
            raise Refused(standing.reason)
        if len(plaintext) > LARGEST_PLAINTEXT:
            raise Refused(Reason.INVALID)
        sealed = self._sealer.seal(plaintext, self._bound)
        key = self._watch.standing.known(sealed.key_id)
        if key is None:
            raise Refused(Reason.NO_KEY)
        return Encrypted(sealed.to_bytes(), sealed.key_id, annotations_of(self._bound, key)), key

    def _decrypted(self, stored: Stored) -> tuple[bytes, KeyFacts]:
        envelope = parse_stored(stored.ciphertext, stored.key_id, stored.annotations, self._bound)
        reason = self._watch.may_open()
        if reason is not Reason.OK:
            raise Refused(reason)
        key = self._watch.standing.known(stored.key_id)  # which is the envelope's own
        if key is None:
            self._nudge()  # another replica may know it already
            raise Refused(Reason.UNKNOWN_KEY)
        check_annotations(stored.annotations, self._bound, key)
        if Use.OPEN not in MAY[key.state]:
            raise Refused(Reason.REVOKED)
        return self._opener.open_parsed(envelope, self._bound), key

    def _refused(
        self, operation: str, uid: str, key: KeyFacts | None, began: float, at: datetime, error: Exception
    ) -> Refused:
        reason = error.reason if isinstance(error, Refused) else reason_of(error)
        # our own errors carry no secret by contract; of others only the kind is told
        said = str(error) if isinstance(error, Refused | KeyManagementError) else type(error).__name__
        log.warning("%s refused: %s: %s", operation, reason.value, said)
        self._record(operation, uid, key, began, at, reason)
        return Refused(reason)

    def _record(
        self, operation: str, uid: str, key: KeyFacts | None, began: float, at: datetime, reason: Reason
    ) -> None:
        asked = operation == "decrypt" and self._gate.was_asked
        use = KeyUse(
            operation=operation,
            region=self._bound.region,
            key_id=key.key_id if key else "",
            version=key.version if key else 0,
            bound=self._bound_hash,
            uid=uid[:128],
            at=stamp(at),
            seconds=round(self._clock() - began, 6),
            asked=asked,
            outcome=reason.value,
            request_id=self._watch.backend.request_id() if asked else "",
        )
        try:
            self._uses.record(use)
        except Exception as error:  # noqa: BLE001  # no record, no result
            log.critical("a use was not recorded, and is refused: %s", type(error).__name__)
            raise Refused(Reason.UNRECORDED) from None


class _Served:
    """What is sealed to: the version that Status names, and nothing while it names none."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    @property
    def region(self) -> str:
        return self._watch.bound.region

    @property
    def generation(self) -> int:
        standing = self._watch.standing
        return standing.losses << 32 | (standing.key.version if standing.key else 0)

    def recipient(self, purpose: str) -> Recipient:
        key = self._watch.standing.key
        if key is None:
            raise NoSuchKey(f"region `{self.region}` has no key for `{purpose}` yet")
        return OneKey(key).recipient(purpose)


class _Gate:
    """The keyring's private half, closed to threads that must not wait for it."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._thread = threading.local()

    @property
    def region(self) -> str:
        return self._watch.bound.region

    @property
    def generation(self) -> int:
        # remembered data keys go with every change of the keyring, and with every loss of it
        keyring = self._watch.keyring
        return self._watch.standing.losses << 32 | (keyring.generation if keyring else 0)

    @contextmanager
    def held(self, *, open: bool) -> Iterator[None]:
        """For this thread, until the end of the block."""
        self._thread.shut, self._thread.asked = not open, False
        try:
            yield
        finally:
            self._thread.shut = False

    @property
    def was_asked(self) -> bool:
        return bool(getattr(self._thread, "asked", False))

    def unwrap(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:
        if getattr(self._thread, "shut", False):
            raise WouldWait
        keyring = self._watch.keyring
        if keyring is None:
            raise Refused(Reason.STARTING)
        self._thread.asked = True
        return keyring.unwrap(envelope, purpose, info)
