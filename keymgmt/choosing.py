"""A region's keyring as an operator names it in a file: `kind: Keyring`, in files or in a key service.

One file for all verbs that reach a key service. Unknown fields are errors; values never show in messages.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import Field, ValidationError, model_validator

from keymgmt.approvals import ApprovalPolicy
from keymgmt.errors import KeyManagementError
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import Credential, KeyFile, Unlock
from keymgmt.hardware.keyring import Pkcs11Keyring
from keymgmt.hardware.token import TokenSite
from keymgmt.keys import KeyFacts
from keymgmt.kms.settings import FileSettings
from keymgmt.regular import open_regular
from keymgmt.transit.keyring import TransitKeyring
from keymgmt.transit.settings import Door, TransitSettings
from keymgmt.uses.book import uses_beside
from keymgmt.uses.use import BothUses, FileUses, KeyUses
from keymgmt.written import Purpose, Region, fault

AnyKeyring = FileKeyring | TransitKeyring | Pkcs11Keyring
LARGEST = 1 << 20  # bytes


class KeyringSettingsInvalid(KeyManagementError):
    """The file cannot be used. Correct the field that is named."""

    hint = "see docs/keys.md for every field"


class ServiceSettings(TransitSettings):
    """A key service, and which of its keys serves what."""

    keys: Annotated[dict[Purpose, str], Field(min_length=1)]
    uses: Path | None = None  # where every use of a private key is recorded, for `reconcile`


class TokenSettings(Door):
    """A hardware module's token, and which of its key pairs serves what."""

    module: Path
    token: Annotated[str, Field(min_length=1)]
    pin_file: Path
    keys: Annotated[dict[Purpose, str], Field(min_length=1)]  # purpose to label


class ApprovalSettings(Door):
    """Who must agree before data leaves the region; a file keyring has its own."""

    needed: Annotated[int, Field(ge=1)]
    approvers: dict[str, Path]  # Ed25519 public keys, PEM


class KeyringFile(Door):
    """The whole file."""

    api_version: Literal["bailiwick.dev/v1alpha1"]
    kind: Literal["Keyring"]
    region: Region
    jurisdiction: str = ""
    file: FileSettings | None = None
    transit: ServiceSettings | None = None
    pkcs11: TokenSettings | None = None
    approvals: ApprovalSettings | None = None
    book: Path | None = None  # where uses are written down until a log takes them up; beside the keyring otherwise

    @model_validator(mode="after")
    def _is_one(self) -> "KeyringFile":
        if sum(one is not None for one in (self.file, self.transit, self.pkcs11)) != 1:
            raise ValueError("name exactly one of file, transit, pkcs11")
        if self.file and self.approvals:
            raise ValueError("a file keyring has approvers of its own")
        return self

    def policy(self) -> ApprovalPolicy | None:
        """Who must agree, where the keyring does not say itself. Raises KeyringSettingsInvalid."""
        if self.approvals is None:
            return None
        try:
            keys = {name: approver_key(path) for name, path in self.approvals.approvers.items()}
            return ApprovalPolicy(keys, self.approvals.needed)
        except (OSError, ValueError) as error:
            raise KeyringSettingsInvalid(f"`approvals`: {error}") from error

    def book_folder(self, beside: Path) -> Path:
        """Where the book of uses lies; for a key service without one, beside these settings, in that folder."""
        return self.book or uses_beside(self.file.directory if self.file else beside, self.region)

    def connect(
        self, environment: Mapping[str, str], uses: KeyUses | None = None, known: Sequence[KeyFacts] = ()
    ) -> AnyKeyring:
        """The keyring; `uses` gets every use of a private key. Raises KeyManagementError by kind.

        `known`: facts seen earlier, to notice a restored service or module; a file keyring has its own history.
        """
        if self.file:
            key_file = self.file.key_file
            unlock: Unlock = KeyFile(key_file) if key_file else Credential(self.file.credential, environment)
            return FileKeyring.open(self.file.directory, self.region, unlock=unlock, uses=uses)
        if self.pkcs11:
            module = self.pkcs11
            site = TokenSite(self.region, module.module, module.token, module.pin_file, module.keys)
            return Pkcs11Keyring.connect(site, known=known, uses=uses, approvals=self.policy())
        return self._service(uses, known)

    def _service(self, uses: KeyUses | None, known: Sequence[KeyFacts]) -> TransitKeyring:
        assert self.transit is not None  # exactly one is there
        try:
            site = self.transit.site(self.region, self.transit.keys)
        except ValueError as error:
            raise KeyringSettingsInvalid(f"`transit`: {error}") from error
        if self.transit.uses:
            file = FileUses(self.transit.uses)
            uses = file if uses is None else BothUses(uses, file)
        return TransitKeyring.connect(site, self.transit.login.login(), known=known, uses=uses)


def approver_key(path: Path) -> bytes:
    """An approver's raw public key. Raises OSError, ValueError."""
    try:
        key: object = load_pem_public_key(path.read_bytes())
    except UnsupportedAlgorithm:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"`{path}` is no Ed25519 public key in PEM")  # noqa: TRY004  # the file's fault
    return key.public_bytes_raw()


def load_keyring_file(path: Path) -> KeyringFile:
    """Read a file. Raises KeyringSettingsInvalid."""
    import yaml

    try:
        with open_regular(path, follow=True) as file:
            return KeyringFile.model_validate(yaml.safe_load(file.read(LARGEST)))
    except (OSError, UnicodeDecodeError) as error:
        raise KeyringSettingsInvalid(f"cannot read `{path}`: {getattr(error, 'strerror', 'not text')}") from error
    except yaml.YAMLError:
        raise KeyringSettingsInvalid(f"`{path}` is not YAML") from None
    except ValidationError as error:
        raise KeyringSettingsInvalid(f"`{path}`: {fault(error)}") from None
