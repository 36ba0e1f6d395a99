"""A witness behind HTTP: `POST /add-checkpoint`, and `GET /<sha256 of the origin>/checkpoint` for monitors."""

import asyncio
import logging

from audit.files.layout import CHECKPOINT
from audit.tlog.submission import SUBMISSION_LIMIT
from audit.web.asgi import App, BodyTooLarge, Receive, Response, Scope, Send, answer, body_of
from audit.witness.rules import Witness

logger = logging.getLogger("bailiwick.audit")


def witness_app(witness: Witness) -> App:
    """The application over a witness."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answer(scope, send, await _response(scope, receive))

    async def _response(scope: Scope, receive: Receive) -> Response:
        method, path = scope["method"], scope["path"]
        if path == "/add-checkpoint":
            if method != "POST":
                return Response(405, b"checkpoints are posted\n", headers={"allow": "POST"})
            try:
                body = await body_of(receive, SUBMISSION_LIMIT)
            except BodyTooLarge:
                return Response(413, b"a submission is at most %d bytes\n" % SUBMISSION_LIMIT)
            return await asyncio.to_thread(_added, witness, body)
        folder, _, name = path.lstrip("/").partition("/")
        if name == CHECKPOINT and method in ("GET", "HEAD"):
            return await asyncio.to_thread(_newest, witness, folder)
        return Response(404, b"nothing here\n")

    return app


def _added(witness: Witness, body: bytes) -> Response:
    try:
        given = witness.add_checkpoint(body)
    except Exception:  # a signer may raise anything; the caller learns that it has no cosignature
        logger.exception("a checkpoint could not be cosigned")
        return Response(503, b"the witness can't sign now\n")
    return Response(given.status, given.body, given.kind)


def _newest(witness: Witness, folder: str) -> Response:
    try:
        note = witness.newest(folder)
    except Exception:
        logger.exception("a state can't be read")
        return Response(503, b"the state can't be read now\n")
    return Response(200, note) if note is not None else Response(404, b"nothing cosigned yet\n")
