"""Pods, volumes, classes and nodes as tests of places write them, in a cluster of two clouds' regions and a site."""

from typing import Any

from policies.geography import PLACE_LABEL, Geography, JurisdictionRule, Possible, Regions, possible
from policies.snapshot import MemorySnapshot

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
GEOGRAPHY = Geography(
    Regions.builtin(),
    {
        "providers": [{"name": "aws", "regions": ["eu-central-1", "us-east-1"]}],
        "sites": [{"name": "fra", "country": "DE", "match": {"nodeNames": ["bm-*"]}}],
    },
)
EU = JurisdictionRule.of({"locatedIn": {"sets": ["EU"]}}, GEOGRAPHY)
FRA, AWS, USA = "fra", "aws.eu-central-1", "aws.us-east-1"
NOTHING = MemorySnapshot.of([])


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "team"}, "spec": spec}


def requiring(*terms: Any) -> dict[str, Any]:
    return pod(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}})


def place(operator: str, *values: str) -> dict[str, Any]:
    return {"key": PLACE_LABEL, "operator": operator} | ({"values": list(values)} if values else {})


def term(*expressions: Any) -> dict[str, Any]:
    return {"matchExpressions": list(expressions)}


def cluster(*objects: tuple[str, str, str, dict[str, Any]], live: bool = False) -> MemorySnapshot:
    made = [
        {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, "namespace": "team" if kind.endswith("Claim") else ""},
            **fields,
        }
        for version, kind, name, fields in objects
    ]
    return MemorySnapshot.of(made, [("", "PersistentVolume")], live=live)


def ask(of: dict[str, Any], snapshot: MemorySnapshot = NOTHING) -> Possible:
    return possible(of, snapshot, GEOGRAPHY)


NODE_AT_HOME = ("v1", "Node", "bm-1", {})  # believed to be in fra, and not labelled yet
NODE_ABROAD = ("v1", "Node", "vm-1", {"spec": {"providerID": "aws:///us-east-1a/i-0123456789abcdef0"}})


def named(node: str, *expressions: Any, operator: str = "In") -> dict[str, Any]:
    fields = [{"key": "metadata.name", "operator": operator, "values": [node]}]
    return {"matchFields": fields} | ({"matchExpressions": list(expressions)} if expressions else {})


def labelled(name: str, code: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {PLACE_LABEL: code}}}


VOLUMES = [{"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}]
CLAIM = ("v1", "PersistentVolumeClaim", "weights", {"spec": {"volumeName": "pv-1", "storageClassName": "fast"}})
UNBOUND = ("v1", "PersistentVolumeClaim", "weights", {"spec": {"storageClassName": "fast"}})
CLASS = (
    "storage.k8s.io/v1",
    "StorageClass",
    "fast",
    {
        "allowedTopologies": [{"matchLabelExpressions": [{"key": PLACE_LABEL, "values": [FRA, AWS]}]}, {}],
        "volumeBindingMode": "WaitForFirstConsumer",
    },
)


def volume(*terms: dict[str, Any]) -> tuple[str, str, str, dict[str, Any]]:
    return (
        "v1",
        "PersistentVolume",
        "pv-1",
        {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": list(terms)}}}},
    )


OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
ABROAD = {"nodeAffinity": {"required": {"nodeSelectorTerms": [term(place("In", USA))]}}}


def free_volume(name: str = "pv-2", storage: str = "fast", **spec: Any) -> tuple[str, str, str, dict[str, Any]]:
    return ("v1", "PersistentVolume", name, {"spec": {"storageClassName": storage, **ABROAD, **spec}})


CODES = frozenset([FRA, AWS])
