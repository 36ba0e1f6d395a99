"""The class and the jurisdiction that an object is bound to: by the labels of its namespace, or by declared defaults.

An object outside any namespace carries the labels itself. A name that isn't defined is not known, and asks for
everything: nothing becomes weaker by a spelling mistake.
"""

from collections.abc import Mapping

from policies.geography import JurisdictionRule
from policies.json import Json

CLASS_LABEL = "bailiwick.dev/data-class"
JURISDICTION_LABEL = "bailiwick.dev/jurisdiction"

DataClassFact = Mapping[str, Json]


class JurisdictionFact(dict[str, Json]):
    """What CEL reads of a jurisdiction; `rule` is what its functions ask. None: no such jurisdiction."""

    def __init__(self, name: str, rule: JurisdictionRule | None) -> None:
        super().__init__(name=name, known=rule is not None)
        self.rule = rule


def data_class_fact(name: str, spec: Mapping[str, Json]) -> DataClassFact:
    """The fact of a defined class. What its spec doesn't ask for isn't asked."""
    requires = spec.get("requires") or {}
    isolation, keys = requires.get("isolation") or {}, requires.get("keys") or {}
    return {
        "name": name,
        "known": True,
        "rank": spec["rank"],
        "residency": bool(requires.get("residency")),
        "device": isolation.get("device") or "unknown",
        "runtime": isolation.get("runtime") or "container",
        "pinned": bool((requires.get("provenance") or {}).get("pinned")),
        "regionKey": bool(keys.get("region")),
        "assurance": keys.get("assurance") or "",
    }


def undefined_class(name: str) -> DataClassFact:
    """A class nobody defined: the strictest there is."""
    return {
        "name": name,
        "known": False,
        "rank": 1_000,
        "residency": True,
        "device": "confidential",
        "runtime": "confidential",
        "pinned": True,
        "regionKey": True,
        "assurance": "hsm",
    }
