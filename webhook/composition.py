"""Settings become parts, and the parts one process: keys, log, rules, snapshot, judge, server.

The only place where keyrings, the log, rules and the cluster meet. It opens everything before it listens, and closes it
in the reverse order: what was answered is durable, and says so with a signed checkpoint.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import LogUnavailable
from audit.key_changes import ROTATED
from audit.leaves.record import Draft, Input, Record, Unsealed
from audit.leaves.tags import Tagger
from audit.ports import Envelope, Log, Position
from audit.sealed.inputs import Origin, SharedInputs
from keymgmt.errors import KeyManagementError
from keymgmt.file.keyring import FileKeyring
from policies.geography import Geography
from webhook.cluster.apiserver import ApiServer
from webhook.cluster.rules import Rules
from webhook.cluster.views import View, view_for
from webhook.keys.live import LOOK, LiveKeys
from webhook.labelling.assembling import Labelling, geography_of, labeller_over, running
from webhook.labelling.candidate import parse_lease
from webhook.labelling.election import Terms
from webhook.log.lifecycle import GUARDED, FromThreads, Lifecycle
from webhook.log.process import LogProcess
from webhook.log.state import (
    IN_USE,
    keys_in_use,
    live_keys,
    open_keyring,
    sealing,
    used_keys,
    whereabouts,
)
from webhook.options import Options
from webhook.reviews.archiving import Archiving
from webhook.reviews.ids import DecisionIds
from webhook.reviews.judge import Judge, Judged
from webhook.reviews.recording import DecisionRecording, emptied
from webhook.serving.app import create_app, create_probes_app
from webhook.serving.certificates import Authority
from webhook.serving.metrics import Metrics
from webhook.serving.probes import Probes
from webhook.serving.server import Server
from webhook.serving.server import run as run_loop
from webhook.serving.settings import Settings, Stopping, Tls
from webhook.serving.tls import LiveTls

if TYPE_CHECKING:
    from policies.facts.law import Law

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
        keys = live_keys(options, keyring)
        records = Records(options, keys, log)
        await records.announce()
        told = FromThreads(records.lifecycle, asyncio.get_running_loop())
        rules = await asyncio.to_thread(Rules, options, view, told)  # what comes into force is recorded first
        following = asyncio.create_task(records.follow())
        try:
            await _listen(options, records, keys, log, view, rules, started)
        finally:
            following.cancel()
            view.stop()
    finally:
        await log.close()


async def _listen(
    options: Options,
    records: "Records",
    keys: LiveKeys[FileKeyring],
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
        log=records,
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
        warnings={
            "log": lambda: log.status().warning or None,
            "witnesses": lambda: log.status().split or None,
            "keys": lambda: keys.trouble or None,
        },
    )
    _measure(metrics, log, rules, view)
    app = create_app(judge, probes, metrics, body=settings.body, deadlines=settings.deadlines)
    tls = LiveTls(settings.tls, metrics)
    server = Server(app, settings, tls, probes, metrics, probes_app=create_probes_app(probes, metrics))
    with _labelling(options, view, rules, metrics) if options.label_nodes else nullcontext():
        await server.serve(started or _announce)


def _labelling(options: Options, view: View, rules: Rules, metrics: Metrics) -> AbstractContextManager[None]:
    """This replica's part in labelling nodes, by the rules in force once they are whole. Raises ClusterUnavailable."""
    assert view.facts is not None  # the command asks for a cluster
    api = ApiServer.connect(options.kubeconfig, retries=False)
    how = Labelling(parse_lease(options.label_lease), Terms(options.label_lease_seconds))

    def declared() -> Geography | None:
        return None if rules.hindrance() else geography_of(rules.engine().law)

    return running(labeller_over(api, view.facts, declared, metrics.registry, how))


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
class Made:
    """What makes records of one tag key, and appends them with what they need."""

    recording: DecisionRecording
    inputs: SharedInputs
    archiving: Archiving


class Records:
    """What makes records and appends them: sealed to the region's public key, tagged with its tag key.

    For one event loop. When the keys change, what is under way is finished with those that it began with.
    """

    def __init__(self, options: Options, keys: LiveKeys[FileKeyring], log: Log) -> None:
        self._options = options
        self._keys = keys
        self._log = log
        self._origin = Origin(options.cluster_name, options.region, options.version)
        self._made = self._make(keys.keyring, None)
        guarded = options.directory / GUARDED
        self.lifecycle = Lifecycle(self, self._origin, _now, self._in_force, guarded)

    def recording(self, judged: Judged) -> tuple[Draft, tuple[Unsealed]]:
        """`judge.Recording`."""
        return self._made.recording(judged)

    async def append(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed] = ()) -> Position:
        """`judge.Log`. Raises LogUnavailable."""
        return await self._made.inputs.append(record, sealed)

    async def archive(self, inputs: Sequence[Input]) -> None:
        """`lifecycle.Archive`. Raises LogUnavailable."""
        await self._made.inputs.archive(inputs)

    async def announce(self) -> None:
        """Settings and keys of this run. Raises LogUnavailable."""
        await self.lifecycle.configured(asdict(self._options))
        if self._options.log is None:  # what replicas share records the keys of all, once
            used = keys_in_use(self._options, self._keys.keyring)
            await self.lifecycle.keys_used(self._options.directory / IN_USE, used)

    async def follow(self) -> None:
        """Go over to the keyring's new keys whenever it has some, each change recorded before. Never returns."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                fresh = await asyncio.to_thread(self._keys.look)
                if fresh is not None and not await self._gone_over(fresh):
                    self._keys.look_again()
            except Exception:
                logger.exception("the keyring can't be looked at; trying again")

    async def _gone_over(self, fresh: FileKeyring) -> bool:
        """False when the log has no record of it yet."""
        try:
            made = self._make(fresh, self._made.archiving)
            used = keys_in_use(self._options, fresh)
            if self._options.log is None:
                await self.lifecycle.keys_used(self._options.directory / IN_USE, used, ROTATED)
            elif used_keys(self._options) != used:
                return False  # the log's own process sees to the record, with the other replicas
        except KeyManagementError as error:
            self._keys.refuse(str(error))
            return True
        except LogUnavailable as error:
            logger.warning("the keyring has new keys, and the log no record of them yet: %s", error)
            return False
        self._made = made
        self._keys.use(fresh)
        logger.warning("the keyring has changed: generation %d is in use", fresh.generation)
        return True

    def _make(self, keyring: FileKeyring, before: Archiving | None) -> Made:
        """Raises NoSuchKey."""
        tagger = Tagger(keyring.tagger(TAGGING))
        inputs = SharedInputs(self._log, sealing(self._options, keyring), tagger, self._origin, _now)
        archiving = before.over(inputs) if before else Archiving(inputs, withheld=emptied)
        where = whereabouts(self._options, keyring)
        return Made(DecisionRecording(where, tagger, os.urandom, archiving), inputs, archiving)

    def _in_force(self, law: "Law") -> Input:
        return self._made.archiving.in_force(law)


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
