"""The law that decisions are tried under: what an operator says, as objects, and the namespaces that it is for."""

from __future__ import annotations

from typing import Any

from policies.engine import RuleEngine
from policies.kinds import parse
from policies.loading import engine_for, rulebook_of
from policies.packs import builtin

Object = dict[str, Any]


def ours(kind: str, name: str, spec: Object) -> Object:
    """One of our own kinds."""
    return {"apiVersion": "bailiwick.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def profile(*regions: str, **more: Any) -> Object:
    """A ClusterProfile that says which regions of one provider the cluster has, and more; without any, all of them."""
    provider = {"name": "aws", "regions": [*regions]} if regions else {"name": "aws"}
    return ours("ClusterProfile", "cluster", {"cluster": "test", "providers": [provider], **more})


def namespace(name: str, data_class: str = "confidential", jurisdiction: str = "eu", **labels: str) -> Object:
    """A namespace with its two labels; an empty word is a label that isn't there."""
    said = {"bailiwick.dev/data-class": data_class, "bailiwick.dev/jurisdiction": jurisdiction}
    own = {label: word for label, word in said.items() if word}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": own | labels}}


def engine_under(*rules: Object, packs: bool = True) -> RuleEngine:
    """What decides under these rules and the built-in ones. Raises RulesInvalid, KindInvalid."""
    return engine_for(rulebook_of(builtin() if packs else (), [parse(one) for one in rules]), "test")


EU = ours("Jurisdiction", "eu", {"locatedIn": {"sets": ["EU"]}})
US = ours("Jurisdiction", "us", {"locatedIn": {"countries": ["US"]}})
