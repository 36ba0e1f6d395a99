"""Hosts anywhere below a field that may hold anything: in kinds that nobody knows, and in free-form configuration.

Guarantees: every text that begins as a URL, that is a host with a port or an address, or whose field says that it is a
host, is reported by its path, however deep it lies; linear in the value; never raises. A sentence that mentions a host
is none, and what isn't written (`${X}`, a Secret) isn't seen, but in exporters of telemetry, which then lead anywhere.
"""

import re
from collections.abc import Iterator

from policies.json import Json, JsonObject
from policies.workloads.catalogue.paths import member
from policies.workloads.catalogue.rows import as_text
from policies.workloads.catalogue.structure import is_url, spelled, texts
from policies.workloads.catalogue.tables import table
from policies.workloads.commands.arguments import is_open
from policies.workloads.names.text import loaded
from policies.workloads.reach.addresses import (
    Destination,
    destination,
    hosts_told,
    is_outside,
    says_host,
    text_addresses,
)
from policies.workloads.reach.buckets import cloud_of
from policies.workloads.reach.files import file_destinations

_PULLS = re.compile("(?:registry|registries|repository|image)$", re.IGNORECASE)  # from where images come
_SPACE = re.compile(r"\s")
_REGION = re.compile("(?:region|location|zone)(?:names?|s)?$", re.IGNORECASE)
_REGIONS = re.compile("(?:region|location(?:constraint)?)$", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9 -]{1,40}")  # of a region, or its name as Azure writes it
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:([a-z]{2,}-[a-z0-9-]+):")


def urls_within(value: Json, path: str, what: str) -> Iterator[Destination]:
    """Texts that begin as URLs do, and nothing else: of what is judged once more where it is made."""
    for trail, _, text in texts(value):
        if is_url(text):
            yield from text_addresses(text, _joined(path, spelled(trail)), what)


def hosts_within(value: Json, path: str, what: str) -> Iterator[Destination]:
    """URLs, hosts with a port, addresses, and hosts in fields that are named as such."""
    for trail, name, text in texts(value):
        if is_url(text):
            yield from text_addresses(text, _joined(path, spelled(trail)), what)
        elif "\n" in text.strip() or ("{" in text and _SPACE.search(text)):
            yield from file_destinations("", text, _joined(path, spelled(trail)), what)
        elif "://" in text and says_host(name) and not _SPACE.search(text.strip()):  # of JDBC, for one
            yield from text_addresses(text, _joined(path, spelled(trail)), what)
        elif ("." in text or ":" in text) and "://" not in text and not _SPACE.search(text.strip()):
            for host in () if _PULLS.search(name) else hosts_told(name, text.strip()):
                yield destination(_joined(path, spelled(trail)), kind="host", host=host, what=what)


def regions_within(value: Json, path: str, what: str, provider: str) -> Iterator[Destination]:
    """Regions and zones of a provider, in fields that are named as such and in names of AWS's resources (ARNs)."""
    for trail, name, text in texts(value):
        arn = _ARN.match(text)
        if arn or (_REGION.search(name) and _CODE.fullmatch(text)):
            kind = "nodes" if arn is None and "zone" in name.lower() else "vendor"
            region = arn[1] if arn else text.replace(" ", "").lower()  # Azure: `West Europe`
            yield destination(_joined(path, spelled(trail)), kind=kind, provider=provider, region=region, what=what)


def clouds_within(value: Json, path: str, what: str) -> Iterator[Destination]:
    """Regions by their form as a cloud writes it, in fields that are named as such and stand beside no host."""
    found = list(texts(value))
    hosts = {id(trail[0]) for trail, name, text in found if trail and text and says_host(name)}
    for trail, name, text in found:
        if trail and id(trail[0]) not in hosts and _REGIONS.search(name) and (cloud := cloud_of(text)):
            at = _joined(path, spelled(trail))
            yield destination(at, kind="region", provider=cloud, region=text, what=what)


def collector_destinations(config: Json, path: str, what: str) -> Iterator[Destination]:
    """Where the configuration of an OpenTelemetry collector leads, an object or the text of one.

    An exporter that names no host is asked for by its type: it stays here, has a region, or leads to its vendor.
    """
    held = loaded(config) if isinstance(config, str) else config
    if not isinstance(held, dict):
        if held is not None or config:  # nobody can say what it means
            yield destination(path, kind="open", host="*", what=what)
        return
    for name, part in held.items():
        at = member(path, str(name))
        if name == "exporters" and isinstance(part, dict):
            for exporter, said in part.items():
                yield from _exporter(str(exporter), said, member(at, str(exporter)), what)
        else:
            yield from hosts_within(part, at, what)


def _exporter(name: str, said: Json, path: str, what: str) -> Iterator[Destination]:
    rules, kind = table("facts")["exporters"], name.partition("/")[0]
    if kind in rules["local"]:
        return
    hosts = [
        (trail, text)
        for trail, field, text in texts(said)
        if text and field not in rules["aside"] and (is_url(text) or says_host(field))
    ]
    for trail, text in hosts:
        if is_open(text) and is_outside(text):
            yield destination(_joined(path, spelled(trail)), kind="host", host=text, what=what)
    yield from hosts_within(said, path, what)
    if not hosts:
        region = as_text(said.get("region")) if isinstance(said, dict) else ""
        provider = rules["regional"].get(kind, kind)
        yield destination(path, kind="vendor", provider=provider, region=region, what=what)


def _joined(path: str, below: str) -> str:
    if not path or not below:
        return path or below
    return f"{path}{below}" if below[:1] == "[" else f"{path}.{below}"


def trigger_destinations(trigger: JsonObject, path: str, what: str) -> Iterator[Destination]:
    """Whom a trigger of KEDA's asks: hosts among its metadata; without any, its vendor, in a region if it says one."""
    rules, kind = table("facts")["triggers"], as_text(trigger.get("type"))
    said = trigger.get("metadata")
    said = said if isinstance(said, dict) else {}
    yield from hosts_within(said, f"{path}.metadata", what)
    region = as_text(said.get("awsRegion"))
    if region or (kind in rules["vendors"] and not any(says_host(str(field)) for field in said)):
        provider = "aws" if region else kind.partition("-")[0]
        yield destination(f"{path}.metadata", kind="vendor", provider=provider, region=region, what=what)
