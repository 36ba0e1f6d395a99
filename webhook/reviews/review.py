"""An AdmissionReview's bytes (admission.k8s.io/v1) into a `Request`, or the reason why they are none.

Pure. Guarantees that any bytes give a `Request` or `ReviewMalformed`, nothing else. Bounding the body is the door's
business; what a review must hold is that of `policies.reviews`.
"""

import re
from typing import Any

import orjson

from policies.request import Request
from policies.reviews import API_VERSION, KIND, ReviewMalformed, request_of

__all__ = ["API_VERSION", "KIND", "ReviewMalformed", "parse_review"]

_NO_NUMBER = re.compile("-?(?:NaN|Infinity)")


def parse_review(body: bytes) -> Request:
    """The request in a review. Raises ReviewMalformed."""
    return request_of(_parsed(body), body)


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
