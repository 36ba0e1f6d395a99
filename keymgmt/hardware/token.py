"""One token of a PKCS#11 module: finds keys, makes them so that they cannot leave, uses them where they are.

Guarantees: one call at a time; a session that broke is opened once more; a PIN that was refused is never tried again
while the file still holds it; foreign exceptions end here, with their kind and without their data. Private keys are
made sensitive, unextractable and unmodifiable. A version is told by its id: `bwk1 ‖ u32 version ‖ u64 seconds`.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from keymgmt.errors import KeyManagementError
from keymgmt.hardware.errors import ExtraMissing, ModuleUnavailable, PinRefused, TokenMissing
from keymgmt.hardware.oaep import unpadded
from keymgmt.keys import REGION_NAME, Algorithm
from keymgmt.regular import open_regular
from keymgmt.secret import Secret

MAGIC = b"bwk1"
ID_SIZE = 16
ED25519_OID = bytes.fromhex("06032b6570")  # 1.3.101.112 as DER
ED25519_NAMES = {ED25519_OID, b"\x13\x0cedwards25519"}  # PKCS#11 3.0 has both spellings
PROMISES = ("SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "LOCAL")  # must be true
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TokenSite:
    """Where a region's keys are. Raises ValueError for a region that is none."""

    region: str
    module: Path
    token: str
    pin_file: Path
    keys: Mapping[str, str]  # purpose to label

    def __post_init__(self) -> None:
        if not REGION_NAME.fullmatch(self.region) or not self.keys:
            raise ValueError("a token needs a region name and at least one key")


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A private key as the token describes it."""

    label: str
    version: int
    created: datetime
    algorithm: Algorithm | None  # None: of a kind that is not used here
    public: bytes  # raw, or SPKI as DER
    broken: tuple[str, ...]  # promises that it does not keep


def id_bytes(version: int, created: datetime) -> bytes:
    """The id that tells a version."""
    return MAGIC + version.to_bytes(4, "big") + int(created.timestamp()).to_bytes(8, "big")


class Token:
    """A way to one token, opened when it is needed."""

    def __init__(self, site: TokenSite) -> None:
        self.site = site
        self._lock = threading.Lock()
        self._session: Any = None
        self._serial = b""
        self._refused = b""  # digest of a PIN that was refused
        self._oaep_here: bool | None = None  # whether the padding is taken off here; None: not known yet

    def __repr__(self) -> str:
        return f"Token({self.site.module.name}/{self.site.token})"

    @property
    def serial(self) -> bytes:
        """As the token says."""
        return self._call(lambda _session: self._serial)

    def find(self) -> tuple[FoundKey, ...]:
        """All versions of all keys of the site, oldest first. Raises KeyServiceError."""
        found = self._call(self._found)
        if not found:  # as a token shows itself that has logged us out
            self.close()
            found = self._call(self._found)
        return tuple(sorted(found, key=lambda key: (key.label, key.version)))

    def generate(self, label: str, algorithm: Algorithm, version: int, created: datetime) -> None:
        """A new key pair that cannot leave. Raises KeyServiceError."""
        name = id_bytes(version, created)
        self._call(lambda session: _generated(session, label, algorithm, name))

    def destroy(self, label: str, version: int) -> None:
        """Remove a version, both halves. Raises KeyServiceError."""

        def remove(session: Any) -> None:
            for one in (*_objects(session, label, private=True), *_objects(session, label, private=False)):
                if _version(one) == version:
                    one.destroy()

        self._call(remove)

    def open(self, label: str, version: int, wrapped: bytes) -> Secret | None:
        """RSA-OAEP with SHA-256 by the private key of a version; None when it does not open."""
        return self._call(lambda session: self._opened(_private(session, label, version), wrapped))

    def sign(self, label: str, version: int, message: bytes) -> bytes:
        """Ed25519 by the private key of a version."""
        from pkcs11 import Mechanism

        return bytes(
            self._call(lambda session: _private(session, label, version).sign(message, mechanism=Mechanism.EDDSA))
        )

    def close(self) -> None:
        """Log out."""
        with self._lock:
            self._drop()

    def _call(self, ask: Callable[[Any], Result]) -> Result:
        pkcs11 = _library()
        failure: KeyManagementError
        with self._lock:
            for attempt in (1, 2):
                try:
                    return ask(self._session or self._opened_session(pkcs11))
                except KeyManagementError:
                    raise
                except pkcs11.exceptions.PKCS11Error as error:
                    self._drop()  # whatever it was, a fresh session tells whether it lasts
                    failure = ModuleUnavailable(
                        f"token `{self.site.token}` failed with {type(error).__name__}; check module and token"
                    )
                    if attempt == 2:
                        break
        raise failure

    def _opened_session(self, pkcs11: Any) -> Any:
        try:
            library = pkcs11.lib(str(self.site.module))
            token = library.get_token(token_label=self.site.token)
        except (pkcs11.exceptions.NoSuchToken, pkcs11.exceptions.MultipleTokensReturned):
            raise TokenMissing(
                f"`{self.site.module}` has no single token `{self.site.token}`; check the label"
            ) from None
        except (RuntimeError, OSError) as error:  # the library's own errors are RuntimeErrors
            raise ModuleUnavailable(f"`{self.site.module}` does not load: {type(error).__name__}") from None
        pin = self._pin()
        try:
            self._session = token.open(rw=True, user_pin=pin.reveal().decode())
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            self._session = token.open(rw=True)  # a login is the whole process's
        except (pkcs11.exceptions.PinIncorrect, pkcs11.exceptions.PinLocked, pkcs11.exceptions.PinInvalid):
            self._refused = hashlib.sha256(pin.reveal()).digest()
            raise PinRefused(
                f"token `{self.site.token}` refuses the PIN in `{self.site.pin_file}`; correct it"
            ) from None
        self._serial = bytes(token.serial)
        return self._session

    def _pin(self) -> Secret:
        try:
            with open_regular(self.site.pin_file, follow=True) as file:
                pin = Secret(file.read(256).strip())
        except OSError as error:
            raise PinRefused(f"cannot read the PIN `{self.site.pin_file}`: {error.strerror}; check the path") from error
        if not pin or hashlib.sha256(pin.reveal()).digest() == self._refused:
            raise PinRefused(f"the PIN in `{self.site.pin_file}` was refused and is not tried again; correct it")
        return pin

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            try:
                session.close()
            except RuntimeError:
                return  # it was broken

    def _found(self, session: Any) -> list[FoundKey]:
        return [
            _described(session, one, label)
            for label in self.site.keys.values()
            for one in _objects(session, label, private=True)
            if _version(one)
        ]

    def _opened(self, key: Any, wrapped: bytes) -> Secret | None:
        from pkcs11 import MGF, Attribute, Mechanism
        from pkcs11.exceptions import ArgumentsBad, DeviceError, EncryptedDataInvalid, MechanismParamInvalid

        if int.from_bytes(wrapped, "big") >= int.from_bytes(key[Attribute.MODULUS], "big"):
            return None  # no ciphertext of this key, and modules differ in what they call that
        if self._oaep_here is not True:
            parameters = (Mechanism.SHA256, MGF.SHA256, None)
            try:
                opened = key.decrypt(wrapped, mechanism=Mechanism.RSA_PKCS_OAEP, mechanism_param=parameters)
                self._oaep_here = False
                return Secret(opened)
            except (ArgumentsBad, MechanismParamInvalid):
                self._oaep_here = True  # OAEP with SHA-1 alone: the module does the RSA, the padding is ours
            except EncryptedDataInvalid:
                return None
        try:
            message = unpadded(bytes(key.decrypt(wrapped, mechanism=Mechanism.RSA_X_509)))
        except (EncryptedDataInvalid, DeviceError):
            return None
        return Secret(message) if message is not None else None


def _library() -> Any:
    try:
        import pkcs11
        import pkcs11.exceptions
    except ImportError as error:
        raise ExtraMissing("hardware modules need python-pkcs11; install `bailiwick[pkcs11]`") from error
    return pkcs11


def _objects(session: Any, label: str, *, private: bool) -> list[Any]:
    from pkcs11 import Attribute, ObjectClass

    kind = ObjectClass.PRIVATE_KEY if private else ObjectClass.PUBLIC_KEY
    return list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label}))


def _private(session: Any, label: str, version: int) -> Any:
    for one in _objects(session, label, private=True):
        if _version(one) == version:
            return one
    raise ModuleUnavailable(f"the token has no version {version} of `{label}` any more; look at its keys")


def _id(one: Any) -> bytes:
    from pkcs11 import Attribute

    return bytes(one[Attribute.ID])


def _version(one: Any) -> int:
    """The version that an object's id tells, or 0 for what is none of ours."""
    name = _id(one)
    return int.from_bytes(name[4:8], "big") if len(name) == ID_SIZE and name.startswith(MAGIC) else 0


