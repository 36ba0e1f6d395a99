"""A region's keys in Vault or OpenBao Transit: they sign and open there, and seal here.

Guarantees: before the first use, and at every refresh, the server has shown that it is this region's and that its keys
cannot be exported; sealing needs no network; an envelope of another region causes no call; a signature is verified
before it is handed out. It declares `assurance: service`.
"""

import base64
import binascii
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keymgmt.attestation import ServerClaim
from keymgmt.canonical import to_base64url
from keymgmt.envelopes.envelope import UnverifiedEnvelope, Wrap
from keymgmt.envelopes.opening import RegionOpener
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.envelopes.wrapping import DATA_KEY_SIZE, Recipient, recipient_of
from keymgmt.errors import (
    EnvelopeInvalid,
    KeyManagementError,
    KeyRevoked,
    KeyServiceError,
    NoSuchKey,
    SignerUnavailable,
)
from keymgmt.keys import Algorithm, KeyFacts, active_key, generation_of
from keymgmt.public import encode_public
from keymgmt.secret import Secret
from keymgmt.signing import RingSigner
from keymgmt.states import State, check_opening
from keymgmt.transit.connection import Answer, VaultConnection
from keymgmt.transit.describing import describe
from keymgmt.transit.errors import (
    AnswerInvalid,
    ExtraMissing,
    Refusal,
    RequestRefused,
    WrongServer,
)
from keymgmt.transit.facts import KeySettings, merged
from keymgmt.transit.login import Login
from keymgmt.transit.server import checked_server, read_keys
from keymgmt.transit.session import VaultSession
from keymgmt.transit.site import TransitSite
from keymgmt.uses.use import KeyUse, KeyUses, NoUses, UseUnrecorded, stamp_now

SIGNATURE = re.compile(r"vault:v([1-9][0-9]{0,8}):([A-Za-z0-9+/]+={0,2})")
AGAIN_AFTER = 10.0  # seconds between refreshes that strangers can cause with unknown key ids


