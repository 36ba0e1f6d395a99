"""What accelerators a pod asks for, or helps itself to, and how well each is kept apart from others.

Guarantees: the level of a device is the weakest thing that could satisfy the request, as far as the object alone shows;
without positive proof it is `unknown`. Ways round the device plugin are devices too, of level `shared`.
What only the cluster knows (claims, RuntimeClasses, node labels, neighbours) is left to `claims` and to the caller.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from policies.json import Json, JsonObject
from policies.remembered import remembered
from policies.workloads.catalogue.paths import member
from policies.workloads.catalogue.tables import glob, table
from policies.workloads.containers.container import Container
from policies.workloads.devices.bypasses import container_bypasses, pod_bypasses
from policies.workloads.devices.levels import MOST, SHARED, UNKNOWN, Device, Holds, device, weakest
from policies.workloads.names.images import listed
from policies.workloads.specs.affinity import AffinityMalformed, implies, is_empty, required_terms

__all__ = ["count_of", "devices_of_annotations", "devices_of_container", "devices_of_map", "devices_of_pod"]
__all__ += ["devices_of_resources", "proofs_for", "proofs_of", "resource_row", "rows", "unproven", "weakest"]


_NOTHING = re.compile(r"0*(?:\.0*)?(?:e[0-9]+)?")


def devices_of_pod(
    containers: Iterable[Container], metadata: JsonObject, spec: JsonObject, meta_at: str, spec_at: str
) -> list[Device]:
    """All devices of a pod, requested or taken. `meta_at` and `spec_at` are paths, with a dot where not empty."""
    holds = proofs_of(spec)
    found: list[Device] = []
    for container in containers:
        found += devices_of_container(container, holds)
    if "resources" in spec:
        found += devices_of_resources(spec["resources"], f"{spec_at}resources", holds)
    if "resourceClaims" in spec:
        found += _claims(spec, spec_at)
    if metadata:
        found += _metadata(metadata, meta_at)
    return found + pod_bypasses(spec, spec_at)


def devices_of_container(container: Container, holds: Holds) -> list[Device]:
    """Devices of anything container-shaped: resources, environment, privileges, mounts."""
    found: list[Device] = []
    for field in ("resources", "computeResources"):
        if field in container.held:
            found += devices_of_resources(container.held[field], f"{container.at}{field}", holds)
    return found + container_bypasses(container)


def devices_of_resources(resources: Json, where: str, holds: Holds) -> list[Device]:
    """Devices of a `resources` object: limits first, requests where the limit doesn't say the same."""
    if not isinstance(resources, dict):
        return []
    limits, asked = resources.get("limits"), resources.get("requests")
    limits = limits if isinstance(limits, dict) else {}
    asked = asked if isinstance(asked, dict) else {}
    beside = {**asked, **limits}
    if not any(map(_resource_of, beside)):
        return []
    found = devices_of_map(limits, f"{where}.limits", holds, beside=beside)
    if only := {name: value for name, value in asked.items() if name not in limits}:
        found += devices_of_map(only, f"{where}.requests", holds, beside=beside)
    return found


def devices_of_map(
    quantities: JsonObject, where: str, holds: Holds, *, beside: JsonObject | None = None
) -> list[Device]:
    """Devices of a map from resource names to quantities. A quantity of zero asks for nothing."""
    beside = quantities if beside is None else beside
    found: list[Device] = []
    for name, quantity in quantities.items():
        row = _resource_of(name)
        if row is not None and (count := count_of(quantity)):
            mechanism, level = _worth(name, row, beside, holds)
            found.append(device(member(where, name), mechanism, level, resource=name, count=count))
    return found


def _resource_of(name: object) -> Any:
    """The row of an accelerator; None for what else is counted, such as processors."""
    return resource_row(name) if isinstance(name, str) and "/" in name else None


def extended_of_pod(containers: Iterable[Container], spec: JsonObject, spec_at: str) -> list[JsonObject]:
    """The extended resources of a pod, each by its path: whatever has a name with a domain."""
    found = [one for container in containers for one in extended_of_container(container)]
    return found + list(_extended(spec.get("resources"), f"{spec_at}resources"))


def extended_of_container(container: Container) -> Iterator[JsonObject]:
    """Those of anything container-shaped."""
    for field in ("resources", "computeResources"):
        if field in container.held:
            yield from _extended(container.held[field], f"{container.at}{field}")


def _extended(resources: Json, where: str) -> Iterator[JsonObject]:
    for field in ("limits", "requests"):
        quantities = resources.get(field) if isinstance(resources, dict) else None
        for name, quantity in quantities.items() if isinstance(quantities, dict) else ():
            if isinstance(name, str) and "/" in name and count_of(quantity):
                yield {"path": member(f"{where}.{field}", name), "resource": name}


@remembered(2048)
def resource_row(name: str) -> Any:
    """The first row of the table that matches a resource name, or None: not an accelerator."""
    for pattern, row in rows("resources"):
        if pattern.fullmatch(name):
            return row
    return None


@cache
def rows(section: str) -> tuple[tuple[re.Pattern[str], Any], ...]:
    rows = table("devices")[section]
    return tuple((glob(row["match"] if isinstance(row["match"], list) else [row["match"]]), row) for row in rows)


