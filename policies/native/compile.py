"""`python -m policies.native.compile FOLDER [--check]`: the shapes of all built-in kinds, from a release's OpenAPI v3.

FOLDER is `api/openapi-spec/v3` of that Kubernetes release. What it writes is derived: never edit it. With --check,
nothing is written, and a difference is an error.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from policies.native.openapi import definition, short
from policies.native.shapes import COMPILED

_KINDS = "x-kubernetes-group-version-kind"
_NOT_STORED = ("DeleteOptions", "WatchEvent", "Status", "APIGroup", "APIResourceList", "APIVersions")
_COLLECTION = re.compile(r"/(?:api|apis/([^/]+))/([^/]+)(?:/namespaces/\{namespace\})?/([^/{}]+)/?")


def compiled(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What OpenAPI v3 documents say of kinds.

    `kinds` has shapes' names by `group/version/kind`, `resources` kinds by `group/version/plural`, and `shapes` what
    the kinds are made of.
    """
    schemas: dict[str, Any] = {}
    resources: dict[str, str] = {}
    for document in documents:
        schemas |= (document.get("components") or {}).get("schemas") or {}
        resources |= _resources(document.get("paths") or {})
    kinds = {key: name for name, schema in schemas.items() for key in _kinds(schema)}
    named = {short(name): definition(name, schema, schemas) for name, schema in schemas.items()}
    return {
        "kinds": {key: short(name) for key, name in kinds.items()},
        "resources": {key: kind for key, kind in resources.items() if f"{key.rpartition('/')[0]}/{kind}" in kinds},
        "shapes": {name: named[name] for name in _reached(kinds.values(), named)},
    }


def _kinds(schema: Mapping[str, Any]) -> Iterator[str]:
    for kind in schema.get(_KINDS, ()):
        if kind["kind"] not in _NOT_STORED and not kind["kind"].endswith("List"):
            yield f"{kind['group']}/{kind['version']}/{kind['kind']}"


def _resources(paths: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for path, operations in paths.items():
        place = _COLLECTION.fullmatch(path)
        kinds = [one[_KINDS]["kind"] for one in operations.values() if isinstance(one, dict) and _KINDS in one]
        if place and kinds:
            group, version, plural = place.groups(default="")
            found[f"{group}/{version}/{plural}"] = kinds[0]
    return found


def _reached(roots: Iterable[str], named: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    pending = [short(name) for name in roots]
    while pending:
        name = pending.pop()
        if name not in found and name in named:
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


def main(arguments: list[str]) -> int:
    folder = Path(next(one for one in arguments if not one.startswith("-")))
    documents = (json.loads(path.read_text()) for path in sorted(folder.glob("*_openapi.json")))
    fresh = orjson.dumps(compiled(documents), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    if "--check" not in arguments:
        COMPILED.write_bytes(fresh)
    elif COMPILED.read_bytes() != fresh:
        sys.stderr.write(
            f"{COMPILED.name} isn't what that release says: run python -m policies.native.compile FOLDER\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
