"""`python -m policies.native.compile FOLDER`: the shapes of all built-in kinds, from a Kubernetes release's OpenAPI v3.

FOLDER is `api/openapi-spec/v3` of that release. What it writes is derived: never edit it.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from policies.native.openapi import definition, short
from policies.native.shapes import COMPILED

_KINDS = "x-kubernetes-group-version-kind"
_NOT_STORED = ("DeleteOptions", "WatchEvent", "Status", "APIGroup", "APIResourceList", "APIVersions")


def compiled(folder: Path) -> bytes:
    """Kinds by `group/version/kind`, and the shapes that they are made of."""
    schemas: dict[str, Any] = {}
    for path in sorted(folder.glob("*_openapi.json")):
        schemas |= json.loads(path.read_text()).get("components", {}).get("schemas", {})
    kinds = {key: name for name, schema in schemas.items() for key in _kinds(schema)}
    named = {short(name): definition(name, schema, schemas) for name, schema in schemas.items()}
    reached = _reached(kinds.values(), named)
    return orjson.dumps(
        {"kinds": {key: short(name) for key, name in kinds.items()}, "shapes": {name: named[name] for name in reached}},
        option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE,
    )


def _kinds(schema: Mapping[str, Any]) -> Iterator[str]:
    for kind in schema.get(_KINDS, ()):
        if kind["kind"] not in _NOT_STORED and not kind["kind"].endswith("List"):
            yield f"{kind['group']}/{kind['version']}/{kind['kind']}"


def _reached(roots: Any, named: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    pending = [short(name) for name in roots]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += _referred(named[name])
    return found


def _referred(shape: Any) -> Iterator[str]:
    if isinstance(shape, str) and shape.startswith("#"):
        yield shape.lstrip("#!")
    elif isinstance(shape, dict):
        for member in shape.values():
            yield from _referred(member)
    elif isinstance(shape, list):
        yield from _referred(shape[1])


if __name__ == "__main__":
    COMPILED.write_bytes(compiled(Path(sys.argv[1])))
