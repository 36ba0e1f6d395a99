"""Native admission policies, read as they are and evaluated as the API server of 1.36 evaluates them.

`read` makes `Policies` of manifests; `mutate`, `validate` and `admit` (both, in that order) give an `Outcome`.
"""

from policies.native.admission import admit
from policies.native.model import Policies
from policies.native.mutating import mutate
from policies.native.outcome import Denial, Outcome, Status
from policies.native.reading import PoliciesInvalid, is_native, read
from policies.native.validating import validate

__all__ = [
    "Denial",
    "Outcome",
    "Policies",
    "PoliciesInvalid",
    "Status",
    "admit",
    "is_native",
    "mutate",
    "read",
    "validate",
]
