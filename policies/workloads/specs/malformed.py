"""Fields whose type nobody can make sense of: what stands there can't be read, so it must not pass for nothing.

Guarantees: never raises; whatever stands where the catalogue or a pod spec looks, and isn't what is looked for, is
listed with its path. Empty values hide nothing and aren't listed. An API server refuses most of it, but not below
fields that a definition leaves open, and a command line reads what no API server has seen.
"""

from collections.abc import Iterator
from typing import Any

from policies.json import Json, JsonObject
from policies.workloads.catalogue.kinds import Entry, Row
from policies.workloads.names.images import listed
from policies.workloads.names.text import loaded

Malformed = dict[str, Any]  # path, expected, found

FACTS = ("images", "models", "devices", "destinations", "keys", "identities", "placement")
_PLAIN = ("images", "models", "keys")
OBJECT, LIST, TEXT = "an object", "a list", "text"

_KINDS: dict[str, type] = {OBJECT: dict, LIST: list, TEXT: str}
_Fields = dict[str, type]

_SPEC: _Fields = {
    **dict.fromkeys(("containers", "initContainers", "ephemeralContainers", "volumes", "resourceClaims"), list),
    **dict.fromkeys(("tolerations", "topologySpreadConstraints", "imagePullSecrets", "hostAliases"), list),
    **dict.fromkeys(("nodeSelector", "affinity", "dnsConfig", "resources"), dict),
    **dict.fromkeys(("nodeName", "schedulerName", "runtimeClassName", "serviceAccountName", "serviceAccount"), str),
}
_CONTAINER: _Fields = {
    **dict.fromkeys(("command", "args", "env", "envFrom", "volumeMounts", "volumeDevices", "ports"), list),
    **dict.fromkeys(("resources", "securityContext", "lifecycle"), dict),
    "image": str,
}
_RESOURCES: _Fields = {"limits": dict, "requests": dict, "claims": list}
_VOLUME: _Fields = dict.fromkeys(("image", "csi", "nfs", "hostPath", "persistentVolumeClaim", "projected"), dict)
_VOLUME_FIELDS = frozenset(_VOLUME)
_ONLY_TEXT = frozenset((str,))
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def misfits_of_entry(subject: JsonObject, entry: Entry, prefix: str = "") -> list[Malformed]:
    """Where the kind's own fields aren't what the catalogue reads them as."""
    found = [_misfit(*one) for one in entry.templates.misfits(subject, prefix, OBJECT)]
    if entry.lends:
        found += [_misfit(*one) for one in entry.containers.misfits(subject, prefix, OBJECT)]
        found += _images(subject, entry, prefix)
    for fact in FACTS:
        if fact in entry.stated:
            paths = entry.paths(fact)
            found += [_misfit(*one) for one in paths.misfits(subject, prefix)]
            if fact != "placement":
                found += _leaves(paths.find(subject, prefix), fact in _PLAIN)
    return found


def _images(subject: JsonObject, entry: Entry, prefix: str) -> Iterator[Malformed]:
    """The image of what is container-shaped is text, or an object that the kind has rows for."""
    held = [(path, one["image"]) for path, one, _, _ in entry.containers.find(subject, prefix) if _has_image(one)]
    composed = [path for path, _, _, _ in entry.paths("images").find(subject, prefix)] if held else []
    for path, image in held:
        at = f"{path}.image"
        composes = isinstance(image, dict) and any(one == at or one.startswith(f"{at}.") for one in composed)
        if not composes and image not in (None, "", [], {}):
            yield _misfit(at, TEXT, image)


def _has_image(container: Json) -> bool:
    return isinstance(container, dict) and not isinstance(container.get("image", ""), str)


def too_deep(path: str, deepest: int) -> Malformed:
    """An object inside of as many others that nobody looks into it."""
    return {"path": path, "expected": f"at most {deepest} objects inside of one another", "found": "one more"}


