"""What the same server does when there is nothing to decide: the baseline of `bench_webhook`.

`python tests/bench/constant_server.py DIRECTORY` prints its port and serves until SIGTERM:
  /constant  the webhook's own door, body and all, with a constant for an answer
  /fastapi   the ordinary way with FastAPI: a path operation that awaits the body and returns a response
  /recorded  everything but the rules: parsed, allowed by an engine of one line, sealed, durable, answered
"""

import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from fastapi import Request, Response

from audit.ports import Log
from keymgmt.file.keyring import FileKeyring
from policies.decision import Decision, Inputs, Needs, Verdict
from policies.request import Phase
from policies.request import Request as Asked
from policies.snapshot import MemorySnapshot, Snapshot
from webhook.composition import Records
from webhook.log.process import LogProcess
from webhook.log.state import live_keys, open_keyring
from webhook.options import Options
from webhook.reviews.answer import answer_bytes
from webhook.reviews.judge import Current, Judge
from webhook.serving.app import Webhook
from webhook.serving.body import Bodies, Receive, Scope, Send, respond
from webhook.serving.certificates import Authority
from webhook.serving.doors import Door
from webhook.serving.metrics import Metrics
from webhook.serving.probes import Probes
from webhook.serving.server import Server, run
from webhook.serving.settings import BodyLimits, Deadlines, Settings, Stopping, Tls
from webhook.serving.tls import LiveTls

ANSWER = answer_bytes("c4d722ae-4086-4a5c-92c1-ce99f5cc85a1", Phase.FAIL, Decision(Verdict.ALLOWED), "constant", 1)


class ConstantDoor:
    """Reads the body as every door does, and has its answer ready."""

    def __init__(self) -> None:
        self._bodies = Bodies(BodyLimits())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._bodies.read(scope, receive)
        await respond(send, 200, ANSWER)


class NobodyToAsk:
    """A resolver that is never asked."""

    async def resolve(self, needs: Needs, deadline: float) -> Snapshot:
        raise AssertionError(needs)


class Yes:
    """An engine that allows everything."""

    def decide(self, request: Asked, phase: Phase, snapshot: Snapshot, now: datetime) -> Decision:
        return ALLOWED


ALLOWED = Decision(Verdict.ALLOWED, policies=("placement",), inputs=Inputs(b"r" * 32, b"s" * 32, b"p" * 32, b"d" * 32))


def application(options: Options, keyring: FileKeyring, log: Log, metrics: Metrics) -> Webhook:
    snapshot, records = MemorySnapshot(), Records(options, live_keys(options, keyring), log)
    judge = Judge(
        engine=Current(Yes()),
        snapshot=Current(snapshot),
        resolver=NobodyToAsk(),
        log=records,
        recording=records.recording,
        ids=lambda: str(uuid.uuid4()),
        clock=lambda: datetime.now(UTC),
        observer=metrics,
    )
    recorded = Door(Phase.FAIL, judge, metrics, Bodies(BodyLimits()), Deadlines())
    app = Webhook({"/constant": ConstantDoor(), "/recorded": recorded})

    @app.post("/fastapi")
    async def ordinary(request: Request) -> Response:
        await request.body()
        return Response(ANSWER, media_type="application/json")

    return app


async def serve(directory: Path) -> None:
    now = datetime.now(UTC)
    authority = Authority("bench", now)
    (directory / "ca.crt").write_bytes(authority.certificate)
    pair = authority.server(["localhost", "127.0.0.1"], now).write(directory)
    settings = Settings(Tls(*pair), host="127.0.0.1", port=0, stopping=Stopping(linger=0.0))
    metrics, options = Metrics(), Options(version="bench", state=str(directory))
    keyring = open_keyring(options)
    log = await LogProcess.start(options)
    app = application(options, keyring, log, metrics)
    await Server(app, settings, LiveTls(settings.tls, metrics), Probes(), metrics).serve(announce)
    await log.close()


def announce(server: Server) -> None:
    print(server.port, flush=True)


if __name__ == "__main__":
    run(serve(Path(sys.argv[1])))
