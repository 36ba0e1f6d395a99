"""A stored value: sealed under which provider and key, in which region; or plain; without any key.

Layout (k8s.io/apiserver, storage/value): `k8s:enc:<provider>:<version>:<name>:` before what is sealed. After KMS v2's
stands an EncryptedObject: data 1, keyID 2, encrypted DEK source 3, annotations 4, type of the source 5.
"""

from dataclasses import dataclass

from keymgmt.etcd.protobuf import fields

ENCRYPTED = b"k8s:enc:"
_KMS = "kms"
_LOCAL = frozenset({"aescbc", "aesgcm", "secretbox"})
_KEY_ID, _SOURCE, _ANNOTATIONS = 2, 3, 4
REGION = "region.keys.bailiwick.dev"
JURISDICTION = "jurisdiction.keys.bailiwick.dev"


@dataclass(frozen=True, slots=True)
class Sealed:
    """`key` is the key id for KMS v2, and the key's name in the EncryptionConfiguration for local providers."""

    provider: str  # for example `kms:v2`, `aescbc:v1`
    name: str  # the provider's, for KMS; empty for local providers
    key: str
    region: str = ""  # as annotated by the plugin; empty where nothing says it
    jurisdiction: str = ""

    @property
    def by(self) -> str:
        """Provider and name in one."""
        return f"{self.provider}:{self.name}" if self.name else self.provider


@dataclass(frozen=True, slots=True)
class Plain:
    """Readable by whoever reads etcd."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """It claims to be sealed, and is of no form that is known."""

    because: str


Stored = Sealed | Plain | Unreadable


def parse_value(value: bytes) -> Stored:
    """What a stored value says of itself. Never raises: what isn't known is Unreadable, never sealed."""
    if not value.startswith(ENCRYPTED):
        return Plain()
    parts = value[len(ENCRYPTED) : len(ENCRYPTED) + 1024].split(b":", 3)
    if len(parts) < 4:
        return Unreadable("its prefix is cut off")
    try:
        provider, version, name = (part.decode() for part in parts[:3])
    except UnicodeDecodeError:
        return Unreadable("its prefix is not text")
    rest = value[len(ENCRYPTED) + sum(len(part) + 1 for part in parts[:3]) :]
    if provider == _KMS and version == "v2":
        return _kms(name, rest)
    if provider == _KMS and version == "v1":
        return Sealed("kms:v1", name, "")
    if provider in _LOCAL and version == "v1":
        return Sealed(f"{provider}:v1", "", name)
    return Unreadable(f"the provider `{provider}:{version}` is not known")


def _kms(name: str, data: bytes) -> Sealed | Unreadable:
    key, source = "", False
    annotations: dict[str, str] = {}
    try:
        for number, found in fields(data):
            if not isinstance(found, bytes):
                continue
            if number == _KEY_ID:
                key = found.decode()
            elif number == _SOURCE:
                source = bool(found)
            elif number == _ANNOTATIONS:
                entry = dict(fields(found))
                annotations[_text(entry.get(1))] = _text(entry.get(2))
    except (ValueError, UnicodeDecodeError) as error:
        return Unreadable(f"its EncryptedObject can't be read: {error}")
    if not key or not source:
        return Unreadable("its EncryptedObject names no key, or has no data key")
    return Sealed("kms:v2", name, key, annotations.get(REGION, ""), annotations.get(JURISDICTION, ""))


def _text(found: int | bytes | None) -> str:
    return found.decode() if isinstance(found, bytes) else ""
