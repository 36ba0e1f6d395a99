"""CEL values for people, as they would be written in CEL, and for programs, as JSON."""

import json
from base64 import b64encode
from collections.abc import Mapping
from math import isfinite
from typing import Any

from audit.verbs.written import json_text
from policies.cel.library.clock import format_duration, format_timestamp
from policies.cel.types import CelType
from policies.cel.values import Duration, Optional, Timestamp, UInt, Value


def text(value: Value) -> str:
    """The value as one writes it in an expression."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case UInt():
            return f"{int(value)}u"
        case Duration():
            return f'duration("{format_duration(value)}")'
        case Timestamp():
            return f'timestamp("{format_timestamp(value)}")'
        case str():
            return json_text(json.dumps(value, ensure_ascii=False))
        case bytes():
            return f"b{json_text(json.dumps(value.decode(errors='backslashreplace'), ensure_ascii=False))}"
        case float():
            return repr(value) if isfinite(value) else f'double("{value}")'
        case int():
            return str(value)
    return _compound(value)


def _compound(value: Value) -> str:
    match value:
        case list():
            return f"[{', '.join(map(text, value))}]"
        case Mapping():
            return f"{{{', '.join(f'{text(key)}: {text(held)}' for key, held in value.items())}}}"
        case Optional():
            return f"optional.of({text(value.value)})" if value.present else "optional.none()"
        case CelType():
            return value.name
    return f"{value.cel_type.name}({text(str(value))})"


def plain(value: Value) -> Any:
    """The value as JSON; what JSON has no word for is text, an empty optional is null."""
    match value:
        case None | bool() | str():
            return value
        case Duration():
            return format_duration(value)
        case Timestamp():
            return format_timestamp(value)
        case float():
            return value if isfinite(value) else str(value)
        case int():
            return int(value)
        case bytes():
            return b64encode(value).decode()
        case list():
            return [plain(element) for element in value]
        case Mapping():
            return {key if isinstance(key, str) else text(key): plain(held) for key, held in value.items()}
        case Optional():
            return plain(value.value) if value.present else None
        case CelType():
            return value.name
    return str(value)
