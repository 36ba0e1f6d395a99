"""What `cluster` can be asked in a policy: places, corrections, isolation and keys, for this request's snapshot.

The hard parts are `policies.geography` and `policies.workloads`; here they meet the request. Answers are remembered
for the decision, since several rules ask the same.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from policies.facts.actor import places_of_account
from policies.facts.classification import KEY_ANNOTATION, DataClassFact, JurisdictionFact
from policies.facts.destinations import reached
from policies.facts.governing import classes, governing, law_of
from policies.facts.keeping import kept_in_group, kept_on_node, kept_on_nodes
from policies.facts.surroundings import Surroundings
from policies.facts.unknown import decided, fetch
from policies.facts.volumes import key_of_class, keys_of, place_of
from policies.geography import (
    NOWHERE,
    UNPLACED,
    PlaceSet,
    Possible,
    UnknownPlace,
    conflict,
    constrain,
    place_of_node,
    possible,
)
from policies.geography.constrain import NOWHERE_HERE
from policies.geography.keys import place_of_key
from policies.geography.located import Located
from policies.json import Json, JsonObject
from policies.kinds.words import moment
from policies.request import Operation
from policies.snapshot import Query, Ref, Unknown
from policies.workloads import debuggers_of, is_changed, isolation_constraint, rebase, runtime_level
from policies.workloads.devices.dra import devices_of_extended
from policies.workloads.devices.levels import weakest
from policies.workloads.pods import PodFact
from policies.workloads.specs.volumes import class_of

Operations = list[dict[str, Json]]
_CLASSES = Query("resource.k8s.io", "DeviceClass")
_NONE: frozenset[str] = frozenset()


class Cluster:
    """One request's view of the cluster. Methods raise Undetermined where the snapshot doesn't tell."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._geography = around.law.geography
        self._places: dict[int, tuple[JsonObject, PlaceSet]] = {}  # by identity; the pod is kept, so ids stay its own
        self._found: dict[int, tuple[JsonObject, Possible]] = {}  # likewise
        self._destinations: dict[int, tuple[JsonObject, JsonObject]] = {}  # likewise
        self._conflicts: dict[tuple[int, str], tuple[JsonObject, str]] = {}  # likewise, and by the jurisdiction's name

    def places(self, pod: JsonObject) -> PlaceSet:
        """Where the pod could run: an upper bound, also for nodes that don't exist yet."""
        remembered = self._places.get(id(pod))
        if remembered is None:
            found, rule = self._possible(pod), self._around.jurisdiction.rule
            remembered = self._places[id(pod)] = (pod, found.places if rule is None else decided(found.under(rule)))
        return remembered[1]

    def conflict(self, pod: JsonObject, jurisdiction: JurisdictionFact) -> str:
        """Why the pod, kept inside, could be nowhere: all sides of it. Empty when it could be somewhere.

        What its volumes and its RuntimeClass say counts as far as it is known here.
        """
        key = (id(pod), jurisdiction["name"])
        remembered = self._conflicts.get(key)
        if remembered is None:
            remembered = self._conflicts[key] = (pod, self._contradiction(pod, jurisdiction))
        return remembered[1]

    def constrain(self, workload: JsonObject, jurisdiction: JurisdictionFact) -> Operations:
        """What keeps the workload's own pod, and templates that a controller plans by, inside the jurisdiction."""
        codes = _codes(jurisdiction)
        return [
            operation
            for pod in self._corrected_here(workload)
            if conflict(pod, codes) is None
            for operation in rebase(pod, constrain(pod, codes))
        ]

    def isolate(self, workload: JsonObject, level: str) -> Operations:
        """What makes the asked level of GPU isolation true of the nodes that the pods can run on."""
        return [
            operation
            for pod in self._corrected_here(workload)
            for operation in rebase(pod, isolation_constraint(pod, level))
        ]

    def place_of_node(self, name: str) -> PlaceSet:
        """Where one node is. A node that doesn't exist, or whose place nobody can tell, is nowhere known."""
        node = fetch(self._around.snapshot, Ref("", "Node", "", name))
        place = place_of_node(node, self._geography) if node is not None else UnknownPlace("no such node")
        return PlaceSet.of((UNPLACED if isinstance(place, UnknownPlace) else place.code,))

    def jurisdictions(self, node: str) -> list[JurisdictionFact]:
        """Those whose workloads could run on a node; on any node of the cluster, for no name.

        A node that nobody can place could be any. One that is proxied may be named with a scheme and a port.
        """
        law, on = self._around.law, self._around.today
        places = self.place_of_node(_node_name(node)) if node else PlaceSet.of((UNPLACED,))
        anywhere = UNPLACED in places
        facts = (JurisdictionFact(name, rule, on) for name, rule in sorted(law.rules.items()))
        return [fact for fact in facts if _codes(fact) and (anywhere or _admits(fact, places))]

    def opened(self, account: str, bound: bool) -> list[JurisdictionFact]:
        """Those that a token of a service account, as `<namespace>/<name>`, would let its bearer into.

        One that is bound to a pod or a node acts from there, and that may be anywhere.
        """
        places = places_of_account(account, self._geography)
        return [fact for fact in self.jurisdictions("") if bound or _admits(fact, places)]

    def is_infrastructure(self, namespace: str) -> bool:
        """Whether a namespace is the cluster's own machinery, whose workloads are never judged."""
        return namespace in self._around.law.exempt

    def changed(self, found: Json, before: Json) -> bool:
        """Whether the object boils down to something else than it did before the request."""
        return is_changed(found, before, self._around.law.catalogue)

    def debuggers(self, pod: JsonObject) -> list[JsonObject]:
        """The debug containers that the request adds to the pod, and the devices that they would see into."""
        before = self._around.request.old_object
        spec = before.get("spec") if isinstance(before, dict) else None
        return debuggers_of(pod["spec"], spec, pod["devices"])

    def runtime(self, pod: JsonObject) -> str:
        """The level of runtime isolation that the pod's RuntimeClass gives."""
        name = pod["runtime"]
        if not name:
            return "container"
        found = fetch(self._around.snapshot, Ref("node.k8s.io", "RuntimeClass", "", name))
        return runtime_level(str(found.get("handler") or "")) if found is not None else "container"

    def isolation(self, pod: JsonObject) -> str:
        """The level of the pod's devices, with those that DeviceClasses of the cluster give for a resource's name."""
        asked = pod.source.fact("extended") if isinstance(pod, PodFact) else ()
        if not asked:
            return str(pod["isolation"])
        classes = self._around.snapshot.list(_CLASSES)
        found = () if isinstance(classes, Unknown) else devices_of_extended(asked, classes)
        return weakest(level for level in (pod["isolation"], *(one["level"] for one in found)) if level)

    def keys(self, workload: JsonObject) -> list[JsonObject]:
        """The keys that the object names; where it names none, the key of its storage class or of its namespace."""
        return list(workload["keys"]) or list(self._inherited_keys())

    def key(self, reference: str) -> JsonObject:
        """Where the key is that a reference names."""
        found = place_of_key(reference, self._geography)
        return {**_whereabouts(found), "unattested": self._unattested(found)}

    def destination(self, destination: JsonObject) -> JsonObject:
        """Where a destination is: by what it says of itself, by its name, by what is declared.

        What leads nowhere outside of the cluster is `inside` and has no place.
        """
        remembered = self._destinations.get(id(destination))
        if remembered is None:
            remembered = self._destinations[id(destination)] = (destination, self._locate(destination))
        return remembered[1]

    def _locate(self, destination: JsonObject) -> JsonObject:
        match destination["kind"]:
            case "namespace":
                return self._of_namespace(destination["cluster"])
            case "node":
                return kept_on_node(destination["cluster"], self.place_of_node)
            case "node-group":
                return kept_in_group(destination["cluster"], self._around, self.place_of_node)
        return _whereabouts(reached(destination, self._around, self._geography))

    def _of_namespace(self, name: str) -> JsonObject:
        """What lies in a namespace may lie wherever its jurisdiction lets it."""
        law = law_of(name, self._around)
        codes = _codes(law) if law is not None else _NONE
        unknown = "" if codes else f"namespace `{name}` is bound to no jurisdiction with a place in this cluster"
        nowhere = Located(None, unknown)
        return {**_whereabouts(nowhere), "places": PlaceSet.of(codes or (UNPLACED,)), "unknown": unknown}

    def volume(self, volume: JsonObject) -> JsonObject:
        """Where a volume lies, or would; `inside` where that is where its pod runs, or nowhere yet."""
        if volume["kind"] == "nodes":
            return kept_on_nodes(volume["object"], self.place_of_node)
        return _whereabouts(place_of(volume, self._around, self._geography))

    def keys_of(self, volume: JsonObject) -> list[JsonObject]:
        """The key that a claim's volume will be under, if one is named."""
        return list(keys_of(volume, self._around, self._geography))

    def governing(self, workload: JsonObject) -> list[JurisdictionFact]:
        """The jurisdictions that bind what the object holds or moves, whosever it is."""
        return governing(workload, self._around)

    def classes(self, workload: JsonObject) -> list[DataClassFact]:
        """The classes of the namespaces whose data the object holds or moves, whosever it is."""
        return classes(workload, self._around)

    def bound(self) -> bool:
        """Whether any jurisdiction is in force here at all."""
        return bool(self._around.law.rules)

    def declares(self, places: PlaceSet) -> bool:
        """Whether all of these are places where the ClusterProfile says that this cluster has nodes."""
        codes = {place.code for place in self._geography.declared()}
        return not places.cofinite and bool(places.codes) and places.codes <= codes

    def summary(self, pods: Iterable[JsonObject]) -> tuple[str, ...]:
        """Places of all pods together as far as rules asked for them, for the record."""
        places = NOWHERE
        for pod in pods:
            places = places | self._places[id(pod)][1] if id(pod) in self._places else places
        return places.tokens

    def _corrected_here(self, workload: JsonObject) -> Iterator[JsonObject]:
        """The pods that are corrected where they stand: a new Pod itself, and templates that a controller plans by.

        The affinity of a pod that exists can't be changed any more.
        """
        new = self._around.request.operation == Operation.CREATE
        return (pod for pod in workload["pods"] if (pod["path"] == "" and new) or pod["planned"])

    def _possible(self, pod: JsonObject) -> Possible:
        remembered = self._found.get(id(pod))
        if remembered is None:
            around = self._around
            found = possible(pod, around.snapshot, self._geography, around.request.namespace)
            remembered = self._found[id(pod)] = (pod, found)
        return remembered[1]

    def _contradiction(self, pod: JsonObject, jurisdiction: JurisdictionFact) -> str:
        found = conflict(pod, _codes(jurisdiction)) or self._possible(pod).contradiction()
        if found != NOWHERE_HERE:
            return found
        bare = "" if self._geography.inhabited() else ", for no ClusterProfile declares any"
        return f"`{jurisdiction['name']}` admits no place of this cluster{bare}"

    def _unattested(self, key: Located) -> str:
        """Why no attestation of the key counts now; empty when one does, or none is asked for."""
        if not key.within:
            return ""
        if not key.attested:
            return "no attestation is declared"
        since, now = moment(key.attested), self._around.now
        if since > now:
            return f"its attestation of {key.attested} is to come"
        return "" if now - since <= timedelta(hours=key.within) else f"its attestation of {key.attested} is too old"

    def _inherited_keys(self) -> Iterator[JsonObject]:
        request = self._around.request
        if request.kind.kind == "PersistentVolumeClaim":
            yield from self._key_of_claim(request.object)
            return
        metadata = (self._around.namespace_object or {}).get("metadata") or {}
        if reference := (metadata.get("annotations") or {}).get(KEY_ANNOTATION):
            yield {"path": "", "reference": str(reference), "purpose": "namespace"}

    def _key_of_claim(self, claim: Json) -> Iterator[JsonObject]:
        """The key of the claim's storage class. The default class is nobody's promise."""
        name = class_of(claim)
        if name and (reference := key_of_class(name, self._around, self._geography)):
            yield {"path": "spec.storageClassName", "reference": reference, "purpose": "volume"}


def _codes(jurisdiction: JurisdictionFact) -> frozenset[str]:
    return jurisdiction.rule.codes() if jurisdiction.rule is not None else _NONE


def _admits(jurisdiction: JurisdictionFact, places: PlaceSet) -> bool:
    return jurisdiction.rule is not None and jurisdiction.rule.admits(places)


def _node_name(named: str) -> str:
    """The node of `<scheme>:<node>:<port>`, where scheme and port may be missing, as the API server splits it."""
    parts = named.split(":")
    return parts[1] if len(parts) == 3 else parts[0]  # scheme, node, port


def _whereabouts(located: Located) -> JsonObject:
    return {
        "places": PlaceSet.of((located.code,)) if located.place else PlaceSet.of((UNPLACED,)),
        "inside": located.inside,
        "unknown": "" if located.place else located.because,
        "assurance": located.assurance,
        "revoked": located.revoked,
        "unattested": "",
    }
