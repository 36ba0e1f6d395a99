"""OCSF's class, object and dictionary files made into one JSON schema: what their server would check."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.audit.worlds import CORPORA

ROOT = CORPORA / "ocsf"
_BASES = {
    "boolean_t": {"type": "boolean"},
    "float_t": {"type": "number"},
    "integer_t": {"type": "integer", "minimum": -(1 << 31), "maximum": (1 << 31) - 1},
    "long_t": {"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1},
    "string_t": {"type": "string"},
    "json_t": {},
}


def class_schema(path: str, profiles: set[str]) -> dict[str, Any]:
    """The schema of a class (such as `events/application/api_activity`), with only these profiles' attributes."""
    definitions: dict[str, Any] = {}
    schema = _schema(_loaded(ROOT / f"{path}.json"), profiles, definitions)
    return {**schema, "$defs": definitions}


def captions(path: str, profiles: set[str], name: str) -> dict[str, str]:
    """What each code of a class' attribute is called."""
    own = _attributes(_loaded(ROOT / f"{path}.json"), profiles)[name].get("enum", {})
    codes = {**_dictionary()["attributes"][name].get("enum", {}), **own}
    return {code: one["caption"] for code, one in codes.items()}


def _schema(thing: dict[str, Any], profiles: set[str], definitions: dict[str, Any]) -> dict[str, Any]:
    attributes = _attributes(thing, profiles)
    made: dict[str, Any] = {
        "type": "object",
        "properties": {name: _property(name, one, profiles, definitions) for name, one in attributes.items()},
        "required": sorted(name for name, one in attributes.items() if one.get("requirement") == "required"),
        "additionalProperties": False,
    }
    wanted = _constraint(thing, "at_least_one")
    if wanted:
        made["anyOf"] = [{"required": [name]} for name in wanted]
    return made


def _attributes(thing: dict[str, Any], profiles: set[str]) -> dict[str, Any]:
    """Its own, those of profiles, and those of what it extends, the nearer one first."""
    found: dict[str, Any] = {}
    parent = _parent(thing)
    if parent is not None:
        found = {name: dict(one) for name, one in _attributes(parent, profiles).items()}
    own = dict(thing.get("attributes", {}))
    included = own.pop("$include", [])
    for path in [included] if isinstance(included, str) else included:
        profile = _loaded(ROOT / path)
        if profile["name"] in profiles:
            for name, one in profile["attributes"].items():
                found[name] = {**found.get(name, {}), **one}
    for name, one in own.items():
        if one.get("profile") is None or one["profile"] in profiles:
            merged = {**found.get(name, {}), **one}
            merged["enum"] = {**found.get(name, {}).get("enum", {}), **one.get("enum", {})}
            found[name] = merged
    return found


def _property(name: str, one: dict[str, Any], profiles: set[str], definitions: dict[str, Any]) -> dict[str, Any]:
    known = _dictionary()["attributes"].get(name, {})
    made = _type(one.get("type", known.get("type")), profiles, definitions)
    codes = {**known.get("enum", {}), **one.get("enum", {})}
    if codes and made.get("type") == "integer":
        made = {**made, "enum": sorted(map(int, codes))}
    return {"type": "array", "items": made} if one.get("is_array", known.get("is_array", False)) else made


def _type(name: str, profiles: set[str], definitions: dict[str, Any]) -> dict[str, Any]:
    types = _dictionary()["types"]["attributes"]
    if name in types:
        base = dict(_BASES[types[name].get("type", name)])
        if "regex" in types[name]:
            base["pattern"] = types[name]["regex"]
        if "max_len" in types[name]:
            base["maxLength"] = types[name]["max_len"]
        return base
    if name == "object":
        return {"type": "object"}
    if name not in definitions:
        definitions[name] = {}  # an object may hold itself
        definitions[name] = _schema(_loaded(ROOT / "objects" / f"{name}.json"), profiles, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _parent(thing: dict[str, Any]) -> dict[str, Any] | None:
    name = thing.get("extends")
    if name is None or name == "object":
        return None
    # a class and an object may have one name
    places = (ROOT / "events", ROOT / "events" / "application") if _is_class(thing) else (ROOT / "objects",)
    return next(_loaded(place / f"{name}.json") for place in places if (place / f"{name}.json").exists())


def _is_class(thing: dict[str, Any]) -> bool:
    return "category" in thing or "uid" in thing


def _constraint(thing: dict[str, Any], name: str) -> list[str]:
    parent = _parent(thing)
    own = thing.get("constraints", {}).get(name)
    return list(own) if own is not None else _constraint(parent, name) if parent is not None else []


@cache
def _dictionary() -> dict[str, Any]:
    return _loaded(ROOT / "dictionary.json")


@cache
def _loaded(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded
