"""The webhook's real parts over fakes of its neighbours, in this process or in one of its own.

`python -m tests.webhook.parts DIRECTORY SETTINGS` serves until SIGTERM: settings as JSON, the port on stdout.
"""

import asyncio
import hmac
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from audit.leaves.tags import Tagger
from policies.snapshot import MemorySnapshot
from tests.webhook.fakes import MemoryLog, ScriptedEngine, ScriptedResolver
from tests.webhook.wire import Connection, client_context
from webhook.log.whereabouts import Whereabouts
from webhook.reviews.judge import Current, Judge, Limits
from webhook.reviews.recording import DecisionRecording
from webhook.serving.app import create_app, create_probes_app
from webhook.serving.certificates import Authority
from webhook.serving.metrics import Metrics
from webhook.serving.probes import Probes
from webhook.serving.server import Server, run
from webhook.serving.settings import BodyLimits, ConnectionLimits, Deadlines, Settings, Stopping, Tls
from webhook.serving.tls import LiveTls

WHERE = Whereabouts("cluster-a", "eu-central", "eu")


class KeyedHash:
    """HMAC under a key that is no secret."""

    key_id = "test/tags/1"

    def __call__(self, value: bytes) -> bytes:
        return hmac.digest(b"k" * 32, value, "sha256")


class Parts:
    """Everything a server needs, over certificates in a directory."""

    def __init__(self, directory: Path, **changes: Any) -> None:
        self.directory = directory
        self.settings = settings_for(directory, **changes)
        self.metrics = Metrics()
        self.probes = Probes()
        self.engine = Current(ScriptedEngine())
        self.resolver = ScriptedResolver(**changes.get("resolver", {}))
        self.log = MemoryLog()
        self.recording = DecisionRecording(WHERE, Tagger(KeyedHash()), lambda size: b"s" * size)
        self.tls = LiveTls(self.settings.tls, self.metrics)
        self.server: Server | None = None

    def judge(self, limits: Limits | None = None) -> Judge:
        ids = itertools.count(1)
        return Judge(
            engine=self.engine,
            snapshot=Current(MemorySnapshot(live=True)),
            resolver=self.resolver,
            log=self.log,
            recording=self.recording,
            ids=lambda: f"d-{next(ids)}",
            clock=lambda: datetime.now(UTC),
            observer=self.metrics,
            limits=limits,
        )

    async def serve(self, started: Callable[[Server], None]) -> None:
        settings = self.settings
        app = create_app(self.judge(), self.probes, self.metrics, body=settings.body, deadlines=settings.deadlines)
        probes_app = create_probes_app(self.probes, self.metrics)
        self.server = Server(app, settings, self.tls, self.probes, self.metrics, probes_app=probes_app)
        await self.server.serve(started)

    def connect(self, pair: tuple[Path, Path] | None = None) -> Connection:
        assert self.server is not None
        return Connection(self.server.port, client_context(self.directory / "ca.crt", pair))


def settings_for(directory: Path, **changes: Any) -> Settings:
    """Settings over the directory's certificates; `changes` are named as the settings' parts."""
    tls = Tls(directory / "tls.crt", directory / "tls.key", watch=0.05)
    return Settings(
        tls=replace(tls, **changes.get("tls", {})),
        host="127.0.0.1",
        port=0,
        probes_port=0,
        body=BodyLimits(**changes.get("body", {})),
        deadlines=Deadlines(**changes.get("deadlines", {})),
        connections=ConnectionLimits(**({"sweep": 0.05} | changes.get("connections", {}))),
        stopping=Stopping(**({"linger": 0.0, "grace": 5.0} | changes.get("stopping", {}))),
    )


def issue(directory: Path, names: tuple[str, ...] = ("localhost", "127.0.0.1")) -> Authority:
    """An authority `ca.crt` and a server's pair under it."""
    now = datetime.now(UTC)
    authority = Authority("test authority", now)
    (directory / "ca.crt").write_bytes(authority.certificate)
    authority.server(names, now).write(directory)
    return authority


@contextmanager
def running(directory: Path, **changes: Any) -> Iterator[Parts]:
    """A server in a thread of this process, over certificates that it issues."""
    if not (directory / "tls.crt").exists():
        issue(directory)
    parts = Parts(directory, **changes)
    up = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def started(_: Server) -> None:
        loops.append(asyncio.get_running_loop())
        up.set()

    thread = threading.Thread(target=lambda: run(parts.serve(started)))
    thread.start()
    assert up.wait(10), "the server did not start"
    try:
        yield parts
    finally:
        assert parts.server is not None
        loops[0].call_soon_threadsafe(parts.server.stop)
        thread.join(10)
        assert not thread.is_alive(), "the server did not stop"


async def _main(parts: Parts) -> None:
    def started(server: Server) -> None:
        sys.stdout.write(f"{server.port} {server.probes_port}\n")
        sys.stdout.flush()

    await parts.serve(started)
    sys.stdout.write(f"flushed {len(parts.log.records)}\n")


if __name__ == "__main__":
    where, given = sys.argv[1:]
    run(_main(Parts(Path(where), **orjson.loads(given))))