class TransitKeyring:
    """One region's keys, as its key service shows them."""

    assurance: Literal["service"] = "service"

    def __init__(
        self,
        session: VaultSession,
        keys: tuple[KeyFacts, ...],
        lineage: bytes,
        clock: Callable[[], float],
        uses: KeyUses | None = None,
    ) -> None:
        self._uses = uses or NoUses()
        self._session = session
        self._site = session.connection.site
        self._keys = keys
        self._lineage = lineage
        self._generation = generation_of(keys)
        self._clock = clock
        self._looked = clock()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"TransitKeyring({self._site.url}/{self._site.mount}, {self.region})"

    @classmethod
    def connect(
        cls,
        site: TransitSite,
        login: Login,
        *,
        known: Sequence[KeyFacts] = (),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        uses: KeyUses | None = None,
    ) -> "TransitKeyring":
        """Log in and read the keys. `known` are facts seen earlier, to notice a restored server.

        `uses` gets a record of every use of a private key before its result leaves.

        Raises KeyServiceError by kind, KeyUnfit, KeyringRolledBack, ExtraMissing.
        """
        _check_library()
        session = VaultSession(VaultConnection(site, clock=clock, sleep=sleep), login, clock=clock)
        lineage = checked_server(session.connection)
        return cls(session, merged(site.region, known, read_keys(session, lineage)), lineage, clock, uses)

    @property
    def region(self) -> str:
        """The only region whose keys these are."""
        return self._site.region

    @property
    def generation(self) -> int:
        """Grows when a key is rotated, or a version of it withdrawn."""
        return self._generation

    def keys(self) -> tuple[KeyFacts, ...]:
        """Every version known of every key, as of the last refresh."""
        return self._keys

    def public_document(self) -> bytes:
        """What `<region>.public.json` holds: enough for `PublicKeyring` to seal without any network."""
        return encode_public(self.generation, "", self._keys, self.assurance)

    def sealer(self) -> RegionSealer:
        """Seals to the region's RSA key, here."""
        return RegionSealer(self)

    def opener(self) -> RegionOpener:
        """Opens through the key service."""
        return RegionOpener(self)

    def signer(self, purpose: str, name: str) -> RingSigner:
        """Signs through the key service with the version that is active now. Raises NoSuchKey."""
        key = self._active(purpose)
        if key.algorithm != Algorithm.ED25519:
            raise NoSuchKey(f"key {key.address} is {key.algorithm}, and signing needs ed25519")
        return RingSigner(name, key, self)

    def refresh(self) -> bool:
        """Read the keys again; True when they changed. Raises as `connect` does, and then nothing has changed."""
        with self._lock:
            self._looked = self._clock()
            lineage = checked_server(self._session.connection)
            if lineage != self._lineage:
                raise WrongServer(f"`{self._site.url}` is another cluster than before; find out who replaced it")
            found = merged(self.region, self._keys, read_keys(self._session, lineage))
            if found == self._keys:
                return False
            self._keys, self._generation = found, max(generation_of(found), self._generation + 1)
            return True

    def described(self) -> tuple[ServerClaim, dict[str, KeySettings]]:
        """Server and keys as they are now, for an attestation. Raises as `refresh` does."""
        self.refresh()
        return describe(self._session)

    def recipient(self, purpose: str) -> Recipient:
        """The public key to seal to. Raises NoSuchKey."""
        key = self._active(purpose)
        found = recipient_of(key)
        if found is None:
            raise NoSuchKey(f"key {key.address} is {key.algorithm}, and sealing needs rsa-4096")
        return found

    def unwrap(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:  # noqa: ARG002  # OAEP has none
        """The data key, from the key service. Raises EnvelopeInvalid, KeyRevoked, KeyServiceError."""
        key = self._known(envelope.key_id)
        if key.purpose != purpose or key.algorithm != Algorithm.RSA_OAEP or envelope.wrap != Wrap.RSA_OAEP_4096:
            raise EnvelopeInvalid(f"key `{key.key_id}` is for `{key.purpose}`, not for `{purpose}`")
        check_opening(key.key_id, key.state)
        return self._decrypted(key, envelope.wrapped)

    def unwrap_in_emergency(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:
        """As `unwrap`: what the key service withdrew, it opens for nobody."""
        return self.unwrap(envelope, purpose, info)

    def sign(self, key: KeyFacts, message: bytes) -> bytes:
        """64 bytes, verified. Raises SignerUnavailable, and KeyServiceError as its cause."""
        known = self._by_id(key.id_bytes)
        if known is None or known.state is not State.ACTIVE:
            raise SignerUnavailable(f"key `{key.key_id}` is no longer active; ask the keyring for the active one")
        failure: KeyManagementError
        try:
            return self._signed(key, message)
        except (KeyServiceError, UseUnrecorded) as error:
            failure = error
        raise SignerUnavailable(f"key `{key.key_id}` signed nothing: {failure}") from failure

    def _signed(self, key: KeyFacts, message: bytes) -> bytes:
        name, data = self._site.keys[key.purpose], base64.b64encode(message).decode()
        answer = self._used(
            "sign",
            key,
            lambda transit: transit.sign_data(
                name, hash_input=data, key_version=key.version, mount_point=self._site.mount
            ),
        )
        found = SIGNATURE.fullmatch(_text(answer, "signature"))
        if found is None or int(found[1]) != key.version:
            raise AnswerInvalid(f"`{self._site.url}` answered with no signature of version {key.version}")
        try:
            signature = base64.b64decode(found[2], validate=True)
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
        except (binascii.Error, InvalidSignature):
            raise AnswerInvalid(f"`{self._site.url}` answered with a signature that does not verify") from None
        return signature

    def _decrypted(self, key: KeyFacts, wrapped: bytes) -> Secret:
        name = self._site.keys[key.purpose]
        ciphertext = f"vault:v{key.version}:{base64.b64encode(wrapped).decode()}"
        refused: KeyManagementError
        try:
            answer = self._used(
                "decrypt",
                key,
                lambda transit: transit.decrypt_data(name, ciphertext=ciphertext, mount_point=self._site.mount),
            )
        except RequestRefused as error:
            refused = _unopened(key, error)
        else:
            data_key = _data_key(answer)
            del answer  # no frame of an error shall hold it
            if len(data_key) != DATA_KEY_SIZE:
                raise AnswerInvalid(f"`{self._site.url}` answered a decryption with something that is no data key")
            return data_key
        raise refused

    def _used(self, operation: str, key: KeyFacts, call: Callable[[Any], Answer]) -> Answer:
        """The answer, once its use is recorded; a failure is recorded, too. Raises KeyServiceError, or unrecorded."""
        at, began = stamp_now(), self._clock()
        outcome, answer = "interrupted", Answer()
        try:
            answer = self._session.ask(call)
        except KeyManagementError as error:
            outcome = type(error).__name__
            raise
        else:
            outcome = "ok"
            return answer
        finally:
            request_id = str(answer.get("request_id", ""))
            seconds = round(self._clock() - began, 6)
            name = self._site.keys[key.purpose]
            del answer  # no frame of an error shall hold it
            more = (key.purpose, to_base64url(key.lineage))
            self._uses.record(
                KeyUse(operation, self.region, name, key.key_id, key.version, request_id, at, seconds, outcome, *more)
            )

    def _known(self, key_id: bytes) -> KeyFacts:
        """The key of an id; looks again when it may have been rotated in, but not at every stranger's call."""
        found = self._by_id(key_id)
        if found is None and self._clock() - self._looked >= AGAIN_AFTER:
            self.refresh()
            found = self._by_id(key_id)
        if found is None:
            raise EnvelopeInvalid(f"region `{self.region}` never had the key that this envelope names")
        return found

    def _by_id(self, key_id: bytes) -> KeyFacts | None:
        return next((key for key in self._keys if key.id_bytes == key_id), None)

    def _active(self, purpose: str) -> KeyFacts:
        return active_key(self._keys, self.region, purpose, self._site.keys)


def _check_library() -> None:
    try:
        import hvac  # type: ignore[import-untyped]  # noqa: F401  # half a second, and an extra
    except ImportError as error:
        raise ExtraMissing("key services need hvac; install `bailiwick[vault]`") from error


def _unopened(key: KeyFacts, error: RequestRefused) -> KeyManagementError:
    match error.why:
        case Refusal.TOO_OLD:
            return KeyRevoked(f"key `{key.key_id}` is withdrawn: {error.why}")
        case Refusal.NOT_DECRYPTED:
            return EnvelopeInvalid("the data key does not open: changed, or sealed for something else")
        case _:
            return error


def _data_key(answer: dict[str, object]) -> Secret:
    try:
        return Secret(base64.b64decode(_text(answer, "plaintext"), validate=True))
    except ValueError:
        return Secret(b"")


def _text(answer: dict[str, object], name: str) -> str:
    data = answer.get("data")
    text = data.get(name) if isinstance(data, dict) else None
    return text if isinstance(text, str) else ""
