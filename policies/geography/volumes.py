"""Where a pod's volumes let it be.

A claim that is bound, or that names its volume, ties the pod to the node affinity of that volume. One still to be bound
may get any free volume of its class, wherever that is, before one is provisioned in the class's `allowedTopologies`:
both count. These are kept by the scheduler only where the class waits for the first consumer; otherwise they are the
provisioner's word. The default class is nobody's promise, and neither is a claim without a class.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from policies.geography.affinity import terms_places
from policies.geography.constraint import Constraint
from policies.geography.fields import at, listed, text_at
from policies.geography.place import PLACE_LABEL
from policies.geography.placeset import ANYWHERE, NOWHERE, PlaceSet
from policies.json import Json, JsonObject
from policies.snapshot import Query, Ref

_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"  # outweighs the field, on claims and volumes, to this day


class Known(Protocol):
    """What is known of the cluster; what isn't is remembered by whoever answers."""

    @property
    def namespace(self) -> str: ...

    def get(self, ref: Ref) -> Json:
        """The object; None when there is none, or nobody knows."""
        ...

    def list(self, query: Query) -> Sequence[Json] | None:
        """All objects of a kind; None when nobody knows all."""
        ...

    def labelled(self, name: str) -> PlaceSet:
        """What the place label of a node may be."""
        ...

    def lacking(self, missing: str) -> None:
        """Something that could make the set smaller is not known."""
        ...


def volume_constraints(spec: JsonObject, known: Known) -> Iterator[Constraint]:
    """What the volumes of a pod spec leave of the places, each that leaves fewer than all."""
    claims = _Claims(known)
    for index, volume in enumerate(listed(spec.get("volumes"))):
        path = f"spec.volumes[{index}]"
        if isinstance(claim := at(volume, "persistentVolumeClaim", "claimName"), str):
            yield from claims.named(path, claim)
        elif isinstance(template := at(volume, "ephemeral", "volumeClaimTemplate"), dict):
            yield from claims.made(path, template)


class _Claims:
    """The claims of one pod. What is asked of a class is asked once, however many claims are of it."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._provisioned: dict[str, PlaceSet] = {}
        self._free: dict[str, _Free | None] = {}

    def named(self, path: str, name: str) -> Iterator[Constraint]:
        """A claim that somebody makes."""
        if not self._known.namespace:
            self._known.lacking(f"the namespace of PersistentVolumeClaim `{name}`")
            return
        claim = self._known.get(Ref("", "PersistentVolumeClaim", self._known.namespace, name))
        yield from self._claim(path, f"claim `{name}`", claim, name)

    def made(self, path: str, template: JsonObject) -> Iterator[Constraint]:
        """A claim that is made with the pod; what it will be called is not known yet."""
        yield from self._claim(path, "its claim", template, "")

    def _claim(self, path: str, told: str, claim: Json, name: str) -> Iterator[Constraint]:
        if volume := text_at(claim, "spec", "volumeName"):
            places = _volume_places(self._known.get(Ref("", "PersistentVolume", "", volume)), self._known)
            says = f"{told} is bound to volume `{volume}`"
        else:
            storage = _class_of(claim)
            places = self._of_class(storage, name) if storage else ANYWHERE
            says = f"storage class `{storage}` allows"
        if places != ANYWHERE:
            yield Constraint(path, says, places)

    def _of_class(self, storage: str, claim: str) -> PlaceSet:
        if storage not in self._provisioned:
            found = self._known.get(Ref("storage.k8s.io", "StorageClass", "", storage))
            self._provisioned[storage] = class_places(found)
        provisioned = self._provisioned[storage]
        if provisioned == ANYWHERE:
            return ANYWHERE
        if storage not in self._free:
            volumes = self._known.list(Query("", "PersistentVolume"))
            self._free[storage] = None if volumes is None else _Free(volumes, storage, self._known)
        free = self._free[storage]
        return ANYWHERE if free is None else provisioned | free.of(claim)


class _Free:
    """Where the volumes of a class are that claims of one namespace may get."""

    def __init__(self, volumes: Iterable[Json], storage: str, known: Known) -> None:
        places: dict[str | None, list[PlaceSet]] = {None: []}  # by the claim they are kept for
        for volume in volumes:
            kept = at(volume, "spec", "claimRef")
            mine = not isinstance(kept, dict) or known.namespace in ("", kept.get("namespace"))
            if mine and _class_of(volume) == storage:
                claim = text_at(kept, "name") if isinstance(kept, dict) else None
                places.setdefault(claim, []).append(_volume_places(volume, known))
        self._places = {claim: PlaceSet.union(found) for claim, found in places.items()}
        self._all = PlaceSet.union(self._places.values())

    def of(self, claim: str) -> PlaceSet:
        """For a claim of this name; without a name, for whatever any could be."""
        return self._places[None] | self._places.get(claim, NOWHERE) if claim else self._all


def _volume_places(volume: Json, known: Known) -> PlaceSet:
    required = at(volume, "spec", "nodeAffinity", "required")
    return terms_places(required.get("nodeSelectorTerms"), known.labelled) if isinstance(required, dict) else ANYWHERE


def _class_of(found: Json) -> str:
    """The storage class of a claim or a volume; empty for none and for the default one."""
    old = at(found, "metadata", "annotations", _OLD_CLASS)
    return old if isinstance(old, str) else text_at(found, "spec", "storageClassName")


def class_places(storage_class: Json) -> PlaceSet:
    """From where a volume that is still to be made can be asked for."""
    late = at(storage_class, "volumeBindingMode") == "WaitForFirstConsumer"
    return topologies_places(at(storage_class, "allowedTopologies")) if late else ANYWHERE


def topologies_places(terms: Json) -> PlaceSet:
    """What a StorageClass's `allowedTopologies` leaves: terms ORed; no terms allow all, an empty term nothing."""
    if not isinstance(terms, list) or not terms:
        return ANYWHERE
    return PlaceSet.union(_topology_places(at(term, "matchLabelExpressions")) for term in terms)


def _topology_places(expressions: Json) -> PlaceSet:
    if not isinstance(expressions, list) or not expressions:
        return NOWHERE
    return PlaceSet.intersection(
        PlaceSet.of(value for value in listed(at(expression, "values")) if isinstance(value, str))
        for expression in expressions
        if at(expression, "key") == PLACE_LABEL and isinstance(at(expression, "values"), list)
    )
