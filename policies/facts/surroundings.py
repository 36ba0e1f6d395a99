"""What surrounds the object of one request: law, snapshot and moment, its namespace, class and jurisdiction.

Guarantees: each is looked up when first asked for, and once; what rules looked at beside the object is noted. What
isn't known raises Undetermined.
"""

from datetime import date, datetime
from functools import cached_property

from policies.cel import EvaluationError
from policies.facts.classification import CLASS_LABEL, JURISDICTION_LABEL, DataClassFact, JurisdictionFact
from policies.facts.law import Law
from policies.facts.unknown import fetch
from policies.json import Json
from policies.request import Request, labels_of
from policies.snapshot import Ref, Snapshot


class Surroundings:
    """Of one request, for as long as a decision takes."""

    def __init__(self, law: Law, request: Request, snapshot: Snapshot, now: datetime) -> None:
        self.law, self.request = law, request
        self.touched: set[str] = set()  # what rules looked at beside the object
        self._snapshot, self._now = snapshot, now

    @property
    def now(self) -> datetime:
        """The moment of the decision. Whoever needs no more than the day asks for the jurisdiction."""
        self.touched.add("now")
        return self._now

    @property
    def snapshot(self) -> Snapshot:
        self.touched.add("snapshot")
        return self._snapshot

    @property
    def today(self) -> date:
        """The day of the decision: a decision that looks at no more than that is good for the whole day."""
        return self._now.date()

    @cached_property
    def namespace_object(self) -> Json:
        """The Namespace of a namespaced request, else None. Raises Undetermined where it isn't known."""
        if not self._in_namespace:
            return None
        found = fetch(self.snapshot, Ref("", "Namespace", "", self.request.namespace))
        if found is None:
            raise EvaluationError(f"namespace `{self.request.namespace}` does not exist")
        return found

    @cached_property
    def labelled(self) -> Json:
        """What carries the class and jurisdiction labels: the namespace, or an object outside any namespace itself."""
        return self.namespace_object if self._in_namespace else self.request.subject or {}

    @cached_property
    def data_class(self) -> DataClassFact:
        return self.law.data_class(_label(self.labelled, CLASS_LABEL))

    @cached_property
    def jurisdiction(self) -> JurisdictionFact:
        return self.law.jurisdiction(_label(self.labelled, JURISDICTION_LABEL), self.today)

    @property
    def _in_namespace(self) -> bool:
        return bool(self.request.namespace) and self.request.kind.kind != "Namespace"


def _label(found: Json, key: str) -> str:
    return str(labels_of(found).get(key) or "")
