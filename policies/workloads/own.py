"""Facts that stand outside of PodSpec fields: in the kind's own fields, as the catalogue's rows say.

Guarantees: never raises; in the order of the rows, then of the object.
"""

from collections.abc import Callable, Iterator
from typing import Any

from policies.json import Json, JsonObject
from policies.workloads.catalogue.kinds import Entry
from policies.workloads.catalogue.paths import member
from policies.workloads.catalogue.rows import Row, as_text, below, rows_of, said, where
from policies.workloads.catalogue.tables import table
from policies.workloads.commands.commands import models_of_words
from policies.workloads.containers.container import Container
from policies.workloads.containers.destinations import destinations_of_container
from policies.workloads.containers.models import models_of_container, models_of_script
from policies.workloads.containers.variables import told_by_entries
from policies.workloads.devices.devices import count_of, devices_of_container, devices_of_map, extended_of_container
from policies.workloads.devices.dra import devices_of_claim
from policies.workloads.devices.levels import Device, Holds, device
from policies.workloads.names.images import Image, listed, parse_image
from policies.workloads.names.references import Model, parse_model
from policies.workloads.names.text import loaded
from policies.workloads.reach.addresses import (
    Destination,
    destination,
    envoy_addresses,
    named_addresses,
    names_host,
    text_addresses,
)
from policies.workloads.reach.contacts import script_destinations
from policies.workloads.reach.ingress import log_destinations, nginx_destinations
from policies.workloads.reach.repositories import repository
from policies.workloads.reach.within import (
    collector_destinations,
    hosts_within,
    regions_within,
    trigger_destinations,
    urls_within,
)

_PLUGIN = "device-plugin"
HoldsAt = Callable[[str], Holds]  # what is proven of the pod that a path lies in


def own_images(subject: Json, entry: Entry, prefix: str = "") -> list[Image]:
    found = [
        parse_image(container["image"], f"{path}.image")
        for path, container in _containers(subject, entry, prefix)
        if isinstance(container.get("image"), str) and container["image"]
    ]
    for path, value, row in rows_of(subject, entry, "images", prefix):
        found += _images(path, value, row)
    return _distinct(found)


def own_models(subject: Json, entry: Entry, prefix: str = "") -> list[Model]:
    found: list[Model] = []
    for path, container in _containers(subject, entry, prefix):
        found += models_of_container(Container(container, f"{path}."))
    for path, value, row in rows_of(subject, entry, "models", prefix):
        found += _models(path, value, row)
    return found


def own_devices(subject: Json, entry: Entry, prefix: str, holds_at: HoldsAt) -> list[Device]:
    found: list[Device] = []
    for path, container in _containers(subject, entry, prefix):
        found += devices_of_container(Container(container, f"{path}."), holds_at(path))
    for path, value, row in rows_of(subject, entry, "devices", prefix):
        found += _devices(path, value, row, holds_at(path))
    return found


def own_extended(subject: Json, entry: Entry, prefix: str = "") -> list[JsonObject]:
    """Extended resources that containers outside of a pod's lists ask for."""
    return [
        one
        for path, container in _containers(subject, entry, prefix)
        for one in extended_of_container(Container(container, f"{path}."))
    ]


def own_destinations(subject: Json, entry: Entry, prefix: str = "") -> list[Destination]:
    found: list[Destination] = []
    for path, container in _containers(subject, entry, prefix):
        found += destinations_of_container(Container(container, f"{path}."))
    for path, value, row in rows_of(subject, entry, "destinations", prefix):
        found += _destinations(path, value, row)
    return found


def own_keys(subject: Json, entry: Entry, prefix: str = "") -> list[dict[str, Any]]:
    return [
        {"path": path, "reference": row.get("form", "{}").replace("{}", reference), "purpose": row.get("purpose", "")}
        for path, value, row in rows_of(subject, entry, "keys", prefix)
        if (reference := said({"reference": ".", **row}, value)["reference"])
    ]


