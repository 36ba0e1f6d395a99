"""audit.k8s.io/v1 events, one a line as the API server's own log has them, for the tools that read that log.

An event here is the webhook's decision and not the request's outcome: `responseStatus` is there for what was refused,
since that is then the outcome, and left out for what was allowed, since another webhook may still have refused it. The
log has no resource names (plural) and no request path: `objectRef.resource` is left out and `requestURI` is empty.
Users, groups and object names are keyed tags, `hmac:…`. `auditID` is the decision's id: the API server's own events
name the same id in the annotation `<webhook>/decision-id`.
"""

from collections.abc import Mapping
from typing import Any

from audit.exports.population import Population
from audit.exports.safe_json import safe_json
from audit.exports.sinks import Writes, is_decision
from audit.reading import LoggedRecord

_REFUSED = ("denied", "undetermined")
_PREFIX = "bailiwick.dev"


class KubeAuditExport:
    """Every selected decision."""

    def __init__(self, population: Population, at: Writes) -> None:
        self._at = at
        self._origin, self._verified = population.origin, population.is_verified

    def add(self, record: LoggedRecord) -> None:
        if is_decision(record):
            self._at.write(safe_json(audit_event(record, self._origin, verified=self._verified)) + b"\n")

    def finish(self) -> None:
        pass


def audit_event(record: LoggedRecord, origin: str, *, verified: bool) -> dict[str, Any]:
    """The event of one decision."""
    fields = record.fields
    tags = fields.get("tags", {})
    time = str(fields.get("time", ""))
    made: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": str(fields.get("id", "")),
        "stage": "ResponseComplete",
        "requestURI": "",
        "verb": str(fields.get("operation", "")).lower(),
        "user": _user(tags),
        "objectRef": _object(fields, tags),
        "requestReceivedTimestamp": time,
        "stageTimestamp": time,
        "annotations": _annotations(record, origin, verified=verified),
    }
    if fields.get("verdict") in _REFUSED:
        codes = ", ".join(dict.fromkeys(str(one.get("code", "")) for one in fields.get("reasons", ())))
        made["responseStatus"] = {"metadata": {}, "status": "Failure", "message": codes, "code": 403}
    return made


def _user(tags: Mapping[str, Any]) -> dict[str, Any]:
    user: dict[str, Any] = {}
    if tags.get("user"):
        user["username"] = f"hmac:{tags['user']}"
    if tags.get("groups"):
        user["groups"] = [f"hmac:{group}" for group in tags["groups"]]
    return user


def _object(fields: Mapping[str, Any], tags: Mapping[str, Any]) -> dict[str, str]:
    group, _, version = str(fields.get("gvk", "")).rpartition("/")[0].rpartition("/")
    found = {
        "namespace": str(fields.get("namespace", "")),
        "name": f"hmac:{tags['name']}" if tags.get("name") else "",
        "apiGroup": group,
        "apiVersion": version,
        "subresource": str(fields.get("subresource", "")),
    }
    return {name: value for name, value in found.items() if value}


def _annotations(record: LoggedRecord, origin: str, *, verified: bool) -> dict[str, str]:
    fields = record.fields
    found = {
        "decision-id": str(fields.get("id", "")),
        "kind": str(fields.get("gvk", "")),
        "leaf-hash": record.hash.hex(),
        "leaf-index": str(record.index),
        "log": origin,
        "policies": ", ".join(fields.get("policies", ())),
        "reasons": ", ".join(dict.fromkeys(str(one.get("code", "")) for one in fields.get("reasons", ()))),
        "review-uid": str(fields.get("uid", "")),
        "verdict": str(fields.get("verdict", "")),
        "verified": "true" if verified else "false",
    }
    return {f"{_PREFIX}/{name}": value for name, value in found.items() if value}
