"""Kubernetes' named formats: `format.dns1123Label().validate(text)` yields what is wrong with a text, or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from policies.cel import cost
from policies.cel.errors import EvaluationError, Fatal
from policies.cel.functions import Function, Table, free, method, table
from policies.cel.library import urls
from policies.cel.types import STRING, CelType, library_type, list_of, optional_of
from policies.cel.values import NONE, LibraryValue, Optional, Value

FORMAT: CelType = library_type("kubernetes.NamedFormat")

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_UUID = "[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_CLOCK = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))"
_BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")

_LABEL_MESSAGE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_LABEL_1035_MESSAGE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character"
)
_KEY_MESSAGE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_VALUE_MESSAGE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)

Validate = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True, eq=False)
class NamedFormat(LibraryValue):
    """A format's name, what it demands, and how long the pattern behind it counts as."""

    name: str
    validate: Validate
    pattern_size: int
    cel_type = FORMAT

    def __str__(self) -> str:
        return self.name

    def cel_equal(self, other: Value) -> bool:
        if type(other) is not NamedFormat:
            raise EvaluationError("no such overload")
        return self.name == other.name

    def cel_mark(self) -> object:
        raise Fatal("runtime error: hash of unhashable type cel.Format")

    def cel_identical(self, other: Value) -> bool:  # noqa: ARG002 - it holds functions, and those never are
        return False


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None


