"""The register of a token: which versions are staged, active, retired, revoked or destroyed, kept in the token itself.

A data object that the token's user alone sees, in the form of a keyring's document without wrapped keys; every change
is a new generation that names those before it. Whoever has the PIN can write it, as they can destroy keys: it
remembers, it does not guard. In a token without one nobody moved anything: the newest version is active, older ones
are retired.
"""

from collections.abc import Sequence
from dataclasses import replace

from keymgmt.canonical import stamp, to_base64url
from keymgmt.errors import KeyringInvalid, KeyringRolledBack
from keymgmt.file.document import SCHEMA, KeyringDoc, encode_document, entry_of, extends, head_of, parse_document
from keymgmt.hardware.token import Token
from keymgmt.keys import KeyFacts
from keymgmt.states import State


def label_of(region: str) -> str:
    """What the data object is called."""
    return f"bailiwick-keyring/{region}"


def load_register(token: Token) -> KeyringDoc | None:
    """The newest generation; None in a token that has none. Raises KeyringInvalid, KeyringRolledBack."""
    region = token.site.region
    name = f"{token.site.token}: {label_of(region)}"
    found = [parse_document(content, name) for content in token.notes(label_of(region))]
    if not found:
        return None
    newest = max(found, key=lambda document: document.generation)
    if newest.region != region:
        raise KeyringInvalid(f"`{name}` is the register of `{newest.region}`; find out who put it there")
    for document in found:  # more than one: a crash came between writing the new one and removing the old one
        if not extends(newest, head_of(document)):
            raise KeyringRolledBack(
                f"`{name}` is there in two histories: two changes at once, or one put back; compare"
            )
    return newest


def store_register(token: Token, document: KeyringDoc) -> None:
    """Put this generation in the place of the one before. Raises KeyServiceError."""
    token.note(label_of(token.site.region), encode_document(document))


def implied(region: str, lineage: bytes, keys: Sequence[KeyFacts]) -> KeyringDoc:
    """The register of a token that has none yet. `keys`: what lies there, oldest first for each purpose."""
    newest = {key.purpose: key.version for key in keys}
    states = [State.ACTIVE if newest[key.purpose] == key.version else State.RETIRED for key in keys]
    return KeyringDoc(
        schema=SCHEMA,
        assurance="hardware",
        region=region,
        jurisdiction="",
        lineage=to_base64url(lineage),
        created=stamp(keys[0].created) if keys else "1970-01-01T00:00:00Z",
        generation=1,
        history=[],
        derivation=None,
        approvals=None,
        spent=[],
        keys=[entry_of(replace(key, state=state), None) for key, state in zip(keys, states, strict=True)],
    )
