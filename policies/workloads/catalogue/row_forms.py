"""The form of the catalogue's rows: which fields a row of each fact may have, and what they may hold.

Guarantees: what passes can be read at run time, so that a deployer's row never fails while somebody waits for a
decision. Whether a path exists in the kind is nobody's to tell here.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from policies.workloads.catalogue.paths import PathMalformed, parse

_TEXTS: Mapping[str, tuple[str, ...]] = {
    "pods": ("template", "spec", "metadata", "planned", "fields", "defaults"),
    "containers": (),
    "images": ("reference", "tag", "digest", "sha256"),
    "models": ("reference", "revision", "scheme"),
    "devices": ("resource", "claim", "count", "level", "mechanism"),
    "destinations": ("kind", "what", "host", "cluster", "region", "provider", "bucket"),
    "keys": ("reference", "form", "purpose"),
    "identities": ("serviceAccount", "audience", "role"),
    "placement": (),
    "nested": (),
    "volumes": ("kind", "class"),
    "namespaces": ("name",),
}
_LISTS: Mapping[str, tuple[str, ...]] = {"pods": ("lacks", "flat"), "images": ("parts",)}
_READS: Mapping[str, tuple[str, ...]] = {
    "images": ("container", "kustomize"),
    "models": ("words", "command", "ray", "env", "config"),
    "devices": ("map", "dra"),
    "destinations": (
        "command", "yaml-urls", "envoy", "named-url", "component", "environment", "mapping",
        "requirements", "restic", "zone-filter", "urls", "hosts", "collector", "entries", "nginx",
        "trigger", "regions", "attributes",
    ),
    "nested": ("pod", "pod-spec"),
    "namespaces": ("keys",),
}  # fmt: skip
_NEEDED: Mapping[str, tuple[str, ...]] = {"pods": ("template",), "destinations": ("what",), "volumes": ("kind",)}
_NEEDED_UNREAD: Mapping[str, tuple[str, ...]] = {"destinations": ("kind",), "devices": ("level", "mechanism")}
_NEEDED_READ: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("destinations", "zone-filter"): ("provider",),
    ("destinations", "regions"): ("provider",),
}
_WORDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("pods", "planned"): ("always", "queued"),
    ("volumes", "kind"): ("claim", "volume", "class", "snapshot", "snapshot-class", "nodes"),
}
_METADATA = ("template", "object", "beside", "none")
FACTS = tuple(_TEXTS)


def row_problems(fact: str, row: Any) -> Iterator[str]:
    """What is wrong with one row, each with what to do."""
    if isinstance(row, str) and fact != "pods":
        row = {"at": row}
    elif not isinstance(row, dict) or fact == "containers" or not all(isinstance(key, str) for key in row):
        example = "an object with `template`" if fact == "pods" else "a path"
        example += ", or an object with `at`" if fact not in ("pods", "containers") else ""
        yield f"`{fact}` holds `{row}`: write {example}"
        return
    yield from _missing(fact, row)
    for name, value in row.items():
        yield from _field_problems(fact, name, value)


def _missing(fact: str, row: Mapping[str, Any]) -> Iterator[str]:
    read = row.get("read", "")
    needed = _NEEDED.get(fact, ()) + (_NEEDED_READ.get((fact, str(read)), ()) if read else _NEEDED_UNREAD.get(fact, ()))
    if fact != "pods" and "at" not in row:
        yield f"a row of `{fact}` needs `at`, the path where it stands"
    for name in needed:
        if name not in row:
            told = ", the path where it stands" if name == "template" else f": add `{name}: ...`"
            yield f"a row of `{fact}` needs `{name}`{told}"


def _field_problems(fact: str, name: str, value: Any) -> Iterator[str]:
    if name in _LISTS.get(fact, ()) or (name == "unless" and fact != "pods"):
        yield from _texts_problems(fact, name, value)
    elif name == "when" and fact != "pods":
        yield from _when_problems(fact, value)
    elif name == "read" and fact in _READS:
        yield from _word_problems(fact, name, value, _READS[fact])
    elif name not in (*_TEXTS[fact], *(() if fact == "pods" else ("at",))):
        yield f"`{name}` is no field of a row of `{fact}`{_meant(name, fact)}"
    elif not isinstance(value, str):
        yield f"`{name}` of `{fact}` must be text: write it in quotes"
    elif (fact, name) == ("pods", "metadata"):
        for word in value.split("+"):
            yield from _word_problems(fact, name, word, _METADATA)
    elif (fact, name) in _WORDS and not value.startswith("."):
        yield from _word_problems(fact, name, value, _WORDS[fact, name])
    elif name in ("fields", "defaults"):
        yield from _path_problems(value.removeprefix("."))
    elif name in ("at", "template", "spec"):
        yield from _path_problems(value)
    elif value.startswith("."):
        yield from _relative_problems(value)


def _texts_problems(fact: str, name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        yield f"`{name}` of `{fact}` must be a list of texts"
        return
    for one in value:
        yield from _path_problems(one.removeprefix(".")) if fact == "pods" else _relative_problems(one)


def _when_problems(fact: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"`when` of `{fact}` must be an object: write {{.field: value}}"
        return
    for name, wanted in value.items():
        accepted = wanted if isinstance(wanted, list) else [wanted]
        if not isinstance(name, str) or not all(isinstance(one, str) for one in accepted):
            yield f"`when` of `{fact}` compares texts: write `{name}` and its values in quotes"
        else:
            yield from _relative_problems(name)


def _word_problems(fact: str, name: str, value: Any, words: tuple[str, ...]) -> Iterator[str]:
    if value not in words:
        yield f"`{name}` of `{fact}` can't be `{value}`: use one of {', '.join(words)}"


def _relative_problems(text: str) -> Iterator[str]:
    """A field below `at`, with a default behind `|`; one without a dot in front is meant as it is written."""
    if text.startswith("."):
        yield from _path_problems(text.partition("|")[0].removeprefix("."))


def _path_problems(path: str) -> Iterator[str]:
    try:
        parse(path)
    except PathMalformed as malformed:
        yield str(malformed)


def _meant(name: str, fact: str) -> str:
    fields = (*_TEXTS[fact], *_LISTS.get(fact, ()), *(("template",) if fact == "pods" else ("at", "when", "unless")))
    fields += ("read",) if fact in _READS else ()
    close = get_close_matches(name, fields, 1)
    return f": did you mean `{close[0]}`?" if close else f": use one of {', '.join(sorted(set(fields)))}"
