"""The API server's words: what a validation says when it doesn't hold, and how a refusal is headed."""

import json
from collections.abc import Mapping

from policies.cel.values import Value
from policies.native.model import Validation
from policies.request import Request

_LONGEST = 5 * 1024  # bytes of an evaluated message
# Go's unicode.IsSpace, which is what messages are trimmed of
SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"


def message_of(validation: Validation, told: Value) -> str:
    """What the message expression said if that can be shown, else the message, else the expression itself."""
    if isinstance(told, str):
        text = told.strip(SPACE)
        if text and len(text.encode()) <= _LONGEST and "\n" not in text:
            return text
    return validation.message.strip(SPACE) or f"failed expression: {validation.expression.source.strip(SPACE)}"


def forbidden(request: Request, message: str) -> str:
    """A refusal's message: the resource and name, then why."""
    resource = request.resource
    plural = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    return f"{plural} {_quoted(name_of(request))} is forbidden: {message}"


def name_of(request: Request) -> str:
    """The name the API server calls the object by, which may not have one yet."""
    if request.name:
        return request.name
    metadata = request.object.get("metadata") if isinstance(request.object, Mapping) else None
    if not isinstance(metadata, Mapping):
        return "Unknown"
    return metadata.get("name") or metadata.get("generateName") or "Unknown"


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
