"""`python -m policies.workloads.catalogue.compile --write`: the YAML data in the form that is read at run time.

Guarantees: what doesn't follow the catalogue's form is refused with file, line and hint; nothing is written then.
The compiled files are derived: edit the YAML, never them.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import orjson
import yaml

from policies.workloads.catalogue.kinds import COMPILED as CATALOGUE
from policies.workloads.catalogue.kinds import Catalogue
from policies.workloads.catalogue.row_forms import FACTS as RUN_TIME
from policies.workloads.catalogue.row_forms import row_problems
from policies.workloads.catalogue.tables import COMPILED as TABLES
from policies.workloads.catalogue.tables import HERE, SOURCES

_KEYED = ("group", "kind")
_TEXT = ("system", "plural", "scope", "storage", "notes", "source", "commit", "verified")
_LISTS = (*RUN_TIME, "versions", "deprecated", "unserved", "opaque", "embedded")
_OTHER = ("absent", "served", "replace")
_FIELDS = (*_KEYED, *_TEXT, *_LISTS, *_OTHER)
_LINE = "\0line"  # no YAML key of ours


class CatalogueMalformed(ValueError):
    """A catalogue file can't be used; the message names file, line and what to do. Correct the file."""


def compiled_catalogue(text: str, name: str = "catalogue.yaml") -> bytes:
    """The run-time form of a catalogue. Raises CatalogueMalformed."""
    return _written(kinds_of(entries(text, name)))


