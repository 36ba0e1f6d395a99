"""A region's statement about its keys: what they are, where they lie, who may do what to them; signed, for strangers.

A signed note of two lines, the format's name and canonical JSON, by the region's own `attestation` key under the name
`keys.bailiwick.dev/<region>`. Verification is pure and offline: signature, region, nonce and age, then that the
statement does not contradict itself: key ids are recomputed, and the key that signed is in it, active. It proves what
the holder of that key said, when; that a key service tells the truth about itself is between you and its maker.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, ValidationError

from keymgmt.canonical import fields, json_bytes, moment, to_base64url
from keymgmt.errors import KeyManagementError
from keymgmt.file.document import LINEAGE_SIZE
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.notes import NoteInvalid, VerifierKey, open_note, sign_note
from keymgmt.ports import Signer
from keymgmt.public import Assurance
from keymgmt.states import MAY, State
from keymgmt.transit.site import REGION_URN
from keymgmt.written import Encoded, Purpose, Region, Stamp, Strict, VersionDoc, fault, version_fields

FORMAT = "bailiwick.dev/key-attestation/v1"
PURPOSE = "attestation"
NAME = "keys.bailiwick.dev/"
SKEW = timedelta(minutes=5)  # by which a statement may come from the future
AGE = timedelta(hours=24)


class AttestationInvalid(KeyManagementError):
    """Not a statement by this key, or one that contradicts itself. Never retry."""


class AttestationForeign(AttestationInvalid):
    """A true statement about another region, cluster or keyring than the one asked about."""


class AttestationStale(AttestationInvalid):
    """Too old, or made for another question. Ask for a new one, with a nonce of your own."""


Text = Annotated[str, Field(max_length=512)]
Nonce = Annotated[str, Field(min_length=8, max_length=128, pattern=r"^[!-~]+$")]


class VersionClaim(VersionDoc):
    """One version of a key."""

    key_id: str


class KeyClaim(Strict):
    """One key: what can be done with it, and its versions."""

    purpose: Purpose
    name: Text  # as the key service calls it
    algorithm: Algorithm
    exportable: Annotated[bool, Field(strict=True)]
    plaintext_backup: Annotated[bool, Field(strict=True)]
    deletion_allowed: Annotated[bool, Field(strict=True)]
    imported: Annotated[bool, Field(strict=True)]
    oldest_opening: Annotated[int, Field(ge=0, strict=True)]  # versions before are withdrawn
    versions: Annotated[list[VersionClaim], Field(min_length=1)]


class ServerClaim(Strict):
    """The key service, as it was recognised before anything was read from it."""

    url: Text
    urn: Text  # in its certificate
    pins: list[Text]  # of which its certificate's public key is one; empty: none was configured
    cluster_id: Text
    version: Text
    mount: Text
    namespace: Text
    replicates: Annotated[bool, Field(strict=True)]
    local_mount: Annotated[bool, Field(strict=True)]
    policies: list[Text]  # of whoever made the statement
    permissions: dict[Text, list[Text]]  # what they may do to each path that could move or end a key


class AttributesClaim(Strict):
    """What a module says of one private key, in the words of PKCS#11."""

    sensitive: Annotated[bool, Field(strict=True)]
    always_sensitive: Annotated[bool, Field(strict=True)]
    extractable: Annotated[bool, Field(strict=True)]
    never_extractable: Annotated[bool, Field(strict=True)]
    local: Annotated[bool, Field(strict=True)]
    modifiable: Annotated[bool, Field(strict=True)]

    @property
    def stayed(self) -> bool:
        """Whether the key was made there, cannot leave, and never could."""
        kept = self.sensitive and self.always_sensitive and self.never_extractable and self.local
        return kept and not self.extractable


class ModuleClaim(Strict):
    """A hardware module's token, as it describes itself."""

    library: Text
    library_version: Text
    manufacturer: Text
    model: Text
    serial: Annotated[str, Field(pattern="^(?:[0-9a-f]{2})*$", max_length=64)]
    token: Text
    firmware: Text
    hardware_slot: Annotated[bool, Field(strict=True)]  # the slot says that it is a device
    keys: dict[str, AttributesClaim]  # by key id; what was destroyed has none


