"""One byte string for one meaning: length-prefixed fields, sorted JSON, base64url, UTC stamps.

Everything that is hashed, authenticated or signed in this package goes through here, so that no two different things
share bytes.
"""

import base64
from datetime import UTC, datetime
from functools import lru_cache

import orjson

from keymgmt.errors import BindingInvalid
from keymgmt.ports import Binding

BINDING_LABEL = "bailiwick/binding/v1"
_LONGEST = 256  # characters of a tenant; namespaces have 63


def fields(*parts: bytes) -> bytes:
    """`u16be length ‖ bytes` for each part. Raises ValueError when a part is longer than 65,535 bytes."""
    encoded = bytearray()
    for part in parts:
        if len(part) > 0xFFFF:
            raise ValueError("a canonical field is longer than 65535 bytes")
        encoded += len(part).to_bytes(2, "big") + part
    return bytes(encoded)


def long_field(part: bytes) -> bytes:
    """`u32be length ‖ bytes`, for what may exceed a field: the action that an approval is for."""
    return len(part).to_bytes(4, "big") + part


def binding_bytes(bound: Binding) -> bytes:
    """The associated data of a binding. Raises BindingInvalid when a field has no canonical form."""
    return _encoded(bound) if is_common(bound) else _encoded.__wrapped__(bound)


def is_common(bound: Binding) -> bool:
    """Whether it's worth remembering: its tenant is called as a namespace may be, not anything at all."""
    return len(bound.tenant) <= _LONGEST


@lru_cache(maxsize=4096)  # a few for each tenant, asked for with every envelope
def _encoded(bound: Binding) -> bytes:
    texts = (BINDING_LABEL, bound.region, bound.jurisdiction, bound.purpose, bound.cluster, bound.tenant)
    try:
        return fields(*(text.encode() for text in texts))
    except ValueError as error:  # UnicodeEncodeError is one
        raise BindingInvalid(
            "binding has a field that is too long or not Unicode text; shorten or correct it"
        ) from error


def json_bytes(value: object) -> bytes:
    """JSON with sorted keys and no spaces."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def to_base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The only accepted inverse of `to_base64url`. Raises ValueError for any other spelling of the same bytes."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:  # binascii.Error is one
        raise ValueError("not base64url") from None
    if to_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def stamp(moment: datetime) -> str:
    """UTC to the second, as `2026-11-20T08:00:00Z`. Raises ValueError without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def moment(text: str) -> datetime:
    """The inverse of `stamp`. Raises ValueError for any other form."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
