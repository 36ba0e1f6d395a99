"""What a device is, and the order of isolation levels.

unknown < shared < limited < partitioned < exclusive < confidential; the table `devices.yaml` has the list.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from policies.json import JsonObject
from policies.workloads.catalogue.tables import table

Device = dict[str, Any]  # path, resource, claim, count, mechanism, level
Holds = Callable[[JsonObject], bool]  # whether a required node affinity expression is proven

UNKNOWN, SHARED = "unknown", "shared"
MOST = 1 << 40  # devices; more isn't meant, and CEL's integers have an end


def device(path: str, mechanism: str, level: str, *, resource: str = "", claim: str = "", count: int = 1) -> Device:
    return {
        "path": path,
        "resource": resource,
        "claim": claim,
        "count": count,
        "mechanism": mechanism,
        "level": level,
    }


@cache
def _ranks() -> Mapping[str, int]:
    return {level: rank for rank, level in enumerate(table("devices")["levels"])}


def rank(level: str) -> int:
    """The order of levels: `unknown` is 0. A word that is no level counts as unknown."""
    return _ranks().get(level, 0)


def weakest(levels: Iterable[str]) -> str:
    """The lowest of the levels; empty when there are none: a pod without devices has no level."""
    return min(levels, key=rank, default="")
