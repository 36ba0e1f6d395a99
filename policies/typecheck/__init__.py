"""Type checks of policies against OpenAPI schemas: what the API server writes into `status.typeChecking`, and more.

`Schemas` knows kinds and their types; `warnings_of` gives what is doubtful about one policy. A warning never changes
what a policy does.
"""

from policies.typecheck.policies import warnings_of
from policies.typecheck.schemas import Schemas
from policies.typecheck.warning import ExpressionWarning

__all__ = ["ExpressionWarning", "Schemas", "warnings_of"]
