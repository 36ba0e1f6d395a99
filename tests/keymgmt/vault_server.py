"""Real Vault servers as regions: built by the test bed, each with its own CA, storage, keys and logins."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from keymgmt.ports import Binding
from keymgmt.transit.keyring import TransitKeyring
from keymgmt.transit.login import AppRoleLogin, Login
from keymgmt.transit.site import TransitSite
from tests.cluster.bed.processes import BedError, Household, Port, wait_until
from tests.keymgmt.authority import Authority

CONFIG = """
storage "raft" {{
  path    = "{folder}/storage"
  node_id = "only"
}}
listener "tcp" {{
  address            = "127.0.0.1:{port}"
  cluster_address    = "127.0.0.1:{cluster}"
  tls_cert_file      = "{certificate}"
  tls_key_file       = "{key}"
  tls_client_ca_file = "{ca}"
  tls_min_version    = "tls13"
}}
disable_mlock    = true
api_addr         = "https://127.0.0.1:{port}"
cluster_addr     = "https://127.0.0.1:{cluster}"
plugin_directory = "{plugins}"
"""
POLICY = """
path "transit/keys/checkpoint" { capabilities = ["read"] }
path "transit/keys/archive"    { capabilities = ["read"] }
path "transit/sign/checkpoint" { capabilities = ["update"] }
path "transit/decrypt/archive" { capabilities = ["update"] }
"""
WRITER = """
path "transit/keys/*"          { capabilities = ["read"] }
path "transit/sign/checkpoint" { capabilities = ["update"] }
"""
KEYS = {"audit-checkpoint": "checkpoint", "audit-archive": "archive"}
READY = 30.0  # seconds


@dataclass
class RealVault:
    """One region's server."""

    name: str
    folder: Path
    program: Path
    household: Household
    plugins: Path
    authority: Authority = field(init=False)
    url: str = field(init=False)
    pin: str = field(init=False)
    root: str = field(init=False)
    unseal_key: str = field(init=False)

    def start(self) -> "RealVault":
        """Start it, initialised, unsealed and with keys and an AppRole."""
        self.prepare()
        self.run()
        first = self.api("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token="")
        self.root, self.unseal_key = first["root_token"], first["keys"][0]
        self.unseal()
        self._set_up()
        return self

    def prepare(self) -> None:
        """Write its certificate and configuration."""
        self.folder.mkdir(parents=True)
        self.authority = Authority(self.folder / "tls", f"{self.name} authority")
        pair = self.authority.serve([f"urn:bailiwick:region:{self.name}"])
        (self.folder / "storage").mkdir()
        ports = [Port(), Port()]
        port, cluster = (reserved.number for reserved in ports)
        for reserved in ports:
            reserved.close()  # Vault shares none
        self.url, self.pin = f"https://127.0.0.1:{port}", pair.pin
        config = CONFIG.format(
            folder=self.folder,
            port=port,
            cluster=cluster,
            certificate=pair.certificate,
            key=pair.key,
            ca=self.authority.bundle,
            plugins=self.plugins,
        )
        (self.folder / "config.hcl").write_text(config)

    def run(self) -> None:
        """Start the process; it comes up sealed."""
        command: list[str | Path] = [self.program, "server", f"-config={self.folder / 'config.hcl'}"]
        self.household.start(self._process, command)
        wait_until(self._answers, seconds=READY, what=self._process, check=self.household[self._process].check)

    def stop(self) -> None:
        """End the process; what it stored stays."""
        self.household.stop(self._process)

    def unseal(self) -> None:
        """Unseal it, and wait until it serves."""
        self.api("PUT", "sys/unseal", {"key": self.unseal_key}, token="")
        wait_until(lambda: self._health() == 200, seconds=READY, what=f"an unsealed {self._process}")

    def seal(self) -> None:
        """Seal it."""
        self.api("PUT", "sys/seal", {})

    def api(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, token: str | None = None
    ) -> dict[str, Any]:
        """Ask it as root, or with another token; raise for whatever is refused."""
        reply = self.raw(method, path, body, token=self.root if token is None else token)
        if not reply.ok:
            raise BedError(f"vault {self.name}: {method} {path}: {reply.status_code} {reply.text}")
        return dict(reply.json()) if reply.content else {}

    def raw(self, method: str, path: str, body: dict[str, Any] | None, *, token: str) -> requests.Response:
        """The bare answer."""
        headers = {"X-Vault-Token": token} if token else {}
        bundle = str(self.authority.bundle)
        return requests.request(method, f"{self.url}/v1/{path}", json=body, headers=headers, verify=bundle, timeout=60)

    def site(self, **changes: Any) -> TransitSite:
        """How to reach it."""
        settings: dict[str, Any] = {"keys": KEYS, "pins": frozenset({self.pin})} | changes
        return TransitSite(self.name, self.url, self.authority.bundle, **settings)

    def approle(self, role: str = "bailiwick") -> AppRoleLogin:
        """A fresh secret id for a role."""
        role_id = self.api("GET", f"auth/approle/role/{role}/role-id")["data"]["role_id"]
        secret_id = self.api("POST", f"auth/approle/role/{role}/secret-id", {})["data"]["secret_id"]
        path = self.folder / f"{role}.secret-id"
        path.write_text(secret_id)
        return AppRoleLogin(role_id, path)

    def connect(self, login: Login | None = None, **changes: Any) -> TransitKeyring:
        """Its keyring."""
        return TransitKeyring.connect(self.site(**changes), login or self.approle())

    def bound(self, tenant: str = "clinic") -> Binding:
        """A binding of this region."""
        return Binding(self.name, "DE", "audit-archive", "prod", tenant)

    def _health(self) -> int:
        return requests.get(f"{self.url}/v1/sys/health", verify=str(self.authority.bundle), timeout=5).status_code

    def _answers(self) -> bool:
        try:
            return self._health() > 0
        except requests.ConnectionError:
            return False

    @property
    def _process(self) -> str:
        return f"vault-{self.name}"

    def _set_up(self) -> None:
        self.api("POST", "sys/mounts/transit", {"type": "transit"})
        self.api("POST", "transit/keys/checkpoint", {"type": "ed25519"})
        self.api("POST", "transit/keys/archive", {"type": "rsa-4096"})
        self.api("POST", "transit/config/keys", {"disable_upsert": True})
        self.api("PUT", "sys/policies/acl/bailiwick", {"policy": POLICY})
        self.api("PUT", "sys/policies/acl/writer", {"policy": WRITER})
        self.api("POST", "sys/auth/approle", {"type": "approle"})
        for role, policy in {"bailiwick": "bailiwick", "writer": "writer", "nobody": "none"}.items():
            self.api("POST", f"auth/approle/role/{role}", {"token_policies": [policy], "token_ttl": "1h"})
