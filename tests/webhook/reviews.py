"""AdmissionReviews made by hand, as an API server would send them."""

from pathlib import Path
from typing import Any

import orjson

from tests.webhook.fakes import BEHAVE, FAILURE_POLICY

VECTORS = Path(__file__).parents[1] / "vectors" / "reviews"


def recorded() -> dict[str, bytes]:
    """Reviews recorded from a real API server, by the name of the scene."""
    return {path.stem: path.read_bytes() for path in sorted(VECTORS.glob("*.json"))}


def review(uid: str = "c4d722ae", **changes: Any) -> dict[str, Any]:
    """A Deployment being created; `changes` replace fields of the request."""
    request = {
        "uid": uid,
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "name": "vllm",
        "namespace": "inference",
        "operation": "CREATE",
        "userInfo": {"username": "anna@example.org", "groups": ["tenants", "system:authenticated"]},
        "object": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "vllm"}},
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request | changes}


def encoded(uid: str = "c4d722ae", **changes: Any) -> bytes:
    return orjson.dumps(review(uid, **changes))


def behaving(behaviour: str, failure_policy: str = "Fail", **changes: Any) -> bytes:
    """A review whose object tells the scripted engine what to do."""
    annotations = {BEHAVE: behaviour, FAILURE_POLICY: failure_policy}
    found = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "vllm", "annotations": annotations}}
    return encoded(object=found, **changes)


def sized(size: int) -> bytes:
    """A valid review of exactly so many bytes."""
    empty = encoded(object={"kind": "Deployment", "filler": ""})
    return encoded(object={"kind": "Deployment", "filler": "x" * (size - len(empty))})
