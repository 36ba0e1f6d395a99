"""The nodes on whose disks something is kept that is no volume of the API server's: copies of models, caches.

Guarantees: by the place label alone, which no kubelet can set, as the scheduler and the cache's own controller read
node affinity; nodes that don't exist yet count. What may be anywhere says so in `unknown`.
"""

from collections.abc import Callable

from policies.facts.surroundings import Surroundings
from policies.facts.unknown import fetch
from policies.geography import UNPLACED, PlaceSet
from policies.geography.affinity import own_constraints, terms_places
from policies.geography.fields import at
from policies.geography.place import PLACE_LABEL
from policies.geography.placeset import ANYWHERE
from policies.json import JsonObject
from policies.snapshot import Ref

NodePlaces = Callable[[str], PlaceSet]  # from a node's name to where it is believed to be
_GROUP = ("serving.kserve.io", "LocalModelNodeGroup")


def kept_on_node(name: str, nodes: NodePlaces) -> JsonObject:
    """What a controller keeps on one node, by its name."""
    places = nodes(name)
    return _kept(places, f"nobody knows where node `{name}` is" if UNPLACED in places else "")


def kept_in_group(name: str, around: Surroundings, nodes: NodePlaces) -> JsonObject:
    """What is kept on the nodes of KServe's LocalModelNodeGroup of that name."""
    found = fetch(around.snapshot, Ref(*_GROUP, "", name))
    if found is None:
        return _kept(PlaceSet.of((UNPLACED,)), f"there is no LocalModelNodeGroup `{name}`")
    held = at(found, "spec", "persistentVolumeSpec")
    return kept_on_nodes(held if isinstance(held, dict) else {}, nodes)


def kept_on_nodes(held: JsonObject, nodes: NodePlaces) -> JsonObject:
    """What is kept on all nodes that fit `nodeSelector` and `nodeAffinity`, a pod's or a volume's (`required`)."""
    affinity = held.get("nodeAffinity")
    required = affinity.get("required") if isinstance(affinity, dict) else None
    places = ANYWHERE if required is None else _of_terms(required, nodes)
    for one in own_constraints(
        {"nodeSelector": held.get("nodeSelector"), "affinity": {"nodeAffinity": affinity}}, nodes
    ):
        places = places & one.places
    if places.cofinite:
        return _kept(places, f"its nodes may be anywhere: require `{PLACE_LABEL}` in its node affinity")
    return _kept(places, "" if places.codes else "its node affinity fits no node that has a place")


def _of_terms(required: object, nodes: NodePlaces) -> PlaceSet:
    return terms_places(required.get("nodeSelectorTerms"), nodes) if isinstance(required, dict) else ANYWHERE


def _kept(places: PlaceSet, unknown: str) -> JsonObject:
    return {
        "places": places,
        "inside": False,
        "unknown": unknown,
        "assurance": "",
        "revoked": False,
        "unattested": "",
    }