def _described(session: Any, key: Any, label: str) -> FoundKey:
    from pkcs11 import Attribute, KeyType

    name = _id(key)
    broken = [word.lower() for word in PROMISES if not key[getattr(Attribute, word)]]
    broken += ["extractable"] if key[Attribute.EXTRACTABLE] else []
    kind = key[Attribute.KEY_TYPE]
    algorithm, public = None, b""
    if kind is KeyType.RSA:
        algorithm, public = Algorithm.RSA_OAEP, _rsa(key)
    elif kind is KeyType.EC_EDWARDS and bytes(key[Attribute.EC_PARAMS]) in ED25519_NAMES:
        halves = [one for one in _objects(session, label, private=False) if _id(one) == name]
        point = bytes(halves[0][Attribute.EC_POINT]) if len(halves) == 1 else b""
        algorithm, public = Algorithm.ED25519, point[-32:]  # an octet string around it, or not
    created = datetime.fromtimestamp(int.from_bytes(name[8:], "big"), UTC)
    return FoundKey(label, _version(key), created, algorithm, public, tuple(broken))


def _rsa(key: Any) -> bytes:
    """The public key as the private object has it: a public object could be exchanged."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from pkcs11 import Attribute

    numbers = [int.from_bytes(key[name], "big") for name in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS)]
    public = RSAPublicNumbers(*numbers).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _generated(session: Any, label: str, algorithm: Algorithm, name: bytes) -> None:
    from pkcs11 import Attribute, KeyType, Mechanism

    signs = algorithm is Algorithm.ED25519
    kept = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.MODIFIABLE: False}
    uses = {Attribute.SIGN: signs, Attribute.DECRYPT: not signs, Attribute.UNWRAP: False}
    public = {Attribute.MODIFIABLE: False, Attribute.WRAP: False}
    settings = {"id": name, "label": label, "store": True, "public_template": public, "private_template": kept | uses}
    if signs:
        domain = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: ED25519_OID}, local=True)
        domain.generate_keypair(mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, **settings)
    else:
        session.generate_keypair(KeyType.RSA, 4096, **settings)
