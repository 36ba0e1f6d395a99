"""Who a pod acts as: its service account, and the audiences its tokens are for.

Guarantees: never raises. What an account may do is the cluster's business.
"""

from collections.abc import Iterator
from typing import Any

from policies.json import JsonObject
from policies.workloads.names.images import listed

Identity = dict[str, Any]  # path, serviceAccount, audience, role


def identities_of_pod(spec: JsonObject, spec_at: str) -> Iterator[Identity]:
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    account = account if isinstance(account, str) else ""
    if account:
        field = "serviceAccountName" if spec.get("serviceAccountName") else "serviceAccount"
        yield {"path": f"{spec_at}{field}", "serviceAccount": account, "audience": "", "role": ""}
    for index, volume in enumerate(listed(spec.get("volumes"))):
        projected = volume.get("projected") if isinstance(volume, dict) else None
        sources = projected.get("sources") if isinstance(projected, dict) else None
        for order, source in enumerate(listed(sources)):
            token = source.get("serviceAccountToken") if isinstance(source, dict) else None
            audience = token.get("audience") if isinstance(token, dict) else None
            if isinstance(audience, str) and audience:
                path = f"{spec_at}volumes[{index}].projected.sources[{order}].serviceAccountToken.audience"
                yield {"path": path, "serviceAccount": account, "audience": audience, "role": ""}
