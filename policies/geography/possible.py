"""Where the scheduler could put a pod: a set that holds every node it may ever bind to, also nodes not yet made.

What narrows: the pod's node selector and required node affinity on `PLACE_LABEL`, `nodeName`, the node affinity of
bound volumes, where volumes still to be bound can lie, and the node selector of a RuntimeClass.
What never does: preferences, tolerations and taints, topology spread, inter-pod affinity, schedulerName, gates, and
topology labels that kubelets may set. Each of them at most leaves fewer nodes, and leaving a constraint out can only
make the set larger; a larger set is never admitted where the true one is not. For the same reason an unknown that
could only narrow (a volume claim that nobody has seen) matters only when the rest is not admitted already: ask
`Possible.under`. Claims for devices don't narrow either, not even allocated ones: an allocation is given back when the
last pod that uses it ends, and devices come with nodes that aren't there yet; `devices` says where they are today.
Nor do a StatefulSet's volumeClaimTemplates: claims of these names that are there already are taken, whatever they are.
A node, volume or class that is named counts as it is now; the label keeps a pod where it belongs when it changes.
A scheduler that ignores affinity is stopped by the guard on bindings.
"""

from collections.abc import Iterator, Sequence

from policies.geography.affinity import own_constraints
from policies.geography.answer import Possible
from policies.geography.constraint import Constraint
from policies.geography.fields import at
from policies.geography.geography import Geography
from policies.geography.nodes import labelled_place, node_places
from policies.geography.place import PLACE_LABEL
from policies.geography.placeset import ANYWHERE, NOWHERE, UNPLACED, PlaceSet
from policies.geography.volumes import volume_constraints
from policies.json import Json, JsonObject
from policies.snapshot import Absent, Pending, Query, Ref, Snapshot, Unknown, lookup


def possible(pod: JsonObject, snapshot: Snapshot, geography: Geography, namespace: str = "") -> Possible:
    """Where this pod could run. `pod` has `metadata` and `spec`.

    `namespace` is where it will be made and outweighs its metadata: a template's own namespace is ignored by whatever
    makes pods of it, and must not point to somebody else's volume claims.
    """
    return _Search(pod, snapshot, geography, namespace).run()


class _Search:
    """One call of `possible`: collects constraints and what the snapshot could not tell."""

    def __init__(self, pod: JsonObject, snapshot: Snapshot, geography: Geography, namespace: str) -> None:
        spec = pod.get("spec")
        self.spec: JsonObject = spec if isinstance(spec, dict) else {}
        metadata = pod.get("metadata")
        own = metadata.get("namespace") if isinstance(metadata, dict) else None
        self.namespace = namespace or (own if isinstance(own, str) else "")
        self.snapshot = snapshot
        self.geography = geography
        self.unresolved: list[Unknown | Pending] = []

    def run(self) -> Possible:
        if name := self.spec.get("nodeName"):
            found = self._bound(name)
        else:
            found = [*own_constraints(self.spec, self.labelled), *self._runtime(), *volume_constraints(self.spec, self)]
        places = PlaceSet.intersection(each.places for each in found) if found else ANYWHERE
        return Possible(places, tuple(found), tuple(self.unresolved))

    def _bound(self, name: Json) -> list[Constraint]:
        """Bound by its author, past the scheduler: where that node is. One that isn't there yet may come up anywhere.

        The node's kubelet still holds the pod's own terms against the node's label, and refuses what doesn't fit.
        """
        node = self.get(Ref("", "Node", "", name)) if isinstance(name, str) else None
        if node is None:
            return [Constraint("spec.nodeName", f"is {name}, which may be", ANYWHERE)]
        bound = Constraint("spec.nodeName", f"is {name}", node_places(node, self.geography))
        own = list(own_constraints(self.spec))
        if _label(node) in PlaceSet.intersection(each.places for each in own):
            return [bound]
        return [bound, *own, Constraint("spec.nodeName", "names a node that these do not fit", NOWHERE)]

    def labelled(self, name: str) -> PlaceSet:
        """A node named in a term, as the scheduler sees it: by its label, like all that the term says of it.

        Its believed place would not do: the label expressions beside the name are true of labels, not of places.
        """
        node = self.get(Ref("", "Node", "", name))
        return PlaceSet.of((_label(node),)) if node is not None else ANYWHERE

    def _runtime(self) -> Iterator[Constraint]:
        name = self.spec.get("runtimeClassName")
        if not isinstance(name, str) or not name:
            return
        found = self.get(Ref("node.k8s.io", "RuntimeClass", "", name))
        code = at(found, "scheduling", "nodeSelector", PLACE_LABEL)
        if isinstance(code, str):
            yield Constraint("spec.runtimeClassName", f"`{name}` asks for {code}", PlaceSet.of((code,)))

    def get(self, ref: Ref) -> Json:
        """The object, or None: absent, or not known, which is remembered."""
        found = lookup(self.snapshot, ref)
        if isinstance(found, Unknown | Pending):
            self.unresolved.append(found)
        return None if isinstance(found, Absent | Unknown | Pending) else found

    def list(self, query: Query) -> Sequence[Json] | None:
        """All objects of a kind, or None: not known, which is remembered."""
        found = self.snapshot.list(query)
        if isinstance(found, Unknown):
            self.unresolved.append(found)
            return None
        return found

    def lacking(self, missing: str) -> None:
        self.unresolved.append(Unknown(missing))


def _label(node: JsonObject) -> str:
    code = labelled_place(node)
    return UNPLACED if code is None else code
