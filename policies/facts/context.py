"""One request's facts: computed when first touched, remembered, shared by all policies of a decision.

`Situation` holds what doesn't depend on the object (its `Surroundings`, the cluster); `Facts` what does. A
mutated object gets new `Facts` over the same situation.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from policies.cel import EvaluationError, Program
from policies.decision import Summary
from policies.facts.actor import actor_fact
from policies.facts.cluster import Cluster
from policies.facts.law import Law
from policies.facts.surroundings import Surroundings
from policies.json import Json, JsonObject
from policies.request import Request
from policies.snapshot import Snapshot
from policies.workloads import extract
from policies.workloads.devices.devices import weakest

Admitted = Callable[["Situation", Json], Json]  # a template's pod as our own mutations will make it


class Situation(Surroundings):
    """The surroundings, and what is found out about the object in them."""

    def __init__(
        self, law: Law, request: Request, snapshot: Snapshot, now: datetime, admitted: Admitted | None = None
    ) -> None:
        """Without `admitted`, templates are seen as they stand: so do mutations, which correct some of them there."""
        super().__init__(law, request, snapshot, now)
        self._admitted = admitted
        self._facts: Facts | None = None

    def facts(self, document: Json) -> "Facts":
        """The facts of one version of the object: one set for all policies, until a mutation makes another version."""
        if self._facts is None or self._facts["object"] is not document:
            self._facts = Facts(self, document)
        return self._facts

    def __enter__(self) -> "Situation":
        return self

    def __exit__(self, *_: object) -> None:
        """Nobody asks any more. Facts know their situation: without this the request, too, would stay in memory until
        the collector comes by, and every next one would be parsed into memory that the processor has forgotten.
        """
        self._facts = None
        self.__dict__.pop("cluster", None)

    def of_pod(self, request: Request) -> "Situation":
        """The same surroundings for a pod that one of the object's templates makes."""
        inner = Situation(self.law, request, self._snapshot, self._now)
        shared = ("namespace_object", "labelled", "data_class", "jurisdiction")
        inner.__dict__.update({name: self.__dict__[name] for name in shared if name in self.__dict__})
        return inner

    def workload(self, document: Json) -> Any:
        """What the object boils down to; its templates' pods as they will be once they are admitted."""
        admitted = self._admitted
        if admitted is None or (self.request.kind.kind == "Pod" and not self.request.kind.group):
            return extract(document, catalogue=self.law.catalogue)
        return extract(document, lambda pod: admitted(self, pod), self.law.catalogue)

    @cached_property
    def actor(self) -> JsonObject:
        """Where whoever asks acts from. Raises Undetermined where nobody asks."""
        return actor_fact(self.request.user, self.law.geography, self.cluster.place_of_node)

    @property
    def actor_places(self) -> tuple[str, ...]:
        """Where whoever asks acts from, as far as a rule asked for it: else it is nobody's business."""
        return self.actor["places"].tokens if "actor" in self.__dict__ else ()

    @cached_property
    def cluster(self) -> Cluster:
        return Cluster(self)


class Facts(dict[str, object]):
    """The names that CEL sees, computed at first use."""

    def __init__(self, situation: Situation, document: Json) -> None:
        super().__init__(object=document)
        self.situation = situation
        self.answers: dict[Program, tuple[object, int]] = {}

    def __missing__(self, name: str) -> object:
        compute = FACTS.get(name)
        if compute is None:
            raise EvaluationError(f"undeclared reference to `{name}`")
        self.situation.touched.add(name)
        value = self[name] = compute(self)
        return value

    def summary(self, *, brief: bool = False) -> Summary:
        """What registers and queries need of a decision. What isn't known stays empty: a summary never decides.

        `brief` leaves the workload alone: nobody asked for it.
        """
        try:
            data_class = str(self.situation.data_class["name"])
            jurisdiction = str(self.situation.jurisdiction["name"])
            if brief:
                return Summary(data_class, jurisdiction)
            workload: Any = self["workload"]
            return Summary(
                data_class,
                jurisdiction,
                places=self.situation.cluster.summary(workload["pods"]),
                isolation=weakest(pod["isolation"] for pod in workload["pods"] if pod["isolation"]),
                models=_references(workload["models"]),
                images=_references(workload["images"]),
                keys=_references(workload["keys"]),
                actor_places=self.situation.actor_places,
            )
        except EvaluationError:
            return Summary()


FACTS: Mapping[str, Callable[[Facts], object]] = {
    "oldObject": lambda facts: facts.situation.request.old_object,
    "request": lambda facts: facts.situation.request.review,
    "namespaceObject": lambda facts: facts.situation.namespace_object,
    "params": lambda _: None,  # a SovereigntyPolicy has no paramKind
    "workload": lambda facts: facts.situation.workload(facts["object"]),
    "dataClass": lambda facts: facts.situation.data_class,
    "jurisdiction": lambda facts: facts.situation.jurisdiction,
    "cluster": lambda facts: facts.situation.cluster,
    "actor": lambda facts: facts.situation.actor,
}


def _references(found: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one["reference"] for one in found))
