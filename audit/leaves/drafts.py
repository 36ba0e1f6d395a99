"""Records and parts in the making: for a log that checks fields, deflates and seals where it is, and not its caller.

Guarantees that what becomes of a draft is byte for byte what `leaves.record` makes of the same fields. A draft that is
no record is refused to its own caller, and nobody else's record is held up by it.
"""

from collections.abc import Callable, Sequence

import orjson

from audit.errors import RecordInvalid
from audit.files.committer import Item, Part
from audit.leaves.record import (
    KEY_ID_LIMIT,
    SEALED_LIMIT,
    SEALED_PARTS_LIMIT,
    Draft,
    Record,
    Unsealed,
    deflated,
    event_record,
)
from audit.ports import Envelope

Seal = Callable[[bytes, str], Envelope]  # plaintext, and the namespace that it is bound to


def made(record: Record | Draft, parts: Sequence[Envelope | Unsealed], seal: Seal | None) -> Item:
    """What is committed. Raises RecordInvalid, also where there is nothing to seal with."""
    if isinstance(record, Draft):
        record = _record(record)
    if not parts:
        return record, ()
    return record, sealed_parts_of([_sealed(part, seal) for part in parts])


def _record(draft: Draft) -> Record:
    try:
        return event_record(draft.schema, orjson.loads(draft.fields))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise RecordInvalid(f"a draft of `{draft.schema}` can't be read: {error}") from error


def _sealed(part: Envelope | Unsealed, seal: Seal | None) -> Envelope:
    if not isinstance(part, Unsealed):
        return part
    if seal is None:
        raise RecordInvalid("this log has no key to seal to: seal the part before it is appended")
    try:
        return seal(deflated(part.plain), part.tenant)
    except RecordInvalid:
        raise
    except Exception as error:  # whatever keyring it is: what can't be sealed isn't recorded
        raise RecordInvalid(f"a part can't be sealed: {error}") from error


def sealed_parts_of(sealed: Sequence[Envelope]) -> list[Part]:
    """Key ids and ciphertexts, checked while only their owner waits. Raises RecordInvalid."""
    if len(sealed) > SEALED_PARTS_LIMIT:
        raise RecordInvalid(f"a record has at most {SEALED_PARTS_LIMIT} sealed parts, got {len(sealed)}")
    return [(_key_id(envelope), _ciphertext(envelope)) for envelope in sealed]


def _key_id(envelope: Envelope) -> str:
    key_id = getattr(envelope, "key_id", "")
    if not isinstance(key_id, str) or len(key_id) > KEY_ID_LIMIT or not (key_id.isascii() and key_id.isprintable()):
        raise RecordInvalid(f"the id of a sealed part's key is printable ASCII of at most {KEY_ID_LIMIT} characters")
    return key_id


def _ciphertext(envelope: Envelope) -> bytes:
    data = envelope.to_bytes()
    if not isinstance(data, bytes) or len(data) > SEALED_LIMIT:
        raise RecordInvalid(f"a sealed part is at most {SEALED_LIMIT} bytes")
    return data
