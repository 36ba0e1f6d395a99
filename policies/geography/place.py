"""What a place is and how it is called in labels. Which places exist is the business of `regions` and the deployer."""

import re
from dataclasses import dataclass

PLACE_LABEL = "bailiwick.node-restriction.kubernetes.io/place"
REGION_LABEL = "topology.kubernetes.io/region"
ZONE_LABEL = "topology.kubernetes.io/zone"

DECLARED = "declared"  # the confidence of what the deployer states of its own sites

_LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII)
_ILLEGAL = re.compile(r"[^a-z0-9.-]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is, who runs it there, and who has power over whoever runs it. Countries are ISO 3166-1 alpha-2.

    `zone` is empty unless the zone lies elsewhere than its region and is therefore a place of its own.
    `controlled_from` is the chain of ownership; `exposed_to` names further countries whose law was or may be used to
    reach the operator wherever the data is. A site of the deployer has an empty provider and its name as region.
    """

    code: str
    provider: str
    region: str
    zone: str
    country: str
    operator: str
    operator_country: str
    controlled_from: frozenset[str]
    confidence: str  # verified | code | secondary | inferred | declared
    exposed_to: frozenset[str] = frozenset()
    location: str = ""  # city or area, for people

    def __str__(self) -> str:
        return self.code


@dataclass(frozen=True, slots=True)
class UnknownPlace:
    """Nobody can say where it is: in no jurisdiction. `reason` says why, and what would change it."""

    reason: str


def place_code(provider: str, region: str) -> str:
    """`<provider>.<region>` as a label value: lower case, `_` for every character that a label can't hold.

    Distinct for all regions of one data file: the loader refuses a file in which two regions share a code.
    """
    return _ILLEGAL.sub("_", f"{provider}.{region}".lower())


def is_label_value(text: str) -> bool:
    """Is it a legal, non-empty label value (63 characters at most)?"""
    return _LABEL_VALUE.fullmatch(text) is not None