def _written(kinds: Mapping[str, Any]) -> bytes:
    return orjson.dumps(kinds, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def overridden(base: Catalogue, text: str, name: str) -> Catalogue:
    """A catalogue with a deployer's entries over it. Raises CatalogueMalformed; `base` is unchanged and stays usable.

    Rows are added to what a version of a kind has; an entry with `replace: true` stands alone; new kinds are new.
    """
    ours = entries(text, name)
    replaced = {f"{entry['group']}/{entry['kind']}" for entry in ours if entry.get("replace")}
    held = [_entry_of(key, row) for key, rows in base.kinds.items() if key not in replaced for row in rows]
    touched = {f"{entry['group']}/{entry['kind']}" for entry in ours}
    merged = kinds_of([entry for entry in held if f"{entry['group']}/{entry['kind']}" in touched] + ours)
    return Catalogue.of(_written({**base.kinds, **merged}))


def _entry_of(key: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A compiled row as the entry it could have come from."""
    group, _, kind = key.rpartition("/")
    scope = "Namespaced" if row.get("namespaced", True) else "Cluster"
    return {**row, "group": group, "kind": kind, "scope": scope, "system": ""}


def compiled_tables(sources: Mapping[str, str]) -> bytes:
    """The run-time form of the tables, one member for each file."""
    tables = {name: _load(text, f"{name}.yaml", yaml.SafeLoader) for name, text in sources.items()}
    return orjson.dumps(tables, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def entries(text: str, name: str) -> list[dict[str, Any]]:
    """The entries of a catalogue file, each checked. Raises CatalogueMalformed with every problem."""
    loaded = _load(text, name, _Lines)
    if not isinstance(loaded, list):
        raise CatalogueMalformed(f"{name}:1: a catalogue is a list of kinds: begin each with `- group:`")
    found: list[str] = []
    for entry in loaded:
        if not isinstance(entry, dict):
            raise CatalogueMalformed(f"{name}: `{entry}` is no entry: write `- group:`, `kind:` and `versions:`")
        kind, begins = entry.get("kind", "entry"), entry.pop(_LINE, 1)
        found += [f"{name}:{line or begins}: {kind}: {problem}" for line, problem in _problems(entry)]
    if found:
        raise CatalogueMalformed("\n".join(found))
    return [_bare(entry) for entry in loaded]


def kinds_of(listed: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Entries of one kind joined, then told apart by version: what a version lacks, it doesn't have."""
    joined: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in listed:
        versions = joined.setdefault(f"{entry['group']}/{entry['kind']}", {})
        for version in entry["versions"]:
            _join(versions.setdefault(version, {"systems": []}), entry, version)
            _name(versions[version], entry)
    return {name: _shapes(versions) for name, versions in joined.items()}


def _join(target: dict[str, Any], entry: Mapping[str, Any], version: str) -> None:
    absent = frozenset(entry.get("absent", {}).get(version, ()))
    for system in [*entry.get("systems", ()), entry.get("system")]:
        if system and system not in target["systems"]:
            target["systems"].append(system)
    for fact in RUN_TIME:
        rows = target.setdefault(fact, [])
        rows += [row for row in entry.get(fact, ()) if row not in rows and _path_of(row) not in absent]


def _name(target: dict[str, Any], entry: Mapping[str, Any]) -> None:
    """How the API server calls the kind: its plural, and whether its objects lie in namespaces."""
    if entry.get("plural"):
        target.setdefault("plural", entry["plural"])
    if entry.get("scope") == "Cluster":
        target["namespaced"] = False


def _shapes(versions: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Versions with equal paths share a row; the first stands for versions nobody has listed."""
    shapes: list[dict[str, Any]] = []
    for version, rows in versions.items():
        row = {key: value for key, value in rows.items() if value or value is False}
        shape = next((one for one in shapes if {**one, "versions": None} == {**row, "versions": None}), None)
        if shape is None:
            shapes.append({**row, "versions": [version]})
        else:
            shape["versions"].append(version)
    return shapes


def _path_of(row: Any) -> str:
    if not isinstance(row, dict):
        return str(row)
    if "template" in row:
        return ".".join(part for part in (row["template"], row.get("spec", "")) if part)
    return str(row.get("at", ""))


def _problems(entry: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Each with its line; 0 for that of the entry."""
    wrong = next(_head_problems(entry), "")
    if wrong:
        yield 0, wrong
        return
    for key in entry:
        if key not in _FIELDS:
            yield 0, f"`{key}` is no field of an entry{_meant(str(key))}"
    for fact in RUN_TIME:
        rows = entry.get(fact, [])
        if not isinstance(rows, list):
            yield 0, f"`{fact}` must be a list"
            continue
        for row in rows:
            line = row.get(_LINE, 0) if isinstance(row, dict) else 0
            yield from ((line, problem) for problem in row_problems(fact, _bare(row)))


def _head_problems(entry: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with how an entry says which kind it is about."""
    for key in _KEYED:
        if not isinstance(entry.get(key), str):
            yield f"`{key}` must be text: write `{key}: ...` (the core group is `''`)"
    if not _are_texts(entry.get("versions")) or not entry["versions"]:
        yield "`versions` must be a list such as [v1]"
    if not isinstance(entry.get("plural") or "", str):
        yield "`plural` must be text, as in the path of the API: write `plural: things`"
    if not isinstance(entry.get("replace", False), bool):
        yield "`replace` must be true or false"
    absent = _bare(entry.get("absent", {}))
    if not isinstance(absent, dict) or not all(_are_texts(paths) for paths in absent.values()):
        yield "`absent` must name paths by version: write `absent: {v1: [spec.field]}`"


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _meant(key: str) -> str:
    close = get_close_matches(key, _FIELDS, 1)
    return f": did you mean `{close[0]}`?" if close else f": use one of {', '.join(sorted(_FIELDS))}"


class _Lines(yaml.SafeLoader):
    """Keeps the line of each mapping, so that an error can name it."""


def _with_line(loader: _Lines, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    found[_LINE] = node.start_mark.line + 1
    return found


_Lines.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _with_line)


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(inner) for key, inner in value.items() if key != _LINE}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value


def _load(text: str, name: str, loader: Any) -> Any:
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506  both loaders are safe ones
    except yaml.MarkedYAMLError as bad:
        line = bad.problem_mark.line + 1 if bad.problem_mark else 1
        raise CatalogueMalformed(f"{name}:{line}: not readable as YAML: {bad.problem}: correct the syntax") from bad
    except (yaml.YAMLError, ValueError, RecursionError) as bad:  # a character, a date, or depth that YAML doesn't allow
        told = str(bad).splitlines()[0]
        raise CatalogueMalformed(f"{name}: not readable as YAML: {told}: correct the syntax") from bad


def outputs(read: Callable[[Path], str] = lambda path: path.read_text(encoding="utf-8")) -> dict[Path, bytes]:
    """What the compiled files must hold."""
    return {
        CATALOGUE: compiled_catalogue(read(HERE / "catalogue.yaml")),
        TABLES: compiled_tables({name: read(HERE / f"{name}.yaml") for name in SOURCES}),
    }


def main(arguments: list[str]) -> int:
    stale = [path for path, wanted in outputs().items() if not path.exists() or path.read_bytes() != wanted]
    if "--write" in arguments:
        for path in stale:
            path.write_bytes(outputs()[path])
        return 0
    for path in stale:
        sys.stderr.write(f"error: {path.name} doesn't agree with its YAML\nhint: add --write\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
