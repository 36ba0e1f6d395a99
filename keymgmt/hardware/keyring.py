"""A region's keys in a hardware module: they sign and open there, and seal here.

Guarantees, before the first use and at every refresh: the keys were made in the module, cannot leave it and never
could; a token that lost versions, has others under their numbers, or whose register went back is refused; sealing needs
no module; a signature is verified before it is handed out. It declares `assurance: hardware` where the module's slot
says that it is a device, `software` where it does not. That the module stands in the region is the operator's to say.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keymgmt.approvals import ApprovalPolicy
from keymgmt.canonical import fields
from keymgmt.envelopes.envelope import UnverifiedEnvelope, Wrap
from keymgmt.envelopes.opening import RegionOpener
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.envelopes.wrapping import Recipient, checked_data_key, recipient_of
from keymgmt.errors import (
    EnvelopeInvalid,
    KeyringRolledBack,
    KeyServiceError,
    NoSuchKey,
    SignerUnavailable,
)
from keymgmt.file import changes
from keymgmt.file.changing import Apply, ChangingKeys, activating
from keymgmt.file.document import Head, KeyringDoc, entry_of, extends, facts, head_of
from keymgmt.hardware.objects import KeyAttributes, ModuleFacts
from keymgmt.hardware.register import implied, load_register, store_register
from keymgmt.hardware.token import Token, TokenSite
from keymgmt.hardware.versions import Versions
from keymgmt.keys import Algorithm, KeyFacts, active_key, generation_of
from keymgmt.public import Assurance, encode_public
from keymgmt.secret import Secret
from keymgmt.signing import RingSigner
from keymgmt.states import State, check_opening
from keymgmt.uses.use import KeyUses, recorded, recorded_change


class Pkcs11Keyring(ChangingKeys):
    """One region's keys, as its token shows them."""

    def __init__(
        self,
        token: Token,
        known: Sequence[KeyFacts] = (),
        *,
        seen: Head | None = None,
        uses: KeyUses | None = None,
        approvals: ApprovalPolicy | None = None,
    ) -> None:
        self._token = token
        self._site = token.site
        self._uses = uses
        self.approvals = approvals
        self._versions = Versions(self._site.region, lineage_of(token), self._site.keys)
        self._register: KeyringDoc | None = None
        self._head = seen
        self._keys = self._read(known)
        self._generation = generation_of(self._keys)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Pkcs11Keyring({self._token!r}, {self.region})"

    @classmethod
    def connect(
        cls,
        site: TokenSite,
        *,
        known: Sequence[KeyFacts] = (),
        seen: Head | None = None,
        uses: KeyUses | None = None,
        approvals: ApprovalPolicy | None = None,
    ) -> "Pkcs11Keyring":
        """Log in and read the keys. `known` and `seen` are what was seen earlier, to notice a restored token.

        `uses` gets a record of every use and change of a key, before its result leaves. Without `approvals` keys can
        be rotated and never be revoked or destroyed from here. Raises KeyServiceError by kind, KeyUnfit,
        KeyringRolledBack, KeyringInvalid, ExtraMissing.
        """
        return cls(Token(site), known, seen=seen, uses=uses, approvals=approvals)

    @property
    def region(self) -> str:
        """The only region whose keys these are."""
        return self._site.region

    @property
    def assurance(self) -> Assurance:
        """`hardware`, if the module says that its slot is a device."""
        return "hardware" if self._token.about().hardware_slot else "software"

    @property
    def generation(self) -> int:
        """Grows with every change of a key."""
        return self._generation

    @property
    def head(self) -> Head | None:
        """Of the token's register: remember it elsewhere and give it as `seen`. None while there is no register."""
        return self._head

    @property
    def labels(self) -> Mapping[str, str]:
        """What the key of each purpose is called in the token."""
        return self._site.keys

    def keys(self) -> tuple[KeyFacts, ...]:
        """Every version known of every key, as of the last refresh."""
        return self._keys

    def refresh(self) -> bool:
        """Read the keys again; True when they changed. Raises as `connect` does, and then nothing has changed."""
        with self._lock:
            return self._refreshed()

    def _refreshed(self) -> bool:
        found = self._read(self._keys)
        if found == self._keys:
            return False
        self._keys, self._generation = found, max(generation_of(found), self._generation + 1)
        return True

    def described(self) -> tuple[ModuleFacts, dict[str, KeyAttributes]]:
        """What the module says of itself, and of each private key by its id, now. Raises as `refresh` does."""
        self.refresh()
        found = {(key.label, key.version): key.attributes for key in self._token.find()}
        named = {key.key_id: found.get((self._site.keys[key.purpose], key.version)) for key in self._keys}
        return self._token.about(), {key_id: said for key_id, said in named.items() if said is not None}

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
        """The data key, opened in the module. Raises EnvelopeInvalid, KeyRevoked, KeyDestroyed, KeyServiceError."""
        key = self._sealed_under(envelope, purpose)
        with self._used("decrypt", key):
            check_opening(key.key_id, key.state)
            return self._opened(key, envelope)

    def unwrap_in_emergency(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:  # noqa: ARG002
        """As `unwrap`, by a revoked version too: for `emergency.EmergencyDesk` alone."""
        key = self._sealed_under(envelope, purpose)
        with self._used("decrypt", key):
            if key.state is not State.REVOKED:
                check_opening(key.key_id, key.state)
            return self._opened(key, envelope)

    def _sealed_under(self, envelope: UnverifiedEnvelope, purpose: str) -> KeyFacts:
        key = next((one for one in self._keys if one.id_bytes == envelope.key_id), None)
        if key is None:
            raise EnvelopeInvalid(f"region `{self.region}` never had the key that this envelope names")
        if key.purpose != purpose or key.algorithm != Algorithm.RSA_OAEP or envelope.wrap != Wrap.RSA_OAEP_4096:
            raise EnvelopeInvalid(f"key `{key.key_id}` is for `{key.purpose}`, not for `{purpose}`")
        return key

    def _opened(self, key: KeyFacts, envelope: UnverifiedEnvelope) -> Secret:
        data_key = self._token.open(self._site.keys[key.purpose], key.version, envelope.wrapped)
        if data_key is None:
            raise EnvelopeInvalid("the data key does not open: changed, or sealed for something else")
        return checked_data_key(data_key)

    def sign(self, key: KeyFacts, message: bytes) -> bytes:
        """64 bytes, verified. Raises SignerUnavailable."""
        if not any(one.key_id == key.key_id and one.state is State.ACTIVE for one in self._keys):
            raise SignerUnavailable(f"key `{key.key_id}` is no longer active; ask the keyring for the active one")
        try:
            with self._used("sign", key):
                signature = self._token.sign(self._site.keys[key.purpose], key.version, message)
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
        except KeyServiceError as error:
            raise SignerUnavailable(f"key `{key.key_id}` signed nothing: {error}") from error
        except (InvalidSignature, ValueError) as error:
            raise SignerUnavailable(f"key `{key.key_id}` gave a signature that does not verify") from error
        return signature

    def rotate(self, purpose: str, now: datetime, algorithm: Algorithm | None = None) -> KeyFacts:
        """A new active version, made in the module; `algorithm` for the first. Raises NoSuchKey, KeyServiceError."""
        return self._change("rotate", activating(lambda document: self._staged(document, purpose, now, algorithm)))

    def stage(self, purpose: str, now: datetime, algorithm: Algorithm | None = None) -> KeyFacts:
        """A new version that others can learn of before it is used. Raises as `rotate` does."""
        return self._change("stage", lambda document: self._staged(document, purpose, now, algorithm))

    def _change(self, operation: str, apply: Apply) -> KeyFacts:
        """Apply a change to what the token says now. A key that is destroyed is gone before the register says so."""
        with self._lock:
            self._refreshed()
            before = self._listed()
            wanted, key_id = apply(before)
            grown = changes.next_generation(before, wanted)
            key = facts(grown, changes.entry_by_id(grown, key_id))
            with self._changing(operation, key):
                if key.state is State.DESTROYED:
                    self._token.destroy(self._site.keys[key.purpose], key.version)
                store_register(self._token, grown)
            self._refreshed()
        return key

    def _staged(
        self, document: KeyringDoc, purpose: str, now: datetime, algorithm: Algorithm | None
    ) -> tuple[KeyringDoc, str]:
        label = self._site.keys.get(purpose)
        versions = [entry for entry in document.keys if entry.purpose == purpose]
        kind = versions[-1].algorithm if versions else algorithm
        if label is None or kind is None:
            raise NoSuchKey(f"region `{self.region}` has no key for `{purpose}` in `{self._site.token}`")
        # what lies there and was never registered, since a crash came in between, keeps its number
        there = [key.version for key in self._token.find() if key.label == label]
        version = max([*there, *(entry.version for entry in versions)], default=0) + 1
        self._token.generate(label, kind, version, now)
        made = next(key for key in self._token.find() if (key.label, key.version) == (label, version))
        key = self._versions.facts(made, purpose, State.STAGED)
        return changes.with_entry(document, entry_of(key, None)), key.key_id

    def _active(self, purpose: str, algorithm: Algorithm) -> KeyFacts:
        key = active_key(self._keys, self.region, purpose, self._site.keys)
        if key.algorithm != algorithm:
            raise NoSuchKey(f"key {key.address} is {key.algorithm}, and {algorithm} was asked for")
        return key

    def _read(self, known: Sequence[KeyFacts]) -> tuple[KeyFacts, ...]:
        """Every version, as token and register say. Raises KeyUnfit, KeyringRolledBack, KeyringInvalid."""
        there, register = self._token.find(), load_register(self._token)
        if self._head is not None and (register is None or not extends(register, self._head)):
            raise KeyringRolledBack(
                f"the register of `{self._site.token}` does not follow from what was seen; find out who restored it"
            )
        keys = self._versions.read(there, register, known)
        if register is not None:
            self._register, self._head = register, head_of(register)
        return keys

    def _listed(self) -> KeyringDoc:
        return self._register or implied(self.region, self._versions.lineage, self._keys)

    def _approvers(self, document: KeyringDoc) -> ApprovalPolicy | None:  # noqa: ARG002  # a token's register has none
        return self.approvals

    def _used(self, operation: str, key: KeyFacts) -> AbstractContextManager[None]:
        return nullcontext() if self._uses is None else recorded(self._uses, operation, key)

    def _changing(self, operation: str, key: KeyFacts) -> AbstractContextManager[None]:
        return nullcontext() if self._uses is None else recorded_change(self._uses, operation, key)


def lineage_of(token: Token) -> bytes:
    """What all keys of one token share, and no other's do."""
    parts = (token.site.region.encode(), token.serial, token.site.token.encode())
    return hashlib.sha256(fields(b"bailiwick/pkcs11/v1", *parts)).digest()[:16]
