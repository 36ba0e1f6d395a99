"""What a regions file may say, as a table, and what must hold across its fields."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from policies.geography.place import is_label_value, place_code
from policies.geography.reading import Path, dotted

Fault = tuple[Path, str]
Check = Callable[[Any, Path], Iterator[Fault]]

CONFIDENCE = ("verified", "code", "secondary", "inferred", "declared")


def faults(value: Any) -> list[Fault]:
    """Every fault of the merged data: first of its fields, and when they are right, of what they mean together."""
    return list(_DOCUMENT(value, ())) or list(_across(value))


def _matching(pattern: str, expected: str) -> Check:
    def check(value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            yield path, f"`{dotted(path)}` is {_shown(value)}: expected {expected}"

    return check


def _shown(value: Any) -> str:
    kinds = {bool: "a boolean", dict: "a mapping", list: "a list", type(None): "empty"}
    return kinds.get(type(value), f"`{value}`")


def _regex(value: Any, path: Path) -> Iterator[Fault]:
    try:
        re.compile(value.replace("{region}", "x"))
    except (AttributeError, TypeError, re.error) as fault:
        yield path, f"`{dotted(path)}` is no regular expression: {fault}"


def _choice(*allowed: str) -> Check:
    return _matching("|".join(allowed), f"one of {', '.join(allowed)}")


def _list(item: Check) -> Check:
    def check(value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield path, f"`{dotted(path)}` is {_shown(value)}: expected a list"
            return
        for index, entry in enumerate(value):
            yield from item(entry, (*path, index))

    return check


def _mapping(item: Check, key: Check | None = None) -> Check:
    def check(value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield path, f"`{dotted(path)}` is {_shown(value)}: expected a mapping"
            return
        for name, entry in value.items():
            yield from (key or _TEXT)(name, (*path, name))
            yield from item(entry, (*path, name))

    return check


def _fields(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    known = {**required, **(optional or {})}

    def check(value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield path, f"`{dotted(path)}` is {_shown(value)}: expected fields {', '.join(known)}"
            return
        for name in required.keys() - value.keys():
            yield path, f"`{dotted((*path, name))}` is missing"
        for name, entry in value.items():
            if name in known:
                yield from known[name](entry, (*path, name))
            else:
                near = get_close_matches(str(name), known, 1)
                hint = f"did you mean `{near[0]}`" if near else f"expected one of {', '.join(known)}"
                yield (*path, name), f"`{dotted((*path, name))}` is no field: {hint}"

    return check


_TEXT = _matching(r"(?s).+", "a text")
_ANY_TEXT = _matching(r"(?s).*", "a text")
_COUNTRY = _matching(r"[A-Z]{2}", "an ISO 3166-1 alpha-2 code, quoted where YAML reads it otherwise ('NO')")
_NO_COUNTRY = _matching(r"(?:[A-Z]{2})?", "an ISO 3166-1 alpha-2 code, or '' where nobody says")
_DATE = _matching(r"\d{4}-\d{2}-\d{2}", "a quoted date, '2026-12-31'")
_NAME = _matching(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "a lower-case name")
_FLAG: Check = lambda value, path: iter(  # noqa: E731  # a row of the table like the others
    () if isinstance(value, bool) else ((path, f"`{dotted(path)}` is {_shown(value)}: expected true or false"),)
)

_OPERATOR = _fields(
    {"name": _TEXT, "country": _NO_COUNTRY, "controlledFrom": _list(_COUNTRY)},
    {
        "parent": _TEXT,
        "basis": _TEXT,
        "confidence": _choice("sourced", "asserted", "declared"),
        "exposedTo": _list(_fields({"country": _COUNTRY, "law": _TEXT}, {"contested": _FLAG, "observed": _FLAG})),
    },
)
_WHERE = {"country": _COUNTRY, "confidence": _choice(*CONFIDENCE)}
_REGION = _fields(
    _WHERE,
    {
        "location": _TEXT,
        "match": _regex,
        "pairedRegion": _TEXT,
        "realm": _TEXT,
        "key": _NAME,
        "operator": _NAME,
        "zones": _mapping(_fields(_WHERE, {"location": _TEXT})),
    },
)
_PROVIDER = _fields(
    {"display": _TEXT, "operator": _OPERATOR, "regions": _mapping(_REGION)},
    {
        "operators": _mapping(_OPERATOR, _NAME),
        "node": _fields({}, {"providerID": _regex, "zone": _regex}),
        "sources": _list(_TEXT),
        "notes": _list(_TEXT),
        "unmapped": _TEXT,
    },
)
_HOST = _fields(
    {"match": _TEXT}, {"provider": _NAME, "region": _TEXT, "regions": _mapping(_TEXT), "spans": _TEXT, "notes": _TEXT}
)
_DOCUMENT = _fields(
    {
        "schema": _choice("bailiwick.dev/regions/v1"),
        "asOf": _DATE,
        "sets": _mapping(
            _fields(
                {"countries": _list(_COUNTRY)},
                {"since": _mapping(_DATE), "until": _mapping(_DATE), "partial": _mapping(_TEXT), "source": _TEXT},
            )
        ),
        "providers": _mapping(_PROVIDER, _NAME),
    },
    {
        "hosts": _list(_HOST),
        "registries": _list(_HOST),
        "keys": _list(_fields({"provider": _NAME, "match": _regex}, {"notes": _TEXT})),
        "csiDrivers": _mapping(
            _fields({"providers": _list(_NAME)}, {"zones": _list(_TEXT), "regions": _list(_TEXT), "notes": _TEXT})
        ),
    },
)


def _across(value: dict[str, Any]) -> Iterator[Fault]:
    """Codes are label values and nobody shares one; what is referred to exists; a spelling means one region."""
    codes: Counter[str] = Counter()
    for name, provider in value["providers"].items():
        path: Path = ("providers", name, "regions")
        for region, row in provider["regions"].items():
            names = [region, *row.get("zones", {})]
            for own in names:
                code = place_code(name, own)
                codes[code] += 1
                if not is_label_value(code) or codes[code] > 1:
                    why = "is shared with another region" if codes[code] > 1 else "is no legal label value"
                    yield (*path, region), f"`{dotted((*path, region))}`: its code `{code}` {why}"
            yield from _region(provider, region, row, (*path, region))
    for group in ("hosts", "registries", "keys"):
        for index, row in enumerate(value.get(group, [])):
            yield from _known_provider(value, row.get("provider"), (group, index, "provider"))
            if group != "keys":
                yield from _host(row, (group, index, "match"))
    for driver, row in value.get("csiDrivers", {}).items():
        for provider in row["providers"]:
            yield from _known_provider(value, provider, ("csiDrivers", driver, "providers"))


def _region(provider: dict[str, Any], region: str, row: dict[str, Any], path: Path) -> Iterator[Fault]:
    if (operator := row.get("operator")) and operator not in provider.get("operators", {}):
        yield (*path, "operator"), f"`{dotted((*path, 'operator'))}`: no operator `{operator}` under `operators`"
    for other, its in provider["regions"].items():
        match = its.get("match")
        if match and other != region and re.fullmatch(match, region, re.IGNORECASE):
            yield (*path,), f"`{dotted(path)}` is also matched by region `{other}`"


def _host(row: dict[str, Any], path: Path) -> Iterator[Fault]:
    """A pattern ends in two plain labels, by which it is found; a place needs a provider and `{region}`."""
    ending = row["match"].split(".")[-2:]
    if len(ending) < 2 or not all(re.fullmatch(r"[a-z0-9-]+", label) for label in ending):
        yield path, f"`{dotted(path)}` is `{row['match']}`: expected a lower-case name that ends in two plain labels"
    if ("provider" in row) is not ("{region}" in row["match"]) or ("provider" in row) is ("spans" in row):
        yield path, f"`{dotted(path)}`: a row has a `provider` and `{{region}}` in its `match`, or else `spans`"


def _known_provider(value: dict[str, Any], name: str | None, path: Path) -> Iterator[Fault]:
    if name is not None and name not in value["providers"]:
        near = get_close_matches(name, value["providers"], 1)
        yield path, f"`{dotted(path)}`: no provider `{name}`" + (f": did you mean `{near[0]}`" if near else "")
