"""The class and the jurisdiction that an object is bound to: by the labels of its namespace, or by declared defaults.

An object outside any namespace carries the labels itself. A name that isn't defined is not known, and asks for
everything: nothing becomes weaker by a spelling mistake.
"""

from collections.abc import Mapping
from datetime import date

from policies.geography import JurisdictionRule
from policies.json import Json

CLASS_LABEL = "bailiwick.dev/data-class"
JURISDICTION_LABEL = "bailiwick.dev/jurisdiction"
KEY_ANNOTATION = "bailiwick.dev/key"

DataClassFact = Mapping[str, Json]


class JurisdictionFact(dict[str, Json]):
    """What CEL reads of a jurisdiction; `rule` is what its functions ask, None where there is no such jurisdiction."""

    def __init__(self, name: str, rule: JurisdictionRule | None, on: date) -> None:
        super().__init__(name=name, known=rule is not None)
        self.rule = rule
        self.on = on  # the day (UTC) on which a transfer has to be in force


def data_class_fact(name: str, spec: Mapping[str, Json]) -> DataClassFact:
    """The fact of a defined class. What its spec doesn't ask for isn't asked."""
    requires = spec.get("requires") or {}
    isolation, keys = requires.get("isolation") or {}, requires.get("keys") or {}
    provenance, egress = requires.get("provenance") or {}, requires.get("egress") or {}
    return {
        "name": name,
        "known": True,
        "rank": spec["rank"],
        "residency": bool(requires.get("residency")),
        "device": isolation.get("device") or "unknown",
        "runtime": isolation.get("runtime") or "container",
        "pinned": bool(provenance.get("pinned")),
        "regionKey": bool(keys.get("region")),
        "assurance": keys.get("assurance") or "",
        "egress": bool(egress.get("jurisdiction")),
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
        "assurance": "hardware",
        "egress": True,
    }
