"""Where a pod's volumes let it be.

A claim that is bound, or that names its volume, ties the pod to the node affinity of that volume. One still to be bound
may get any free volume of its class, wherever that is, before one is provisioned in the class's `allowedTopologies`:
both count. The default class is nobody's promise, and neither is a claim without a class.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from policies.geography.affinity import Constraint, terms_places
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
    volumes = spec.get("volumes")
    for index, volume in enumerate(volumes if isinstance(volumes, list) else ()):
        path = f"spec.volumes[{index}]"
        if isinstance(claim := _at(volume, "persistentVolumeClaim", "claimName"), str):
            yield from _named(path, claim, known)
        elif isinstance(template := _at(volume, "ephemeral", "volumeClaimTemplate"), dict):
            yield from _claimed(path, "its claim", template, "", known)


def _named(path: str, name: str, known: Known) -> Iterator[Constraint]:
    if not known.namespace:
        known.lacking(f"the namespace of PersistentVolumeClaim `{name}`")
        return
    claim = known.get(Ref("", "PersistentVolumeClaim", known.namespace, name))
    yield from _claimed(path, f"claim `{name}`", claim, name, known)


def _claimed(path: str, told: str, claim: Json, name: str, known: Known) -> Iterator[Constraint]:
    volume = _at(claim, "spec", "volumeName")
    if isinstance(volume, str) and volume:
        places = _volume_places(known.get(Ref("", "PersistentVolume", "", volume)), known)
        says = f"{told} is bound to volume `{volume}`"
    else:
        storage = _class_of(claim)
        places = _class_places(storage, name, known) if storage else ANYWHERE
        says = f"storage class `{storage}` allows"
    if places != ANYWHERE:
        yield Constraint(path, says, places)


def _volume_places(volume: Json, known: Known) -> PlaceSet:
    required = _at(volume, "spec", "nodeAffinity", "required")
    return terms_places(required.get("nodeSelectorTerms"), known.labelled) if isinstance(required, dict) else ANYWHERE


def _class_places(storage: str, claim: str, known: Known) -> PlaceSet:
    provisioned = topologies_places(
        _at(known.get(Ref("storage.k8s.io", "StorageClass", "", storage)), "allowedTopologies")
    )
    if provisioned == ANYWHERE:
        return ANYWHERE
    volumes = known.list(Query("", "PersistentVolume"))
    if volumes is None:
        return ANYWHERE
    free = (one for one in volumes if _class_of(one) == storage and _is_free(one, claim, known.namespace))
    return PlaceSet.union([provisioned, *(_volume_places(one, known) for one in free)])


def _is_free(volume: Json, claim: str, namespace: str) -> bool:
    """May this claim get it? Without a name, or a namespace, whatever any claim could be."""
    bound = _at(volume, "spec", "claimRef")
    if not isinstance(bound, dict):
        return True
    return bound.get("namespace") == (namespace or bound.get("namespace")) and (not claim or bound.get("name") == claim)


def _class_of(found: Json) -> str:
    """The storage class of a claim or a volume; empty for none and for the default one."""
    old = _at(found, "metadata", "annotations", _OLD_CLASS)
    name = old if isinstance(old, str) else _at(found, "spec", "storageClassName")
    return name if isinstance(name, str) else ""


def topologies_places(terms: Json) -> PlaceSet:
    """What a StorageClass's `allowedTopologies` leaves: terms ORed; no terms allow all, an empty term nothing."""
    if not isinstance(terms, list) or not terms:
        return ANYWHERE
    return PlaceSet.union(_topology_places(_at(term, "matchLabelExpressions")) for term in terms)


def _topology_places(expressions: Json) -> PlaceSet:
    if not isinstance(expressions, list) or not expressions:
        return NOWHERE
    return PlaceSet.intersection(
        PlaceSet.of(value for value in _at(expression, "values") or () if isinstance(value, str))
        for expression in expressions
        if _at(expression, "key") == PLACE_LABEL and isinstance(_at(expression, "values"), list)
    )


def _at(value: Json, *path: str) -> Json:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