class ApproversClaim(Strict):
    """Who must agree before a key is revoked or destroyed."""

    needed: Annotated[int, Field(ge=1, strict=True)]
    approvers: dict[Text, Encoded]  # public keys


class Statement(Strict):
    """Everything that is said."""

    region: Region
    jurisdiction: Text
    assurance: Assurance
    lineage: Encoded
    generation: Annotated[int, Field(ge=1, strict=True)]
    keys: Annotated[list[KeyClaim], Field(min_length=1)]
    approvals: ApproversClaim | None  # None: nobody can, or the key service decides
    server: ServerClaim | None  # None: no key service
    module: ModuleClaim | None  # None: no module; neither: the keys lie in a file
    nonce: Nonce
    issued: Stamp

    def facts(self) -> tuple[KeyFacts, ...]:
        """Every version as a keyring shows it."""
        return tuple(
            version.of(self.lineage, self.region, key.purpose, key.algorithm)
            for key in self.keys
            for version in key.versions
        )


@dataclass(frozen=True, slots=True)
class Expected:
    """What the reader asks about. What is None is not compared."""

    region: str | None = None
    nonce: str | None = None
    cluster_id: str | None = None
    lineage: str | None = None
    least_assurance: Assurance = "software"
    age: timedelta = AGE


def attester_name(region: str) -> str:
    """The note name of a region's attestation key."""
    return NAME + region


def version_claims(keys: Sequence[KeyFacts]) -> list[VersionClaim]:
    """Versions of one key, as a statement shows them."""
    return [VersionClaim.model_validate({"key_id": key.key_id, **version_fields(key)}) for key in keys]


def sign_statement(statement: Statement, signer: Signer) -> bytes:
    """The signed note. Raises AttestationInvalid for a statement that its readers would refuse."""
    key = VerifierKey(signer.name, signer.public_key)
    _check_itself(statement, key)
    text = f"{FORMAT}\n{json_bytes(statement.model_dump(mode='json')).decode()}\n"
    return sign_note(text, signer)


def verify_attestation(data: bytes, key: VerifierKey, expected: Expected, now: datetime) -> Statement:
    """The statement, if all of it holds. Raises AttestationInvalid, AttestationForeign, AttestationStale."""
    try:
        text = open_note(data, key)
    except NoteInvalid as error:
        raise AttestationInvalid(str(error)) from None
    statement = _parsed(text)
    _check_place(statement, key, expected)
    _check_time(statement, expected, now)
    _check_itself(statement, key)
    return statement


def _parsed(text: str) -> Statement:
    first, _, content = text.partition("\n")
    if first != FORMAT:
        raise AttestationInvalid(f"this is signed, and no key attestation: it begins with `{first[:60]}`")
    try:
        statement = Statement.model_validate_json(content)
    except ValidationError as error:
        raise AttestationInvalid(f"the statement is malformed: {fault(error, 'statement')}") from None
    if json_bytes(statement.model_dump(mode="json")).decode() + "\n" != content:
        raise AttestationInvalid("the statement is not in canonical form; it was not made by this program")
    return statement


def _check_place(statement: Statement, key: VerifierKey, expected: Expected) -> None:
    if key.name != attester_name(statement.region):
        raise AttestationForeign(f"signed as `{key.name}`, and says it is of `{statement.region}`; trust neither")
    if expected.region is not None and expected.region != statement.region:
        raise AttestationForeign(f"this is of region `{statement.region}`, and `{expected.region}` is asked about")
    cluster = statement.server.cluster_id if statement.server else ""
    if expected.cluster_id is not None and expected.cluster_id != cluster:
        raise AttestationForeign(f"this is of the cluster `{cluster}`, and `{expected.cluster_id}` is asked about")
    if expected.lineage is not None and expected.lineage != statement.lineage:
        raise AttestationForeign("this is of another keyring of the region; find out who made it")
    strength: dict[Assurance, int] = {"software": 0, "service": 1, "hardware": 2}
    if strength[statement.assurance] < strength[expected.least_assurance]:
        raise AttestationInvalid(f"assurance is `{statement.assurance}`, and `{expected.least_assurance}` is asked for")


