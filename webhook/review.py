"""An AdmissionReview's bytes (admission.k8s.io/v1) into a `Request`, or the reason why they are none.

Pure. Guarantees that any bytes give a `Request` or `ReviewMalformed`, nothing else, and that the object stays the plain
dict that the parser made: it is neither converted nor walked. Bounding the body is the door's business.
"""

import re
from typing import Any

import orjson

from policies.request import Arrived, GroupKind, Operation, Request, Resource

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

_OPERATIONS = {operation.value: operation for operation in Operation}
_NO_NUMBER = re.compile("-?(?:NaN|Infinity)")


class ReviewMalformed(Exception):
    """No AdmissionReview that can be judged: HTTP 400. `reason` is a stable word, `message` is for a person."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def parse_review(body: bytes) -> Request:
    """The request in a review. Raises ReviewMalformed."""
    asked = _asked(_parsed(body))
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
        arrived=Arrived(asked, body),
    )


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _unreadable(body, error) from error


def _unreadable(body: bytes, error: orjson.JSONDecodeError) -> ReviewMalformed:
    """Say what is wrong with the bytes. The parser's message alone calls most of it an unexpected character."""
    if not body.strip():
        return ReviewMalformed("body-empty", "the body is empty: an AdmissionReview is expected")
    try:
        text = body.decode()
    except UnicodeDecodeError as bad:
        return ReviewMalformed("not-utf8", f"the body is not UTF-8: {bad.reason} at byte {bad.start}")
    if "depth limit" in error.msg:
        return ReviewMalformed("too-deep", f"the body is nested too deeply at character {error.pos}")
    if number := _no_number(text, error.pos):
        return ReviewMalformed("not-a-number", f"JSON has no `{number}`, found at character {error.pos}")
    if "infinity" in error.msg:
        return ReviewMalformed("number-too-large", f"a number is too large for a double at character {error.pos}")
    if "end of data" in error.msg or error.pos >= len(text):
        return ReviewMalformed("truncated", f"the body ends too early, after {len(body)} bytes")
    return ReviewMalformed("not-json", f"the body is not JSON: {error.msg} at character {error.pos}")


def _no_number(text: str, position: int) -> str:
    """The word at the position that is a number elsewhere but not in JSON. The parser stops behind its sign."""
    signed = position > 0 and text[position - 1] == "-"
    found = _NO_NUMBER.match(text, position - signed)
    return found.group() if found else ""


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
