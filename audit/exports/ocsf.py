"""OCSF 1.8 events: one API Activity (class 6003, profile security_control) a line for each decision.

Users, groups, addresses and object names appear as their keyed tags, `hmac:…`, because that is what the log has. What
has no place in the class stands under `unmapped`, with the record's place in the log. Other records have no class here
and are left out: NDJSON has them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from audit.exports.population import Population
from audit.exports.safe_json import safe_json
from audit.exports.sinks import Writes, is_decision
from audit.reading import LoggedRecord

VERSION = "1.8.0"
_CLASS = 6003
_ACTIVITIES = {"CREATE": (1, "Create"), "UPDATE": (3, "Update"), "DELETE": (4, "Delete")}
_OTHER = 99
# verdict: severity, status, action, disposition
_OUTCOMES = {
    "allowed": ((1, "Informational"), (1, "Success"), (1, "Allowed"), (1, "Allowed")),
    "mutated": ((1, "Informational"), (1, "Success"), (4, "Modified"), (11, "Corrected")),
    "warned": ((2, "Low"), (1, "Success"), (1, "Allowed"), (19, "Alert")),
    "denied": ((3, "Medium"), (2, "Failure"), (2, "Denied"), (2, "Blocked")),
    "undetermined": ((3, "Medium"), (2, "Failure"), (2, "Denied"), (2, "Blocked")),
}
_UNKNOWN = ((0, "Unknown"), (0, "Unknown"), (0, "Unknown"), (0, "Unknown"))
_UNMAPPED = (
    "actor_places",
    "data_class",
    "digests",
    "images",
    "isolation",
    "jurisdiction",
    "keys",
    "models",
    "phase",
    "places",
    "policies",
    "reasons",
    "region",
    "waivers",
)


class OcsfExport:
    """Every selected decision."""

    def __init__(self, population: Population, at: Writes) -> None:
        self._at = at
        self._origin, self._verified = population.origin, population.is_verified

    def add(self, record: LoggedRecord) -> None:
        if is_decision(record):
            self._at.write(safe_json(event(record, self._origin, verified=self._verified)) + b"\n")

    def finish(self) -> None:
        pass


def event(record: LoggedRecord, origin: str, *, verified: bool) -> dict[str, Any]:
    """The event of one decision."""
    fields = record.fields
    operation = str(fields.get("operation", ""))
    activity, name = _ACTIVITIES.get(operation, (_OTHER, operation.title() or "Other"))
    severity, status, action, disposition = _OUTCOMES.get(fields.get("verdict", ""), _UNKNOWN)
    tags = fields.get("tags", {})
    made: dict[str, Any] = {
        "activity_id": activity,
        "activity_name": name,
        "category_uid": _CLASS // 1000,
        "class_uid": _CLASS,
        "type_uid": _CLASS * 100 + activity,
        "time": _milliseconds(str(fields.get("time", ""))),
        "severity_id": severity[0],
        "severity": severity[1],
        "status_id": status[0],
        "status": status[1],
        "status_code": str(fields.get("verdict", "")),
        "action_id": action[0],
        "action": action[1],
        "disposition_id": disposition[0],
        "disposition": disposition[1],
        "metadata": _metadata(fields, origin, record.index),
        "actor": _actor(tags),
        "api": _api(fields, operation),
        "src_endpoint": {"uid": f"hmac:{tags['address']}"} if tags.get("address") else {"svc_name": "kube-apiserver"},
        "resources": [_resource(fields, tags)],
        "unmapped": {key: fields[key] for key in _UNMAPPED if key in fields},
    }
    if codes := _codes(fields):
        made["status_detail"] = ", ".join(codes)
    if policy := next((one.get("policy") for one in fields.get("reasons", ()) if one.get("policy")), None):
        made["policy"] = {"name": policy}
    made["unmapped"]["tlog"] = {
        "index": record.index,
        "leaf": record.hash.hex(),
        "origin": origin,
        "verified": verified,
    }
    return made


def _metadata(fields: Mapping[str, Any], origin: str, index: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "version": VERSION,
        "product": {"name": "Bailiwick", "vendor_name": "Bailiwick"},
        "uid": str(fields.get("id", "")),
        "log_name": origin,
        "sequence": index,
        "profiles": ["security_control"],
    }
    if "engine" in fields:
        made["product"]["version"] = fields["engine"]
    if tenant := fields.get("tags", {}).get("tenant"):
        made["tenant_uid"] = f"hmac:{tenant}"
    return made


def _actor(tags: Mapping[str, Any]) -> dict[str, Any]:
    if not tags.get("user"):
        return {"app_name": "kube-apiserver"}
    user: dict[str, Any] = {"uid": f"hmac:{tags['user']}"}
    if tags.get("groups"):
        user["groups"] = [{"uid": f"hmac:{group}"} for group in tags["groups"]]
    return {"user": user}


def _api(fields: Mapping[str, Any], operation: str) -> dict[str, Any]:
    gvk = str(fields.get("gvk", ""))
    version = gvk.rpartition("/")[0]
    made: dict[str, Any] = {"operation": operation.lower(), "service": {"name": "kube-apiserver"}}
    if version:
        made["version"] = version
    if "subresource" in fields:
        made["operation"] += f" {fields['subresource']}"
    if "uid" in fields:
        made["request"] = {"uid": fields["uid"]}
    return made


def _resource(fields: Mapping[str, Any], tags: Mapping[str, Any]) -> dict[str, Any]:
    gvk = str(fields.get("gvk", ""))
    name = f"hmac:{tags['name']}" if tags.get("name") else gvk.rpartition("/")[2]
    made = {"name": name, "type": gvk}
    if "namespace" in fields:
        made["namespace"] = fields["namespace"]
    return made


def _codes(fields: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(str(one.get("code", "")) for one in fields.get("reasons", ())))


def _milliseconds(time: str) -> int:
    try:
        moment = datetime.fromisoformat(time.replace("Z", "+00:00")).astimezone(UTC)
    except ValueError:
        return 0  # only in a log that doesn't verify
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000
