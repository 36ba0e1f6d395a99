"""Small JSON files beside the log: what the run before has left, replaced whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

import orjson

from policies.json import Json


def left(path: Path) -> dict[str, Json]:
    """What the file says; empty while there is none. Raises ValueError, OSError."""
    said: dict[str, Json] = orjson.loads(path.read_bytes()) if path.exists() else {}
    return said


def put(path: Path, content: Mapping[str, Json]) -> None:
    """The file says this from now on. Raises OSError."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(orjson.dumps(dict(content), option=orjson.OPT_INDENT_2))
    fresh.replace(path)
