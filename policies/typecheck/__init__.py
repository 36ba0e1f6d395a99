"""Type checks of policies against OpenAPI schemas: what the API server writes into `status.typeChecking`, and more.

`Schemas` knows kinds and their types; `warnings_of` gives what doesn't fit in one policy, `doubts` the same for all
policies among documents, with file and line. A warning never changes what a policy does.
"""

from policies.typecheck.documents import Doubt, doubts
from policies.typecheck.policies import group_versions, warnings_of
from policies.typecheck.schemas import Schemas
from policies.typecheck.warning import ExpressionWarning

__all__ = ["Doubt", "ExpressionWarning", "Schemas", "doubts", "group_versions", "warnings_of"]