def own_identities(subject: Json, entry: Entry, prefix: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path, value, row in rows_of(subject, entry, "identities", prefix):
        fields = {"serviceAccount": "", "audience": "", "role": "", **said(row, value)}
        if any(fields.values()):
            found.append({"path": where(path, row, value, "serviceAccount", "audience", "role"), **fields})
    return found


def own_namespaces(subject: Json, entry: Entry, prefix: str = "") -> list[str]:
    """The namespaces whose data the object holds or moves, beside its own; `*` is all of them."""
    found: list[str] = []
    for _, value, row in rows_of(subject, entry, "namespaces", prefix):
        if row.get("read") == "keys":
            found += [key for key in value if isinstance(key, str)] if isinstance(value, dict) else []
        else:
            found.append(said({"name": ".", **row}, value)["name"])
    return list(dict.fromkeys(name for name in found if name))


def _containers(subject: Json, entry: Entry, prefix: str) -> Iterator[tuple[str, JsonObject]]:
    for path, container, _, _ in entry.containers.find(subject, prefix):
        if isinstance(container, dict):
            yield path, container


def _images(path: str, value: Json, row: Row) -> Iterator[Image]:
    match row.get("read", ""):
        case "container":
            held = loaded(value)
            if isinstance(held, dict) and isinstance(held.get("image"), str):
                yield parse_image(held["image"], path)
        case "kustomize":  # NAME=NEW:TAG, NAME:TAG, NAME@DIGEST
            text = as_text(value)
            yield from [parse_image(text.partition("=")[2] or text, path)] if text else []
        case _:
            yield from _composed(path, value, row)


def _composed(path: str, value: Json, row: Row) -> Iterator[Image]:
    """An image as one text, or out of registry, name, tag and digest that stand apart."""
    parts = row.get("parts")
    if parts is None:
        reference = said({"reference": ".", **row}, value)["reference"]
        at = where(path, {"reference": ".", **row}, value, "reference")
    else:
        texts = [said({"part": part}, value)["part"].strip("/") for part in parts]
        reference = "/".join(text for text in texts if text) if texts[-1] else ""
        at = where(path, {"name": parts[-1]}, value, "name")
    if not reference:
        return
    fields = said(row, value)
    digest = fields.get("digest", "") or (f"sha256:{fields['sha256']}" if fields.get("sha256") else "")
    tag = fields.get("tag", "")
    if tag.startswith("sha256:"):
        tag, digest = "", tag
    bare = reference.removeprefix("oci://").removeprefix("docker://")
    whole = bare + (f":{tag}" if tag else "") + (f"@{digest}" if digest and "@" not in bare else "")
    yield {**parse_image(whole, at), "reference": whole if parts else reference}


def _models(path: str, value: Json, row: Row) -> Iterator[Model]:
    match row.get("read", ""):
        case "words" if isinstance(value, list):
            words = [(text, f"{path}[{index}]") for index, text in enumerate(value) if isinstance(text, str)]
            yield from models_of_words(words, serves=False)
        case "command" if isinstance(value, str):
            yield from models_of_script(value, path)
        case "ray":
            yield from _ray_models(path, value)
        case "env":
            yield from models_of_container(Container({"env": value}, f"{path}."))
        case "config" if isinstance(value, dict):
            words = [(f"--{name}={as_text(inner)}", member(path, str(name))) for name, inner in value.items()]
            yield from models_of_words(words, serves=False)
        case "":
            fields = said({"reference": ".", **row}, value)
            if fields["reference"]:
                at = where(path, {"reference": ".", **row}, value, "reference")
                scheme = table("models")["schemes"].get(fields.get("scheme", "").lower(), fields.get("scheme", ""))
                yield parse_model(fields["reference"], at, fields.get("revision", ""), scheme=scheme)


def _ray_models(path: str, value: Json) -> Iterator[Model]:
    """Ray Serve's configuration is YAML in a text: model ids stand in the arguments of its applications."""
    keys, beside = frozenset(table("models")["configuration_keys"]), table("models")["named_beside"]
    pending = [loaded(value)]
    while pending:
        one = pending.pop()
        if isinstance(one, list):
            pending += reversed(one)
        elif isinstance(one, dict):
            for name, inner in one.items():
                if name in keys and isinstance(inner, str) and inner and beside.get(name) not in one:
                    yield parse_model(inner, path, as_text(one.get("revision")))
            pending += reversed(list(one.values()))


def _devices(path: str, value: Json, row: Row, holds: Holds) -> Iterator[Device]:
    match row.get("read", ""):
        case "map" if isinstance(value, dict):
            yield from devices_of_map(value, path, holds)
        case "dra":
            yield from devices_of_claim(value, path)
        case "":
            fields = said(row, value)
            count = count_of(fields.get("count") or 1)
            if count:
                at = where(path, row, value, "claim", "resource", "count")
                yield from _counted(fields, count, at, holds)


def _counted(fields: dict[str, str], count: int, at: str, holds: Holds) -> Iterator[Device]:
    """What the kind counts by itself: by the plugin's own name it is worth what the same request of a container is."""
    resource, claim = fields.get("resource", ""), fields.get("claim", "")
    plugged = devices_of_map({resource: count}, at, holds) if fields["mechanism"] == _PLUGIN else ()
    found = [{**one, "path": at} for one in plugged]
    yield from found or [device(at, fields["mechanism"], fields["level"], resource=resource, claim=claim, count=count)]


def counted_devices(subject: Json, entry: Entry, prefix: str) -> Iterator[tuple[str, JsonObject]]:
    """Devices of a device plugin that a kind counts by itself, as a container would ask for them."""
    for path, value, row in rows_of(subject, entry, "devices", prefix):
        if row.get("mechanism") == _PLUGIN:
            fields = said(row, value)
            if count := count_of(fields.get("count") or 1):
                yield path, {"resources": {"limits": {fields.get("resource", ""): count}}}


def _destinations(path: str, value: Json, row: Row) -> Iterator[Destination]:
    match row.get("read", ""):
        case "command" if isinstance(value, str):
            yield from script_destinations(value, path)
        case "yaml-urls" if isinstance(value, str):
            yield from text_addresses(value, path, row["what"])
        case "envoy":
            yield from envoy_addresses(value, path, row["what"])
        case "named-url" if isinstance(value, dict):
            yield from named_addresses(value, path, row["what"])
        case "component" if isinstance(value, dict):
            yield from _component(value, path, row["what"])
        case "environment" if isinstance(value, dict):
            pairs = [{"name": name, "value": inner} for name, inner in value.items()]
            yield from destinations_of_container(Container({"env": pairs}, f"{path}."))
        case "entries" | "mapping" | "nginx" | "requirements" | "trigger" | "zone-filter" if isinstance(value, dict):
            yield from _READS[row["read"]](value, path, row)
        case "regions":
            yield from regions_within(value, path, row["what"], row["provider"])
        case "urls" | "hosts" | "collector":
            yield from _WITHIN[row["read"]](value, path, row["what"])
        case "attributes" | "restic":
            yield from _OF_TEXT[row["read"]](as_text(value), path, row["what"])
        case "":
            fields = said(row, value)
            told = ("bucket", "host", "cluster", "region", "provider")
            # a bucket of nobody's is the one that somebody else has set up
            if any(fields.get(name) for name in (told[:-1] if fields.get("kind") == "bucket" else told)):
                yield destination(where(path, row, value, *told), **fields)


def _mapping(names: JsonObject, path: str, row: Row) -> Iterator[Destination]:
    """Namespaces that what lies in others is put into."""
    for name, target in names.items():
        yield destination(member(path, str(name)), kind="namespace", cluster=as_text(target), what=row["what"])


def _requirements(template: JsonObject, path: str, row: Row) -> Iterator[Destination]:
    """Where a template of machines lets them be made: by its requirements, and by the place of its labels."""
    rules, spec, what = table("facts")["machines"], template.get("spec"), row["what"]
    spec = spec if isinstance(spec, dict) else {}
    provider = rules["providers"].get(as_text(below(spec, ("nodeClassRef", "group"))), "")
    at = f"{path}.spec.requirements" if path else "spec.requirements"
    said, code = False, as_text(below(template, ("metadata", "labels", rules["label"])))
    for index, one in enumerate(listed(spec.get("requirements"))):
        if isinstance(one, dict) and one.get("operator") == "In" and one.get("key") in rules["keys"]:
            for value in listed(one.get("values")):
                said = True
                where_to = {"provider": provider, "region": as_text(value), "cluster": code}
                yield destination(f"{at}[{index}]", kind="nodes", what=what, **where_to)
    if not said:
        yield destination(at, kind="nodes", provider=provider, what=what)
    if code:
        yield destination(member(f"{path}.metadata.labels", rules["label"]), kind="nodes", cluster=code, what=what)


def _zones(subnets: JsonObject, path: str, row: Row) -> Iterator[Destination]:
    """The zones that a filter of subnets lets machines be made in; other filters say nothing of that."""
    if as_text(subnets.get("name")) in table("facts")["machines"]["filters"]:
        for zone in listed(subnets.get("values")):
            yield destination(path, kind="nodes", provider=row["provider"], region=as_text(zone), what=row["what"])


_READS: dict[str, Callable[[JsonObject, str, Row], Iterator[Destination]]] = {
    "mapping": _mapping,
    "entries": lambda entries, path, _: told_by_entries(entries, path),
    "nginx": lambda ingress, path, _: nginx_destinations(ingress, path),
    "trigger": lambda trigger, path, row: trigger_destinations(trigger, path, row["what"]),
    "zone-filter": _zones,
    "requirements": _requirements,
}


_OF_TEXT: dict[str, Callable[[str, str, str], Iterator[Destination]]] = {
    "attributes": log_destinations,
    "restic": repository,
}


_WITHIN: dict[str, Callable[[Json, str, str], Iterator[Destination]]] = {
    "urls": urls_within,
    "hosts": hosts_within,
    "collector": collector_destinations,
}


def _component(spec: JsonObject, path: str, what: str) -> Iterator[Destination]:
    """A Dapr component without an address of its own leads where its type does; some types lead nowhere."""
    type_, rules = as_text(spec.get("type")), table("facts")["components"]
    pairs = [pair for pair in listed(spec.get("metadata")) if isinstance(pair, dict)]
    if type_ and not any(type_.startswith(one) for one in rules["local"]) and not any(map(names_host, pairs)):
        yield destination(path, kind="vendor", provider=type_, host=rules["hosts"].get(type_, ""), what=what)


def _distinct(found: list[Image]) -> list[Image]:
    return list({one["path"]: one for one in found}.values())