def misfits_of_spec(spec: Json, where: str) -> list[Malformed]:
    """Where a pod spec isn't one. `where` is its path, with its dot where it isn't empty."""
    found: list[Malformed] = []
    if not isinstance(spec, dict):
        return found
    _fields(spec, _SPEC, where, found)
    for field in _CONTAINERS:
        for index, container in enumerate(listed(spec[field])) if field in spec else ():
            if isinstance(container, dict):
                _container(container, f"{where}{field}[{index}].", found)
            else:
                _add(f"{where}{field}[{index}]", container, OBJECT, found)
    for index, volume in enumerate(listed(spec.get("volumes"))):
        if isinstance(volume, dict):
            if not _VOLUME_FIELDS.isdisjoint(volume):
                _fields(volume, _VOLUME, f"{where}volumes[{index}].", found)
        else:
            _add(f"{where}volumes[{index}]", volume, OBJECT, found)
    return found


def _container(container: JsonObject, where: str, found: list[Malformed]) -> None:
    _fields(container, _CONTAINER, where, found)
    if isinstance(resources := container.get("resources"), dict):
        _fields(resources, _RESOURCES, f"{where}resources.", found)
    for field in ("command", "args"):
        words = listed(container.get(field))
        if not _ONLY_TEXT.issuperset(map(type, words)):
            for index, word in enumerate(words):
                if not isinstance(word, str):
                    _add(f"{where}{field}[{index}]", word, TEXT, found)
    for index, variable in enumerate(listed(container.get("env"))):
        if not isinstance(variable, dict):
            _add(f"{where}env[{index}]", variable, OBJECT, found)
        elif not isinstance(variable.get("value", ""), str):
            _add(f"{where}env[{index}].value", variable["value"], TEXT, found)


def _fields(holder: JsonObject, expected: _Fields, where: str, found: list[Malformed]) -> None:
    for name, value in holder.items():
        kind = expected.get(name)
        if kind is not None and not isinstance(value, kind):
            _add(f"{where}{name}", value, next(text for text, one in _KINDS.items() if one is kind), found)


def _add(path: str, value: Json, wanted: str, found: list[Malformed]) -> None:
    if value not in (None, "", [], {}):
        found.append(_misfit(path, wanted, value))


def _leaves(found: Any, plain: bool) -> Iterator[Malformed]:
    """What the rows of one path read there: it has to suit one of them."""
    wanted: dict[str, list[str]] = {}
    values: dict[str, Json] = {}
    for path, value, _, row in found:
        values[path] = value
        wanted.setdefault(path, []).append(_wanted(row, value, plain))
    for path, kinds in wanted.items():
        if "" not in kinds and not any(_suits(values[path], kind) for kind in kinds):
            yield _misfit(path, " or ".join(dict.fromkeys(kinds)), values[path])


def _wanted(row: Row, value: Json, plain: bool) -> str:
    """What a row reads; empty where it takes anything. `plain`: a row that says no field reads the value itself."""
    match row.get("read", ""):
        case "":
            fields = [text for text in row.values() if isinstance(text, str) and text[:1] == "."]
            if any(text != "." for text in (*fields, *row.get("when", ()))) or row.get("parts"):
                return OBJECT
            return TEXT if fields or (plain and not row.get("unless")) else ""
        case "map" | "config" | "dra":
            return OBJECT
        case "ray" if isinstance(value, str):
            return "" if not value.strip() or loaded(value) is not None else "readable YAML"
        case _:
            return ""


def _suits(value: Json, kind: str) -> bool:
    if value in (None, "", [], {}):
        return True
    return isinstance(value, dict) if kind == OBJECT else kind == TEXT and not isinstance(value, dict | list)


def _misfit(path: str, expected: str, value: Json) -> Malformed:
    return {"path": path, "expected": expected, "found": _name(value)}


def _name(value: Json) -> str:
    names = {dict: OBJECT, list: LIST, str: TEXT, bool: "true or false"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")
