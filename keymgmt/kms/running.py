"""The plugin put together: settings -> keyring -> watch -> service -> socket. The only place that knows all parts."""

import gc
import os
import random
import resource
import sys
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from keymgmt.errors import KeyManagementError
from keymgmt.file.document import Head
from keymgmt.keys import KeyFacts
from keymgmt.kms.annotations import PURPOSE, etcd_binding
from keymgmt.kms.booked import BookedUses, UseLog
from keymgmt.kms.endpoint import Endpoint
from keymgmt.kms.memory import Memory, Seen
from keymgmt.kms.probes import Metrics, Probes
from keymgmt.kms.service import KmsService
from keymgmt.kms.serving import Ripening
from keymgmt.kms.settings import STRENGTH, FileSettings, KmsSettings, ModuleSettings, SettingsInvalid, VaultSettings
from keymgmt.kms.usage import LoggedUses, Uses
from keymgmt.kms.watch import Backend, Keyring, Rhythm, Watch, Watcher
from keymgmt.ports import Binding

if TYPE_CHECKING:
    from keymgmt.file.unlock import Unlock
    from keymgmt.uses.use import KeyUse


LEAST_PATIENCE = 5.0  # seconds
TURN = 0.0005  # seconds: an answer shall not wait for another thread's arithmetic


class ExtraMissing(KeyManagementError):
    """gRPC is not installed."""

    hint = "install `bailiwick[kms]`; for Vault or OpenBao `bailiwick[kms,vault]`"


class AssuranceTooLow(KeyManagementError):
    """The keyring declares less than was asked for. Use another kind, or ask for less."""


def bound_of(settings: KmsSettings) -> Binding:
    """What this cluster's etcd is bound to."""
    return etcd_binding(settings.region, settings.jurisdiction, settings.cluster)


def backend_of(settings: KmsSettings, environment: Mapping[str, str] = os.environ) -> Backend:
    """The keyring that is configured. Raises AssuranceTooLow, SettingsInvalid."""
    chosen = settings.keyring
    if chosen.file:
        found = _file_backend(settings.region, chosen.file, environment)
    elif chosen.transit:
        found = _transit_backend(settings.region, chosen.transit)
    else:
        assert chosen.pkcs11 is not None  # exactly one is there
        found = _module_backend(settings, chosen.pkcs11)
    if STRENGTH[found.assurance] < STRENGTH[settings.least_assurance]:
        raise AssuranceTooLow(
            f"the keyring declares `{found.assurance}`, and `{settings.least_assurance}` is asked for"
        )
    return found


def _file_backend(region: str, settings: FileSettings, environment: Mapping[str, str]) -> Backend:
    from keymgmt.file.keyring import FileKeyring
    from keymgmt.file.unlock import Credential, KeyFile

    unlock: Unlock = KeyFile(settings.key_file) if settings.key_file else Credential(settings.credential, environment)

    def connect(seen: Seen) -> Keyring:
        return FileKeyring.open(settings.directory, region, unlock=unlock, seen=seen.head)

    def head(keyring: Keyring) -> Head | None:
        return keyring.head if isinstance(keyring, FileKeyring) else None

    return Backend(connect, head, waits=False, assurance=FileKeyring.assurance)


def _transit_backend(region: str, settings: VaultSettings) -> Backend:
    from keymgmt.transit.keyring import TransitKeyring

    try:
        site = settings.site(region, {PURPOSE: settings.key})
    except ValueError as error:
        raise SettingsInvalid(f"`keyring.transit`: {error}") from error
    login, requests = settings.login.login(), _LastRequest()

    def connect(seen: Seen) -> Keyring:
        return TransitKeyring.connect(site, login, known=seen.keys, uses=requests)

    return Backend(
        connect, lambda _keyring: None, waits=True, assurance=TransitKeyring.assurance, request_id=requests.taken
    )


class _LastRequest:
    """The key service's id of each thread's last request, handed on to the record of the use that made it."""

    def __init__(self) -> None:
        self._thread = threading.local()

    def record(self, use: "KeyUse") -> None:
        self._thread.request_id = use.request_id

    def taken(self) -> str:
        found, self._thread.request_id = getattr(self._thread, "request_id", ""), ""
        return str(found)


def _module_backend(whole: KmsSettings, settings: ModuleSettings) -> Backend:
    from keymgmt.hardware.keyring import Pkcs11Keyring
    from keymgmt.hardware.token import TokenSite
    from keymgmt.transit.errors import KeyUnfit

    site = TokenSite(whole.region, settings.module, settings.token, settings.pin_file, {PURPOSE: settings.label})

    def connect(seen: Seen) -> Keyring:
        ring = Pkcs11Keyring.connect(site, known=seen.keys, seen=seen.head)
        if STRENGTH[ring.assurance] < STRENGTH[whole.least_assurance]:  # which it says when it is asked
            raise KeyUnfit(f"token `{settings.token}` is no device, and `{whole.least_assurance}` is asked for")
        return ring

    def head(keyring: Keyring) -> Head | None:
        return keyring.head if isinstance(keyring, Pkcs11Keyring) else None

    return Backend(connect, head, waits=True, assurance="hardware")


def watch_of(settings: KmsSettings, backend: Backend) -> Watch:
    """The watch over the keyring."""
    bound = bound_of(settings)
    memory = Memory(settings.state, bound)
    memory.prepare()
    ripening = Ripening(timedelta(seconds=settings.rotation.delay), settings.rotation.observations)
    # two intervals and a call; never less than a call to a key service under load may take
    rhythm = Rhythm(settings.interval, min(max(2.5 * settings.interval, LEAST_PATIENCE), 120.0))
    return Watch(backend, memory, bound, ripening, rhythm)


def uses_of(settings: KmsSettings, watch: Watch, log: UseLog | None) -> Uses:
    """Where the plugin's uses are recorded."""
    if log is None:
        return LoggedUses()
    service_key = settings.keyring.transit.key if settings.keyring.transit else ""

    def known(key_id: str) -> KeyFacts | None:
        return watch.standing.known(key_id)

    return BookedUses(log, service_key, known, LoggedUses())


def run(settings: KmsSettings, log: UseLog | None = None) -> None:
    """Serve until SIGTERM; `log` gets every use, too. Raises KeyManagementError for what cannot start."""
    try:
        from keymgmt.kms.server import serve_until_signal
    except ImportError as error:
        raise ExtraMissing("the KMS plugin needs grpcio and protobuf") from error

    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold seeds and tokens
    endpoint = Endpoint(settings.socket.path, settings.socket.group)
    watch = watch_of(settings, backend_of(settings))
    metrics = Metrics(watch, uses_of(settings, watch, log), log)
    watch.uses = metrics
    watcher = Watcher(watch, jitter=random.random)
    service = KmsService(watch, metrics, nudge=watcher.nudge)
    probes = Probes(settings.address, watch, metrics) if settings.address else None
    sys.setswitchinterval(TURN)
    gc.collect()
    gc.freeze()  # what is loaded now stays: walking through it again and again would make answers late
    watcher.start()
    if probes:
        probes.start()
    try:
        serve_until_signal(service, endpoint)
    finally:
        watcher.stop()
        if probes:
            probes.stop()
