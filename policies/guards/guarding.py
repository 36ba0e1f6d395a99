"""What is guarded, and who may change it: the ClusterProfile's word, with its defaults filled in."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.geography.place import PLACE_LABEL
from policies.geography.sites import is_guarded
from policies.guards.actors import Actors, account
from policies.json import JsonObject

LABELLER = "bailiwick-system/bailiwick"
INFRASTRUCTURE_LABEL = "bailiwick.dev/infrastructure"
OUR_DOMAINS = (PLACE_LABEL.partition("/")[0] + "/", "bailiwick.dev/")

# Who can take the guards away can do without being named: the group that no authorizer refuses.
_MASTERS = Actors(groups=("system:masters",))
_API_SERVER = "system:apiserver"  # makes kube-system and its like when a cluster starts


@dataclass(frozen=True, slots=True)
class Guarding:
    """Immutable; equal profiles give equal values."""

    places: Actors  # labels of nodes that say where they are, and those that a site is known by
    classes: Actors  # labels of our domain on namespaces
    infrastructure: Actors  # the namespaces that are never judged
    site_labels: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()  # names of infrastructure namespaces
    every_namespace_has_a_class: bool = False

    @classmethod
    def of(cls, profile: JsonObject, exempt: Sequence[str] = ()) -> "Guarding":
        """From the `spec` of a ClusterProfile. `exempt`: infrastructure namespaces besides those that it names."""
        guards = profile.get("guards") or {}

        def named(what: str) -> Actors:
            return Actors.of(guards[what]) if guards.get(what) else _MASTERS

        return cls(
            places=named("places").and_user(account(guards.get("labeller") or LABELLER)),
            classes=named("classes"),
            infrastructure=named("infrastructure").and_user(_API_SERVER),
            site_labels=_site_labels(profile),
            namespaces=tuple(sorted({*exempt, *(profile.get("infrastructureNamespaces") or ())})),
            every_namespace_has_a_class=guards.get("unclassified") == "Refuse",
        )


def _site_labels(profile: JsonObject) -> tuple[str, ...]:
    """Labels that nodes of a site are known by. Those that kubelets set themselves prove nothing and stay theirs."""
    sites = profile.get("sites") or ()
    keys = {key for site in sites for key in (site.get("match") or {}).get("labels") or ()}
    return tuple(sorted(key for key in keys if is_guarded(key) and not key.startswith(OUR_DOMAINS)))
