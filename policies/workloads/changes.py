"""Whether an update changes what an object boils down to. Labels and annotations can: they ask for devices, hold pods.

Guarantees: whatever changes a fact, or the spec of a pod that the object holds, is a change.
"""

from policies.json import Json, JsonObject
from policies.workloads.catalogue.kinds import Catalogue
from policies.workloads.extract import extract
from policies.workloads.lazy import whole

_FACTS = ("images", "models", "devices", "destinations", "keys", "identities")


def is_changed(found: Json, before: Json, catalogue: Catalogue | None = None) -> bool:
    """Whether the two versions of an object boil down to different things. What is new is changed."""
    if not isinstance(found, dict) or not isinstance(before, dict) or found.get("spec") != before.get("spec"):
        return True
    if _words(found) == _words(before):
        return False
    return _facts(found, catalogue) != _facts(before, catalogue)


def _words(found: JsonObject) -> tuple[Json, Json]:
    metadata = found.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return metadata.get("labels"), metadata.get("annotations")


def _facts(found: JsonObject, catalogue: Catalogue | None) -> list[Json]:
    workload = extract(found, catalogue=catalogue)
    pods = [[pod["path"], pod["spec"]] for pod in workload["pods"]]
    return [pods, *(whole(workload[fact]) for fact in _FACTS)]
