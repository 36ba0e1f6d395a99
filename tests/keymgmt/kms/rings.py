"""Keyrings that misbehave when told to, and plugins around them with a clock of their own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keymgmt.approvals import ApprovalPolicy, approve
from keymgmt.envelopes.envelope import UnverifiedEnvelope
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.kms.annotations import etcd_binding
from keymgmt.kms.memory import Memory, Seen
from keymgmt.kms.service import KmsService
from keymgmt.kms.serving import Ripening
from keymgmt.kms.usage import KeyUse
from keymgmt.kms.watch import Backend, Keyring, Rhythm, Watch
from keymgmt.secret import Secret
from keymgmt.states import Change

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


@dataclass
class Time:
    """One clock for both kinds of time."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)


class FickleKeyring:
    """A real file keyring that can fail, block, and count what is asked of it."""

    def __init__(self, ring: FileKeyring) -> None:
        self.ring = ring
        self.failure: Exception | None = None  # raised by whatever would need the key service
        self.refusing: Exception | None = None  # raised by opening alone
        self.gate = threading.Event()
        self.gate.set()
        self.looks = self.unwraps = 0

    @property
    def region(self) -> str:
        return self.ring.region

    @property
    def generation(self) -> int:
        return self.ring.generation

    def keys(self) -> tuple[KeyFacts, ...]:
        return self.ring.keys()

    def refresh(self) -> bool:
        self.looks += 1
        if self.failure:
            raise self.failure
        return self.ring.refresh()

    def unwrap(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:
        self.unwraps += 1
        assert self.gate.wait(20)
        if self.failure or self.refusing:
            raise self.failure or self.refusing or AssertionError
        return self.ring.unwrap(envelope, purpose, info)


class Recorder:
    """Remembers every use, and refuses to when told to."""

    def __init__(self) -> None:
        self.uses: list[KeyUse] = []
        self.failure: Exception | None = None

    def record(self, use: KeyUse) -> None:
        if self.failure:
            raise self.failure
        self.uses.append(use)


@dataclass
class Replica:
    """One plugin, looking when it is told to."""

    keyring: FickleKeyring
    watch: Watch
    service: KmsService
    uses: Recorder
    nudges: list[int]

    def look(self) -> str:
        """Look once, and say what Status then says."""
        self.watch.look()
        return self.service.status().healthz


@dataclass
class Site:
    """A region's file keyring, and plugins on it."""

    folder: Path
    region: str = "eu-de"
    time: Time = field(default_factory=Time)
    waits: bool = False

    def __post_init__(self) -> None:
        self.unlock = KeyFile.create(self._made(self.folder / self.region) / "kek")
        self.approver = Ed25519PrivateKey.generate()
        self.ring = FileKeyring.create(
            self.folder / self.region / "keys",
            self.region,
            unlock=self.unlock,
            now=self.time.now(),
            purposes={"etcd": Algorithm.X25519},
            approvals=ApprovalPolicy({"alice": self.approver.public_key().public_bytes_raw()}, 1),
        )

    def revoke(self, key_id: str) -> None:
        """Withdraw a version, approved."""
        now, action = self.time.now(), self.ring.action(Change.REVOKE, key_id)
        ends = now + timedelta(hours=1)
        vote = approve(action, "alice", self.approver, nonce=os.urandom(16), issued=now, expires=ends)
        self.ring.revoke(key_id, [vote], now)

    def reader(self) -> FileKeyring:
        """The keyring as another process has it open."""
        return FileKeyring.open(self.folder / self.region / "keys", self.region, unlock=self.unlock)

    def replica(
        self,
        name: str = "a",
        *,
        cluster: str = "prod",
        jurisdiction: str = "DE",
        connect: Callable[[Seen], Keyring] | None = None,
        ripening: Ripening | None = None,
    ) -> Replica:
        """A plugin that has looked once."""
        keyring = FickleKeyring(self.reader())
        bound = etcd_binding(self.region, jurisdiction, cluster)
        backend = Backend(
            connect or (lambda seen: keyring), lambda _: keyring.ring.head, waits=self.waits, assurance="software"
        )
        memory = Memory(self._made(self.folder / self.region / name), bound)
        watch = Watch(
            backend, memory, bound, ripening or Ripening(), Rhythm(), clock=self.time.monotonic, now=self.time.now
        )
        uses, nudges = Recorder(), list[int]()
        watch.uses = uses
        service = KmsService(watch, uses, nudge=lambda: nudges.append(1), clock=self.time.monotonic, now=self.time.now)
        watch.look()
        return Replica(keyring, watch, service, uses, nudges)

    @staticmethod
    def _made(folder: Path) -> Path:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder
