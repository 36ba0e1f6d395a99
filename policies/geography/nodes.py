"""Where a node is believed to be, from what its cluster's operator, its provider id and its labels say together.

Topology labels prove nothing alone: a kubelet may set them on its own node. So a place is believed only when the
ClusterProfile declares it, `spec.providerID` fits where the provider's form is known, and the labels agree; anything
else is unknown. Where a provider's form is not known, the operator's list of regions bounds what a label can claim:
list few. `PLACE_LABEL` is what the scheduler sees; it is worth something because a kubelet can't set it
and a labeller keeps it equal to what is believed.
"""

from policies.geography.fields import at, text_at
from policies.geography.geography import Geography
from policies.geography.place import PLACE_LABEL, REGION_LABEL, ZONE_LABEL, Place, UnknownPlace
from policies.geography.placeset import UNPLACED, PlaceSet
from policies.geography.regions import Provider, pattern
from policies.json import JsonObject


def believed_place(node: JsonObject, geography: Geography) -> Place | UnknownPlace:
    """The one declared place that everything agrees on, or why there is none. Never looks at `PLACE_LABEL`."""
    sites = [site for site in geography.sites if site.matches(node)]
    if len(sites) > 1:
        return UnknownPlace(f"sites {_names([site.place for site in sites])} both match: make their `match` narrower")
    placed, reasons = _by_providers(node, geography)
    if sites and placed:
        return UnknownPlace(f"site `{sites[0].place}` matches, yet it looks like {_names(placed)}")
    if sites:
        named_by_id = bool(sites[0].provider_ids)
        stranger = None if named_by_id else _stranger(node, geography)
        return stranger or sites[0].place
    if len(placed) > 1:
        return UnknownPlace(f"it could be at {_names(placed)}: declare fewer regions, or sites")
    return placed[0] if placed else UnknownPlace("; ".join(reasons) or _undeclared(node, geography))


def labelled_place(node: JsonObject) -> str | None:
    """The place code the scheduler sees; None for a node without the label."""
    code = at(node, "metadata", "labels", PLACE_LABEL)
    return code if isinstance(code, str) else None


def place_of_node(node: JsonObject, geography: Geography) -> Place | UnknownPlace:
    """Where something that is put on this very node would be: the believed place, where the label says it too.

    Without the label it may be another's twin: who is put past the scheduler on a node must not see more than it does.
    """
    believed, code = believed_place(node, geography), labelled_place(node)
    if isinstance(believed, UnknownPlace) or code == believed.code:
        return believed
    if code is None:
        return UnknownPlace(f"it has no label `{PLACE_LABEL}`: `bailiwick nodes` says whether it may have it")
    return UnknownPlace(f"its label says `{code}`, its provider id and profile say `{believed}`")


def node_places(node: JsonObject, geography: Geography) -> PlaceSet:
    """The place of this very node as a set; `UNPLACED` stands for unknown."""
    place = place_of_node(node, geography)
    return PlaceSet.of((UNPLACED if isinstance(place, UnknownPlace) else place.code,))


def label_change(node: JsonObject, geography: Geography) -> str | UnknownPlace | None:
    """What a labeller should do: the code to write, None when the label is right, UnknownPlace when it has to go.

    A node that has no label and no believed place is right as it is.
    """
    believed, code = believed_place(node, geography), labelled_place(node)
    if isinstance(believed, UnknownPlace):
        return believed if code is not None else None
    return None if code == believed.code else believed.code


def _by_providers(node: JsonObject, geography: Geography) -> tuple[list[Place], list[str]]:
    placed, reasons = [], []
    for name in geography.providers():
        found = _by_provider(node, geography.regions.providers[name], geography)
        if isinstance(found, Place):
            placed.append(found)
        else:
            reasons.append(f"{name}: {found}")
    return placed, reasons


def _by_provider(node: JsonObject, provider: Provider, geography: Geography) -> Place | str:
    """The place by one declared provider, or what doesn't fit."""
    identity = text_at(node, "spec", "providerID")
    region, zone = (text_at(node, "metadata", "labels", key) for key in (REGION_LABEL, ZONE_LABEL))
    says: dict[str, str | None] = {}
    if provider.provider_id:
        match = pattern(provider.provider_id).match(identity)
        if match is None:
            return f"`spec.providerID` `{identity}` is not of its form"
        says = match.groupdict()
    elif stranger := _provider_of(identity, geography):
        return f"`spec.providerID` `{identity}` is of {stranger}"
    if not region:
        return f"no label `{REGION_LABEL}`"
    place = geography.place(provider.name, region, says.get("zone") or zone)
    if place is None:
        return f"region `{region}` with zone `{says.get('zone') or zone}` is not known to lie anywhere"
    if zone and geography.place(provider.name, region, zone) != place:
        return f"the label's zone `{zone}` is not where `spec.providerID` says"
    if (other := says.get("region")) and geography.place(provider.name, other) != place:
        return f"the label's region `{region}` is not the region `{other}` of `spec.providerID`"
    if (realm := says.get("realm")) and provider.realms.get(place.code) != realm:
        return f"`{place}` is not in realm `{realm}` of `spec.providerID`"
    if not geography.is_declared(provider.name, place):
        return f"`{place}` is not declared in the ClusterProfile"
    return place


def _provider_of(identity: str, geography: Geography) -> str | None:
    """A declared provider that this provider id is of."""
    for name in geography.providers():
        form = geography.regions.providers[name].provider_id
        if form and pattern(form).match(identity):
            return name
    return None


def _stranger(node: JsonObject, geography: Geography) -> UnknownPlace | None:
    """A node whose provider id names a cloud's zone stands in no private site that doesn't say so itself."""
    identity = text_at(node, "spec", "providerID")
    for provider in geography.regions.providers.values() if identity else ():
        match = pattern(provider.provider_id).match(identity) if provider.provider_id else None
        if match and match.groupdict().get("zone"):
            return UnknownPlace(f"`spec.providerID` `{identity}` is of {provider.name}, not of a site")
    return None


def _names(places: list[Place]) -> str:
    return " and ".join(f"`{place}`" for place in places)


def _undeclared(node: JsonObject, geography: Geography) -> str:
    if geography.sites:
        said = {path: text_at(node, *path.split(".")) for path in ("spec.providerID", "status.nodeInfo.systemUUID")}
        known = " and ".join(f"`{path}` `{text}`" for path, text in said.items() if text)
        return "no site of the ClusterProfile matches" + (
            f" its name, labels, {known}" if known else " its name or labels"
        )
    return "the ClusterProfile declares no providers and sites"