def _check_time(statement: Statement, expected: Expected, now: datetime) -> None:
    if expected.nonce is not None and expected.nonce != statement.nonce:
        raise AttestationStale("made for another nonce: it is replayed, or answers somebody else; ask again")
    issued = moment(statement.issued)
    if issued > now + SKEW:
        raise AttestationStale(f"issued at {statement.issued}, which is to come; check the clocks")
    if now - issued > expected.age:
        raise AttestationStale(f"issued at {statement.issued}, longer ago than {expected.age}; ask for a new one")


def _check_itself(statement: Statement, signed_by: VerifierKey) -> None:
    """What is said fits together. Raises AttestationInvalid."""
    _check_keys(statement)
    _check_assurance(statement)
    own = [key for key in statement.facts() if key.purpose == PURPOSE and key.state is State.ACTIVE]
    if [key.public for key in own] != [signed_by.public]:
        raise AttestationInvalid("the key that signed is not the region's active `attestation` key")
    if signed_by.name != attester_name(statement.region):
        raise AttestationForeign(f"signed as `{signed_by.name}`, and says it is of `{statement.region}`")


def _check_keys(statement: Statement) -> None:
    written = [version.key_id for key in statement.keys for version in key.versions]
    if written != [key.key_id for key in statement.facts()] or len(set(written)) != len(written):
        raise AttestationInvalid("a key id does not fit its key, or is there twice")
    if len({key.purpose for key in statement.keys}) != len(statement.keys):
        raise AttestationInvalid("two keys have one purpose")
    for key in statement.keys:
        if sum(version.state is State.ACTIVE for version in key.versions) > 1:
            raise AttestationInvalid(f"key `{key.purpose}` has two active versions")


def _check_assurance(statement: Statement) -> None:
    """Software keys can be copied and must say so; keys of a service or a module cannot, or nothing was attested."""
    is_software = statement.assurance == "software"
    for key in statement.keys:
        loose = key.exportable or key.plaintext_backup or key.deletion_allowed or key.imported
        if not is_software and loose:
            raise AttestationInvalid(f"key `{key.purpose}` could leave or be deleted, and says it is no software key")
        if is_software and not key.exportable:
            raise AttestationInvalid(f"key `{key.purpose}` lies in software and says it cannot be copied")
    _check_service(statement)
    if statement.module is not None:
        _check_module(statement, statement.module)


def _check_service(statement: Statement) -> None:
    server = statement.server
    place = "service" if server else "hardware" if statement.module and statement.module.hardware_slot else "software"
    if statement.assurance != place or (server and statement.module):
        raise AttestationInvalid(f"assurance `{statement.assurance}` does not fit the place that is named")
    if server and _lineage(statement.region, server) != statement.lineage:
        raise AttestationInvalid("the keys' lineage is not that of the key service that is named")
    if server and server.urn != REGION_URN + statement.region:
        raise AttestationInvalid("the server was recognised as another region's")
    if server and (server.replicates and not server.local_mount):
        raise AttestationInvalid("the key service replicates, and the mount is not local to the region")


def _check_module(statement: Statement, module: ModuleClaim) -> None:
    parts = (statement.region.encode(), bytes.fromhex(module.serial), module.token.encode())
    lineage = hashlib.sha256(fields(b"bailiwick/pkcs11/v1", *parts)).digest()[:LINEAGE_SIZE]
    if to_base64url(lineage) != statement.lineage:
        raise AttestationInvalid("the keys' lineage is not that of the token that is named")
    used = {key.key_id for key in statement.facts() if MAY[key.state]}
    if not used <= module.keys.keys() or not all(module.keys[key_id].stayed for key_id in used):
        raise AttestationInvalid("a key was not made in the token, could leave it or once could, or is not described")
    if not module.keys.keys() <= {key.key_id for key in statement.facts()}:
        raise AttestationInvalid("the token describes a key that is not in the statement")


def _lineage(region: str, server: ServerClaim) -> str:
    parts = (region, server.cluster_id, server.namespace, server.mount)
    encoded = fields(b"bailiwick/transit/v1", *(part.encode() for part in parts))
    return to_base64url(hashlib.sha256(encoded).digest()[:LINEAGE_SIZE])
