"""Who of several replicas may write: the holder of a Lease (coordination.k8s.io/v1). Pure; clocks are arguments.

Guarantees that nobody who keeps to it writes while another may: a holder stops two thirds into its lease, counted from
before the renewal was sent; whoever wants the lease waits its whole length, counted from when the same record was first
seen. Only lengths are compared between replicas, never their clocks.
"""

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from policies.json import Json

LEASE = "bailiwick-system/bailiwick-labeller"  # <namespace>/<name> where nobody names another
SECONDS = 15.0  # how long it lasts
NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Terms:
    """Lengths of time, in seconds, all of them from the lease's own."""

    lease: float = SECONDS

    @property
    def hold(self) -> float:
        """How long a renewal allows to write."""
        return self.lease * 2 / 3

    @property
    def request(self) -> float:
        """How long a request may take. INVARIANT: hold + request < lease."""
        return self.lease / 4

    @property
    def retry(self) -> float:
        """Between two looks at the lease, or renewals of it."""
        return self.lease * 2 / 15


class Election:
    """What one replica knows of the lease. `now` is a clock that only moves forward, also while a machine sleeps."""

    def __init__(self, identity: str, terms: Terms) -> None:
        self.identity = identity
        self.terms = terms
        self._held: Json | None = None  # the Lease as last seen or written; None where there is none
        self._since = NEVER  # when it was first seen in this form
        self._until = NEVER  # until when we may write
        self._look = True  # is what we hold of it too old to write on?

    def leading(self, now: float) -> bool:
        return now < self._until

    @property
    def holder(self) -> str:
        """As last seen; empty where nobody holds it."""
        return str(_spec(self._held).get("holderIdentity") or "")

    def must_look(self, now: float) -> bool:
        """Only a leader whose last renewal went through may write without looking first."""
        return self._look or not self.leading(now)

    def saw(self, lease: Json | None, now: float) -> None:
        """The Lease as the API server holds it; None where there is none."""
        if _form(lease) != _form(self._held) or self._since == NEVER:
            self._since = now
        self._held, self._look = lease, False
        if self.holder != self.identity:
            self._until = NEVER

    def claim(self, now: float, moment: datetime) -> Json | None:
        """The Lease to be written now, or None: it is another's. With a resourceVersion unless it is to be created."""
        ours, spec = self.holder == self.identity, _spec(self._held)
        if not ours and self.holder and now < self._since + self._length(spec):
            return None
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        fresh = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": ceil(self.terms.lease),
            "acquireTime": spec.get("acquireTime") if ours else stamp,
            "renewTime": stamp,
            "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (0 if ours or self._held is None else 1),
        }
        return self._lease(fresh)

    def won(self, stored: Json, sent: float) -> None:
        """The claim was stored; `sent` is when the request for it began."""
        self._held, self._since, self._look = stored, sent, False
        self._until = sent + self.terms.hold

    def failed(self, *, conflict: bool) -> None:
        """A request did not go through. What we may do ends when it would have; with a conflict, at once."""
        self._look = True
        if conflict:
            self._until = NEVER

    def release(self, now: float) -> Json | None:
        """The Lease to be written by a leader that goes, so that nobody waits for it; nothing may be written after."""
        if not self.leading(now) or self._look:
            return None
        self._until = NEVER
        return self._lease({**_spec(self._held), "holderIdentity": "", "leaseDurationSeconds": 1})

    def _length(self, spec: Json) -> float:
        """Of another's lease: as it says, and no less than we would take for ourselves."""
        try:
            return max(float(spec.get("leaseDurationSeconds") or 0), self.terms.lease)
        except (TypeError, ValueError):
            return self.terms.lease

    def _lease(self, spec: Json) -> Json:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": dict((self._held or {}).get("metadata") or {}),
            "spec": spec,
        }


def _spec(lease: Json | None) -> Json:
    return (lease or {}).get("spec") or {}


def _form(lease: Json | None) -> tuple[str, Json]:
    """What changes with every renewal."""
    return str(((lease or {}).get("metadata") or {}).get("resourceVersion") or ""), _spec(lease)
