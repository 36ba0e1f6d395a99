"""The seams of this package (design: ports). Failure is in the types: `Unknown` and `Pending` are values."""

from datetime import datetime
from typing import Protocol

from policies.decision import Decision, Needs
from policies.request import Phase, Request
from policies.snapshot import Snapshot


class Engine(Protocol):
    """Pure, total, deterministic: equal arguments give equal decision bytes; never raises for any request."""

    def decide(self, request: Request, phase: Phase, snapshot: Snapshot, now: datetime) -> Decision | Needs: ...


class Resolver(Protocol):
    """The only place where decisions meet I/O. `deadline` is a monotonic time in seconds.

    Answers every question of `needs`; what can't be answered in time is answered `Unknown`.
    """

    async def resolve(self, needs: Needs, deadline: float) -> Snapshot: ...
