"""A region's keys in a hardware module: they sign and open there, and seal here. It declares `assurance: hardware`.

Guarantees, before the first use and at every refresh: the keys were made in the module, cannot leave it and never
could; a token that lost versions or has others under their numbers is refused; sealing needs no module; a signature
is verified before it is handed out. That the module itself lies in the region is the operator's to say.
"""

import hashlib
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keymgmt.canonical import fields
from keymgmt.envelope import UnverifiedEnvelope, Wrap
from keymgmt.errors import EnvelopeInvalid, KeyRevoked, KeyServiceError, NoSuchKey, SignerUnavailable
from keymgmt.hardware.token import FoundKey, Token, TokenSite
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.opening import RegionOpener
from keymgmt.public import encode_public
from keymgmt.sealing import RegionSealer
from keymgmt.secret import Secret
from keymgmt.signing import RingSigner
from keymgmt.states import MAY, State, Use
from keymgmt.transit.errors import KeyUnfit
from keymgmt.transit.facts import generation_of, merged
from keymgmt.wrapping import Recipient, checked_data_key, recipient_of


class Pkcs11Keyring:
    """One region's keys, as its token shows them."""

    assurance: Literal["hardware"] = "hardware"

    def __init__(self, token: Token, known: Sequence[KeyFacts] = ()) -> None:
        self._token = token
        self._site = token.site
        self._lineage = lineage_of(token)
        self._keys = merged(self.region, known, self._found())
        self._generation = generation_of(self._keys)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Pkcs11Keyring({self._token!r}, {self.region})"

    @classmethod
    def connect(cls, site: TokenSite, *, known: Sequence[KeyFacts] = ()) -> "Pkcs11Keyring":
        """Log in and read the keys. `known` are facts seen earlier, to notice a restored token.

        Raises KeyServiceError by kind, KeyUnfit, KeyringRolledBack, ExtraMissing.
        """
        return cls(Token(site), known)

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

    def refresh(self) -> bool:
        """Read the keys again; True when they changed. Raises as `connect` does, and then nothing has changed."""
        with self._lock:
            found = merged(self.region, self._keys, self._found())
            if found == self._keys:
                return False
            self._keys, self._generation = found, max(generation_of(found), self._generation + 1)
            return True

    def public_document(self) -> bytes:
        """What `<region>.public.json` holds: enough for `PublicKeyring` to seal without the module."""
        return encode_public(self.generation, "", self._keys, self.assurance)

    def sealer(self) -> RegionSealer:
        """Seals to the region's RSA key, here."""
        return RegionSealer(self)

    def opener(self) -> RegionOpener:
        """Opens in the module."""
        return RegionOpener(self)

    def signer(self, purpose: str, name: str) -> RingSigner:
        """Signs in the module with the version that is active now. Raises NoSuchKey."""
        key = self._active(purpose, Algorithm.ED25519)
        return RingSigner(name, key, self)

    def recipient(self, purpose: str) -> Recipient:
        """The public key to seal to. Raises NoSuchKey."""
        found = recipient_of(self._active(purpose, Algorithm.RSA_OAEP))
        assert found is not None  # an RSA key seals
        return found

    def unwrap(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:  # noqa: ARG002  # OAEP has none
        """The data key, opened in the module. Raises EnvelopeInvalid, KeyRevoked, KeyServiceError."""
        key = next((one for one in self._keys if one.id_bytes == envelope.key_id), None)
        if key is None:
            raise EnvelopeInvalid(f"region `{self.region}` never had the key that this envelope names")
        if key.purpose != purpose or key.algorithm != Algorithm.RSA_OAEP or envelope.wrap != Wrap.RSA_OAEP_4096:
            raise EnvelopeInvalid(f"key `{key.key_id}` is for `{key.purpose}`, not for `{purpose}`")
        if Use.OPEN not in MAY[key.state]:
            raise KeyRevoked(f"key `{key.key_id}` is {key.state} and opens nothing")
        data_key = self._token.open(self._site.keys[purpose], key.version, envelope.wrapped)
        if data_key is None:
            raise EnvelopeInvalid("the data key does not open: changed, or sealed for something else")
        return checked_data_key(data_key)

    def sign(self, key: KeyFacts, message: bytes) -> bytes:
        """64 bytes, verified. Raises SignerUnavailable."""
        if not any(one.key_id == key.key_id and one.state is State.ACTIVE for one in self._keys):
            raise SignerUnavailable(f"key `{key.key_id}` is no longer active; ask the keyring for the active one")
        try:
            signature = self._token.sign(self._site.keys[key.purpose], key.version, message)
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
        except KeyServiceError as error:
            raise SignerUnavailable(f"key `{key.key_id}` signed nothing: {error}") from error
        except (InvalidSignature, ValueError) as error:
            raise SignerUnavailable(f"key `{key.key_id}` gave a signature that does not verify") from error
        return signature

    def rotate(self, purpose: str, now: datetime, algorithm: Algorithm | None = None) -> KeyFacts:
        """A new active version, made in the module; `algorithm` for the first. Raises NoSuchKey, KeyServiceError."""
        label = self._site.keys.get(purpose)
        versions = [key for key in self._keys if key.purpose == purpose]
        kind = Algorithm(versions[-1].algorithm) if versions else algorithm
        if label is None or kind is None:
            raise NoSuchKey(f"region `{self.region}` has no key for `{purpose}` in `{self._site.token}`")
        self._token.generate(label, kind, versions[-1].version + 1 if versions else 1, now)
        self.refresh()
        return self._active(purpose, kind)

    def _active(self, purpose: str, algorithm: Algorithm) -> KeyFacts:
        for key in self._keys:
            if key.purpose == purpose and key.state is State.ACTIVE:
                if key.algorithm != algorithm:
                    raise NoSuchKey(f"key {key.address} is {key.algorithm}, and {algorithm} was asked for")
                return key
        known = ", ".join(sorted(self._site.keys))
        raise NoSuchKey(f"region `{self.region}` has no active key for `{purpose}`; it has keys for: {known}")

    def _found(self) -> tuple[KeyFacts, ...]:
        purposes = {label: purpose for purpose, label in self._site.keys.items()}
        found = self._token.find()
        latest = {key.label: key.version for key in found}  # oldest first, so the last one stays
        return tuple(self._facts(key, purposes[key.label], is_latest=latest[key.label] == key.version) for key in found)

    def _facts(self, key: FoundKey, purpose: str, *, is_latest: bool) -> KeyFacts:
        name = f"`{key.label}` version {key.version} of `{self.region}`"
        if key.broken:
            raise KeyUnfit(f"key {name} is wrong in {', '.join(key.broken)}: it could have left; make a new one")
        if key.algorithm is None or not key.public:
            raise KeyUnfit(f"key {name} is neither RSA nor Ed25519; make a new one")
        state = State.ACTIVE if is_latest else State.RETIRED
        facts = KeyFacts(
            self._lineage, self.region, purpose, key.algorithm, key.version, key.created, state, key.public
        )
        try:
            recipient_of(facts)
        except ValueError as error:
            raise KeyUnfit(f"key {name} is not RSA-4096; make a new one") from error
        return facts


def lineage_of(token: Token) -> bytes:
    """What all keys of one token share, and no other's do."""
    parts = (token.site.region.encode(), token.serial, token.site.token.encode())
    return hashlib.sha256(fields(b"bailiwick/pkcs11/v1", *parts)).digest()[:16]
