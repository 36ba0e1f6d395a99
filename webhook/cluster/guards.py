"""The guards of a cluster as they should be, and how what is installed differs. Reads only."""

from collections.abc import Sequence

from policies.facts.law import MACHINERY
from policies.guards import Guarding, native
from policies.json import Json, JsonObject
from webhook.cluster.apiserver import ApiServer, ClusterUnavailable

_ROOT = "/apis/admissionregistration.k8s.io/v1"
_PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}


def guards_of(profile: JsonObject) -> list[Json]:
    """The native policies and bindings for this ClusterProfile's `spec`."""
    return native(Guarding.of(profile, MACHINERY))


def differences(wanted: Sequence[Json], api: ApiServer) -> list[str]:
    """What is missing, changed, or complained of by the API server, a line each. Raises ClusterUnavailable."""
    return [line for one in wanted for line in _differences(one, api)]


def _differences(wanted: Json, api: ApiServer) -> list[str]:
    named = f"{wanted['kind']} `{wanted['metadata']['name']}`"
    try:
        found = api.get(f"{_ROOT}/{_PLURALS[wanted['kind']]}/{wanted['metadata']['name']}")
    except ClusterUnavailable as error:
        if error.status == 404:
            return [f"{named} is missing"]
        raise
    lines = [f"{named} has been changed"] if found["spec"] != wanted["spec"] else []
    warnings = ((found.get("status") or {}).get("typeChecking") or {}).get("expressionWarnings") or ()
    return lines + [f"{named}: {one.get('fieldRef')}: {one.get('warning')}" for one in warnings]
