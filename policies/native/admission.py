"""Both kinds of policies over one request: the object is mutated first, what comes of it is validated."""

from dataclasses import replace

from policies.native.model import Policies
from policies.native.mutating import mutate
from policies.native.outcome import Outcome
from policies.native.validating import validate
from policies.request import Request
from policies.snapshot import Snapshot


def admit(policies: Policies, request: Request, snapshot: Snapshot) -> Outcome:
    """What the API server makes of the request, as far as native policies go. Pure; never raises."""
    mutated = mutate(policies.mutating, request, snapshot)
    if not mutated.allowed:
        return mutated
    validated = validate(policies.validating, replace(request, object=mutated.object), snapshot)
    return replace(
        validated,
        policies=tuple(dict.fromkeys((*mutated.policies, *validated.policies))),
        object=mutated.object,
        patch=mutated.patch if validated.status is None else (),
    )
