"""The words that kinds are written in: names, countries, places, dates, expressions; each with its exact form."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

T = TypeVar("T")

_INK = r"[^ \t\n\f\r]"  # what `\S` means to Go; Rust's knows more kinds of space
_LABEL = r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_TIME = r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
# ISO 3166-1 alpha-2, by first letter, and XK, which the EU uses for Kosovo. A list, because `UK` in an `except` would
# otherwise be a hole that nobody sees.
_ISO = (
    r"(A[DEFGILMOQRSTUWXZ]|B[ABDEFGHIJLMNOQRSTVWYZ]|C[ACDFGHIKLMNORUVWXYZ]|D[EJKMOZ]|E[CEGHRST]|F[IJKMOR]"
    r"|G[ABDEFGHILMNPQRSTUWY]|H[KMNRTU]|I[DELMNOQRST]|J[EMOP]|K[EGHIMNPRWYZ]|L[ABCIKRSTUVY]"
    r"|M[ACDEFGHKLMNOPQRSTUVWXYZ]|N[ACEFGILOPRUZ]|OM|P[AEFGHKLMNRSTWY]|QA|R[EOSUW]|S[ABCDEGHIJKLMNORSTVXYZ]"
    r"|T[CDFGHJKLMNORTVWZ]|U[AGMSYZ]|V[ACEGINU]|W[FS]|XK|Y[ET]|Z[AMW])"
)
_CODE_SLIPS = {"UK": "the code of the United Kingdom is `GB`", "EL": "the code of Greece is `GR`"}
_COUNTRY_SLIPS = {
    **_CODE_SLIPS,
    "EU": "the EU is a set of countries: name it in `sets`",
    "EEA": "the EEA is a set of countries: name it in `sets`",
}


class Text:
    """A string of an exact form. Errors say the form in words, with an example, instead of showing a pattern.

    Patterns keep to what Rust's and Go's regular expressions read alike: classes spelt out in ASCII, `$` for the end.
    """

    def __init__(
        self, words: str, example: str = "", *, pattern: str, most: int, slips: Mapping[str, str] | None = None
    ) -> None:
        self.pattern, self.most = pattern, most
        self.context = {"words": words, "example": example, "most": most, "slips": slips or {}}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(strict=True, pattern=self.pattern, max_length=self.most)
        return core_schema.custom_error_schema(
            text, "text_form", custom_error_message="{words}", custom_error_context=self.context
        )


class Cel:
    """A rule that the API server evaluates on this value; ours stands beside it as a validator."""

    def __init__(self, rule: str, message: str) -> None:
        self.rule, self.message = rule, message

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        schema["x-kubernetes-validations"] = [{"rule": self.rule, "message": self.message}]
        return schema


class Unique:
    """The items of a list differ: as a whole, or by one key. Lists merge by it in server-side apply."""

    def __init__(self, key: str = "") -> None:
        self.key = key

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        schema["x-kubernetes-list-type"] = "map" if self.key else "set"
        if self.key:
            schema["x-kubernetes-list-map-keys"] = [self.key]
        return schema


Items = Annotated[tuple[T, ...], Strict(False)]  # a list outside, a tuple inside


def moment(text: str) -> datetime:
    """The RFC 3339 moment; a bare date is its first moment in UTC. Raises ValueError for a day that no calendar has."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def end_of(text: str) -> datetime:
    """The first moment at which something that expires so no longer holds: a bare date counts as a whole day."""
    if len(text) > len("2026-01-01"):
        return moment(text)
    try:
        return moment(text) + timedelta(days=1)
    except OverflowError:  # the last day of the calendar
        return datetime.max.replace(tzinfo=UTC)