def _explained(message: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


def _longer(text: str, limit: int, unit: str) -> list[str]:
    return [f"must be no more than {limit} {unit}"] if len(text.encode()) > limit else []


def label(text: str) -> list[str]:
    found = _longer(text, 63, "characters")
    if _matches(_LABEL, text):
        return found
    if _matches(_SUBDOMAIN, text):
        return [*found, "must not contain dots"]
    return [*found, _explained(_LABEL_MESSAGE, _LABEL, "my-name", "123-abc")]


def subdomain(text: str, unit: str = "characters") -> list[str]:
    found = _longer(text, 253, unit)
    if _matches(_SUBDOMAIN, text):
        return found
    return [*found, _explained(_SUBDOMAIN_MESSAGE, _SUBDOMAIN, "example.com")]


def label_1035(text: str) -> list[str]:
    found = _longer(text, 63, "characters")
    if _matches(_LABEL_1035, text):
        return found
    return [*found, _explained(_LABEL_1035_MESSAGE, _LABEL_1035, "my-name", "abc-123")]


def _prefix_of(validate: Validate) -> Validate:
    """The same for the prefix of a generated name, whose last dash isn't the end."""

    def run(text: str) -> Sequence[str]:
        data = text.encode()
        if len(data) > 1 and data.endswith(b"-"):
            text = (data[:-2] + b"a").decode(errors="replace")
        return validate(text)

    return run


def _key(kind: str, unit: str) -> Validate:
    """A label key; the words changed with 1.35."""

    def run(text: str) -> list[str]:
        wrong = _explained(_KEY_MESSAGE, _KEY, "MyName", "my.name", "123-abc")
        prefix, slash, name = text.rpartition("/")
        if "/" in prefix:
            return [f"{kind} {wrong} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
        found: list[str] = []
        if slash:
            problems = subdomain(prefix, unit) if prefix else ["must be non-empty"]
            found += [f"prefix part {problem}" for problem in problems]
        if not name:
            found.append("name part must be non-empty")
        found += [f"name part {problem}" for problem in _longer(name, 63, unit)]
        return found if _matches(_KEY, name) else [*found, f"name part {wrong}"]

    return run


def _value(unit: str) -> Validate:
    def run(text: str) -> list[str]:
        found = _longer(text, 63, unit)
        wrong = _explained(_VALUE_MESSAGE, _VALUE, "MyValue", "my_value", "12345")
        return found if _matches(_VALUE, text) else [*found, wrong]

    return run


def _uri(strict: bool) -> Validate:
    def run(text: str) -> list[str]:
        try:
            urls.parse_request_uri(text, strict)
        except urls.UrlError as error:
            return [str(error)]
        return []

    return run


def uuid(text: str) -> list[str]:
    return [] if re.fullmatch(_UUID, text, re.ASCII | re.IGNORECASE) else ["does not match the UUID format"]


def base64_text(text: str) -> list[str]:
    """Standard base64 with its padding, at least one group of four."""
    return [] if _matches(_BASE64, text) else ["invalid base64"]


def _is_date(text: str) -> bool:
    found = _DATE.fullmatch(text)
    return found is not None and urls.real_day(int(found[1]), int(found[2]), int(found[3]))


def date(text: str) -> list[str]:
    return [] if _is_date(text) else ["invalid date"]


def datetime(text: str) -> list[str]:
    day, separator, clock = text.lower().partition("t")
    clock = clock.partition("t")[0]
    found = re.fullmatch(_CLOCK, clock, re.ASCII) if separator and len(text.encode()) >= 4 and _is_date(day) else None
    valid = found is not None and found[1] <= "23" and found[2] <= "59" and found[3] <= "59"
    return [] if valid else ["invalid datetime"]


def label_key(text: str) -> list[str]:
    """What keeps a text from being the key of a label."""
    return list(_key("name", "bytes")(text))


def label_value(text: str) -> list[str]:
    """The same for its value."""
    return list(_value("bytes")(text))


def _formats(kind: str, unit: str, strict_urls: bool) -> dict[str, NamedFormat]:
    rows: tuple[tuple[str, str, Validate, int], ...] = (
        ("dns1123Label", "DNS1123Label", label, 30),
        ("dns1123Subdomain", "DNS1123Subdomain", subdomain, 60),
        ("dns1035Label", "DNS1035Label", label_1035, 30),
        ("qualifiedName", "QualifiedName", _key(kind, unit), 60),
        ("dns1123LabelPrefix", "DNS1123LabelPrefix", _prefix_of(label), 30),
        ("dns1123SubdomainPrefix", "DNS1123SubdomainPrefix", _prefix_of(subdomain), 60),
        ("dns1035LabelPrefix", "DNS1035LabelPrefix", _prefix_of(label_1035), 30),
        ("labelValue", "LabelValue", _value(unit), 40),
        ("uri", "URI", _uri(strict_urls), 1103),
        ("uuid", "uuid", uuid, 71),
        ("byte", "byte", base64_text, 84),
        ("date", "date", date, 69),
        ("datetime", "datetime", datetime, 69),
    )
    return {key: NamedFormat(name, validate, size) for key, name, validate, size in rows}


def _validated(named: NamedFormat, text: str) -> Optional:
    problems = list(named.validate(text))
    return Optional(problems) if problems else NONE


def _validate_cost(named: Value, text: Value, *_: Any) -> int:
    if type(named) is not NamedFormat:
        return 1
    pattern = ceil(named.pattern_size * cost.REGEX_FACTOR)
    return ceil((1.0 + cost.size(text)) * cost.STRING_FACTOR) * pattern


def _constant(key: str, named: NamedFormat) -> Function:
    return Function(f"format.{key}", [free([], FORMAT, lambda: named)])


def _table(formats: dict[str, NamedFormat]) -> Table:
    def find(name: str) -> Optional:
        found = formats.get(name)
        return NONE if found is None else Optional(found)

    return table(
        Function("format.named", [free([STRING], optional_of(FORMAT), find)], cost=1),
        Function("validate", [method([FORMAT, STRING], optional_of(list_of(STRING)), _validated)], cost=_validate_cost),
        *(_constant(key, named) for key, named in formats.items()),
    )


TABLE_1_31 = _table(_formats("a qualified name", "characters", strict_urls=False))
TABLE_1_35 = _table(_formats("a valid label key", "bytes", strict_urls=False))
TABLE_1_36 = _table(_formats("a valid label key", "bytes", strict_urls=True))
