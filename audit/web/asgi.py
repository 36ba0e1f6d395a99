"""The little of ASGI that a read-only log and a witness need: a bounded body in, one answer out."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PIECE = 1 << 18  # bytes
TEXT, BYTES = "text/plain; charset=utf-8", "application/octet-stream"


class BodyTooLarge(Exception):
    """The request's body is over the limit."""


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back."""

    status: int
    body: bytes = b""
    kind: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


async def body_of(receive: Receive, limit: int) -> bytes:
    """The request's body. Raises BodyTooLarge."""
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def answer(scope: Scope, send: Send, response: Response) -> None:
    """Send it, in pieces: whoever doesn't read them is still being answered. A HEAD gets the headers alone."""
    headers = {"content-type": response.kind, "content-length": str(len(response.body)), **response.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": raw})
    body = b"" if scope["method"] == "HEAD" else response.body
    for begin in range(0, len(body) or 1, _PIECE):
        end = begin + _PIECE
        await send({"type": "http.response.body", "body": body[begin:end], "more_body": end < len(body)})
