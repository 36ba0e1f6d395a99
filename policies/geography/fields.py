"""Fields of objects that may hold anything: what is of another type than it should be reads as missing."""

from policies.json import Json, JsonObject


def at(value: Json, *path: str) -> Json:
    """What stands there, of whatever type; None where nothing does."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text_at(value: Json, *path: str) -> str:
    """The text that stands there; empty where none does."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def object_at(value: Json, *path: str) -> JsonObject:
    """The object that stands there; empty where none does."""
    found = at(value, *path)
    return found if isinstance(found, dict) else {}


def listed(value: Json) -> list[Json]:
    """The list itself; empty where it is none."""
    return value if isinstance(value, list) else []
