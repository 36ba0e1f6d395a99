"""The plugin's process and a grpc-go client with the published messages, as kube-apiserver is."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from audit.whole import whole_log
from bailiwick import command
from keymgmt.envelopes.envelope import parse_envelope
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.keys import Algorithm
from keymgmt.uses.book import waiting, written_lines
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


@contextmanager
def audited(vault: RealVault, log: Path) -> Iterator[None]:
    """Within, Vault writes an audit log."""
    vault.api("POST", "sys/mounts/transit/tune", {"audit_non_hmac_request_keys": ["ciphertext"]})
    vault.api("POST", "sys/audit/etcd", {"type": "file", "options": {"file_path": str(log)}})
    try:
        yield
    finally:
        vault.api("DELETE", "sys/audit/etcd")


def reconciled(log: Path, *words: object) -> tuple[int, dict[str, Any]]:
    """Exit code and findings; every use counts at once."""
    given = ["--vault-audit", log, "--region", "eu-de", "--key", "etcd", "--grace", 0, "-o", "json", *words]
    done = CliRunner().invoke(command, ["keys", "reconcile", *map(str, given)])
    return done.exit_code, json.loads(done.stdout) if done.stdout else {"stderr": done.stderr}


def test_g10_the_plugins_lines_agree_with_vaults(
    tmp_path: Path, household: Household, vault_for_etcd: Callable[[str], RealVault], go_client: Client
) -> None:
    """Its process's log and Vault's audit log tell the same uses, request by request; a line taken out is found."""
    vault, log = vault_for_etcd("eu-de"), tmp_path / "vault.log"
    with audited(vault, log):
        login = vault.approle("etcd")
        plugin = Plugin("a", tmp_path / "a", household, transit_keyring(vault, login.secret_id, login.role_id)).start()
        client = go_client(plugin.socket)
        assert client.opened(client.encrypt(SEED)) == SEED
        plugin.stop()
    records = tmp_path / "records.log"
    records.write_text(plugin.log())
    assert reconciled(log, "--uses", records)[0] == 0
    lines = records.read_text().splitlines(keepends=True)
    dropped = next(at for at, line in enumerate(lines) if '"operation":"decrypt"' in line)
    assert '"request_id":""' not in lines[dropped]
    records.write_text("".join(lines[:dropped] + lines[dropped + 1 :]))
    assert reconciled(log, "--uses", records)[0] == 1


def test_g10_the_plugins_own_log_agrees_with_vaults(
    tmp_path: Path, household: Household, vault_for_etcd: Callable[[str], RealVault], go_client: Client
) -> None:
    """Killed and started again, its signed log counts every use, each with Vault's id; whatever is wrong is found.

    A use that somebody kept out of our log; one made straight in Vault; a record that was changed.
    """
    vault, log, own = vault_for_etcd("eu-de"), tmp_path / "vault.log", tmp_path / "kms-log"
    login = vault.approle("etcd")
    keyring = transit_keyring(vault, login.secret_id, login.role_id)
    plugin = Plugin("a", tmp_path / "a", household, keyring, own_log=own)
    with audited(vault, log):
        client = go_client(plugin.start().socket)
        made = client.encrypt(SEED, uid="first")
        assert client.opened(made) == SEED
        plugin.kill()
        client = go_client(plugin.start().socket)
        assert client.opened(client.encrypt(SEED)) == SEED
        plugin.stop()
    code, found = reconciled(log, "--log", own)
    assert (code, found["differences"]) == (0, [])
    assert found["events"] == found["matched"] == found["records"] > 3
    assert found["unshown"] == 0
    uses = uses_in(own)
    counted = [sum(one["count"] for one in uses if one["task"] == f"kms-{task}") for task in ("encrypt", "decrypt")]
    assert counted == [2, 2]
    asked = [one for one in uses if one.get("asked") and one["task"].startswith("kms")]
    assert all(len(one["request_ids"]) == one["asked"] for one in asked)
    assert {one["key"] for one in asked} == {made["keyId"]}
    text = b"".join(leaf.leaf for _, leaf in whole_log(own / "log"))
    assert SEED not in text and base64.b64encode(SEED) not in text

    with audited(vault, log):  # the same file goes on
        client = go_client(plugin.start().socket)
        assert client.opened(client.encrypt(SEED)) == SEED
        plugin.kill()
        page = max(waiting(own / "keys" / "eu-de.uses"), key=lambda path: path.read_bytes().count(b"kms-decrypt"))
        lines = written_lines(page.read_bytes()).splitlines(keepends=True)
        page.write_bytes(b"".join(line for line in lines if b"kms-decrypt" not in line))
        plugin.start().stop()
    assert any(one["task"] == "checkpoint" for one in uses_in(own))  # what signed the runs before
    code, found = reconciled(log, "--log", own)
    assert (code, [one["kind"] for one in found["differences"]]) == (1, ["unrecorded"])
    assert re.match(r"`decrypt` with `etcd` version \d+ by `approle", found["differences"][0]["message"])

    with audited(vault, log):
        wrapped = parse_envelope(base64.b64decode(made["ciphertext"])).wrapped
        latest = vault.api("GET", "transit/keys/etcd")["data"]["latest_version"]
        ciphertext = f"vault:v{latest}:{base64.b64encode(wrapped).decode()}"
        vault.raw("POST", "transit/decrypt/etcd", {"ciphertext": ciphertext}, token=vault.root)
    code, found = reconciled(log, "--log", own)
    assert (code, [one["kind"] for one in found["differences"]]) == (1, ["unrecorded"] * 2)
    assert "by `root" in found["differences"][1]["message"]

    changed = tmp_path / "changed"
    shutil.copytree(own, changed)
    segment = next((changed / "log" / "wal").glob("*.seg"))
    segment.write_bytes(segment.read_bytes().replace(b'"task":"kms-decrypt"', b'"task":"kms-encrypt"'))
    code, found = reconciled(log, "--log", changed)
    assert code == 1
    assert "does not verify" in found["stderr"]


def uses_in(own: Path) -> list[dict[str, Any]]:
    """The `key-use` records of the plugin's log."""
    leaves = [dict(leaf.fields) for _, leaf in whole_log(own / "log")]
    return [leaf for leaf in leaves if leaf["schema"].startswith("bailiwick.key-use/")]
