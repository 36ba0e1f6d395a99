"""Any object, as what it boils down to: pods, images, models, devices, destinations, keys, identities, placement.

Guarantees: never raises, whatever the object holds; a fact is computed when it is first asked for, and once; equal
objects give equal facts, in an order that follows the object. Everything has the path where it stands in the object.
What an object only refers to (claims, classes, other objects) is left to whoever has the snapshot.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from policies.json import Json
from policies.workloads.catalogue.kinds import Catalogue, builtin
from policies.workloads.catalogue.structure import pod_specs
from policies.workloads.lazy import Lazy
from policies.workloads.pods import Pod, PodFact, joined
from policies.workloads.specs.places import Place
from policies.workloads.subject import Mutate, Subject

Workload = dict[str, Any]  # group, version, kind, known, pods, and a list for each fact


def extract(value: Json, mutate: Mutate | None = None, catalogue: Catalogue | None = None) -> Workload:
    """The facts of an object. `mutate` is what admission will do to each pod; facts of pods are of its result.

    It is called at most once for each pod, when a fact of that pod is first asked for, with
    `{apiVersion, kind, metadata, spec}`, and must not change its argument.
    """
    subject = Subject(value, mutate, builtin() if catalogue is None else catalogue)
    group, version, kind = subject.kind
    given = {"group": group, "version": version, "kind": kind, "known": subject.is_known}
    return _WorkloadFact(given, _Facts(subject))


def is_workload(value: Json, catalogue: Catalogue | None = None) -> bool:
    """Whether it is known what the object is: its kind is catalogued or the API server's own, or it shows its pods."""
    known = Subject(value, None, builtin() if catalogue is None else catalogue).is_known
    return known or next(iter(pod_specs(value)), None) is not None


class _Facts:
    """What the lists of one workload share."""

    __slots__ = ("_pods", "_subject")

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._pods: list[PodFact] | None = None

    @property
    def pods(self) -> list[PodFact]:
        if self._pods is None:
            self._pods = [
                _pod(held, index, place) for held in self._subjects() for index, place in enumerate(held.places)
            ]
        return self._pods

    def _subjects(self) -> list[Subject]:
        return list(self._subject.within())

    def own(self, fact: str) -> list[Any]:
        """Those that stand in the object's own fields."""
        return self._subject.own(fact)

    def all(self, fact: str) -> list[Any]:
        """The facts of the object: its own, and those of its pods."""
        own, found = self.own(fact), [one for pod in self.pods for one in pod.source.fact(fact)]
        return joined(own, found) if own else found

    def malformed(self) -> list[Any]:
        """Each misfit once, by where it stands; those of the objects inside, too."""
        found = [one for held in self._subjects() for one in held.malformed()]
        return list({one["path"]: one for one in found}.values())

    def placement(self) -> list[Any]:
        """Each constraint once, by where it stands."""
        found = [one for pod in self.pods for one in pod.source.fact("placement")]
        return list({one["path"]: one for one in [*found, *self._subject.own("placement")]}.values())


def _pod(subject: Subject, index: int, place: Place) -> PodFact:
    return PodFact({"path": place.path, "planned": subject.is_planned(place)}, Pod(subject, index, place))


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
        "placement": lambda facts: facts.placement(),
        "volumes": lambda facts: facts.all("volumes"),
        "namespaces": lambda facts: facts.own("namespaces"),
        "malformed": lambda facts: facts.malformed(),
    }
