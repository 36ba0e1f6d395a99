"""Places: which there are, where nodes are, where pods could run, and how to keep them inside a jurisdiction."""

from policies.geography.affinity import Constraint
from policies.geography.constrain import conflict, constrain
from policies.geography.geography import Geography, ProfileInvalid
from policies.geography.jurisdiction import JurisdictionInvalid, JurisdictionRule, Transfer
from policies.geography.nodes import believed_place, label_change, labelled_place, node_places, place_of_node
from policies.geography.place import PLACE_LABEL, Place, UnknownPlace, place_code
from policies.geography.placeset import ANYWHERE, NOWHERE, UNPLACED, PlaceSet
from policies.geography.possible import Possible, possible
from policies.geography.regions import Regions

__all__ = [
    "ANYWHERE",
    "NOWHERE",
    "PLACE_LABEL",
    "UNPLACED",
    "Constraint",
    "Geography",
    "JurisdictionInvalid",
    "JurisdictionRule",
    "Place",
    "PlaceSet",
    "Possible",
    "ProfileInvalid",
    "Regions",
    "Transfer",
    "UnknownPlace",
    "believed_place",
    "conflict",
    "constrain",
    "label_change",
    "labelled_place",
    "node_places",
    "place_code",
    "place_of_node",
    "possible",
]
