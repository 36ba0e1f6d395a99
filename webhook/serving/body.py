"""A request's body, read once and bounded, over plain ASGI.

Guarantees that no body is held beyond its limit, that all unfinished bodies together are bounded too, and that what
can be refused by its headers is refused before a byte of its body is read.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from webhook.serving.settings import BodyLimits

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Refused(Exception):
    """This request gets an HTTP status instead of a ruling. `unread` says that its body has been left where it was."""

    def __init__(self, status: int, reason: str, message: str, *, unread: bool = False) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.unread = status, reason, message, unread


class ClientGone(Exception):
    """The client hung up before its body was read: nobody to answer."""


class Bodies:
    """Reads bodies; one for all doors, since the bound on unfinished ones is common to them."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._held = 0  # bytes of unfinished bodies

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """The body of a POST with JSON. Raises Refused, ClientGone."""
        self._check_head(scope)
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message["body"]  # the usual case: one chunk
            if len(body) > self._limits.body:
                raise self._too_large()
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
                self._held += len(chunk)
                if size > self._limits.body:
                    raise self._too_large()
                if self._held > self._limits.buffered:
                    raise Refused(503, "too-busy", "too many bodies are being read: try again", unread=True)
                if not message.get("more_body", False):
                    return b"".join(chunks)
                message = await receive()
        finally:
            self._held -= size

    def _check_head(self, scope: Scope) -> None:
        if scope["method"] != "POST":
            raise Refused(405, "method-not-allowed", "a review is sent with POST", unread=True)
        media = b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                media = value
            elif name == b"content-length" and int(value) > self._limits.body:
                raise self._too_large()
            elif name == b"content-encoding" and value.lower() != b"identity":
                raise Refused(415, "encoding-unsupported", "a review's body is not compressed", unread=True)
        if media != b"application/json" and media.partition(b";")[0].strip().lower() != b"application/json":
            raise Refused(415, "media-type-unsupported", "a review's Content-Type is `application/json`", unread=True)

    def _too_large(self) -> Refused:
        return Refused(413, "body-too-large", f"a review's body may have {self._limits.body} bytes", unread=True)


async def respond(send: Send, status: int, body: bytes, *, close: bool = False) -> None:
    """A whole JSON response; `close` ends the connection with it."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
