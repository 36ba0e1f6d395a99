"""Places: which there are, where nodes are, where pods could run, and how to keep them inside a jurisdiction."""

from policies.geography.answer import Possible
from policies.geography.constrain import conflict, constrain
from policies.geography.constraint import Constraint
from policies.geography.geography import Geography
from policies.geography.hosts import place_of_host, place_of_registry
from policies.geography.jurisdiction import JurisdictionInvalid, JurisdictionRule, Transfer
from policies.geography.keys import place_of_key
from policies.geography.located import Located
from policies.geography.networks import ProfileInvalid
from policies.geography.nodes import believed_place, label_change, labelled_place, node_places, place_of_node
from policies.geography.place import PLACE_LABEL, Place, UnknownPlace, place_code
from policies.geography.placeset import ANYWHERE, NOWHERE, UNPLACED, PlaceSet
from policies.geography.possible import possible
from policies.geography.regions import Regions
from policies.geography.storage import (
    key_of_storage_class,
    place_of_backup_location,
    place_of_bucket,
    place_of_storage_class,
    place_of_volume,
)

__all__ = [
    "ANYWHERE",
    "NOWHERE",
    "PLACE_LABEL",
    "UNPLACED",
    "Constraint",
    "Geography",
    "JurisdictionInvalid",
    "JurisdictionRule",
    "Located",
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
    "key_of_storage_class",
    "label_change",
    "labelled_place",
    "node_places",
    "place_code",
    "place_of_backup_location",
    "place_of_bucket",
    "place_of_host",
    "place_of_key",
    "place_of_node",
    "place_of_registry",
    "place_of_storage_class",
    "place_of_volume",
    "possible",
]
