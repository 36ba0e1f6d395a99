"""Any object, as what it boils down to: pods, images, models, devices, destinations, keys, identities.

Guarantees: never raises, whatever the object holds; a fact is computed when it is first asked for, and once; equal
objects give equal facts, in an order that follows the object. Everything has the path where it stands in the object.
What an object only refers to (claims, classes, other objects) is left to whoever has the snapshot.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from policies.json import Json, JsonObject
from policies.workloads.catalogue import Catalogue, Entry, builtin
from policies.workloads.devices import proofs_of, unproven
from policies.workloads.lazy import Lazy
from policies.workloads.levels import Holds
from policies.workloads.nested import nested_in, patched_pods
from policies.workloads.own import (
    own_destinations,
    own_devices,
    own_identities,
    own_images,
    own_keys,
    own_models,
)
from policies.workloads.places import (
    Place,
    catalogued,
    is_planned,
    metadata_of,
    shaped,
    spec_of,
)
from policies.workloads.pods import Pod, PodFact
from policies.workloads.structure import pod_specs
from policies.workloads.tables import table

Workload = dict[str, Any]  # group, version, kind, known, pods, images, models, devices, destinations, keys, identities
Mutate = Callable[[dict[str, Any]], JsonObject]  # a synthetic Pod to the Pod it will be


def extract(subject: Json, mutate: Mutate | None = None, catalogue: Catalogue | None = None) -> Workload:
    """The facts of an object. `mutate` is what admission will do to each pod; facts of pods are of its result.

    It is called at most once for each pod, when a fact of that pod is first asked for, with
    `{apiVersion, kind, metadata, spec}`, and must not change its argument.
    """
    subject = subject if isinstance(subject, dict) else {}
    group, version, kind = type_of(subject)
    catalogue = catalogue or builtin()
    entry = catalogue.kind_of(group, version, kind)
    facts = _Facts(subject, entry, mutate, catalogue)
    known = entry is not None or is_inert(group, kind)
    return _WorkloadFact({"group": group, "version": version, "kind": kind, "known": known}, facts)


def is_workload(subject: Json, catalogue: Catalogue | None = None) -> bool:
    """Whether it is known what the object is: its kind is catalogued or the API server's own, or it shows its pods."""
    subject = subject if isinstance(subject, dict) else {}
    group, version, kind = type_of(subject)
    known = (catalogue or builtin()).kind_of(group, version, kind) is not None or is_inert(group, kind)
    return known or next(iter(pod_specs(subject)), None) is not None


def is_inert(group: str, kind: str) -> bool:
    """Whether a kind belongs to the API server itself and can neither make pods nor name anything of interest."""
    return kind in table("facts")["inert"].get(group, ())


def type_of(subject: JsonObject) -> tuple[str, str, str]:
    """Group, version and kind as the object states them; empty where it doesn't."""
    written, kind = subject.get("apiVersion"), subject.get("kind")
    group, _, version = written.rpartition("/") if isinstance(written, str) else ("", "", "")
    return group, version, kind if isinstance(kind, str) else ""


