"""A decision into its record and its sealed part (design §9; fields: `audit/leaves/leaf.yaml`).

Guarantees that nothing personal stands in the leaf in clear, and that the data of a Secret goes nowhere: not into the
leaf, not into the sealed part. What is sealed is one part for each call, bound to region, cluster and namespace, and to
the region's public key; no network is touched.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol

import orjson

from audit.leaves.record import Draft, Unsealed, sealed_json
from audit.leaves.shapes import shape, time_text
from audit.leaves.tags import salted
from policies.consulted import Consulted
from policies.decision import Decision, Inputs, Reason, Summary
from policies.json import Json
from policies.request import Request
from webhook.log.whereabouts import Whereabouts
from webhook.reviews.archiving import Archived
from webhook.reviews.judge import Call, Judged

SALT_BYTES = 16
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"  # kubectl's copy of the object, data and all
_SECRET_FIELDS = ("data", "stringData")


class Tags(Protocol):
    """Keyed tags for what is personal: `audit.leaves.tags.Tagger`."""

    def of(
        self,
        *,
        tenant: str = "",
        user: str = "",
        groups: Sequence[str] = (),
        address: str = "",
        name: str = "",
        object_digest: bytes = b"",
    ) -> dict[str, object]: ...


class Archiving(Protocol):
    """What a decision shares with others: `webhook.reviews.archiving.Archiving`."""

    def of(self, decision: Decision, consulted: Consulted | None) -> Archived: ...


class DecisionRecording:
    """`judge.Recording` over tags and a source of salts. What it makes are drafts, which the log's process finishes."""

    def __init__(
        self,
        where: Whereabouts,
        tags: Tags,
        entropy: Callable[[int], bytes],
        archiving: Archiving | None = None,
    ) -> None:
        """Without `archiving` the records hold reviews and no other inputs: they can't be replayed."""
        self._where = where
        self._tags = tags
        self._entropy = entropy
        self._archiving = archiving
        shape("decision")  # reads and compiles the table now instead of during the first request

    def __call__(self, judged: Judged) -> tuple[Draft, tuple[Unsealed]]:
        """The record and its one part, to be sealed. Raises RecordInvalid."""
        salt = self._entropy(SALT_BYTES)
        call, decision, request = judged.call, judged.decision, judged.call.request
        archived = self._archiving.of(decision, judged.consulted) if self._archiving is not None else Archived()
        fields: dict[str, object] = {
            "time": time_text(judged.now),
            "cluster": self._where.cluster,
            "region": self._where.region,
            "engine": decision.inputs.engine,
            "id": judged.id,
            "phase": call.phase.value,
            "latency_us": round(max(judged.latency, 0.0) * 1e6),
            "digests": _digests(decision, salt),
            "inputs": archived.addresses,
            "tags": self._tagged(call, decision),
            **_asked(request),
            **_decided(decision),
            **_summary(decision.summary),
        }
        part = sealed_json(_sealed(call, decision, salt, archived.document))
        return Draft("decision", orjson.dumps(fields), archived.needs), (Unsealed(part, request.namespace),)

    def _tagged(self, call: Call, decision: Decision) -> dict[str, object]:
        user = call.request.user
        return self._tags.of(
            tenant=call.request.namespace,
            user=user.get("username", ""),
            groups=user.get("groups") or (),
            address=call.address,
            name=call.request.name,
            # equal behind both validating doors, whose calls have different uids: this joins their records
            object_digest=decision.inputs.request,
        )


def _asked(request: Request) -> dict[str, object]:
    return {
        "uid": request.uid,
        "namespace": request.namespace,
        "gvk": f"{request.kind.group}/{request.kind.version}/{request.kind.kind}",
        "operation": request.operation.value,
        "subresource": request.subresource,
    }


def _decided(decision: Decision) -> dict[str, object]:
    return {
        "policies": decision.policies,
        "verdict": decision.verdict.value,
        "reasons": [_reason(reason) for reason in decision.reasons],
        "waivers": decision.waivers,
    }


def _reason(reason: Reason) -> dict[str, object]:
    return {"code": reason.code, "policy": reason.policy, "actions": [action.value for action in reason.actions]}


def _summary(summary: Summary) -> dict[str, object]:
    return {
        "data_class": summary.data_class,
        "jurisdiction": summary.jurisdiction,
        "places": summary.places,
        "actor_places": summary.actor_places,
        "isolation": summary.isolation,
        "models": summary.models,
        "images": summary.images,
        "keys": summary.keys,
    }


def _digests(decision: Decision, salt: bytes) -> dict[str, str]:
    """What the leaf says of the inputs and of the decision: whoever has the salt can confirm each."""
    named = {"decision": sha256(decision.to_bytes()).digest(), **_named(decision.inputs)}
    return {name: salted(salt, digest) for name, digest in named.items()}


def _named(inputs: Inputs) -> dict[str, bytes]:
    named = {
        "request": inputs.request,
        "snapshot": inputs.snapshot,
        "policies": inputs.policies,
        "data": inputs.data,
    }
    return {name: digest for name, digest in named.items() if digest}


def _sealed(call: Call, decision: Decision, salt: bytes, archived: Mapping[str, Any]) -> dict[str, object]:
    secret = _is_secret(call.request)
    messages = {
        "reasons": [{"message": r.message, "path": r.path, "fix": r.fix} for r in decision.reasons],
        "warnings": decision.warnings,
    }
    return {
        "salt": salt.hex(),
        "name": call.request.name,
        "address": call.address,
        "user": call.request.user,
        "messages": messages,
        "patch": [_without_data(step) for step in decision.patch] if secret else decision.patch,
        "inputs": {
            "review": _withheld(call.request) if secret else orjson.Fragment(call.body),
            "digests": {name: digest.hex() for name, digest in _named(decision.inputs).items()},
            **archived,
        },
    }


def _is_secret(request: Request) -> bool:
    """By any of its names: what is asked for, how it was matched, and what the object says of itself."""
    if request.kind.kind == "Secret" or request.resource.plural == "secrets":
        return True
    return any(found is not None and found.get("kind") == "Secret" for found in (request.object, request.old_object))


def _withheld(request: Request) -> Mapping[str, Json]:
    """The AdmissionReview of a Secret without what makes it one. Its keys stay, its values don't."""
    asked = {
        **request.review,
        "object": emptied(request.object),
        "oldObject": emptied(request.old_object),
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked, "withheld": "data"}


def emptied(found: Json) -> Json:
    """A Secret without its data. Its keys stay, their values don't."""
    if not isinstance(found, dict):
        return found
    kept = dict(found)
    for name in _SECRET_FIELDS:
        if name in kept:
            kept[name] = dict.fromkeys(kept[name]) if isinstance(kept[name], dict) else None
    metadata = kept.get("metadata")
    if isinstance(metadata, dict):
        annotations = metadata.get("annotations")
        if isinstance(annotations, dict) and LAST_APPLIED in annotations:
            kept["metadata"] = {**metadata, "annotations": {**annotations, LAST_APPLIED: None}}
    return kept


def _without_data(step: Json) -> Json:
    """A patch's step without the values that it puts into a Secret: into its data, or into the whole object."""
    path = step.get("path", "") if isinstance(step, dict) else ""
    harmless = isinstance(path, str) and path.startswith(
        ("/metadata/labels", "/metadata/finalizers", "/type", "/immutable")
    )
    return step if harmless or "value" not in step else {**step, "value": None}
