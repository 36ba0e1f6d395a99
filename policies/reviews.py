"""An AdmissionReview (admission.k8s.io/v1) as the request in it, or the reason why it is none.

Pure. Guarantees that any value gives a `Request` or `ReviewMalformed`, nothing else, and that the object stays the
plain dict that the parser made: it is neither converted nor walked.
"""

from collections.abc import Mapping
from typing import Any

from policies.request import Arrived, GroupKind, Operation, Request, Resource

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

_OPERATIONS = {operation.value: operation for operation in Operation}


class ReviewMalformed(Exception):
    """No AdmissionReview that can be judged: HTTP 400. `reason` is a stable word, `message` is for a person."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def is_review(value: Mapping[str, Any]) -> bool:
    """Whether an object says that it is an AdmissionReview."""
    return value.get("kind") == KIND and value.get("apiVersion") == API_VERSION


def request_of(review: Any, body: bytes | None = None) -> Request:
    """The request in a review; `body` is what it was parsed from, where that is at hand. Raises ReviewMalformed."""
    asked = _asked(review)
    uid = asked.get("uid")
    if not isinstance(uid, str) or not uid:
        raise ReviewMalformed("uid-missing", "`request.uid` is missing: without it no answer can be matched")
    operation = _operation(asked)
    found, old = _object(asked, "object"), _object(asked, "oldObject")
    _expect_objects(operation, found, old)
    return Request(
        uid=uid,
        operation=operation,
        kind=GroupKind(*_three(asked, "kind", ("group", "version", "kind"))),
        resource=Resource(*_three(asked, "resource", ("group", "version", "resource"))),
        subresource=_text(asked, "subResource"),
        namespace=_text(asked, "namespace"),
        name=_text(asked, "name"),
        object=found,
        old_object=old,
        options=_object(asked, "options"),
        user=_user(asked),
        dry_run=_flag(asked, "dryRun"),
        review=asked,
        arrived=Arrived(asked, body) if body is not None else None,
    )


def _asked(review: Any) -> dict[str, Any]:
    if not isinstance(review, dict):
        raise ReviewMalformed("not-a-review", f"an AdmissionReview is an object, not {_kind_of(review)}")
    version, kind = review.get("apiVersion"), review.get("kind")
    if version != API_VERSION:
        raise ReviewMalformed("version-unsupported", _version_hint(version))
    if kind != KIND:
        raise ReviewMalformed("kind-unsupported", f"`kind` must be `{KIND}`, not {_shown(kind)}")
    asked = review.get("request")
    if not isinstance(asked, dict):
        raise ReviewMalformed("request-missing", f"`request` must be an object, not {_kind_of(asked)}")
    return asked


def _version_hint(version: Any) -> str:
    if version == "admission.k8s.io/v1beta1":
        return (
            f"`apiVersion` is `admission.k8s.io/v1beta1`, which no API server needs since Kubernetes 1.22: register "
            f"the webhook with `admissionReviewVersions: [v1]` to be sent `{API_VERSION}`"
        )
    return f"`apiVersion` must be `{API_VERSION}`, not {_shown(version)}"


def _operation(asked: dict[str, Any]) -> Operation:
    given = asked.get("operation")
    operation = _OPERATIONS.get(given) if isinstance(given, str) else None
    if operation is None:
        raise ReviewMalformed(
            "operation-unknown", f"`request.operation` must be one of {', '.join(_OPERATIONS)}, not {_shown(given)}"
        )
    return operation


def _expect_objects(operation: Operation, found: Any, old: Any) -> None:
    """The API server always sends what an operation is about; a review without it can't be judged."""
    if found is None and operation is not Operation.DELETE:
        raise ReviewMalformed("object-missing", f"`request.object` is null on {operation}")
    if old is None and operation in (Operation.UPDATE, Operation.DELETE):
        raise ReviewMalformed("old-object-missing", f"`request.oldObject` is null on {operation}")


def _object(asked: dict[str, Any], name: str) -> dict[str, Any] | None:
    found = asked.get(name)
    if found is None or isinstance(found, dict):
        return found
    raise ReviewMalformed("field-mistyped", f"`request.{name}` must be an object or null, not {_kind_of(found)}")


def _three(asked: dict[str, Any], name: str, parts: tuple[str, str, str]) -> tuple[str, str, str]:
    """A group and version may be empty; the kind or resource itself may not."""
    given = asked.get(name)
    if not isinstance(given, dict):
        raise ReviewMalformed(f"{name}-missing", f"`request.{name}` must be an object, not {_kind_of(given)}")
    group, version, last = (given.get(part, "") for part in parts)
    if not (isinstance(group, str) and isinstance(version, str) and isinstance(last, str) and last):
        raise ReviewMalformed(f"{name}-missing", f"`request.{name}` must hold {', '.join(f'`{p}`' for p in parts)}")
    return group, version, last


def _user(asked: dict[str, Any]) -> dict[str, Any]:
    user = asked.get("userInfo")
    if user is None:
        return {}
    if not isinstance(user, dict):
        raise ReviewMalformed("field-mistyped", f"`request.userInfo` must be an object, not {_kind_of(user)}")
    groups = user.get("groups")
    if not isinstance(user.get("username", ""), str) or not (
        groups is None or (isinstance(groups, list) and all(isinstance(group, str) for group in groups))
    ):
        raise ReviewMalformed("field-mistyped", "`request.userInfo` must hold a `username` and a list of `groups`")
    return user


def _text(asked: dict[str, Any], name: str) -> str:
    given = asked.get(name)
    if given is None:
        return ""
    if isinstance(given, str):
        return given
    raise ReviewMalformed("field-mistyped", f"`request.{name}` must be a string, not {_kind_of(given)}")


def _flag(asked: dict[str, Any], name: str) -> bool:
    given = asked.get(name)
    if given is None or isinstance(given, bool):
        return bool(given)
    raise ReviewMalformed("field-mistyped", f"`request.{name}` must be true or false, not {_kind_of(given)}")


def _kind_of(value: Any) -> str:
    names = {type(None): "null", bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _shown(value: Any) -> str:
    return f"`{value[:64]}`" if isinstance(value, str) else _kind_of(value)
