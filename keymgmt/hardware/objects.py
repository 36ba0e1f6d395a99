"""What lies in a token, as values: key pairs with what the module says of them, and how they are made.

Private keys are made sensitive, unextractable and unmodifiable. A version is told by its id: `bwk1 ‖ u32 version ‖
u64 seconds`; an object with another id is none of ours. The module's word is passed on, not believed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keymgmt.keys import Algorithm

MAGIC = b"bwk1"
ID_SIZE = 16
ED25519_OID = bytes.fromhex("06032b6570")  # 1.3.101.112 as DER
ED25519_NAMES = {ED25519_OID, b"\x13\x0cedwards25519"}  # PKCS#11 3.0 has both spellings
PROMISES = ("sensitive", "always_sensitive", "never_extractable", "local")  # must be true
BROKEN = ("extractable",)  # must not


@dataclass(frozen=True, slots=True)
class KeyAttributes:
    """What the module says of a private key."""

    sensitive: bool  # CKA_SENSITIVE: its value is not shown
    always_sensitive: bool  # CKA_ALWAYS_SENSITIVE: and never was
    extractable: bool  # CKA_EXTRACTABLE: it can be wrapped and taken out
    never_extractable: bool  # CKA_NEVER_EXTRACTABLE: it never could
    local: bool  # CKA_LOCAL: it was made in this token
    modifiable: bool  # CKA_MODIFIABLE: all this could be changed

    @property
    def broken(self) -> tuple[str, ...]:
        """Promises that it does not keep."""
        return tuple(
            [name for name in PROMISES if not getattr(self, name)] + [name for name in BROKEN if getattr(self, name)]
        )


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A private key as the token describes it."""

    label: str
    version: int
    created: datetime
    algorithm: Algorithm | None  # None: of a kind that is not used here
    public: bytes  # raw, or SPKI as DER
    attributes: KeyAttributes


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """What module, slot and token say of themselves."""

    library: str
    library_version: str
    manufacturer: str
    model: str
    serial: str  # hex
    token: str
    firmware: str
    hardware_slot: bool  # CKF_HW_SLOT: the slot is a device; a module whose keys lie in files does not say so


def id_bytes(version: int, created: datetime) -> bytes:
    """The id that tells a version."""
    return MAGIC + version.to_bytes(4, "big") + int(created.timestamp()).to_bytes(8, "big")


def module_facts(library: Any, token: Any) -> ModuleFacts:
    """As they say."""
    from pkcs11 import SlotFlag

    return ModuleFacts(
        library=str(library.library_description).strip(),
        library_version=_dotted(library.library_version),
        manufacturer=str(token.manufacturer_id).strip(),
        model=str(token.model).strip(),
        serial=bytes(token.serial).hex(),
        token=str(token.label).strip(),
        firmware=_dotted(token.firmware_version),
        hardware_slot=bool(SlotFlag.HW_SLOT & token.slot.flags),
    )


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def objects(session: Any, label: str, *, private: bool) -> list[Any]:
    """The halves of key pairs under a label."""
    from pkcs11 import Attribute, ObjectClass

    kind = ObjectClass.PRIVATE_KEY if private else ObjectClass.PUBLIC_KEY
    return list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label}))


def version_of(one: Any) -> int:
    """The version that an object's id tells, or 0 for what is none of ours."""
    name = _id(one)
    return int.from_bytes(name[4:8], "big") if len(name) == ID_SIZE and name.startswith(MAGIC) else 0


def _id(one: Any) -> bytes:
    from pkcs11 import Attribute

    return bytes(one[Attribute.ID])


def described(session: Any, key: Any, label: str) -> FoundKey:
    """A private key, with its public half."""
    from pkcs11 import Attribute, KeyType

    name = _id(key)
    kind = key[Attribute.KEY_TYPE]
    algorithm, public = None, b""
    if kind is KeyType.RSA:
        algorithm, public = Algorithm.RSA_OAEP, _rsa(key)
    elif kind is KeyType.EC_EDWARDS and bytes(key[Attribute.EC_PARAMS]) in ED25519_NAMES:
        halves = [one for one in objects(session, label, private=False) if _id(one) == name]
        point = bytes(halves[0][Attribute.EC_POINT]) if len(halves) == 1 else b""
        algorithm, public = Algorithm.ED25519, point[-32:]  # an octet string around it, or not
    created = datetime.fromtimestamp(int.from_bytes(name[8:], "big"), UTC)
    return FoundKey(label, version_of(key), created, algorithm, public, _attributes(key))


def _attributes(key: Any) -> KeyAttributes:
    from pkcs11 import Attribute

    names = (*PROMISES, *BROKEN, "modifiable")
    return KeyAttributes(**{name: bool(key[getattr(Attribute, name.upper())]) for name in names})


def _rsa(key: Any) -> bytes:
    """The public key as the private object has it: a public object could be exchanged."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from pkcs11 import Attribute

    numbers = [int.from_bytes(key[name], "big") for name in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS)]
    public = RSAPublicNumbers(*numbers).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def generate(session: Any, label: str, algorithm: Algorithm, name: bytes) -> None:
    """A key pair that cannot leave."""
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


def notes(session: Any, label: str) -> list[bytes]:
    """The contents of data objects under a label."""
    from pkcs11 import Attribute

    return [bytes(one[Attribute.VALUE]) for one in _data(session, label)]


def replace_note(session: Any, label: str, content: bytes) -> None:
    """One data object, private to the token's user, instead of those that are there: the new one first."""
    from pkcs11 import Attribute, ObjectClass

    before = _data(session, label)
    session.create_object(
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.PRIVATE: True,
            Attribute.LABEL: label,
            Attribute.APPLICATION: "bailiwick",
            Attribute.VALUE: content,
        }
    )
    for one in before:
        one.destroy()


def _data(session: Any, label: str) -> list[Any]:
    from pkcs11 import Attribute, ObjectClass

    return list(session.get_objects({Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: label}))
