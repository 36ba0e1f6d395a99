"""Private sites (data centres, bare metal, edge) as the deployer declares them, and which nodes stand there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.geography.fields import object_at, text_at
from policies.geography.globs import glob_fits
from policies.geography.place import DECLARED, Place
from policies.json import JsonObject

_GUARDED = "node-restriction.kubernetes.io"


@dataclass(frozen=True, slots=True)
class Site:
    """A declared site. A node stands there when every matcher that is given fits; within a list, one is enough."""

    place: Place
    node_names: tuple[str, ...] = ()
    provider_ids: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None
    serials: frozenset[str] = frozenset()

    @classmethod
    def of(cls, spec: JsonObject) -> "Site":
        """From an entry of a ClusterProfile's `sites`."""
        operator, match = spec.get("operator") or {}, spec.get("match") or {}
        return cls(
            place=Place(
                code=spec["name"],
                provider="",
                region=spec["name"],
                zone="",
                country=spec["country"],
                operator=operator.get("name") or "",
                operator_country=operator.get("country") or "",
                controlled_from=frozenset(spec.get("controlledFrom") or ()),
                confidence=DECLARED,
            ),
            node_names=tuple(match.get("nodeNames") or ()),
            provider_ids=tuple(match.get("providerIDs") or ()),
            labels=match.get("labels") or None,
            serials=frozenset(serial.lower() for serial in match.get("serials") or ()),
        )

    @property
    def provable(self) -> bool:
        """Is some matcher more than a label that any kubelet may give itself? Otherwise no node stands here."""
        guarded = any(is_guarded(key) for key in self.labels or ())
        return bool(self.node_names or self.provider_ids or self.serials or guarded)

    def matches(self, node: JsonObject) -> bool:
        """Does every given matcher fit this Node?"""
        labels = object_at(node, "metadata", "labels")
        return (
            self.provable
            and _fits(self.node_names, text_at(node, "metadata", "name"))
            and _fits(self.provider_ids, text_at(node, "spec", "providerID"))
            and all(labels.get(key) == value for key, value in (self.labels or {}).items())
            and (not self.serials or _serial(node) in self.serials)
        )


def is_guarded(key: str) -> bool:
    """Is it a label key that the NodeRestriction plugin keeps kubelets from setting?"""
    prefix = key.partition("/")[0] if "/" in key else ""
    return prefix == _GUARDED or prefix.endswith("." + _GUARDED)


def _fits(globs: Sequence[str], text: str) -> bool:
    return not globs or any(glob_fits(glob, text) for glob in globs)


def _serial(node: JsonObject) -> str:
    return text_at(node, "status", "nodeInfo", "systemUUID").lower()
