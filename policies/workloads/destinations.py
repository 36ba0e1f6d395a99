"""Where data goes: hosts, buckets, clusters and regions that an object names, and what would go there.

Guarantees: what is written is reported as it is written; an address of the cluster's own network or of the pod itself
is not a destination. Where a host lies is geography's business.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from policies.json import JsonObject
from policies.workloads.arguments import Variables, Word, is_open, words_of
from policies.workloads.images import containers_of, listed
from policies.workloads.tables import table

Destination = dict[str, Any]  # path, kind, host, bucket, cluster, provider, region, what

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s\"'`,;)\]}<>]+")
_FIELDS = ("host", "bucket", "cluster", "kind", "provider", "region", "what")
_INSIDE = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?(?:[^@/]*@)?"
    r"(?:localhost|127\.[0-9.]+|0\.0\.0\.0|\[?::1\]?|(?:[a-z0-9_-]+\.)+svc(?:\.cluster\.local)?\.?|[a-z0-9_-]+\.local)"
    r"(?::[0-9]+)?(?:[/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)


def destination(path: str, **fields: str) -> Destination:
    return {"path": path, **{name: fields.get(name, "") for name in _FIELDS}}


def is_outside(host: str) -> bool:
    """Whether a host, if one is named at all, may lie outside of the cluster."""
    return not host or _INSIDE.fullmatch(host[:2048]) is None


def destinations_of_pod(metadata: JsonObject, spec: JsonObject, meta_at: str, spec_at: str) -> list[Destination]:
    """Addresses in environments and arguments, network volumes, and annotations that name a host."""
    found: list[Destination] = []
    for at, container in containers_of(spec):
        found += container_destinations(container, f"{spec_at}{at}.")
    for index, volume in enumerate(listed(spec.get("volumes"))):
        if isinstance(volume, dict):
            found += _volume(volume, f"{spec_at}volumes[{index}]")
    annotations = metadata.get("annotations")
    for key, what in table("facts")["destination_annotations"].items():
        value = annotations.get(key) if isinstance(annotations, dict) else None
        if isinstance(value, str) and value and is_outside(value):
            found.append(destination(f'{meta_at}annotations["{key}"]', kind="host", host=value, what=what))
    return found


def container_destinations(container: JsonObject, where: str) -> Iterator[Destination]:
    """Addresses that a container is told by its environment or its arguments."""
    variables = Variables(container.get("env"))
    for index, variable in enumerate(listed(container.get("env"))):
        name, value = (variable.get("name"), variable.get("value")) if isinstance(variable, dict) else (None, None)
        if isinstance(name, str) and isinstance(value, str) and ("." in value or "$" in value or "://" in value):
            yield from _told(name, variables.expand(value), f"{where}env[{index}]")
    if container.get("args") or container.get("command"):
        yield from _words(words_of(container, where, variables))


def text_addresses(text: str, path: str, what: str) -> Iterator[Destination]:
    """Every URL in a text, once."""
    for address in dict.fromkeys(match[0] for match in _ADDRESS.finditer(text)):
        if is_outside(address) and not is_open(address):
            yield destination(path, kind="host", host=address, what=what)


def named_addresses(pair: JsonObject, path: str, what: str) -> Iterator[Destination]:
    """A name with a value that is a URL, or whose name says that it is a host."""
    name, value = pair.get("name"), pair.get("value")
    if not isinstance(name, str) or not isinstance(value, str) or not value:
        return
    if is_outside(value) and ("://" in value or _hosts().search(name)):
        yield destination(f"{path}.value", kind="host", host=value, what=what)


@cache
def _hosts() -> re.Pattern[str]:
    return re.compile(table("facts")["host_names"], re.IGNORECASE)


@cache
def _purposes() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(row["match"], re.IGNORECASE), row["what"]) for row in table("facts")["purposes"])


def purpose_of(name: str) -> str:
    """What would go to an address, by the name of the variable or flag that holds it."""
    return next((what for pattern, what in _purposes() if pattern.search(name)), "data")


def _told(name: str, value: str, path: str) -> Iterator[Destination]:
    if "://" in value:
        for address in dict.fromkeys(match[0] for match in _ADDRESS.finditer(value)):
            if is_outside(address):
                yield destination(path, kind="host", host=address, what=purpose_of(name))
    elif _hosts().search(name) and _reads_like_host(value) and is_outside(value):
        yield destination(path, kind="host", host=value, what=purpose_of(name))


def _reads_like_host(text: str) -> bool:
    return "." in text and " " not in text and not text.startswith((".", "/")) and not is_open(text)


def _words(words: list[Word]) -> Iterator[Destination]:
    before = ""
    seen: set[tuple[str, str]] = set()
    for text, path in words:
        if "://" in text:
            name = text.partition("=")[0] if text.startswith("-") else before
            for found in _told(name, text, path):
                if (path, found["host"]) not in seen:
                    seen.add((path, found["host"]))
                    yield found
        before = text


def _volume(volume: JsonObject, where: str) -> Iterator[Destination]:
    for source, field in table("facts")["network_volumes"].items():
        held = volume.get(source)
        value = held.get(field) if isinstance(held, dict) else None
        for host in [value] if isinstance(value, str) else listed(value):
            if isinstance(host, str) and host:
                yield destination(f"{where}.{source}.{field}", kind="host", host=host, what="data")
    csi = volume.get("csi")
    if isinstance(csi, dict) and isinstance(csi.get("volumeAttributes"), dict):
        yield from _csi(csi["driver"] if isinstance(csi.get("driver"), str) else "", csi["volumeAttributes"], where)


def _csi(driver: str, attributes: JsonObject, where: str) -> Iterator[Destination]:
    where = f"{where}.csi.volumeAttributes"
    row = table("facts")["csi_buckets"].get(driver)
    if row and isinstance(bucket := attributes.get(row["bucket"]), str) and bucket:
        yield destination(
            f"{where}.{row['bucket']}", kind="bucket", bucket=bucket, provider=row["provider"], what="data"
        )
    server = attributes.get("server")
    if isinstance(server, str) and server and is_outside(server):
        yield destination(f"{where}.server", kind="host", host=server, what="data")
