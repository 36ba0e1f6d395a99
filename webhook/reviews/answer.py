"""A ruling into the bytes of an AdmissionReview's response (admission.k8s.io/v1).

Pure. Guarantees that the uid is echoed, that a denial names every reason with its place and what to change, that a
patch leaves only through the mutating door and only with an admission, and that warnings keep to what the API server
accepts: no control characters (it drops such a warning whole), 256 characters each, 4096 together.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from policies.decision import Action, Decision, Reason
from policies.request import Phase

WARNING_LIMIT = 256  # characters; the API server cuts longer ones once the total is reached
WARNINGS_LIMIT = 4096  # characters over all warnings of one answer; what exceeds it is dropped silently
MESSAGE_LIMIT = 64 * 1024  # characters; beyond it the reasons are counted, and the record holds them all

_FORBIDDEN = (403, "Forbidden")
# Faults of ours are no fault of the person who asked, and shall not look like one.
_FAULTS = {
    "internal-fault": (500, "InternalError"),
    "record-not-durable": (503, "ServiceUnavailable"),
    "deadline-exceeded": (504, "Timeout"),
}
_HEAD = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}


def answer_bytes(uid: str, phase: Phase, decision: Decision, decision_id: str, leaf_index: int | None) -> bytes:
    """The response. `leaf_index` is absent for a dry run, and where the log failed and policies let it pass."""
    response: dict[str, Any] = {
        "uid": uid,
        "allowed": decision.allowed,
        "auditAnnotations": _annotations(decision, decision_id, leaf_index),
    }
    if not decision.allowed:
        response["status"] = _status(decision)
    elif decision.patch and phase is Phase.MUTATE:
        response["patchType"] = "JSONPatch"
        response["patch"] = b64encode(orjson.dumps(decision.patch)).decode("ascii")
    if decision.warnings:
        response["warnings"] = bounded_warnings(decision.warnings)
    return orjson.dumps({**_HEAD, "response": response})


def status_bytes(code: int, reason: str, message: str) -> bytes:
    """A metav1 Status: what is said with an HTTP status other than 200."""
    return orjson.dumps(
        {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    )


def denial_message(reasons: Sequence[Reason]) -> str:
    """For people: every reason, the place in the object, and what to change. Equal reasons at many places are one."""
    grouped: dict[tuple[str, str, str, str], list[str]] = {}
    for reason in reasons:
        grouped.setdefault((reason.code, reason.policy, reason.message, reason.fix), []).append(reason.path)
    parts: list[str] = []
    left = MESSAGE_LIMIT
    for position, (key, paths) in enumerate(grouped.items(), 1):
        part = _paragraph(f"{position}. " if len(grouped) > 1 else "", *key, paths=[p for p in paths if p])
        left -= len(part) + 1
        if left < 0:
            parts.append(f"and {len(grouped) - position + 1} more reasons: see the record")
            break
        parts.append(part)
    return "\n".join(parts)


def bounded_warnings(warnings: Iterable[str]) -> list[str]:
    """The warnings as the API server will pass them on; the last one counts those that found no room."""
    kept: list[str] = []
    distinct = list(dict.fromkeys(cleaned for text in warnings if (cleaned := _one_line(text))))
    left = WARNINGS_LIMIT - 64  # room for the count
    for text in distinct:
        short = text if len(text) <= WARNING_LIMIT else text[: WARNING_LIMIT - 1] + "…"
        if len(short) > left:
            kept.append(f"and {len(distinct) - len(kept)} more warnings")
            break
        kept.append(short)
        left -= len(short)
    return kept


def _paragraph(number: str, code: str, policy: str, message: str, fix: str, *, paths: Sequence[str]) -> str:
    where = f" at {', '.join(paths)}" if paths else ""
    change = f"\n   to do: {fix}" if fix else ""
    return f"{number}{code}{where} (policy `{policy}`): {message}{change}"


def _status(decision: Decision) -> dict[str, Any]:
    denying = [reason for reason in decision.reasons if Action.DENY in reason.actions] or list(decision.reasons)
    code, reason = _blame(denying)
    return {
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": denial_message(denying),
        "details": {"causes": [_cause(found) for found in denying[:100]]},  # for programs; the message has them all
    }


def _cause(reason: Reason) -> dict[str, str]:
    cause = {"reason": reason.code, "message": reason.message}
    return {**cause, "field": reason.path} if reason.path else cause


def _blame(denying: Sequence[Reason]) -> tuple[int, str]:
    """403, unless nothing but a fault of ours stands against the request."""
    faults = [_FAULTS.get(reason.code) for reason in denying]
    return faults[0] if faults and faults[0] is not None and None not in faults else _FORBIDDEN


def _annotations(decision: Decision, decision_id: str, leaf_index: int | None) -> dict[str, str]:
    """The API server's own audit log keeps these: a second copy that leads to the record."""
    annotations = dict(decision.annotations)
    annotations["decision-id"] = decision_id
    annotations["verdict"] = decision.verdict.value
    if leaf_index is not None:
        annotations["leaf-index"] = str(leaf_index)
    if decision.inputs.policies:
        annotations["policy-digest"] = decision.inputs.policies.hex()
    return annotations


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
