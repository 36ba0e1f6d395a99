"""The plugin's process and a grpc-go client with the published messages, as kube-apiserver is."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from bailiwick import command
from keymgmt.keyring import FileKeyring
from keymgmt.keys import Algorithm
from keymgmt.unlock import KeyFile
from tests.cluster.bed.processes import Household, wait_until
from tests.keymgmt.kms.plugin import GoClient, Plugin, file_keyring, transit_keyring
from tests.keymgmt.vault_server import RealVault

pytestmark = pytest.mark.cluster
Client = Callable[[Path], GoClient]
SEED = bytes(range(32))


@pytest.fixture
def ring(tmp_path: Path) -> FileKeyring:
    """A file keyring with an etcd key."""
    unlock = KeyFile.create(tmp_path / "kek")
    purposes = {"etcd": Algorithm.X25519}
    return FileKeyring.create(tmp_path / "keys", "eu-de", unlock=unlock, now=datetime.now(UTC), purposes=purposes)


@pytest.fixture
def plugin(tmp_path: Path, household: Household, ring: FileKeyring) -> Plugin:
    """A plugin on it, running."""
    return Plugin("a", tmp_path / "a", household, file_keyring(tmp_path / "keys", tmp_path / "kek")).start()


def test_grpc_go_speaks_to_it(plugin: Plugin, go_client: Client) -> None:
    """Status, Encrypt and Decrypt with grpc-go and the published messages; refusals carry code and word."""
    client = go_client(plugin.socket)
    status = client.status()
    assert (status["code"], status["version"], status["healthz"]) == ("OK", "v2", "ok")
    made = client.encrypt(SEED)
    assert made["keyId"] == status["keyId"]
    assert 0 < len(base64.b64decode(made["ciphertext"])) <= 1024
    assert sum(len(name) + len(base64.b64decode(value)) for name, value in made["annotations"].items()) < 32768
    assert client.opened(made) == SEED
    told = client.decrypt(made, keyId="bwk1.AAAAAAAAAAAAAAAAAAAAAA")
    assert (told["code"], told["error"]) == ("InvalidArgument", "bailiwick: invalid")
    assert client.ask("nothing")["code"] == "Unknown"


def test_killed_and_back(plugin: Plugin, go_client: Client) -> None:
    """A client that waits gets its answer from the plugin that follows a killed one; old ciphertexts open."""
    client = go_client(plugin.socket)
    made = client.encrypt(SEED)
    for _ in range(2):
        plugin.kill()
        plugin.start()
        assert client.ask("status", seconds=10)["healthz"] == "ok"
        assert client.opened(made) == SEED
    plugin.stop()
    assert not plugin.socket.exists()
    assert client.ask("status", seconds=0.3)["code"] in {"DeadlineExceeded", "Unavailable"}


def test_a_rotation_is_taken_up(plugin: Plugin, ring: FileKeyring, go_client: Client) -> None:
    """A rotation on disk is served without a restart, and what was encrypted before still opens."""
    client = go_client(plugin.socket)
    made = client.encrypt(SEED)
    new = ring.rotate("etcd", datetime.now(UTC)).key_id
    wait_until(lambda: client.status()["keyId"] == new, seconds=20, what="the new version")
    assert client.encrypt(SEED)["keyId"] == new
    assert client.opened(made) == SEED


def test_a_second_one_on_the_same_socket_ends(plugin: Plugin, household: Household, go_client: Client) -> None:
    """It says why, and the first goes on."""
    other = Plugin("b", plugin.folder, household, plugin.keyring)
    other.write()
    command = [sys.executable, "-m", "bailiwick", "keys", "kms", "--config", str(other.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "another plugin serves" in done.stderr
    assert "Traceback" not in done.stderr
    assert go_client(plugin.socket).status()["healthz"] == "ok"


def test_no_core_file(plugin: Plugin, household: Household) -> None:
    """A crash leaves no core file: it would hold seeds and tokens."""
    limits = Path(f"/proc/{household['a'].pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


def test_sigterm_ends_it_well(plugin: Plugin, household: Household) -> None:
    """Asked to stop, it is gone within seconds and without a trace of an error."""
    os.kill(household["a"].pid, signal.SIGTERM)
    wait_until(lambda: not plugin.socket.exists(), seconds=10, what="the plugin to end")
    assert "Traceback" not in plugin.log()


def test_two_replicas_on_a_real_vault(
    tmp_path: Path, household: Household, vault_for_etcd: Callable[[str], RealVault], go_client: Client
) -> None:
    """Replicas on one Vault come to the same key id; a restored snapshot stops both; another region's is refused."""
    vault = vault_for_etcd("eu-de")

    def started(name: str) -> GoClient:
        login = vault.approle("etcd")
        keyring = transit_keyring(vault, login.secret_id, login.role_id)
        return go_client(Plugin(name, tmp_path / name, household, keyring).start().socket)

    def both(field: str) -> set[str]:
        return {str(one.status()[field]) for one in (a, b)}

    unlock, purposes = KeyFile.create(tmp_path / "kek"), {"etcd": Algorithm.X25519}
    FileKeyring.create(tmp_path / "keys", "eu-fr", unlock=unlock, now=datetime.now(UTC), purposes=purposes)
    of_fr = file_keyring(tmp_path / "keys", tmp_path / "kek")
    foreign = Plugin("c", tmp_path / "c", household, of_fr, region="eu-fr").start()
    a, b, other = started("a"), started("b"), go_client(foreign.socket)
    made = a.encrypt(SEED)
    assert a.status()["keyId"] == b.status()["keyId"] == made["keyId"]
    assert b.opened(made) == SEED
    for ours, theirs in ((other, made), (a, other.encrypt(SEED))):
        told = ours.decrypt(theirs)
        assert (told["code"], told["error"]) == ("FailedPrecondition", "bailiwick: foreign-region")

    snapshot = _vault(vault, "GET", "sys/storage/raft/snapshot").content
    vault.api("POST", "transit/keys/etcd/rotate", {})
    wait_until(lambda: not both("keyId") & {made["keyId"], ""}, seconds=20, what="the new version")
    newer = b.encrypt(SEED)
    assert a.status()["keyId"] == b.status()["keyId"] == newer["keyId"]
    assert a.opened(newer) == a.opened(made) == SEED

    latest = vault.api("GET", "transit/keys/etcd")["data"]["latest_version"]
    vault.api("POST", "transit/keys/etcd/config", {"min_decryption_version": latest})
    wait_until(lambda: "OK" not in {one.decrypt(made)["code"] for one in (a, b)}, seconds=20, what="the withdrawal")
    assert a.decrypt(made)["error"] == "bailiwick: revoked"
    assert a.opened(newer) == SEED

    _vault(vault, "POST", "sys/storage/raft/snapshot-force", snapshot)
    wait_until(lambda: both("healthz") == {"rolled-back"}, seconds=30, what="the alarm")
    assert a.encrypt(SEED)["error"] == "bailiwick: rolled-back"
    assert b.decrypt(newer)["error"] == "bailiwick: rolled-back"


