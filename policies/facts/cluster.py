"""What `cluster` can be asked in a policy: places, corrections, isolation and keys, for this request's snapshot.

The hard parts are `policies.geography` and `policies.workloads`; here they meet the request. Answers are remembered
for the decision, since several rules ask the same.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from policies.facts.classification import KEY_ANNOTATION, JurisdictionFact
from policies.facts.unknown import fetch, known
from policies.geography import NOWHERE, UNPLACED, PlaceSet, UnknownPlace, conflict, constrain, place_of_node, possible
from policies.geography.things import Where, where_is_destination, where_is_key
from policies.json import Json, JsonObject
from policies.matching import labels_of
from policies.patch import pointer
from policies.snapshot import Ref, lookup
from policies.workloads import isolation_constraint, runtime_level

if TYPE_CHECKING:
    from policies.facts.context import Situation

Operations = list[dict[str, Json]]


class Cluster:
    """One request's view of the cluster. Methods raise Undetermined where the snapshot doesn't tell."""

    def __init__(self, situation: "Situation") -> None:
        self._situation = situation
        self._geography = situation.law.geography
        self._places: dict[int, PlaceSet] = {}

    def places(self, pod: JsonObject) -> PlaceSet:
        """Where the pod could run: an upper bound, also for nodes that don't exist yet."""
        remembered = self._places.get(id(pod))
        if remembered is None:
            namespace = self._situation.request.namespace
            found = possible(pod, self._situation.snapshot, self._geography, namespace)
            rule = self._situation.jurisdiction.rule
            remembered = self._places[id(pod)] = found.places if rule is None else known(found.under(rule))
        return remembered

    def conflict(self, pod: JsonObject, jurisdiction: JurisdictionFact) -> str:
        """Why the pod, kept inside, could be nowhere; empty when it could be somewhere."""
        return conflict(pod, _codes(jurisdiction)) or ""

    def constrain(self, workload: JsonObject, jurisdiction: JurisdictionFact) -> Operations:
        """What keeps the workload's own pod, and templates that a controller plans by, inside."""
        codes = _codes(jurisdiction)
        return [
            operation
            for pod, prefix in _corrected_here(workload)
            for operation in _below(prefix, constrain(pod, codes) if not conflict(pod, codes) else ())
        ]

    def isolate(self, workload: JsonObject, level: str) -> Operations:
        """What makes the asked level of GPU isolation true of the nodes that the pods can run on."""
        return [
            operation
            for pod, prefix in _corrected_here(workload)
            if pod["devices"]
            for operation in isolation_constraint(pod, level, prefix=prefix)
        ]

    def place_of_node(self, name: str) -> PlaceSet:
        """Where one node is. A node that doesn't exist, or whose place nobody can tell, is nowhere known."""
        node = fetch(self._situation.snapshot, Ref("", "Node", "", name))
        place = place_of_node(node, self._geography) if node is not None else UnknownPlace("no such node")
        return PlaceSet.of((UNPLACED if isinstance(place, UnknownPlace) else place.code,))

    def runtime(self, pod: JsonObject) -> str:
        """The level of runtime isolation that the pod's RuntimeClass gives."""
        name = pod["runtime"]
        if not name:
            return "container"
        found = fetch(self._situation.snapshot, Ref("node.k8s.io", "RuntimeClass", "", name))
        return runtime_level(str(found.get("handler") or "")) if found is not None else "container"

    def keys(self, workload: JsonObject) -> list[JsonObject]:
        """The keys that the object names; where it names none, the key of its storage class or of its namespace."""
        return list(workload["keys"]) or list(self._inherited_keys())

    def key(self, reference: str) -> JsonObject:
        return _whereabouts(where_is_key(reference, self._geography))

    def destination(self, destination: JsonObject) -> JsonObject:
        return _whereabouts(where_is_destination(destination, self._geography))

    def summary(self, pods: Iterable[JsonObject]) -> tuple[str, ...]:
        """Places of all pods together, for the record; empty where they aren't known."""
        places, seen = NOWHERE, False
        for pod in pods:
            places, seen = places | self._places.get(id(pod), NOWHERE), True
        return places.tokens if seen else ()

    def _inherited_keys(self) -> Iterator[JsonObject]:
        request = self._situation.request
        if request.kind.kind == "PersistentVolumeClaim":
            yield from self._keys_of_storage_class(request.object)
            return
        annotations = (self._situation.namespace_object or {}).get("metadata", {}).get("annotations") or {}
        if reference := annotations.get(KEY_ANNOTATION):
            yield {"path": "", "reference": str(reference), "purpose": "namespace"}

    def _keys_of_storage_class(self, claim: Json) -> Iterator[JsonObject]:
        name = ((claim or {}).get("spec") or {}).get("storageClassName")
        if not isinstance(name, str) or not name:
            return  # the default class is nobody's promise
        for declared in (self._geography.profile or {}).get("storageClasses") or ():
            if declared["name"] == name and declared.get("key"):
                yield {"path": "spec.storageClassName", "reference": declared["key"], "purpose": "volume"}
                return
        found = fetch(self._situation.snapshot, Ref("storage.k8s.io", "StorageClass", "", name))
        yield from ({**key, "path": "spec.storageClassName"} for key in _keys_of(found))
