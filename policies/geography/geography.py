"""The places one cluster can speak of: what the data knows, and what its ClusterProfile declares."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from policies.geography.globs import glob_fits
from policies.geography.networks import Network, ProfileInvalid, networks_of
from policies.geography.place import Place, is_label_value
from policies.geography.regions import Regions
from policies.geography.sites import Site
from policies.json import JsonObject


@dataclass(frozen=True, eq=False)  # one object is one cluster; it is compared by identity
class Geography:
    """Immutable. `profile` is the `spec` of a ClusterProfile in its JSON form; None where a cluster has none.

    Raises ProfileInvalid for an unknown provider, region or place, for a network that is none or is far too wide, and
    for a site whose name is no label value or is the code of a region.
    """

    regions: Regions = field(default_factory=Regions.builtin)
    profile: JsonObject | None = None
    sites: tuple[Site, ...] = field(init=False)
    networks: tuple[Network, ...] = field(init=False)
    _declared: tuple[Place, ...] = field(init=False, repr=False)
    _sites: dict[str, Place] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        profile = self.profile or {}
        sites = tuple(_site(self.regions, index, spec) for index, spec in enumerate(profile.get("sites") or ()))
        object.__setattr__(self, "sites", sites)
        object.__setattr__(self, "networks", tuple(networks_of(profile)))
        object.__setattr__(self, "_sites", {site.place.code: site.place for site in sites})
        if len(self._sites) < len(sites):
            raise ProfileInvalid("`spec.sites`: two sites have the same name: rename one")
        object.__setattr__(self, "_declared", (*self._regions_declared(profile), *self._sites.values()))
        self._check_references(profile)

    def place(self, provider: str, region: str, zone: str | None = None) -> Place | None:
        """The place of a provider's region (or zone, see `Regions.place`), declared or not; None when nobody knows."""
        return self.regions.place(provider, region, zone)

    def by_code(self, code: str) -> Place | None:
        """The place of a code, of a site or a region of any provider; None for a code that nobody knows."""
        return self._sites.get(code) or self.regions.places.get(code)

    def declared(self) -> tuple[Place, ...]:
        """The places of this cluster, as its operator says: regions of its providers, and its sites."""
        return self._declared

    def inhabited(self) -> tuple[Place, ...]:
        """Those of them where nodes can stand. A site that no node is known by (an office) is none of them."""
        offices = {site.place.code for site in self.sites if not site.provable}
        return tuple(place for place in self._declared if place.code not in offices)

    def is_declared(self, provider: str, place: Place | None = None) -> bool:
        """Does the profile declare this provider, and this place of it?"""
        return any(known.provider == provider and place in (None, known) for known in self._declared)

    def providers(self) -> tuple[str, ...]:
        """Names of the declared providers, in the profile's order."""
        return tuple(dict.fromkeys(place.provider for place in self._declared if place.provider))

    def paired_with(self, place: Place) -> Place | None:
        """Where geo-redundant copies of a place's data land, if its provider pairs regions and that one is known."""
        return self.regions.places.get(self.regions.paired.get(place.code, ""))

    def declarations(self, group: str) -> Sequence[JsonObject]:
        """The entries of one list of the profile: `hosts`, `registries`, `keys`, `storageClasses` ..."""
        return (self.profile or {}).get(group) or ()

    def declared_for(self, group: str, text: str) -> JsonObject | None:
        """The first entry of such a list whose glob fits the whole text."""
        return next((entry for entry in self.declarations(group) if glob_fits(entry["match"], text)), None)

    def _regions_declared(self, profile: JsonObject) -> list[Place]:
        found: list[Place] = []
        for index, spec in enumerate(profile.get("providers") or ()):
            found.extend(self._of_provider(f"`spec.providers[{index}]`", spec))
        return found

    def _of_provider(self, at: str, spec: JsonObject) -> list[Place]:
        name = spec["name"]
        if name not in self.regions.providers:
            known = ", ".join(sorted(self.regions.providers))
            raise ProfileInvalid(f"{at}: no provider `{name}`: known are {known}; declare your own as a site")
        names = spec.get("regions") or ()
        if not names:
            return [place for place in self.regions.places.values() if place.provider == name]
        found = {region: self.place(name, region) or self.regions.place_of_zone(name, region) for region in names}
        for region, place in found.items():
            if place is None:
                raise ProfileInvalid(f"{at}: no region `{region}` of `{name}`: see `bailiwick regions`")
        return list(dict.fromkeys(place for place in found.values() if place))

    def _check_references(self, profile: JsonObject) -> None:
        for group in ("hosts", "registries", "keys", "storageClasses", "actorGroups", "actors"):
            for index, entry in enumerate(profile.get(group) or ()):
                self._check_code(f"spec.{group}[{index}].place", entry.get("place"))
        self._check_code("spec.place", profile.get("place"))

    def _check_code(self, field_name: str, code: str | None) -> None:
        if code and self.by_code(code) is None:
            raise ProfileInvalid(f"`{field_name}`: no place `{code}`: write `<provider>.<region>` or a site's name")


def _site(regions: Regions, index: int, spec: JsonObject) -> Site:
    site = Site.of(spec)
    if site.place.code in regions.places:
        raise ProfileInvalid(f"`spec.sites[{index}].name`: `{site.place.code}` is the code of a region: choose another")
    if not is_label_value(site.place.code):
        raise ProfileInvalid(f"`spec.sites[{index}].name`: `{site.place.code}` is no label value: choose another")
    return site