def _vault(vault: RealVault, method: str, path: str, data: bytes | None = None) -> requests.Response:
    headers = {"X-Vault-Token": vault.root}
    bundle = str(vault.authority.bundle)
    reply = requests.request(method, f"{vault.url}/v1/{path}", data=data, headers=headers, verify=bundle, timeout=60)
    reply.raise_for_status()
    return reply


def test_g10_the_plugins_log_agrees_with_vaults(
    tmp_path: Path, household: Household, vault_for_etcd: Callable[[str], RealVault], go_client: Client
) -> None:
    """Its records and Vault's own audit log tell the same uses, request by request; a line taken out is found."""
    vault = vault_for_etcd("eu-de")
    log = vault.folder / "audit-etcd.log"
    vault.api("POST", "sys/audit/etcd", {"type": "file", "options": {"file_path": str(log)}})
    try:
        login = vault.approle("etcd")
        keyring = transit_keyring(vault, login.secret_id, login.role_id)
        plugin = Plugin("a", tmp_path / "a", household, keyring).start()
        client = go_client(plugin.socket)
        assert client.opened(client.encrypt(SEED)) == SEED
        plugin.stop()
    finally:
        vault.api("DELETE", "sys/audit/etcd")
    words = ["keys", "reconcile", "--vault-audit", str(log), "--region", "eu-de", "--key", "etcd"]
    records = tmp_path / "records.log"
    records.write_text(plugin.log())
    done = CliRunner().invoke(command, [*words, "--uses", str(records)])
    assert done.exit_code == 0, done.output
    lines = records.read_text().splitlines(keepends=True)
    dropped = next(at for at, line in enumerate(lines) if '"operation":"decrypt"' in line)
    assert '"request_id":""' not in lines[dropped]
    records.write_text("".join(lines[:dropped] + lines[dropped + 1 :]))
    done = CliRunner().invoke(command, [*words, "--uses", str(records)])
    assert done.exit_code == 1, done.output
