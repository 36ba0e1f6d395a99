"""Pods and addresses in objects nobody has catalogued: found by the shape of containers, and of URLs.

Guarantees: every PodSpec-shaped object, and every text that is a URL, is found however deep it lies; linear in the
object; never raises.
"""

import re
from collections.abc import Iterator
from typing import Any

from policies.json import Json, JsonObject
from policies.workloads.catalogue.paths import member

_URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/]")

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_TOLD = frozenset(("image", "command", "args", "env", "envFrom", "resources", "volumeMounts"))
_OF_CONTAINER = _TOLD | {"name", "ports", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe", "workingDir"}
_OF_POD = frozenset(
    ("volumes", "hostAliases", "dnsConfig", "hostname", "subdomain", "nodeName", "nodeSelector", "affinity")
)

_Trail = tuple[Any, str | int] | None  # a trail, and a step; paths are spelled out only for what is found


def looks_like_pod_spec(value: Json) -> bool:
    """Whether a value holds containers as a pod spec does."""
    if not isinstance(value, dict):
        return False
    containers = value.get("containers")
    return isinstance(containers, list) and any(_is_container(one) for one in containers)


def pod_specs(value: Json) -> Iterator[tuple[str, JsonObject, Json]]:
    """Every PodSpec-shaped object outside `status`, as its path, itself, and the object that holds it."""
    pending: list[tuple[_Trail, Json, Json]] = [(None, value, None)]
    while pending:
        trail, one, holder = pending.pop()
        if isinstance(one, dict):
            if looks_like_pod_spec(one):
                yield spelled(trail), one, holder
                continue
            inner = [((trail, key), below, one) for key, below in one.items() if isinstance(below, dict | list)]
            pending += reversed([row for row in inner if trail is not None or row[0][1] not in ("metadata", "status")])
        elif isinstance(one, list):
            pending += reversed([((trail, at), below, one) for at, below in enumerate(one)])


def texts(value: Json) -> Iterator[tuple[_Trail, str, str]]:
    """Every text outside `metadata`, `status` and what pods are read from: its trail (`spelled`), its field, itself.

    Kinds keep fields of their own beside `containers`, and inside of containers: those aren't a pod's, and are read.
    """
    pending: list[tuple[_Trail, str, Json]] = [(None, "", value)]
    while pending:
        trail, name, one = pending.pop()
        if isinstance(one, str):
            yield trail, name, one
        elif isinstance(one, list):
            pending += reversed([((trail, at), name, below) for at, below in enumerate(one)])
        elif isinstance(one, dict):
            rows = _beside_pod(one, trail) if looks_like_pod_spec(one) else _members(one, trail)
            pending += reversed([row for row in rows if trail is not None or row[1] not in ("metadata", "status")])


def placed_texts(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """The same, each with the keys and indices that lead to it, for values that are not deep."""
    for trail, name, text in texts(value):
        yield _steps(trail), name, text


def is_url(text: str) -> bool:
    """Whether a text begins as a URL does: not a sentence with a link in it."""
    return _URL.match(text) is not None


def _members(value: JsonObject, trail: _Trail) -> Iterator[tuple[_Trail, str, Json]]:
    for key, below in value.items():
        named = value.get("name") if key == "value" else None  # of a pair of both, the name says what the value is
        yield (trail, key), named if isinstance(named, str) else str(key), below


def _beside_pod(spec: JsonObject, trail: _Trail) -> Iterator[tuple[_Trail, str, Json]]:
    """What stands in a pod spec, or in its containers, and is no field of theirs."""
    for key, below in spec.items():
        if key in _CONTAINERS and isinstance(below, list):
            for at, one in enumerate(below):
                if isinstance(one, dict):
                    yield from (row for row in _members(one, ((trail, key), at)) if row[1] not in _OF_CONTAINER)
        elif key not in _OF_POD:
            yield (trail, key), str(key), below


def _is_container(value: Json) -> bool:
    """Whether it is one as pods have it, one without a name (Knative), or a patch of one by its name."""
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("image"), str) or (isinstance(value.get("name"), str) and not _TOLD.isdisjoint(value))


def spelled(trail: _Trail) -> str:
    """The path that a trail stands for."""
    path = ""
    for part in _steps(trail):
        path = f"{path}[{part}]" if isinstance(part, int) else member(path, str(part))
    return path


def _steps(trail: _Trail) -> tuple[str | int, ...]:
    """From the top down."""
    parts: list[str | int] = []
    while trail is not None:
        trail, part = trail
        parts.append(part)
    return tuple(reversed(parts))
