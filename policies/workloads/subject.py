"""One object as the facts are read from it: its templates, its pods as they will be, what stands outside of them.

Guarantees: never raises, except what the mutation raises; each thing is read when first asked for, and once. It knows
nothing of whoever asks, so that an answer is freed as soon as nobody holds it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from policies.json import Json, JsonObject
from policies.workloads.catalogue.kinds import Catalogue, Entry
from policies.workloads.catalogue.tables import table
from policies.workloads.devices.devices import proofs_of, unproven
from policies.workloads.devices.levels import Holds
from policies.workloads.nested import nested_in, patched_pods
from policies.workloads.own import (
    counted_devices,
    own_destinations,
    own_devices,
    own_extended,
    own_identities,
    own_images,
    own_keys,
    own_models,
    own_namespaces,
)
from policies.workloads.reach.within import clouds_within, hosts_within
from policies.workloads.specs.malformed import Malformed, misfits_of_entry, misfits_of_spec, too_deep
from policies.workloads.specs.placement import own_placement
from policies.workloads.specs.places import (
    Place,
    catalogued,
    is_planned,
    metadata_of,
    shaped,
    spec_of,
    spec_path,
    with_lent,
    without_lent,
)
from policies.workloads.specs.volumes import own_volumes

_DEEPEST = 8  # objects inside of one another: how many is the sender's choice
Mutate = Callable[[dict[str, Any]], JsonObject]  # a synthetic Pod to the Pod it will be

_OWN: dict[str, Callable[[JsonObject, Entry, str], list[Any]]] = {
    "images": own_images,
    "models": own_models,
    "extended": own_extended,
    "destinations": own_destinations,
    "keys": own_keys,
    "identities": own_identities,
    "placement": own_placement,
    "volumes": lambda subject, entry, prefix: list(own_volumes(subject, entry, prefix)),
    "namespaces": own_namespaces,
}


class Subject:
    """An object, or an object inside of another; then `prefix` is where."""

    __slots__ = (
        "_catalogue", "_depth", "_entry", "_found", "_inner", "_inside", "_lengths", "_lent", "_made", "_mutate",
        "_object", "_own", "_places", "_prefix", "_proofs", "kind",
    )  # fmt: skip

    def __init__(
        self, value: Json, mutate: Mutate | None, catalogue: Catalogue, prefix: str = "", depth: int = 0
    ) -> None:
        self._object: JsonObject = value if isinstance(value, dict) else {}
        self.kind = type_of(self._object)
        self._entry = catalogue.kind_of(*self.kind)
        self._mutate = mutate
        self._catalogue = catalogue
        self._prefix = prefix
        self._depth = depth
        self._places: list[Place] | None = None
        self._made: dict[int, JsonObject] = {}
        self._own: dict[str, list[Any]] = {}
        self._inside: list[Subject] | None = None
        self._found: dict[str, int] = {}
        self._lengths: list[int] = []  # of the paths of the templates; few, however many templates there are
        self._inner: dict[str, dict[str, list[Any]]] = {}
        self._lent: dict[bool, dict[str, list[JsonObject]]] = {}
        self._proofs: dict[str, Holds] = {}

    @property
    def is_known(self) -> bool:
        """Whether the kind is catalogued, or is the API server's own."""
        return self._entry is not None or is_inert(self.kind[0], self.kind[2])

    @property
    def places(self) -> list[Place]:
        """Where the object's own pods stand."""
        if self._places is None:
            self._places = list(self._look())
        return self._places

    def _look(self) -> Iterable[Place]:
        if self._entry is None:
            return () if self.is_known else shaped(self._object, self._prefix)
        found = catalogued(self._object, self._entry, self._prefix)
        return [*found, *patched_pods(self._object, self._entry, self._prefix)] if self._entry.nests else found

    def made(self, index: int) -> JsonObject:
        """`metadata` and `spec` of one of the pods as it will be: `mutate` is called here and nowhere else."""
        made = self._made.get(index)
        if made is None:
            place = self.places[index]
            spec = spec_of(self._object, place.template, place.holder)
            parts = {"metadata": metadata_of(self._object, place), "spec": {} if spec is None else spec}
            mutate = self._mutate
            made = self._made[index] = parts if mutate is None else self._corrected(parts, place, mutate)
        return made

    def _corrected(self, parts: JsonObject, place: Place, mutate: Mutate) -> JsonObject:
        """The pod after mutation, which sees what the kind keeps beside its containers, too."""
        pod = {"apiVersion": "v1", "kind": "Pod", **parts}
        lent = self._beside(flat=bool(place.template.flat)).get(place.path)
        return without_lent(mutate(with_lent(pod, lent))) if lent else mutate(pod)

    def _beside(self, *, flat: bool) -> dict[str, list[JsonObject]]:
        """What stands beside the pods' lists, by the path of the innermost template; looked for once."""
        if flat not in self._lent:
            lent = self._lent[flat] = {}
            for path, one in self._standing(flat=flat):
                for around in self._around(path)[-1:]:
                    lent.setdefault(around, []).append(one)
        return self._lent[flat]

    def _standing(self, *, flat: bool) -> Iterator[tuple[str, JsonObject]]:
        """Containers outside of the lists, and devices that the kind counts itself, as containers ask for them."""
        entry = self._entry
        if entry is None:
            return
        if entry.row.get("containers") and not flat:
            for path, one, _, _ in entry.containers.find(self._object, self._prefix):
                if isinstance(one, dict):
                    yield path, one
        if entry.row.get("devices"):
            yield from counted_devices(self._object, entry, self._prefix)

    def is_planned(self, place: Place) -> bool:
        """Whether a controller plans by the template. What lies inside of another object is planned by nobody here."""
        return not self._prefix and is_planned(self._object, place.template)

    @property
    def inside(self) -> "list[Subject]":
        """Objects right inside of this one; those at the bottom are looked for in vain, and `malformed` says so."""
        if self._inside is None:
            below = self._depth + 1
            held = self._held() if self._depth < _DEEPEST else ()
            self._inside = [Subject(one, self._mutate, self._catalogue, path, below) for path, one in held]
        return self._inside

    def within(self) -> "Iterator[Subject]":
        """This object, and all that lie inside of it however deep: each before what it holds."""
        yield self
        for held in self.inside:
            yield from held.within()

    def _held(self) -> Iterable[tuple[str, JsonObject]]:
        return (
            nested_in(self._object, self._entry, self._prefix) if self._entry is not None and self._entry.nests else ()
        )

    def malformed(self) -> list[Malformed]:
        """What can't be read: in the kind's own fields, and in pod specs that aren't put together."""
        found: list[Malformed] = []
        if self._depth == _DEEPEST:
            found += [too_deep(path, _DEEPEST) for path, _ in self._held()]
        if self._entry is not None:
            found += misfits_of_entry(self._object, self._entry, self._prefix)
        for place in self.places:
            if not place.template.flat:
                spec = spec_of(self._object, place.template, place.holder)
                at = spec_path(place)
                found += misfits_of_spec(spec, f"{at}." if at else "")
        return found

    def own(self, fact: str) -> list[Any]:
        """The facts that stand outside of PodSpec fields, by the catalogue's paths; of kinds nobody knows, hosts."""
        found = self._own.get(fact)
        if found is None:
            found = self._own[fact] = self._stated(fact)
        return found

    def _stated(self, fact: str) -> list[Any]:
        entry = self._entry
        if entry is None:
            return self._addresses() if fact == "destinations" and not self.is_known else []
        found = self._read(fact, entry) if fact in entry.stated or entry.lends else []
        return found + [one for held in self.inside for one in held.own(fact)] if entry.nests else found

    def _addresses(self) -> list[Any]:
        found = list(hosts_within(self._object, self._prefix, "data"))
        return found + list(clouds_within(self._object, self._prefix, "data"))

    def own_in(self, fact: str, template: str) -> list[Any]:
        """Those of them that stand inside of one template, such as KServe's `spec.predictor.model`."""
        own = self.own(fact)
        if not own:
            return []
        if fact not in self._inner:
            inner: dict[str, list[Any]] = {}
            for one in own:
                for around in self._around(one["path"]):
                    inner.setdefault(around, []).append(one)
            self._inner[fact] = inner
        return self._inner[fact].get(template, [])

    def _read(self, fact: str, entry: Entry) -> list[Any]:
        if fact == "devices":
            return own_devices(self._object, entry, self._prefix, self._holds_at)
        return _OWN[fact](self._object, entry, self._prefix)

    def _holds_at(self, path: str) -> Holds:
        """What is proven of the nodes of the pod that a path lies in: of the innermost one."""
        around = self._around(path)
        if not around:
            return unproven
        template = around[-1]
        if template not in self._proofs:
            spec = self.made(self._found[template]).get("spec")
            self._proofs[template] = proofs_of(spec if isinstance(spec, dict) else {})
        return self._proofs[template]

    def _around(self, path: str) -> list[str]:
        """The paths of the templates that a path lies in, the outermost first."""
        if not self._lengths:
            self._found = {place.path: index for index, place in enumerate(self.places)}
            self._lengths = sorted({len(template) for template in self._found})
        return [
            path[:length]
            for length in self._lengths
            if (not length or path[length : length + 1] in ("", ".", "[")) and path[:length] in self._found
        ]


def type_of(value: JsonObject) -> tuple[str, str, str]:
    """Group, version and kind as the object states them; empty where it doesn't."""
    written, kind = value.get("apiVersion"), value.get("kind")
    group, _, version = written.rpartition("/") if isinstance(written, str) else ("", "", "")
    return group, version, kind if isinstance(kind, str) else ""


def is_inert(group: str, kind: str) -> bool:
    """Whether a kind belongs to the API server itself and can neither make pods nor name anything of interest."""
    return kind in table("facts")["inert"].get(group, ())