class _Facts:
    """What is shared between the facts of one object, or of one object inside another."""

    def __init__(
        self,
        subject: dict[str, Any],
        entry: Entry | None,
        mutate: Mutate | None,
        catalogue: Catalogue,
        prefix: str = "",
    ) -> None:
        self._subject = subject
        self._entry = entry
        self._mutate = mutate
        self._catalogue = catalogue
        self._prefix = prefix
        self._own: dict[str, list[Any]] = {}
        self._pods: list[PodFact] | None = None
        self._nested: list[_Facts] | None = None
        self._by_path: dict[str, PodFact] = {}
        self._lengths: list[int] = []  # of the paths of the pods; few, however many pods there are
        self._inner: dict[str, dict[str, list[Any]]] = {}
        self._proofs: dict[str, Holds] = {}

    @property
    def pods(self) -> list[PodFact]:
        if self._pods is None:
            own = [self._pod(place) for place in self._places()]
            self._pods = own + [pod for one in self._inside() for pod in one.pods]
        return self._pods

    def _inside(self) -> "list[_Facts]":
        """Objects inside of this one. Not inside of those: nobody nests deeper, and depth is the sender's choice."""
        if self._entry is None or self._prefix or not self._entry.nests:
            return []
        if self._nested is None:
            found = nested_in(self._subject, self._entry, self._prefix)
            kind_of = self._catalogue.kind_of
            self._nested = [
                _Facts(held, kind_of(*type_of(held)), self._mutate, self._catalogue, path) for path, held in found
            ]
        return self._nested

    def _places(self) -> Iterable[Place]:
        if self._entry is None:
            group, _, kind = type_of(self._subject)
            return () if is_inert(group, kind) else shaped(self._subject, self._prefix)
        found = catalogued(self._subject, self._entry, self._prefix)
        return [*found, *patched_pods(self._subject, self._entry, self._prefix)] if self._entry.nests else found

    def all(self, fact: str) -> list[Any]:
        """The facts of the object: its own, and those of its pods."""
        own, pods = self.own(fact), self.pods
        if not own:
            return [one for pod in pods for one in pod.source.fact(fact)]
        seen = {tuple(one.values()) for one in own}
        return own + [one for pod in pods for one in pod.source.fact(fact) if tuple(one.values()) not in seen]

    def own(self, fact: str) -> list[Any]:
        """The facts that stand outside of PodSpec fields, by the paths of the catalogue."""
        if self._entry is None or not (self._entry.states(fact) or self._entry.nests):
            return []
        if fact not in self._own:
            inside = [one for inner in self._inside() for one in inner.own(fact)]
            self._own[fact] = self._read(fact, self._entry) + inside
        return self._own[fact]

    def _read(self, fact: str, entry: Entry) -> list[Any]:
        if fact == "devices":
            return own_devices(self._subject, entry, self._prefix, self._holds_at)
        return _OWN[fact](self._subject, entry, self._prefix)

    def _holds_at(self, path: str) -> Holds:
        """What is proven of the nodes of the pod that a path lies in: of the innermost one."""
        around = self._around(path)
        if not around:
            return unproven
        pod = around[-1]
        if pod not in self._proofs:
            self._proofs[pod] = proofs_of(self._by_path[pod]["spec"])
        return self._proofs[pod]

    def inside(self, fact: str, pod: str) -> list[Any]:
        """What the catalogue knows inside of one template, such as KServe's `spec.predictor.model`."""
        own = self.own(fact)
        if not own:
            return []
        if fact not in self._inner:
            self._inner[fact] = {}
            for one in own:
                for around in self._around(one["path"]):
                    self._inner[fact].setdefault(around, []).append(one)
        return self._inner[fact].get(pod, [])

    def _around(self, path: str) -> list[str]:
        """The paths of the templates that a path lies in, the outermost first."""
        if not self._lengths:
            self._by_path = {pod["path"]: pod for pod in self.pods}
            self._lengths = sorted({len(pod) for pod in self._by_path})
        return [
            path[:length]
            for length in self._lengths
            if (not length or path[length : length + 1] in ("", ".", "[")) and path[:length] in self._by_path
        ]

    def _pod(self, place: Place) -> PodFact:
        made = Pod(place, self)
        given = {
            "path": place.path,
            "planned": not self._prefix and is_planned(self._subject, place.template),
        }
        made.whole = PodFact(given, made)
        return made.whole

    def pod_of(self, place: Place) -> JsonObject:
        """The pod of a place as it will be: `mutate` is called here and nowhere else."""
        spec = spec_of(self._subject, place.template, place.holder)
        parts = {"metadata": metadata_of(self._subject, place), "spec": {} if spec is None else spec}
        return parts if self._mutate is None else self._mutate({"apiVersion": "v1", "kind": "Pod", **parts})


_OWN: dict[str, Callable[[JsonObject, Entry, str], list[Any]]] = {
    "images": own_images,
    "models": own_models,
    "destinations": own_destinations,
    "keys": own_keys,
    "identities": own_identities,
}


class _WorkloadFact(Lazy):
    __slots__ = ()
    LATER: ClassVar[Mapping[str, Callable[[_Facts], Any]]] = {
        "pods": lambda facts: facts.pods,
        "images": lambda facts: facts.all("images"),
        "models": lambda facts: facts.all("models"),
        "devices": lambda facts: facts.all("devices"),
        "destinations": lambda facts: facts.all("destinations"),
        "keys": lambda facts: facts.all("keys"),
        "identities": lambda facts: facts.all("identities"),
    }
