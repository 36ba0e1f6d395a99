"""Made-up regions with a CA, a server double and Transit keys each."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from keymgmt.ports import Binding
from keymgmt.transit.keyring import TransitKeyring
from keymgmt.transit.login import AppRoleLogin, Login
from keymgmt.transit.site import TransitSite
from tests.keymgmt.authority import Authority
from tests.keymgmt.vault_double import DoubleKey, VaultDouble

KEYS = {"audit-checkpoint": "checkpoint", "audit-archive": "archive"}


@dataclass
class Clock:
    """A clock that moves when it is told to, or by sleeping."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.now += seconds


@dataclass
class Region:
    """One region's server and how to reach it."""

    name: str
    site: TransitSite
    server: VaultDouble
    login: Login
    clock: Clock = field(default_factory=Clock)

    def connect(self, **options: Any) -> TransitKeyring:
        """Its keyring."""
        return TransitKeyring.connect(self.site, self.login, clock=self.clock, sleep=self.clock.sleep, **options)

    def bound(self, tenant: str = "clinic") -> Binding:
        """A binding of this region."""
        return Binding(self.name, "DE", "audit-archive", "prod", tenant)


@dataclass
class World:
    """All regions of a test, in one folder, that end with it."""

    folder: Path
    stack: ExitStack
    spare: Callable[[], RSAPrivateKey]

    def region(self, name: str, *, secret_id: str = "a-secret-id", options: Mapping[str, Any] | None = None) -> Region:
        """A running region with a signing and a sealing key, reached by AppRole."""
        folder = self.folder / name
        authority = Authority(folder, f"{name} authority")
        pair = authority.serve([f"urn:bailiwick:region:{name}"])
        clock = Clock()
        server = self.stack.enter_context(VaultDouble(pair, cluster_id=f"cluster-{name}", clock=clock).running())
        server.keys = {
            "checkpoint": DoubleKey([Ed25519PrivateKey.generate()]),
            "archive": DoubleKey([self.spare()]),
        }
        server.credentials["approle"] = {"role_id": "bailiwick", "secret_id": secret_id}
        (folder / "secret-id").write_text(secret_id)
        settings: dict[str, Any] = {"pins": frozenset({pair.pin}), "deadline": 3.0} | dict(options or {})
        site = TransitSite(name, server.url, authority.bundle, KEYS, **settings)
        return Region(name, site, server, AppRoleLogin("bailiwick", folder / "secret-id"), clock)
