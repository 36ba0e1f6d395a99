"""Serves a log for reading, in the layout of C2SP tlog-tiles: `checkpoint`, `tile/…`, and nothing else.

Guarantees that only published files are shown, by their canonical paths, to whoever has the token where one is asked
for. Records hold no personal data in clear, but they are nobody's business either: without a token or a client's
certificate, serve on a network of one's own.
"""

import asyncio
import hmac
import logging

from audit.errors import AuditError, NoteMalformed
from audit.files.layout import CHECKPOINT
from audit.published import NOTES, WITNESSED, NotPublished, Published
from audit.tlog.tiles import TILE_WIDTH, parse_tile_path
from audit.web.asgi import BYTES, App, Receive, Response, Scope, Send, answer

_FRESH = {"cache-control": "no-cache"}
_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
logger = logging.getLogger("bailiwick.audit")


def reading_app(log: Published, *, token: str = "", witnessed: bool = False) -> App:
    """The application. `witnessed`: show the newest checkpoint with a quorum as `checkpoint`."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if not _may(scope, token):
            response = Response(401, b"a token is needed\n", headers={"www-authenticate": "Bearer"})
        elif scope["method"] not in ("GET", "HEAD"):
            response = Response(405, b"read only\n", headers={"allow": "GET, HEAD"})
        else:
            response = await asyncio.to_thread(_shown, log, scope["path"].lstrip("/"), witnessed)
        await answer(scope, send, response)

    return app


def _shown(log: Published, path: str, witnessed: bool) -> Response:
    try:
        if path in NOTES:
            return Response(200, log.note(WITNESSED if witnessed and path == CHECKPOINT else path), headers=_FRESH)
        level, index, width = parse_tile_path(path)
        caching = _FOR_EVER if width == TILE_WIDTH else {}
        return Response(200, log.tile(level, index, width), BYTES, caching)
    except (NotPublished, NoteMalformed) as error:
        return Response(404, f"{error}\n".encode())
    except (OSError, AuditError):
        logger.exception("can't read the log")
        return Response(503, b"the log can't be read now\n")


def _may(scope: Scope, token: str) -> bool:
    if not token:
        return True
    given = dict(scope["headers"]).get(b"authorization", b"")
    return hmac.compare_digest(given, b"Bearer " + token.encode())
