"""Settings become parts, and the parts one process: keys, log, rules, snapshot, judge, server.

The only place where keyrings, the log, rules and the cluster meet. It opens everything before it listens, and closes it
in the reverse order: what was answered is durable, and says so with a signed checkpoint.
"""

import logging
import os
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from audit.log import FileLog, Writer
from audit.tags import Tagger
from audit.tlog.notes import VerifierKey
from keymgmt.keyring import FileKeyring
from keymgmt.unlock import KeyFile
from webhook.app import create_app, create_probes_app
from webhook.certificates import Authority
from webhook.ids import DecisionIds
from webhook.judge import Judge
from webhook.metrics import Metrics
from webhook.probes import Probes
from webhook.recording import DecisionRecording, Whereabouts
from webhook.rules import Rules
from webhook.server import Server
from webhook.server import run as run_loop
from webhook.settings import Settings, Stopping, Tls
from webhook.tls import LiveTls
from webhook.views import View, view_for

if TYPE_CHECKING:
    from keymgmt.ports import Signer

logger = logging.getLogger("bailiwick.webhook")

_TURN = 0.0005  # seconds: the log's writer comes back from the disk with answers, and shall not wait long to give them
SIGNING, TAGGING = "audit-checkpoint", "audit-tags"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; the words of `bailiwick serve`."""

    version: str
    rules: Sequence[str] = ()
    snapshot: Sequence[str] = ()
    kubeconfig: str | None = None
    in_cluster: bool = False
    state: str = "state"
    region: str = "local"
    cluster_name: str = "cluster"
    writer: str = "webhook-0"
    host: str | None = None
    port: int = 8443
    probes_port: int | None = None
    names: Sequence[str] = ()
    certificate: str | None = None
    key: str | None = None
    client_ca: str | None = None
    tls12: bool = False
    packs: bool = True
    linger: float = 5.0  # seconds

    @property
    def directory(self) -> Path:
        return Path(self.state)


def run(options: Options) -> None:
    """Serve until SIGTERM. Returns when everything is drained, durable and closed; raises what can't be opened."""
    sys.setswitchinterval(_TURN)
    run_loop(serve(options))


async def serve(options: Options, started: Callable[[Server], None] | None = None) -> None:
    """Open the parts, listen, and close them again."""
    keyring = open_keyring(options)
    log = open_log(options, keyring)
    try:
        view = view_for(options)
        rules = Rules(options, view)
        try:
            await _listen(options, keyring, log, view, rules, started)
        finally:
            view.stop()
    finally:
        await log.close()


async def _listen(
    options: Options,
    keyring: FileKeyring,
    log: FileLog,
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
        log=log,
        recording=recording(options, keyring),
        ids=DecisionIds(),
        clock=lambda: datetime.now(UTC),
        observer=metrics,
    )
    probes = Probes(
        {
            "log": lambda: None if log.healthy() else log.status().trouble or "takes no records",
            "rules": rules.hindrance,
            "cluster": view.hindrance,
        }
    )
    _measure(metrics, log, rules, view)
    app = create_app(judge, probes, metrics, body=settings.body, deadlines=settings.deadlines)
    tls = LiveTls(settings.tls, metrics)
    server = Server(app, settings, tls, probes, metrics, probes_app=create_probes_app(probes, metrics))
    await server.serve(started or _announce)


def _announce(server: Server) -> None:
    logger.info("listening on port %d", server.port)


def _measure(metrics: Metrics, log: FileLog, rules: Rules, view: View) -> None:
    metrics.gauge("log_size", "records in the log", lambda: log.status().size)
    metrics.gauge("log_signed", "records under a signed checkpoint", lambda: log.status().signed)
    metrics.gauge("log_unsigned_seconds", "age of the oldest unsigned record", lambda: log.status().unsigned_seconds)
    metrics.gauge("policies", "policies in force", lambda: rules.count)
    metrics.gauge("rules_refused", "1 while newer rules could not be put in force", lambda: float(bool(rules.refused)))
    metrics.gauge("snapshot_age_seconds", "since the cluster was last heard of", view.age)


def open_keyring(options: Options) -> FileKeyring:
    """The region's keyring in the state directory, made when there is none."""
    directory = options.directory / "keys"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    unlock = KeyFile(directory / "unlock.key")
    if not unlock.path.exists():
        KeyFile.create(unlock.path)
        return FileKeyring.create(directory, options.region, unlock=unlock, now=datetime.now(UTC))
    return FileKeyring.open(directory, options.region, unlock=unlock)


def open_log(options: Options, keyring: FileKeyring) -> FileLog:
    """The log in the state directory, signed by the region's key under the log's own name."""
    origin = f"audit.{options.region}/{options.cluster_name}/{options.writer}"
    signer: Signer = keyring.signer(SIGNING, origin)
    writer = Writer(options.writer, str(uuid.uuid4()), options.cluster_name, options.region, options.version)
    directory = options.directory / "log"
    directory.mkdir(parents=True, exist_ok=True)
    _show_key(options.directory / "log.vkeys", VerifierKey.ed25519(origin, signer.public_key))
    return FileLog.open(directory, origin=origin, signer=signer, clock=lambda: datetime.now(UTC), writer=writer)


def _show_key(path: Path, key: VerifierKey) -> None:
    """The public key with which the log is verified, beside it. Older ones stay: older checkpoints need them."""
    known = path.read_text().splitlines() if path.exists() else []
    if str(key) not in known:
        path.write_text("".join(f"{line}\n" for line in (*known, str(key))))


def recording(options: Options, keyring: FileKeyring) -> DecisionRecording:
    """What makes records: sealed to the region's public key, tagged with its tag key."""
    where = Whereabouts(options.cluster_name, options.region, keyring.jurisdiction)
    return DecisionRecording(where, keyring.sealer(), Tagger(keyring.tagger(TAGGING)), os.urandom)


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
