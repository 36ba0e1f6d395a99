"""The plugin's settings file: one YAML object, read once, checked at the door.

Unknown fields are errors with their path. Paths are absolute, because a unit and a static pod start in different
directories.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from keymgmt.errors import KeyManagementError
from keymgmt.kms.annotations import PURPOSE
from keymgmt.regular import open_regular
from keymgmt.transit.settings import Door, TransitSettings
from keymgmt.written import Region, fault

LARGEST = 1024 * 1024  # bytes
STRENGTH = {"software": 0, "service": 1, "hardware": 2}

Assurance = Literal["software", "service", "hardware"]


class SettingsInvalid(KeyManagementError):
    """The settings file cannot be used. Correct the field that is named."""

    hint = "see docs/keys.md for every field, and examples/kms for whole files"


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class SocketSettings(Door):
    """Where the API server connects."""

    path: AbsolutePath = Path("/run/bailiwick-kms/kms.sock")
    group: str = ""  # whose members may connect; empty: the plugin's own user alone


class FileSettings(Door):
    """A file keyring: `assurance: software`."""

    directory: AbsolutePath
    key_file: AbsolutePath | None = None
    credential: str = ""  # of systemd, by name

    @model_validator(mode="after")
    def _is_unlocked(self) -> "FileSettings":
        if (self.key_file is None) == (not self.credential):
            raise ValueError("name exactly one of keyFile, credential")
        return self


class VaultSettings(TransitSettings):
    """Vault or OpenBao Transit: `assurance: service`."""

    key: str = PURPOSE  # the Transit key's name; of type rsa-4096
    deadline: Annotated[float, Field(gt=0, le=2.8)] = 2.5  # the API server gives up after 3 s by default


class ModuleSettings(Door):
    """A PKCS#11 module: `assurance: hardware`, as far as the module is."""

    module: AbsolutePath
    token: Annotated[str, Field(min_length=1)]
    pin_file: AbsolutePath
    label: str = PURPOSE  # of the key pairs; versions are told by their ids


class KeyringSettings(Door):
    """Exactly one keyring."""

    file: FileSettings | None = None
    transit: VaultSettings | None = None
    pkcs11: ModuleSettings | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "KeyringSettings":
        if sum(value is not None for value in vars(self).values()) != 1:
            raise ValueError("name exactly one of file, transit, pkcs11")
        return self


class RotationSettings(Door):
    """When a new version is written with."""

    delay: Annotated[float, Field(ge=0, le=7 * 86400)] = 180.0  # seconds after its creation
    observations: Annotated[int, Field(ge=1, le=100)] = 3  # while running


class KmsSettings(Door):
    """The whole file."""

    api_version: Literal["bailiwick.dev/v1alpha1"]
    kind: Literal["KmsPlugin"]
    region: Region
    jurisdiction: str = ""
    cluster: Annotated[str, Field(min_length=1, max_length=253)]
    least_assurance: Assurance = "software"
    socket: SocketSettings = SocketSettings()
    state: AbsolutePath = Path("/var/lib/bailiwick-kms")
    keyring: KeyringSettings
    rotation: RotationSettings = RotationSettings()
    interval: Annotated[float, Field(gt=0, le=60)] = 10.0  # seconds between looks at the keyring
    probes: str = ""  # host:port for health and metrics; empty: none

    @field_validator("probes")
    @classmethod
    def _is_address(cls, text: str) -> str:
        host, colon, port = text.rpartition(":")
        if text and not (colon and host and port.isdigit() and int(port) <= 65535):
            raise ValueError("must be host:port")
        return text

    @model_validator(mode="after")
    def _gives_time(self) -> "KmsSettings":
        if self.rotation.delay and self.rotation.delay < 3 * self.interval:
            raise ValueError(
                "rotation.delay must be 0 (a single replica) or three intervals, so that all replicas learn"
            )
        return self

    @property
    def address(self) -> tuple[str, int] | None:
        """Where probes are answered."""
        host, _, port = self.probes.rpartition(":")
        return (host.strip("[]"), int(port)) if host else None


def parse_settings(text: str, name: str) -> KmsSettings:
    """Read a file's text. Raises SettingsInvalid, with the field's path."""
    import yaml

    try:
        return KmsSettings.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise SettingsInvalid(f"`{name}` is not YAML{where}") from None
    except ValidationError as error:
        raise SettingsInvalid(f"`{name}`: {fault(error)}") from None


def load_settings(path: Path) -> KmsSettings:
    """Read a file. Raises SettingsInvalid."""
    try:
        with open_regular(path, follow=True) as file:
            text = file.read(LARGEST).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"cannot read `{path}`: {getattr(error, 'strerror', None) or 'not text'}") from error
    return parse_settings(text, str(path))
