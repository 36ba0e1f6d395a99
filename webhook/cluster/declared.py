"""What the operator declares of a cluster, for commands that judge no workloads: from files, and from the cluster."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from webhook.cluster.apiserver import ApiServer, ClusterUnavailable
from webhook.cluster.resources import RULES

if TYPE_CHECKING:
    from policies.facts.law import Law

_PROFILE = next(served for served in RULES if served.kind == "ClusterProfile")


def declared(rules: Sequence[str], api: ApiServer | None = None, regions: str | None = None) -> "Law":
    """By the ClusterProfile in files, or where none are named by the cluster's own.

    Raises RulesInvalid, and ClusterUnavailable. A cluster without our definitions declares nothing.
    """
    from policies.facts.law import Law
    from policies.gathering import load_rules, parsed, read_regions, refuse
    from policies.loading import rulebook_of

    loaded = load_rules(rules) if rules or api is None else parsed(_stored(api))
    refuse((loaded,))
    own = None if regions is None else read_regions(regions)
    return Law.of(rulebook_of(loaded.kinds), own, places=loaded.places)


def profile_of(law: "Law") -> dict[str, object]:
    """The `spec` of the ClusterProfile; empty without one."""
    return dict(law.geography.profile or {})


def _stored(api: ApiServer) -> Sequence[dict[str, object]]:
    head = {"apiVersion": f"{_PROFILE.group}/{_PROFILE.version}", "kind": _PROFILE.kind}
    try:
        found = api.get(_PROFILE.path())
    except ClusterUnavailable as error:
        if error.status == 404:
            return ()
        raise
    return [{**head, **item} for item in found.get("items") or ()]
