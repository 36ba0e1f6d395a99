"""Where whoever asks acts from: as the operator declares users, groups and service accounts, and as a node is placed.

Guarantees: nothing that users say of themselves counts, only what the API server knows of them; whoever is declared
several times acts from all of those places; whoever isn't, from an unknown place, which is in no jurisdiction.
Where a connection really comes from, the API server doesn't tell; and who impersonates is, to admission, who is
impersonated. Both are RBAC's and the authenticators' business.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from policies.facts.unknown import Undetermined
from policies.geography import Geography, PlaceSet
from policies.geography.globs import glob_fits
from policies.geography.placeset import UNPLACED
from policies.json import JsonObject

ANONYMOUS = "system:unauthenticated"  # a group
NODES = "system:nodes"  # a group
NODE_OF_POD = "authentication.kubernetes.io/node-name"  # extra: the node of the pod that a token is bound to
_NODE, _ACCOUNT = "system:node:", "system:serviceaccount:"

WhereIsNode = Callable[[str], PlaceSet]


def actor_fact(user: JsonObject, geography: Geography, where_is_node: WhereIsNode) -> JsonObject:
    """The fact of a request's userInfo. Raises Undetermined where nobody asks, as in a manifest."""
    name, groups = str(user.get("username") or ""), frozenset(user.get("groups") or ())
    if not name:
        raise Undetermined("who asks: give the whole AdmissionReview")
    kind = _kind(name, groups)
    nodes = tuple(_nodes(kind, name, user))
    sets = [where_is_node(node) for node in nodes]
    if kind != "anonymous":
        sets.append(PlaceSet.of(_declared(name, groups, _extra(user), geography)))
    places = PlaceSet.union(sets)
    return {
        "kind": kind,
        "places": PlaceSet.of((UNPLACED,)) if places.empty else places,
        "unknown": _unknown(kind, name, nodes) if places.empty or UNPLACED in places else "",
    }


def places_of_account(account: str, geography: Geography) -> PlaceSet:
    """Where a token of `<namespace>/<name>` acts from that is bound to nothing: nowhere, where nobody declares it."""
    namespace, _, name = account.partition("/")
    groups = frozenset(("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"))
    return PlaceSet.of(_declared(f"{_ACCOUNT}{namespace}:{name}", groups, {}, geography))


def _kind(name: str, groups: frozenset[str]) -> str:
    if ANONYMOUS in groups:
        return "anonymous"
    if name.startswith(_ACCOUNT):
        return "service account"
    return "node" if name.startswith(_NODE) and NODES in groups else "user"


def _nodes(kind: str, name: str, user: JsonObject) -> Iterator[str]:
    """The nodes that somebody provably acts from. Only the API server writes this claim into a token."""
    if kind == "node":
        yield name.removeprefix(_NODE)
    elif kind == "service account":
        yield from sorted(_extra(user).get(NODE_OF_POD, ()))


def _extra(user: JsonObject) -> Mapping[str, frozenset[str]]:
    extra = user.get("extra")
    given = extra.items() if isinstance(extra, dict) else ()
    return {key: frozenset(map(str, values)) for key, values in given if isinstance(values, list)}


def _declared(
    name: str, groups: frozenset[str], extra: Mapping[str, frozenset[str]], geography: Geography
) -> Iterator[str]:
    """The place codes of every declaration that fits."""
    for entry in geography.declarations("actorGroups"):
        if entry["group"] in groups:
            yield entry["place"]
    for entry in geography.declarations("actors"):
        if _fits(entry, name, groups, extra):
            yield entry["place"]


def _fits(entry: Mapping[str, Any], name: str, groups: frozenset[str], extra: Mapping[str, frozenset[str]]) -> bool:
    """Does everything that the entry gives fit?"""
    users, accounts, wanted = entry.get("users"), entry.get("serviceAccounts"), entry.get("groups")
    if users and not any(glob_fits(glob, name) for glob in users):
        return False
    if accounts and not _is_account(name, accounts):
        return False
    if wanted and groups.isdisjoint(wanted):
        return False
    return all(not extra.get(one["key"], frozenset()).isdisjoint(one["values"]) for one in entry.get("extra") or ())


def _is_account(name: str, globs: list[str]) -> bool:
    if not name.startswith(_ACCOUNT):
        return False
    account = name.removeprefix(_ACCOUNT).replace(":", "/", 1)
    return any(glob_fits(glob, account) for glob in globs)


def _unknown(kind: str, name: str, nodes: tuple[str, ...]) -> str:
    """Why nobody can tell, in words for whoever is refused."""
    if kind == "anonymous":
        return "nobody has logged in"
    if nodes:
        return f"node `{nodes[0]}` is in no known place"
    if kind == "service account":
        return f"the token of `{name}` is bound to no pod, and the ClusterProfile doesn't declare where it acts from"
    return f"the ClusterProfile doesn't declare where `{name}` acts from"
