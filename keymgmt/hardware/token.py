"""One token of a PKCS#11 module: finds keys, makes them so that they cannot leave, uses them where they are.

Guarantees: one call at a time; a session that broke is opened once more; a PIN that was refused is never tried again
while the file still holds it; foreign exceptions end here, with their kind and without their data. What lies in a token
is `hardware.objects`' business.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from keymgmt.errors import KeyManagementError
from keymgmt.hardware.errors import ExtraMissing, ModuleUnavailable, PinRefused, TokenMissing
from keymgmt.hardware.oaep import unpadded
from keymgmt.hardware.objects import (
    FoundKey,
    ModuleFacts,
    described,
    generate,
    id_bytes,
    module_facts,
    notes,
    objects,
    replace_note,
    version_of,
)
from keymgmt.keys import REGION_NAME, Algorithm
from keymgmt.regular import open_regular
from keymgmt.secret import Secret

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


class Token:
    """A way to one token, opened when it is needed."""

    def __init__(self, site: TokenSite) -> None:
        self.site = site
        self._lock = threading.Lock()
        self._session: Any = None
        self._serial = b""
        self._facts: ModuleFacts | None = None
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
        self._call(lambda session: generate(session, label, algorithm, name))

    def destroy(self, label: str, version: int) -> None:
        """Remove a version, both halves. Raises KeyServiceError."""

        def remove(session: Any) -> None:
            for one in (*objects(session, label, private=True), *objects(session, label, private=False)):
                if version_of(one) == version:
                    one.destroy()

        self._call(remove)

    def about(self) -> ModuleFacts:
        """What module and token say of themselves, as of the login."""
        found = self._call(lambda _session: self._facts)
        assert found is not None  # there is a session
        return found

    def notes(self, label: str) -> list[bytes]:
        """The contents of data objects under a label. Raises KeyServiceError."""
        return self._call(lambda session: notes(session, label))

    def note(self, label: str, content: bytes) -> None:
        """Keep this one instead; after a crash the old one may lie beside it. Raises KeyServiceError."""
        self._call(lambda session: replace_note(session, label, content))

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
        self._serial, self._facts = bytes(token.serial), module_facts(library, token)
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
            described(session, one, label)
            for label in self.site.keys.values()
            for one in objects(session, label, private=True)
            if version_of(one)
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


def _private(session: Any, label: str, version: int) -> Any:
    for one in objects(session, label, private=True):
        if version_of(one) == version:
            return one
    raise ModuleUnavailable(f"the token has no version {version} of `{label}` any more; look at its keys")
