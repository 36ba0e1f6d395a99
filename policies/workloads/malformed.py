"""Fields whose type nobody can make sense of: what stands there can't be read, so it must not pass for nothing.

Guarantees: never raises; whatever stands where the catalogue or a pod spec looks, and isn't what is looked for, is
listed with its path. Empty values hide nothing and aren't listed. An API server refuses most of it, but not below
fields that a definition leaves open, and a command line reads what no API server has seen.
"""

from collections.abc import Iterator
from typing import Any

from policies.json import Json, JsonObject
from policies.workloads.catalogue import Entry, Row
from policies.workloads.images import listed
from policies.workloads.text import loaded

Malformed = dict[str, Any]  # path, expected, found

FACTS = ("images", "models", "devices", "destinations", "keys", "identities", "placement")
_PLAIN = ("images", "models", "keys")
OBJECT, LIST, TEXT = "an object", "a list", "text"

_SPEC: dict[str, str] = {
    **dict.fromkeys(("containers", "initContainers", "ephemeralContainers", "volumes", "resourceClaims"), LIST),
    **dict.fromkeys(("tolerations", "topologySpreadConstraints", "imagePullSecrets", "hostAliases"), LIST),
    **dict.fromkeys(("nodeSelector", "affinity", "dnsConfig", "resources"), OBJECT),
    **dict.fromkeys(("nodeName", "schedulerName", "runtimeClassName", "serviceAccountName", "serviceAccount"), TEXT),
}
_CONTAINER = {
    **dict.fromkeys(("command", "args", "env", "envFrom", "volumeMounts", "volumeDevices", "ports"), LIST),
    **dict.fromkeys(("resources", "securityContext", "lifecycle"), OBJECT),
    "image": TEXT,
}
_RESOURCES = {"limits": OBJECT, "requests": OBJECT, "claims": LIST}
_VOLUME = {**dict.fromkeys(("image", "csi", "nfs", "hostPath", "persistentVolumeClaim", "projected"), OBJECT)}
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def misfits_of_entry(subject: JsonObject, entry: Entry, prefix: str = "") -> Iterator[Malformed]:
    """Where the kind's own fields aren't what the catalogue reads them as."""
    for paths in (entry.templates, entry.containers):
        yield from (_misfit(*one) for one in paths.misfits(subject, prefix))
        for path, value, _, _ in paths.find(subject, prefix):
            yield from _unless(path, value, OBJECT)
    yield from _images(subject, entry, prefix)
    for fact in FACTS:
        if entry.row.get(fact):
            paths_of = entry.paths(fact)
            yield from (_misfit(*one) for one in paths_of.misfits(subject, prefix))
            if fact != "placement":
                yield from _leaves(paths_of.find(subject, prefix), fact in _PLAIN)


def _images(subject: JsonObject, entry: Entry, prefix: str) -> Iterator[Malformed]:
    """The image of what is container-shaped is text, or an object that the kind has rows for."""
    held = [(path, one["image"]) for path, one, _, _ in entry.containers.find(subject, prefix) if _has_image(one)]
    composed = [path for path, _, _, _ in entry.paths("images").find(subject, prefix)] if held else []
    for path, image in held:
        at = f"{path}.image"
        if not (isinstance(image, dict) and any(one == at or one.startswith(f"{at}.") for one in composed)):
            yield from _unless(at, image, TEXT)


def _has_image(container: Json) -> bool:
    return isinstance(container, dict) and not isinstance(container.get("image", ""), str)


def misfits_of_spec(spec: Json, where: str) -> Iterator[Malformed]:
    """Where a pod spec isn't one. `where` is its path, with its dot where it isn't empty."""
    if not isinstance(spec, dict):
        return
    yield from _fields(spec, _SPEC, where)
    for field in _CONTAINERS:
        for index, container in enumerate(listed(spec.get(field))):
            yield from _container(container, f"{where}{field}[{index}]")
    for index, volume in enumerate(listed(spec.get("volumes"))):
        if isinstance(volume, dict):
            yield from _fields(volume, _VOLUME, f"{where}volumes[{index}].")
        else:
            yield from _unless(f"{where}volumes[{index}]", volume, OBJECT)


def _container(container: Json, path: str) -> Iterator[Malformed]:
    if not isinstance(container, dict):
        yield from _unless(path, container, OBJECT)
        return
    yield from _fields(container, _CONTAINER, f"{path}.")
    resources = container.get("resources")
    if isinstance(resources, dict):
        yield from _fields(resources, _RESOURCES, f"{path}.resources.")
    for field in ("command", "args"):
        for index, word in enumerate(listed(container.get(field))):
            if not isinstance(word, str):
                yield from _unless(f"{path}.{field}[{index}]", word, TEXT)
    for index, variable in enumerate(listed(container.get("env"))):
        if not isinstance(variable, dict):
            yield from _unless(f"{path}.env[{index}]", variable, OBJECT)
        elif not isinstance(variable.get("value", ""), str):
            yield from _unless(f"{path}.env[{index}].value", variable["value"], TEXT)


def _fields(holder: JsonObject, expected: dict[str, str], where: str) -> Iterator[Malformed]:
    for name, value in holder.items():
        wanted = expected.get(name)
        if wanted is not None:
            yield from _unless(f"{where}{name}", value, wanted)


def _unless(path: str, value: Json, wanted: str) -> Iterator[Malformed]:
    if not (isinstance(value, _TYPES[wanted]) or value in (None, "", [], {})):
        yield _misfit(path, wanted, value)


_TYPES: dict[str, type] = {OBJECT: dict, LIST: list, TEXT: str}


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
            if any(text != "." for text in fields) or row.get("parts") or row.get("when"):
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
