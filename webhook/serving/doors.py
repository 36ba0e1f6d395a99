"""One door: the ASGI callable that reads a review and answers it.

Guarantees that what is no review is told so with an HTTP status and a reason, and that a review which can be read is
always answered with HTTP 200 and a ruling. It speaks ASGI directly: a framework's request and response objects would
cost more than the rest of the way.
"""

import re
import time
from typing import Protocol

from policies.decision import Verdict
from policies.remembered import remembered
from policies.request import Phase
from webhook.reviews.answer import answer_bytes, status_bytes
from webhook.reviews.judge import Call, Ruling
from webhook.reviews.review import ReviewMalformed, parse_review
from webhook.serving.body import Bodies, ClientGone, Receive, Refused, Scope, Send, respond
from webhook.serving.settings import Deadlines


class Rules(Protocol):
    async def rule(self, call: Call) -> Ruling: ...


class Observer(Protocol):
    def ruled(self, phase: Phase, verdict: Verdict, seconds: float) -> None: ...

    def refused(self, phase: Phase, reason: str) -> None: ...


class Door:
    """Answers reviews for one phase."""

    def __init__(self, phase: Phase, rules: Rules, observer: Observer, bodies: Bodies, times: Deadlines) -> None:
        self._phase = phase
        self._rules = rules
        self._observer = observer
        self._bodies = bodies
        self._times = times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        try:
            call = self._call(scope, await self._bodies.read(scope, receive), started)
        except Refused as refused:
            self._observer.refused(self._phase, refused.reason)
            await respond(send, refused.status, _refusal(refused), close=refused.unread)
        except ClientGone:
            self._observer.refused(self._phase, "client-gone")
        else:
            uid, ruled = call.request.uid, self._rules.rule(call)
            del call  # the judge alone decides how long the parsed review lives
            ruling = await ruled
            answer = answer_bytes(uid, self._phase, ruling.decision, ruling.id, ruling.leaf_index)
            await respond(send, 200, answer)
            self._observer.ruled(self._phase, ruling.decision.verdict, time.monotonic() - started)

    def _call(self, scope: Scope, body: bytes, started: float) -> Call:
        received = time.monotonic()
        try:
            request = parse_review(body)
        except ReviewMalformed as bad:
            raise Refused(400, bad.reason, bad.message) from bad
        timeout = timeout_of(scope["query_string"], self._times.default, self._times.longest)
        deadline = started + timeout - min(self._times.margin, timeout / 4)
        client = scope.get("client")
        return Call(request, self._phase, body, received, deadline, client[0] if client else "")


_TIMEOUT = re.compile(rb"(?:^|&)timeout=([0-9hmsun.]{2,32})(?:&|$)")
_PART = re.compile(rb"([0-9]+(?:\.[0-9]*)?)(h|ms|m|s|us|ns)")
_SECONDS = {b"h": 3600.0, b"m": 60.0, b"s": 1.0, b"ms": 1e-3, b"us": 1e-6, b"ns": 1e-9}


def timeout_of(query: bytes, default: float, longest: float) -> float:
    """Seconds that the caller waits: `timeout=10s`, a Go duration, as an API server writes it into the URL."""
    seconds = _seconds_in(query)
    return min(seconds, longest) if seconds > 0 else default


@remembered(64)
def _seconds_in(query: bytes) -> float:
    """Those that the URL says; 0 where it says none."""
    found = _TIMEOUT.search(query)
    if found is None:
        return 0.0
    parts = _PART.findall(found[1])
    if b"".join(number + unit for number, unit in parts) != found[1]:
        return 0.0
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


_STATUS_REASONS = {
    400: "BadRequest",
    405: "MethodNotAllowed",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    503: "ServiceUnavailable",
}


def _refusal(refused: Refused) -> bytes:
    return status_bytes(refused.status, _STATUS_REASONS[refused.status], f"{refused.reason}: {refused.message}")