def _real(text: str) -> str:
    try:
        moment(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("no_such_day", "a day that the calendar has") from None
    return text


_ANY_DAY = "timestamp(self.size() == 10 ? self + 'T00:00:00Z' : self) >= timestamp('0001-01-01T00:00:00Z')"

Country = Annotated[
    str, Text("an ISO 3166-1 alpha-2 country code", "DE", pattern=rf"^{_ISO}$", most=2, slips=_COUNTRY_SLIPS)
]
CountryOrSet = Annotated[
    str,
    Text(
        "an ISO 3166-1 alpha-2 country code or the name of a set of countries",
        "EEA",
        pattern=rf"^({_ISO}|EU|[A-Z][A-Z0-9_]{{2,62}})$",
        most=63,
        slips=_CODE_SLIPS,
    ),
]
CountrySet = Annotated[
    str, Text("the name of a set of countries, in capitals", "EEA", pattern=r"^[A-Z][A-Z0-9_]{0,62}$", most=63)
]
PlaceCode = Annotated[
    str,
    Text(
        "a place code: `<provider>.<region>` or the name of a site, fit for a label value",
        "aws.eu-central-1",
        pattern=_LABEL,
        most=63,
    ),
]
Assurance = Literal["software", "service", "hardware"]  # as keyrings declare it, the weakest first
Expiry = Annotated[
    str,
    Text("a date or an RFC 3339 time with its offset", "2027-12-31", pattern=rf"^{_DATE}({_TIME})?$", most=40),
    AfterValidator(_real),
    Cel(_ANY_DAY, "expected a day that the calendar has"),
]
Moment = Annotated[
    str,
    Text("an RFC 3339 time with its offset", "2026-11-20T08:00:00Z", pattern=rf"^{_DATE}{_TIME}$", most=40),
    AfterValidator(_real),
    Cel("timestamp(self) >= timestamp('0001-01-01T00:00:00Z')", "expected a day that the calendar has"),
]
Expression = Annotated[str, Text("a CEL expression", "object.spec.replicas > 0", pattern=_INK, most=16384)]
Sentence = Annotated[str, Text("text that is not empty", pattern=_INK, most=1024)]
Line = Annotated[str, Text("text of one line that is not empty", pattern=rf"^[^\n\r]*{_INK}[^\n\r]*$", most=1024)]
Glob = Annotated[
    str,
    Text(
        "a name in which `*` stands for anything, without spaces",
        "registry.example.eu/*",
        pattern=rf"^{_INK}+$",
        most=512,
    ),
]
DnsLabel = Annotated[
    str,
    Text(
        "a name of lower-case letters, digits and `-`, at most 63 characters",
        "backups-to-ch",
        pattern=rf"^{_DNS_LABEL}$",
        most=63,
    ),
]
ObjectName = Annotated[str, Text("the name of an object", "eu-restricted", pattern=rf"^{_SUBDOMAIN}$", most=253)]
LabelName = Annotated[
    str,
    Text(
        "the name of an object that fits into a label value: at most 63 characters",
        "restricted",
        pattern=rf"^{_SUBDOMAIN}$",
        most=63,
    ),
]
_KEY_PATTERN = rf"^({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$"
QualifiedName = Annotated[
    str,
    Text(
        "a name as label keys have it, with or without a prefix",
        "example.com/owner",
        pattern=_KEY_PATTERN,
        most=317,
    ),
]
LabelValue = Annotated[
    str, Text("a label value", "gpu", pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$", most=63)
]
_KEY_PATTERN = rf"^({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$"
Labels = Annotated[
    dict[QualifiedName, LabelValue],
    Field(max_length=64),
    Cel(f"self.all(key, key.matches(r'{_KEY_PATTERN}'))", "expected keys as labels have them"),
]
Code = Annotated[
    str,
    Text(
        "a reason code: lower-case words joined by `-`",
        "place-outside-jurisdiction",
        pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
        most=63,
    ),
]


def described(words: str, **more: Any) -> Any:
    """A field that may be left out."""
    return Field(default=None, description=words, **more)


def required(words: str, **more: Any) -> Any:
    """A field that must be there."""
    return Field(description=words, **more)


def listed(words: str, **more: Any) -> Any:
    """A list that is empty when left out."""
    return Field(default=(), description=words, **more)


def mapped(words: str) -> Any:
    """A mapping that is empty when left out."""
    return Field(default_factory=dict, description=words)
