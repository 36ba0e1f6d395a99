"""One door: the ASGI callable that reads a review once, bounded, and answers it.

Guarantees that a body is never held beyond its limit, that what is no review is told so with an HTTP status and a
reason, and that a review which can be read is always answered with HTTP 200 and a ruling. It speaks ASGI directly: a
framework's request and response objects would cost more than the rest of the way.
"""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any, Protocol

from policies.decision import Verdict
from policies.request import Phase
from webhook.answer import answer_bytes, status_bytes
from webhook.judge import Call, Ruling
from webhook.review import ReviewMalformed, parse_review
from webhook.settings import BodyLimits, Deadlines

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")


class Rules(Protocol):
    async def rule(self, call: Call) -> Ruling: ...


class Observer(Protocol):
    def ruled(self, phase: Phase, verdict: Verdict, seconds: float) -> None: ...

    def refused(self, phase: Phase, reason: str) -> None: ...


class Refused(Exception):
    """This request gets an HTTP status instead of a ruling. `unread` says that its body has been left where it was."""

    def __init__(self, status: int, reason: str, message: str, *, unread: bool = False) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.unread = status, reason, message, unread


class ClientGone(Exception):
    """The client hung up before its body was read: nobody to answer."""


class Buffered:
    """How many bytes of unfinished bodies all doors hold together."""

    __slots__ = ("held", "limit")

    def __init__(self, limit: int) -> None:
        self.held, self.limit = 0, limit


class Door:
    """Answers reviews for one phase."""

    def __init__(
        self,
        phase: Phase,
        rules: Rules,
        observer: Observer,
        *,
        limits: BodyLimits,
        buffered: Buffered,
        times: Deadlines,
    ) -> None:
        self._phase = phase
        self._rules = rules
        self._observer = observer
        self._limits = limits
        self._buffered = buffered
        self._times = times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        try:
            _check_head(scope, self._limits.body)
            body = await self._read(receive)
            call = self._call(scope, body, started)
        except Refused as refused:
            self._observer.refused(self._phase, refused.reason)
            headers = [_JSON] if not refused.unread else [_JSON, _CLOSE]
            await _respond(send, refused.status, _refusal(refused), headers)
        except ClientGone:
            self._observer.refused(self._phase, "client-gone")
        else:
            ruling = await self._rules.rule(call)
            answer = answer_bytes(call.request.uid, self._phase, ruling.decision, ruling.id, ruling.leaf_index)
            await _respond(send, 200, answer, [_JSON])
            self._observer.ruled(self._phase, ruling.decision.verdict, time.monotonic() - started)

    async def _read(self, receive: Receive) -> bytes:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message["body"]  # the usual case: one chunk
            if len(body) > self._limits.body:
                raise _too_large(self._limits.body)
            return body
        return await self._read_on(message, receive)

    async def _read_on(self, message: Message, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            while True:
                if message["type"] != "http.request":
                    raise ClientGone
                chunk = message.get("body", b"")
                chunks.append(chunk)
                size += len(chunk)
                self._buffered.held += len(chunk)
                if size > self._limits.body:
                    raise _too_large(self._limits.body)
                if self._buffered.held > self._buffered.limit:
                    raise Refused(503, "too-busy", "too many bodies are being read: try again", unread=True)
                if not message.get("more_body", False):
                    return b"".join(chunks)
                message = await receive()
        finally:
            self._buffered.held -= size

    def _call(self, scope: Scope, body: bytes, started: float) -> Call:
        try:
            request = parse_review(body)
        except ReviewMalformed as bad:
            raise Refused(400, bad.reason, bad.message) from bad
        timeout = timeout_of(scope["query_string"], self._times.default, self._times.longest)
        deadline = started + timeout - min(self._times.margin, timeout / 4)
        client = scope.get("client")
        return Call(request, self._phase, body, time.monotonic(), deadline, client[0] if client else "")


_TIMEOUT = re.compile(rb"(?:^|&)timeout=([0-9hmsun.]{2,32})(?:&|$)")
_PART = re.compile(rb"([0-9]+(?:\.[0-9]*)?)(h|ms|m|s|us|ns)")
_SECONDS = {b"h": 3600.0, b"m": 60.0, b"s": 1.0, b"ms": 1e-3, b"us": 1e-6, b"ns": 1e-9}


@lru_cache(maxsize=64)
def timeout_of(query: bytes, default: float, longest: float) -> float:
    """Seconds that the caller waits: `timeout=10s`, a Go duration, as an API server writes it into the URL."""
    found = _TIMEOUT.search(query[:512])
    if found is None:
        return default
    parts = _PART.findall(found[1])
    if b"".join(number + unit for number, unit in parts) != found[1]:
        return default
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return min(seconds, longest) if seconds > 0 else default


def _check_head(scope: Scope, limit: int) -> None:
    """Refuse what can be refused before a byte of the body is read."""
    if scope["method"] != "POST":
        raise Refused(405, "method-not-allowed", "a review is sent with POST", unread=True)
    media = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media = value
        elif name == b"content-length" and int(value) > limit:
            raise _too_large(limit)
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise Refused(415, "encoding-unsupported", "a review's body is not compressed", unread=True)
    if media != b"application/json" and media.partition(b";")[0].strip().lower() != b"application/json":
        raise Refused(415, "media-type-unsupported", "a review's Content-Type is `application/json`", unread=True)


def _too_large(limit: int) -> Refused:
    return Refused(413, "body-too-large", f"a review's body may have {limit} bytes", unread=True)


_STATUS_REASONS = {
    400: "BadRequest",
    405: "MethodNotAllowed",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    503: "ServiceUnavailable",
}


def _refusal(refused: Refused) -> bytes:
    return status_bytes(refused.status, _STATUS_REASONS[refused.status], f"{refused.reason}: {refused.message}")


async def _respond(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    head = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
