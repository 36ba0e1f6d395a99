"""Where an object says that it runs: labels that nodes must have, nodes, schedulers, runtimes, topologies, as written.

Guarantees: never raises; only what must hold is listed, never a preference, and a toleration is no constraint; what an
object leaves open isn't there. Which places that makes possible is geography's business.
"""

from collections.abc import Iterator
from typing import Any

from policies.json import Json, JsonObject
from policies.remembered import remembered
from policies.workloads.catalogue.kinds import Entry
from policies.workloads.catalogue.paths import member
from policies.workloads.catalogue.tables import table
from policies.workloads.names.images import listed
from policies.workloads.specs.affinity import REQUIRED

Placement = dict[str, Any]  # path, kind, key, operator, values

_PODS = {"podAffinity": "together", "podAntiAffinity": "apart"}


def placement_of_pod(spec: JsonObject, spec_at: str) -> list[Placement]:
    """The constraints of a pod spec. `spec_at` is its path, with its dot."""
    found = list(_selected(spec.get("nodeSelector"), f"{spec_at}nodeSelector"))
    found += _affinity(spec.get("affinity"), f"{spec_at}affinity")
    for field in table("facts")["placement"]["pod_fields"]:
        found += _named(field, spec.get(field), f"{spec_at}{field}")
    for index, spread in enumerate(listed(spec.get("topologySpreadConstraints"))):
        if isinstance(spread, dict) and spread.get("whenUnsatisfiable") == "DoNotSchedule":
            path = f"{spec_at}topologySpreadConstraints[{index}].topologyKey"
            found += _said(path, "spread", spread.get("topologyKey"))
    return found


def own_placement(subject: Json, entry: Entry, prefix: str = "") -> list[Placement]:
    """What the kind's own fields say, by the paths under `placement` in the catalogue."""
    found: dict[str, Placement] = {}
    for path, value, key, row in entry.paths("placement").find(subject, prefix):
        if "preferred" not in row["at"]:
            last = _last(row["at"])
            read = _label(path, key, value) if last.endswith("{}") else _read(last, value, path)
            found |= {one["path"]: one for one in read}
    return list(found.values())


@remembered(1024)
def _last(at: str) -> str:
    """What the end of a path is called in the table; with `{}` for the values of a map of labels."""
    above, _, last = at.rpartition(".")
    longer = f"{above.rpartition('.')[2]}.{last}"
    rules = table("facts")["placement"]
    for name in (longer, last):
        if name.removesuffix("{}") in rules["labels"] or name in rules["names"]:
            return name
    return last.removesuffix("[]").removesuffix("{}")


def _read(last: str, value: Json, path: str) -> Iterator[Placement]:
    rules = table("facts")["placement"]
    if isinstance(value, dict):
        if last in rules["expressions"]:
            yield from _expression(value, path)
        elif last == "affinity":
            yield from _affinity(value, path)
        elif last in rules["labels"]:
            yield from _selected(value, path)
    else:
        yield from _named(last, value, path)


def _named(field: str, value: Json, path: str) -> Iterator[Placement]:
    kind = table("facts")["placement"]["names"].get(field)
    if kind is not None:
        yield from _said(path, kind, value)


def _said(path: str, kind: str, value: Json) -> Iterator[Placement]:
    if isinstance(value, str) and value:
        yield {"path": path, "kind": kind, "key": "", "operator": "In", "values": [value]}


def _selected(selector: Json, path: str) -> Iterator[Placement]:
    if isinstance(selector, dict):
        for key, value in selector.items():
            yield from _label(member(path, str(key)), str(key), value)


def _label(path: str, key: str, value: Json) -> Iterator[Placement]:
    if isinstance(value, str):
        yield {"path": path, "kind": "label", "key": key, "operator": "In", "values": [value]}


def _expression(one: JsonObject, path: str, kind: str = "label") -> Iterator[Placement]:
    key, operator = one.get("key"), one.get("operator")
    if isinstance(key, str) and isinstance(operator, str):
        values = [value for value in listed(one.get("values")) if isinstance(value, str)]
        yield {"path": path, "kind": kind, "key": key, "operator": operator, "values": values}


def _affinity(affinity: Json, path: str) -> Iterator[Placement]:
    if not isinstance(affinity, dict):
        return
    nodes = affinity.get("nodeAffinity")
    required = nodes.get(REQUIRED) if isinstance(nodes, dict) else None
    terms = required.get("nodeSelectorTerms") if isinstance(required, dict) else None
    for index, term in enumerate(listed(terms)):
        at = f"{path}.nodeAffinity.{REQUIRED}.nodeSelectorTerms[{index}]"
        yield from _term(term, at)
    for field, kind in _PODS.items():
        pods = affinity.get(field)
        for index, term in enumerate(listed(pods.get(REQUIRED) if isinstance(pods, dict) else None)):
            if isinstance(term, dict):
                yield from _said(f"{path}.{field}.{REQUIRED}[{index}].topologyKey", kind, term.get("topologyKey"))


def _term(term: Json, path: str) -> Iterator[Placement]:
    if isinstance(term, dict):
        for field, kind in (("matchExpressions", "label"), ("matchFields", "field")):
            for index, one in enumerate(listed(term.get(field))):
                if isinstance(one, dict):
                    yield from _expression(one, f"{path}.{field}[{index}]", kind)
