"""One request's facts: computed when first touched, remembered, shared by all policies of a decision.

`Situation` holds what doesn't depend on the object (namespace, class, jurisdiction, cluster); `Facts` what does. A
mutated object gets new `Facts` over the same situation.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from policies.cel import EvaluationError
from policies.decision import Summary
from policies.facts.classification import CLASS_LABEL, JURISDICTION_LABEL, DataClassFact, JurisdictionFact
from policies.facts.cluster import Cluster
from policies.facts.law import Law
from policies.facts.unknown import fetch
from policies.json import Json
from policies.matching import labels_of
from policies.request import Request
from policies.snapshot import Ref, Snapshot
from policies.workloads import Workload, extract

if TYPE_CHECKING:
    from policies.workloads import PodFact

Admitted = Callable[["Situation", Json], Json]  # a template's pod as our own mutations will make it


class Situation:
    """What surrounds the object of one request."""

    def __init__(self, law: Law, request: Request, snapshot: Snapshot, now: datetime, admitted: Admitted) -> None:
        self.law, self.request, self.snapshot, self.now = law, request, snapshot, now
        self._admitted = admitted

    def facts(self, document: Json) -> "Facts":
        return Facts(self, document)

    def of_pod(self, request: Request) -> "Situation":
        """The same surroundings for a pod that one of the object's templates makes."""
        inner = Situation(self.law, request, self.snapshot, self.now, self._admitted)
        for name in ("labelled", "data_class", "jurisdiction", "cluster"):
            if name in self.__dict__:
                inner.__dict__[name] = self.__dict__[name]
        return inner

    def admitted(self, pod: Json) -> Json:
        return self._admitted(self, pod)

    @cached_property
    def namespace_object(self) -> Json:
        """The Namespace of a namespaced request, else None. Raises Undetermined where it isn't known."""
        name = self.request.namespace
        if not name or self.request.kind.kind == "Namespace":
            return None
        found = fetch(self.snapshot, Ref("", "Namespace", "", name))
        if found is None:
            raise EvaluationError(f"namespace `{name}` does not exist")
        return found

    @cached_property
    def labelled(self) -> Json:
        """What carries the class and jurisdiction labels: the namespace, or an object outside any namespace itself."""
        if self.request.namespace and self.request.kind.kind != "Namespace":
            return self.namespace_object
        return self.request.subject or {}

    @cached_property
    def data_class(self) -> DataClassFact:
        return self.law.data_class(str(labels_of(self.labelled).get(CLASS_LABEL) or ""))

    @cached_property
    def jurisdiction(self) -> JurisdictionFact:
        return self.law.jurisdiction(str(labels_of(self.labelled).get(JURISDICTION_LABEL) or ""))

    @cached_property
    def cluster(self) -> Cluster:
        return Cluster(self.law, self)


class Facts(dict[str, object]):
    """The names that CEL sees, computed at first use."""

    def __init__(self, situation: Situation, document: Json) -> None:
        super().__init__(object=document)
        self.situation = situation

    def __missing__(self, name: str) -> object:
        compute = _FACTS.get(name)
        if compute is None:
            raise EvaluationError(f"undeclared reference to `{name}`")
        value = self[name] = compute(self)
        return value

    @property
    def workload(self) -> Workload:
        return self["workload"]  # type: ignore[return-value]

    def summary(self) -> Summary:
        """What registers and queries need of a decision. What isn't known stays empty: a summary never decides."""
        workload, situation = self.workload, self.situation
        return Summary(
            data_class=_or_empty(lambda: str(situation.data_class["name"])),
            jurisdiction=_or_empty(lambda: situation.jurisdiction["name"]),
            places=situation.cluster.summary(workload),
            isolation=min((pod["isolation"] for pod in workload["pods"] if pod["isolation"]), key=_rank, default=""),
            models=_distinct(model["reference"] for model in workload["models"]),
            images=_distinct(image["reference"] for image in workload["images"]),
            keys=_distinct(key["reference"] for key in workload["keys"]),
        )
