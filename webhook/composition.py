"""Settings become parts, and the parts one process: keys, log, rules, snapshot, judge, server.

The only place where keyrings, the log, rules and the cluster meet. It opens everything before it listens, and closes it
in the reverse order: what was answered is durable, and says so with a signed checkpoint.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from audit.leaves.tags import Tagger
from audit.ports import Log
from audit.sealed.inputs import Origin, SharedInputs
from audit.tlog.notes import VerifierKey
from keymgmt.keyring import FileKeyring
from keymgmt.keys import KeyFacts
from keymgmt.states import State
from webhook.app import create_app, create_probes_app
from webhook.archiving import Archiving
from webhook.certificates import Authority
from webhook.ids import DecisionIds
from webhook.judge import Judge
from webhook.lifecycle import GUARDED, IN_USE, FromThreads, Lifecycle
from webhook.log_process import LogProcess
from webhook.metrics import Metrics
from webhook.probes import Probes
from webhook.recording import DecisionRecording, emptied
from webhook.rules import Rules
from webhook.server import Server
from webhook.server import run as run_loop
from webhook.settings import Settings, Stopping, Tls
from webhook.state import SIGNING, Options, open_keyring, origin_of, sealing, whereabouts
from webhook.tls import LiveTls
from webhook.views import View, view_for

logger = logging.getLogger("bailiwick.webhook")

TAGGING = "audit-tags"


def run(options: Options) -> None:
    """Serve until SIGTERM. Returns when everything is drained, durable and closed; raises what can't be opened."""
    run_loop(serve(options))


async def serve(options: Options, started: Callable[[Server], None] | None = None) -> None:
    """Open the parts, listen, and close them again."""
    keyring = open_keyring(options)
    log = await LogProcess.start(options)
    try:
        view = view_for(options)
        records = Records.of(options, keyring, log)
        await records.announce(options, keyring)
        told = FromThreads(records.lifecycle, asyncio.get_running_loop())
        rules = await asyncio.to_thread(Rules, options, view, told)  # what comes into force is recorded first
        try:
            await _listen(options, records, log, view, rules, started)
        finally:
            view.stop()
    finally:
        await log.close()


async def _listen(
    options: Options,
    records: "Records",
    log: LogProcess,
    view: View,
    rules: Rules,
    started: Callable[[Server], None] | None,
) -> None:
    metrics = Metrics()
    settings = settings_of(options)
    judge = Judge(
        engine=rules.engine,
        snapshot=view.snapshot,
        resolver=view.resolver,
        log=records.inputs,
        recording=records.recording,
        ids=DecisionIds(),
        clock=_now,
        observer=metrics,
    )
    probes = Probes(
        {
            "log": lambda: None if log.healthy() else log.status().trouble or "takes no records",
            "rules": rules.hindrance,
            "cluster": view.hindrance,
        },
        warnings={"log": lambda: log.status().warning or None, "witnesses": lambda: log.status().split or None},
    )
    _measure(metrics, log, rules, view)
    app = create_app(judge, probes, metrics, body=settings.body, deadlines=settings.deadlines)
    tls = LiveTls(settings.tls, metrics)
    server = Server(app, settings, tls, probes, metrics, probes_app=create_probes_app(probes, metrics))
    await server.serve(started or _announce)


def _announce(server: Server) -> None:
    logger.info("listening on port %d", server.port)


def _measure(metrics: Metrics, log: LogProcess, rules: Rules, view: View) -> None:
    metrics.gauge("log_size", "records in the log", lambda: log.status().size)
    metrics.gauge("log_signed", "records under a signed checkpoint", lambda: log.status().signed)
    metrics.gauge("log_unsigned_seconds", "age of the oldest unsigned record", lambda: log.status().unsigned_seconds)
    metrics.gauge("log_free_bytes", "free on the log's disk; -1: not looked at", lambda: log.status().free_bytes)
    metrics.gauge("log_space_low", "1 while it is less than the alarm", lambda: float(bool(log.status().warning)))
    metrics.gauge("log_witnessed", "records that witnesses vouch for; -1: none asked", lambda: log.status().witnessed)
    metrics.gauge("log_split_view", "1 when a witness saw another history", lambda: float(bool(log.status().split)))
    metrics.gauge("policies", "policies in force", lambda: rules.count)
    metrics.gauge("rules_refused", "1 while newer rules could not be put in force", lambda: float(bool(rules.refused)))
    metrics.gauge("snapshot_age_seconds", "since the cluster was last heard of", view.age)


@dataclass(frozen=True, slots=True)
class Records:
    """What makes records and appends them: sealed to the region's public key, tagged with its tag key."""

    recording: DecisionRecording
    inputs: SharedInputs  # the log, with what records need put into it before them
    lifecycle: Lifecycle

    @classmethod
    def of(cls, options: Options, keyring: FileKeyring, log: Log) -> "Records":
        where = whereabouts(options, keyring)
        origin = Origin(options.cluster_name, options.region, options.version)
        tagger = Tagger(keyring.tagger(TAGGING))
        inputs = SharedInputs(log, sealing(options, keyring), tagger, origin, _now)
        archiving = Archiving(inputs, withheld=emptied)
        recording = DecisionRecording(where, tagger, os.urandom, archiving)
        return cls(recording, inputs, Lifecycle(inputs, origin, _now, archiving.in_force, options.directory / GUARDED))

    async def announce(self, options: Options, keyring: FileKeyring) -> None:
        """Settings and keys of this run. Raises LogUnavailable."""
        await self.lifecycle.configured(asdict(options))
        used = {key.purpose: _public(key, options) for key in tuple(keyring.keys()) if key.state is State.ACTIVE}
        await self.lifecycle.keys_used(options.directory / IN_USE, used)


def _public(key: KeyFacts, options: Options) -> str:
    """A key as records announce it: what signs as a verifier key, others by their ids."""
    if key.purpose == SIGNING:
        return str(VerifierKey.ed25519(origin_of(options), key.public))
    return key.key_id


def _now() -> datetime:
    return datetime.now(UTC)


def settings_of(options: Options) -> Settings:
    return Settings(
        tls=_tls(options),
        host=options.host,
        port=options.port,
        probes_port=options.probes_port,
        stopping=Stopping(linger=options.linger),
    )


def _tls(options: Options) -> Tls:
    """The given certificate, or one of our own making; its authority's certificate then lies beside it."""
    client_ca = Path(options.client_ca) if options.client_ca else None
    if options.certificate and options.key:
        return Tls(Path(options.certificate), Path(options.key), client_ca, options.tls12)
    directory = options.directory / "tls"
    if not (directory / "tls.crt").exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        now = datetime.now(UTC)
        authority = Authority("bailiwick", now)
        names = [*options.names, "localhost", "127.0.0.1", "::1"]
        authority.server(names, now).write(directory)
        (directory / "ca.crt").write_bytes(authority.certificate)
    return Tls(directory / "tls.crt", directory / "tls.key", client_ca, options.tls12)