def count_of(quantity: Json) -> int:
    """A Kubernetes quantity as a whole number; what can't be read counts as one: it may be something."""
    if isinstance(quantity, bool):
        return 1
    if isinstance(quantity, int):
        return min(max(quantity, 0), MOST)
    text = quantity if isinstance(quantity, str) else str(quantity)
    if len(text) < 10 and text.isascii() and text.isdigit():
        return int(text)
    match = re.fullmatch(r"([0-9]{1,18})(k|M|G|Ki|Mi|Gi)?", text)
    if match:
        scale = {None: 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
        return min(int(match[1]) * scale[match[2]], MOST)
    return 0 if _NOTHING.fullmatch(text) else 1


def _worth(name: str, row: Any, beside: JsonObject, holds: Holds) -> tuple[str, str]:
    for rule in _together().get(name, ()):
        needs = rule["needs"]
        exact = needs.keys() <= beside.keys() and all(count_of(beside[key]) == value for key, value in needs.items())
        if exact and beside.keys().isdisjoint(rule["without"]):
            return rule["mechanism"], rule["level"]
    for rule in _split().get(name, ()):
        if any(key in beside and count_of(beside[key]) > 0 for key in rule["when"]):  # none of it splits nothing
            return rule["mechanism"], rule["level"]
    for level, needs in proofs_for(name):
        if all(map(holds, needs)):
            return row["mechanism"], level
    return row["mechanism"], row["level"]


@cache
def _together() -> dict[str, list[Any]]:
    return _by_resource("together")


@cache
def _split() -> dict[str, list[Any]]:
    return _by_resource("split")


def _by_resource(section: str) -> dict[str, list[Any]]:
    rules: dict[str, list[Any]] = {}
    for rule in table("devices")[section]:
        for name in rule["covers"]:
            rules.setdefault(name, []).append(rule)
    return rules


@remembered(2048)
def proofs_for(name: str) -> tuple[tuple[str, tuple[JsonObject, ...]], ...]:
    """What would prove a better level of a resource: each level, the strongest first, with its expressions."""
    proofs = (resource_row(name) or {}).get("proofs", ())
    return tuple(
        (proof["level"], tuple({**need, "key": need["key"].format(resource=name)} for need in proof["needs"]))
        for proof in proofs
    )


def proofs_of(spec: JsonObject) -> Holds:
    """Tells whether every node the pod can be scheduled to fulfils an expression. Wrong types prove nothing."""
    if spec.get("schedulerName") in table("devices")["splitting_schedulers"]:
        return unproven  # it shares devices behind labels that say otherwise
    selector = spec.get("nodeSelector")
    selector = selector if isinstance(selector, dict) else {}
    read: list[list[dict[Json, list[JsonObject]]]] = []
    known: dict[tuple[Json, ...], bool] = {}

    def holds(need: JsonObject) -> bool:
        asked = (need["key"], need["operator"], *need.get("values", ()))
        if asked not in known:
            known[asked] = answer(need["key"], need)
        return known[asked]

    def answer(key: str, need: JsonObject) -> bool:
        value = selector.get(key)
        if isinstance(value, str) and implies({"key": key, "operator": "In", "values": [value]}, need):
            return True
        if not read:
            read.append([_by_key(term) for term in _terms(spec)])
        return bool(read[0]) and all(any(implies(one, need) for one in term.get(key, ())) for term in read[0])

    return holds


def _by_key(term: list[Json]) -> dict[Json, list[JsonObject]]:
    """The expressions of a term by the label that each is of."""
    found: dict[Json, list[JsonObject]] = {}
    for one in term:
        if isinstance(one, dict) and isinstance(key := one.get("key"), str):
            found.setdefault(key, []).append(one)
    return found


def _terms(spec: JsonObject) -> list[list[Json]]:
    """The expressions of each required term that can match; none where something has a wrong type."""
    try:
        required = required_terms(spec) or []
    except AffinityMalformed:
        return []
    if not all(term is None or isinstance(term, dict) for term in required):
        return []
    return [listed(term.get("matchExpressions")) for term in required if not is_empty(term)]


def unproven(_: JsonObject) -> bool:
    """`Holds` for things outside a pod: nothing is proven."""
    return False


def _claims(spec: JsonObject, spec_at: str) -> Iterator[Device]:
    for index, claim in enumerate(listed(spec.get("resourceClaims"))):
        if not isinstance(claim, dict):
            continue
        # Manifests from before 1.31 write `source`; the API server drops it today, but a file may still say it.
        source = claim.get("source")
        merged = {**source, **claim} if isinstance(source, dict) else claim
        where = f"{spec_at}resourceClaims[{index}]"
        if isinstance(name := merged.get("resourceClaimName"), str):
            yield device(where, "dra-claim", SHARED, claim=name)  # any other pod may name the same claim
        elif isinstance(name := merged.get("resourceClaimTemplateName"), str):
            yield device(where, "dra-template", UNKNOWN, claim=name)


def _metadata(metadata: JsonObject, meta_at: str) -> Iterator[Device]:
    for field in ("annotations", "labels"):
        said = metadata.get(field)
        if isinstance(said, dict):
            yield from devices_of_annotations(said, f"{meta_at}{field}")


def devices_of_annotations(said: JsonObject, where: str) -> Iterator[Device]:
    """Devices asked for by annotations or labels, without any resource."""
    for key, value in said.items():
        row = _annotation_row(key) if isinstance(key, str) else None
        if row is not None:
            level = row.get("values", {}).get(value, row["level"]) if isinstance(value, str) else row["level"]
            yield device(member(where, key), row["mechanism"], level)


@remembered(2048)
def _annotation_row(key: str) -> Any:
    for pattern, row in rows("metadata"):
        if pattern.fullmatch(key):
            return row
    return None
