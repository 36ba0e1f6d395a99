"""From `regions.yaml` to `regions.json`: checked, merged with a deployer's file, and small.

`python -m policies.geography.compile --write` makes the file that ships; without `--write` it fails when the two
disagree. The same path serves a deployer's own file at start: `compiled(builtin_source(), override)`.
"""

import sys
from pathlib import Path as File
from typing import Any

import orjson

from policies.geography.reading import Document, RegionsInvalid, parse
from policies.geography.regions import COMPILED, Regions
from policies.geography.schema import faults

SOURCE = File(__file__).with_name("regions.yaml")


def load_document(path: File) -> Document:
    """Raises RegionsInvalid when it can't be read."""
    try:
        return parse(str(path), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as fault:
        raise RegionsInvalid(f"{path}: cannot be read: {reading_failed(fault)}") from fault


def reading_failed(fault: OSError | UnicodeDecodeError) -> str:
    """Why a file of the deployer's own can't be read, in words of ours."""
    if isinstance(fault, UnicodeDecodeError):
        return "the text is not UTF-8"
    return (fault.strerror or str(fault)).lower() + (": look at the spelling" * isinstance(fault, FileNotFoundError))


def load_regions(override: File | None = None) -> Regions:
    """The regions of this deployment: the built-in ones, or those with the deployer's file laid over."""
    if override is None:
        return Regions.builtin()
    return Regions.parse(compiled(load_document(SOURCE), load_document(override)))


def compiled(source: Document, override: Document | None = None) -> bytes:
    """Canonical JSON of the merged data. Raises RegionsInvalid naming every fault with file, line and field."""
    value = source.value if override is None else merged(source.value, override.value)
    found = [f"{_place_of(path, source, override)}: {text}" for path, text in faults(value)]
    if found:
        raise RegionsInvalid("\n".join(found))
    return orjson.dumps(_compact(value), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def merged(below: Any, above: Any) -> Any:
    """Mappings are merged, everything else is replaced, and null removes. A missing file changes nothing."""
    if above is None:
        return below
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    both = {key: merged(below[key], value) if key in below else value for key, value in above.items()}
    return {key: value for key, value in {**below, **both}.items() if not (key in above and above[key] is None)}


def _place_of(path: tuple[str | int, ...], source: Document, override: Document | None) -> str:
    """The fault stands in the override when that has the field; what the override misses stands below it."""
    if override is not None and (path in override.lines or path not in source.lines):
        return override.at(path)
    return source.at(path)


def _compact(value: dict[str, Any]) -> dict[str, Any]:
    """What the product needs while it runs: sources, notes and grounds stay in the YAML."""
    return {
        "schema": value["schema"],
        "asOf": value["asOf"],
        "sets": {
            name: {key: entry[key] for key in ("countries", "since", "until", "partial") if key in entry}
            for name, entry in value["sets"].items()
        },
        "providers": {name: _provider(entry) for name, entry in value["providers"].items()},
        "hosts": value.get("hosts", []),
        "registries": value.get("registries", []),
        "keys": value.get("keys", []),
        "csiDrivers": value.get("csiDrivers", {}),
    }


def _provider(entry: dict[str, Any]) -> dict[str, Any]:
    operators = {"": entry["operator"], **entry.get("operators", {})}
    return {
        "display": entry["display"],
        "operators": {name: _operator(operator) for name, operator in operators.items()},
        "regions": entry["regions"],
        **entry.get("node", {}),
    }


def _operator(operator: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": operator["name"],
        "country": operator["country"],
        "controlledFrom": operator["controlledFrom"],
        "exposedTo": sorted({exposure["country"] for exposure in operator.get("exposedTo", [])}),
    }


def main(arguments: list[str]) -> int:
    fresh = compiled(load_document(SOURCE))
    if "--write" in arguments:
        COMPILED.write_bytes(fresh)
        return 0
    if COMPILED.exists() and COMPILED.read_bytes() == fresh:
        return 0
    sys.stderr.write(f"{COMPILED.name} is older than {SOURCE.name}: run python -m policies.geography.compile --write\n")
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RegionsInvalid as fault:
        sys.exit(str(fault))
