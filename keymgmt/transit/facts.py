"""What a Transit key is, read from the key service's own words: checked types, checked promises, then plain facts.

A key that could be exported, backed up in plaintext or deleted is refused: its region could not be told from where it
is kept. `exportable` and `allow_plaintext_backup` cannot be switched off again once they were on, so their being off
now says that they were never on.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keymgmt.canonical import fields
from keymgmt.errors import KeyringRolledBack
from keymgmt.keys import Algorithm, KeyFacts, latest_versions
from keymgmt.states import State
from keymgmt.transit.errors import AnswerInvalid, KeyUnfit
from keymgmt.transit.site import TransitSite
from keymgmt.written import fault

LINEAGE_SIZE = 16
ALGORITHMS = {"ed25519": Algorithm.ED25519, "rsa-4096": Algorithm.RSA_OAEP}


class _Version(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    creation_time: datetime
    public_key: Annotated[str, Field(min_length=1, max_length=4096)]


class _Key(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    type: str
    latest_version: Annotated[int, Field(ge=1, strict=True)]
    min_decryption_version: Annotated[int, Field(ge=0, strict=True)]
    exportable: Annotated[bool, Field(strict=True)]
    allow_plaintext_backup: Annotated[bool, Field(strict=True)]
    deletion_allowed: Annotated[bool, Field(strict=True)]
    derived: Annotated[bool, Field(strict=True)]
    imported_key: Annotated[bool, Field(strict=True)] = False
    keys: Annotated[dict[str, _Version], Field(min_length=1)]


class _Health(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    initialized: Annotated[bool, Field(strict=True)]
    sealed: Annotated[bool, Field(strict=True)]
    cluster_id: str = ""
    version: str = ""
    replication_performance_mode: Literal["disabled", "unknown", "primary", "secondary", "bootstrapping", ""] = ""
    replication_dr_mode: Literal["disabled", "unknown", "primary", "secondary", "bootstrapping", ""] = ""


@dataclass(frozen=True, slots=True)
class KeySettings:
    """What the key service lets be done with a key."""

    name: str
    exportable: bool
    plaintext_backup: bool
    deletion_allowed: bool
    imported: bool
    oldest_opening: int


def parse_health(site: TransitSite, answer: Mapping[str, Any]) -> _Health:
    """The health answer, typed. Raises AnswerInvalid."""
    try:
        return _Health.model_validate(answer)
    except ValidationError as error:
        raise _untyped(site, "sys/health", error) from None


def lineage_of(site: TransitSite, cluster_id: str) -> bytes:
    """What all keys of one mount in one cluster share, and no other's do."""
    parts = (site.region, cluster_id, site.namespace, site.mount)
    encoded = fields(b"bailiwick/transit/v1", *(part.encode() for part in parts))
    return hashlib.sha256(encoded).digest()[:LINEAGE_SIZE]


def parse_key_settings(site: TransitSite, name: str, answer: Mapping[str, Any]) -> KeySettings:
    """A key's switches as they are. Raises AnswerInvalid."""
    try:
        key = _Key.model_validate(answer.get("data"))
    except ValidationError as error:
        raise _untyped(site, name, error) from None
    return KeySettings(
        name,
        key.exportable,
        key.allow_plaintext_backup,
        key.deletion_allowed,
        key.imported_key,
        key.min_decryption_version,
    )


def parse_key(site: TransitSite, purpose: str, lineage: bytes, answer: Mapping[str, Any]) -> tuple[KeyFacts, ...]:
    """Every version that still opens, oldest first. Raises AnswerInvalid, KeyUnfit."""
    name = site.keys[purpose]
    try:
        key = _Key.model_validate(answer.get("data"))
        versions = {int(number): version for number, version in key.keys.items()}
    except ValidationError as error:
        raise _untyped(site, name, error) from None
    except ValueError:
        raise AnswerInvalid(f"`{site.url}`: key `{name}` has a version that is no number") from None
    _check_promises(site, name, key)
    if max(versions) != key.latest_version:
        raise AnswerInvalid(f"`{site.url}`: key `{name}` does not list its latest version")
    return tuple(
        _facts(site, purpose, lineage, key, number, versions[number])
        for number in sorted(versions)
        if number >= key.min_decryption_version
    )


def _check_promises(site: TransitSite, name: str, key: _Key) -> None:
    broken = [
        word
        for word in ("exportable", "allow_plaintext_backup", "deletion_allowed", "derived", "imported_key")
        if getattr(key, word)
    ]
    if broken:
        raise KeyUnfit(f"key `{name}` of `{site.region}` has {', '.join(broken)} switched on; make a new one without")
    if key.type not in ALGORITHMS:
        raise KeyUnfit(f"key `{name}` of `{site.region}` is `{key.type}`; use ed25519 to sign and rsa-4096 to seal")


def _facts(site: TransitSite, purpose: str, lineage: bytes, key: _Key, number: int, version: _Version) -> KeyFacts:
    return KeyFacts(
        lineage=lineage,
        region=site.region,
        purpose=purpose,
        algorithm=ALGORITHMS[key.type],
        version=number,
        created=version.creation_time.replace(microsecond=0),
        state=State.ACTIVE if number == key.latest_version else State.RETIRED,
        public=_public(site, key.type, version.public_key),
    )


def _public(site: TransitSite, kind: str, text: str) -> bytes:
    try:
        public = base64.b64decode(text, validate=True) if kind == "ed25519" else _rsa(text)
    except (ValueError, UnsupportedAlgorithm):
        public = b""
    if not public or (kind == "ed25519" and len(public) != 32):
        raise AnswerInvalid(f"`{site.url}` shows a public key that is not the {kind} key it says")
    return public


def _rsa(text: str) -> bytes:
    """The key as DER, or nothing when it is of another kind. Raises ValueError."""
    public = load_pem_public_key(text.encode())
    if not isinstance(public, RSAPublicKey) or public.key_size != 4096:
        return b""
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def merged(region: str, known: Sequence[KeyFacts], found: Sequence[KeyFacts]) -> tuple[KeyFacts, ...]:
    """What was known and is found now: what went missing is revoked. Raises KeyringRolledBack when history changed."""
    now = {(key.purpose, key.version): key for key in found}
    latest = latest_versions(found)
    gone: list[KeyFacts] = []
    for key in known:
        same = now.get((key.purpose, key.version))
        if (same is not None and same.key_id != key.key_id) or key.version > latest.get(key.purpose, 0):
            raise KeyringRolledBack(
                f"key {key.address} of `{region}` is not the one that was seen before: "
                "an older state was restored or the key was replaced; find out who did it"
            )
        if same is None:
            gone.append(replace(key, state=State.REVOKED))
    return tuple(sorted([*gone, *found], key=lambda key: (key.purpose, key.version)))


def replication_of(health: _Health) -> set[str]:
    """The ways in which the server replicates what it has; empty when it doesn't."""
    modes: set[str] = {health.replication_performance_mode, health.replication_dr_mode}
    return modes - {"disabled", "unknown", ""}


def _untyped(site: TransitSite, what: str, error: ValidationError) -> AnswerInvalid:
    return AnswerInvalid(f"`{site.url}`: `{what}`: {fault(error, 'answer')}")
