"""Whose law an object without a namespace, or for several, is under."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

import policies.packs
from policies.checking import creation
from policies.facts.context import Situation
from policies.snapshot import MemorySnapshot
from policies.workloads import extract
from tests.policies.law import EU, engine_under, namespace, ours, profile

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LABELS = {
    "clinic": ("confidential", "eu"),
    "bank": ("restricted", "ch"),
    "blog": ("public", ""),
    "lost": ("confidential", "high-seas"),
    "unlabelled": ("", ""),
    "velero": ("", ""),
    "kube-system": ("", ""),
}


def law(**more: Any) -> Any:
    swiss = ours("Jurisdiction", "ch", {"locatedIn": {"countries": ["CH"]}})
    return engine_under(EU, swiss, profile(**{"infrastructureNamespaces": ["velero"], **more})).law


def namespaces(*names: str, whole: bool = True) -> MemorySnapshot:
    found = [namespace(name, *LABELS[name]) for name in names]
    return MemorySnapshot.of(found).completing([("", "Namespace")] if whole else [])


def governing(found: dict[str, Any], snapshot: MemorySnapshot, **profile: Any) -> dict[str, bool]:
    with Situation(law(**profile), creation(found, "default"), snapshot, NOW) as situation:
        facts = situation.cluster.governing(extract(found))
        return {str(one["name"]): bool(one["known"]) for one in facts}


def volume(claimed_by: str = "", **labels: str) -> dict[str, Any]:
    spec = {"claimRef": {"namespace": claimed_by, "name": "c"}} if claimed_by else {}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v", "labels": labels}, "spec": spec}


def backup(*of: str, namespace: str = "velero") -> dict[str, Any]:
    spec = {"includedNamespaces": list(of)} if of else {}
    metadata = {"name": "b", "namespace": namespace}
    return {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": metadata, "spec": spec}


ALL = namespaces(*LABELS)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (volume("clinic"), {"eu": True}),
        (volume("blog"), {}),
        (volume("lost"), {"high-seas": False}),
        (volume("clinic", **{"bailiwick.dev/data-class": "public"}), {"eu": True}),
        (backup("clinic"), {"eu": True}),
        (backup("clinic", "bank", "blog"), {"eu": True, "ch": True}),
        (backup("velero"), {}),
        (backup("clinic", namespace="bank"), {"ch": True, "eu": True}),
        (backup(), {"eu": True, "ch": True, "high-seas": False}),
        (backup("unlabelled"), {"": False}),
        (backup("cli*"), {"eu": True, "ch": True, "high-seas": False}),
    ],
    ids=str,
)
def test_it_says_whose_it_is(found: dict[str, Any], wanted: dict[str, bool]) -> None:
    """The namespaces that an object names count, never its own labels; where it names none, all that bind anything."""
    assert governing(found, ALL) == wanted


def test_a_cluster_whose_namespaces_nobody_can_list() -> None:
    """Every jurisdiction there is counts where it isn't known which ones are used."""
    assert governing(backup(), namespaces("clinic", "velero", whole=False)) == {"eu": True, "ch": True}


def test_a_default_class_counts_for_namespaces_without_labels() -> None:
    """With defaults, a namespace without labels holds data too."""
    found = governing(
        backup(), namespaces("unlabelled", "velero"), defaults={"dataClass": "restricted", "jurisdiction": "ch"}
    )
    assert found == {"ch": True}


def test_a_namespace_that_is_yet_to_come() -> None:
    """A volume for a namespace that doesn't exist is for whoever makes one: nobody knows under which law."""
    (name,) = governing(volume("to-come"), ALL, defaults={"dataClass": "public"})
    assert "to-come" in name


def test_every_kind_outside_of_namespaces_that_says_where_data_goes_is_judged() -> None:
    """A row of the catalogue is worth nothing where no built-in rule is about its kind."""
    folder = Path(policies.packs.__file__).parent
    packs = [found for path in folder.glob("*.yaml") for found in yaml.safe_load_all(path.read_text())]
    rules = [rule for found in packs for rule in found["spec"].get("matchConstraints", {}).get("resourceRules", ())]
    judged = {
        (group, plural)
        for rule in rules
        if rule["scope"] == "Cluster"
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    }
    kinds = yaml.safe_load((folder.parent / "workloads" / "catalogue" / "catalogue.yaml").read_text())
    telling = [
        kind
        for kind in kinds
        if kind.get("scope") == "Cluster"
        and any(kind.get(fact) for fact in ("destinations", "volumes", "models", "keys"))
    ]
    assert len(telling) > 20
    named = [kind for kind in telling if kind["kind"] != "*"]
    assert [kind["kind"] for kind in named if (kind["group"], kind["plural"]) not in judged] == []
    everything = [group for group, plural in judged if plural == "*"]
    families = [kind["group"].removeprefix("*") for kind in telling if kind["kind"] == "*"]
    assert families
    assert [family for family in families if not any(group.endswith(family) for group in everything)] == []
