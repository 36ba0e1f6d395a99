"""A real kube-apiserver with the plugin on a real Vault: secrets survive whatever happens to either of them.

`BAILIWICK_TEST_LONG=1` adds what takes minutes because kube-apiserver asks for Status once a minute: the windows that
docs/keys.md names, measured.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cluster.bed import layout
from tests.cluster.bed.control_plane import Binaries, ControlPlane
from tests.cluster.bed.processes import Household, Port, wait_until
from tests.cluster.bed.shown import shown
from tests.keymgmt.kms.plugin import GoClient, Plugin, transit_keyring
from tests.keymgmt.vault_server import RealVault

pytestmark = pytest.mark.cluster
PREFIX = b"k8s:enc:kms:v2:bailiwick-eu-de:"
SECRETS = b"/registry/secrets/"
CANARY = "canary-of-a-secret-"


def secret(name: str) -> dict[str, Any]:
    """A secret that holds a canary."""
    data = {"password": base64.b64encode((CANARY + name).encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


class Encrypted:
    """A control plane whose secrets lie under a region's key."""

    def __init__(self, folder: Path, binaries: Binaries, vault: RealVault, program: Path) -> None:
        self.vault = vault
        login = vault.approle("etcd")
        self.household = Household(folder, remove=folder / "nothing")
        self.plugin = Plugin(
            "kms-plugin", folder / "kms", self.household, transit_keyring(vault, login.secret_id, login.role_id)
        ).start()
        self._config = folder / "encryption.yaml"
        self.flags = [f"--encryption-provider-config={self._config}"]
        bed = folder / "bed"
        bed.mkdir()
        self.plane = ControlPlane.start(bed, binaries)  # nothing is encrypted yet
        self.client = GoClient(program, self.plugin.socket)

    def configure(self, *words: str) -> None:
        """Write what the plugin says the API server must be told."""
        self._config.write_text(self.plugin.encryption_configuration(*words))

    def close(self) -> None:
        self.client.close()
        self.plane.close()
        self.household.stop_all()

    def put(self, name: str, *, space: str = "default") -> int:
        """Create or replace a secret that holds a canary, and return the status."""
        body = secret(name)
        done = self.plane.request("POST", f"/api/v1/namespaces/{space}/secrets", body)
        if done.status == 409:
            done = self.plane.request("PUT", f"/api/v1/namespaces/{space}/secrets/{name}", body)
        return done.status

    def read(self, name: str) -> bytes | None:
        """A secret's canary, or nothing when it cannot be read now."""
        done = self.plane.request("GET", f"/api/v1/namespaces/default/secrets/{name}")
        return base64.b64decode(done.body["data"]["password"]) if done.status == 200 else None

    def stored(self) -> dict[str, bytes]:
        """What etcd holds for secrets, by key."""
        ends = SECRETS[:-1] + bytes([SECRETS[-1] + 1])
        asked = {"key": base64.b64encode(SECRETS).decode(), "range_end": base64.b64encode(ends).decode()}
        reply = httpx.post(f"{self.plane.etcd_url}/v3/kv/range", json=asked, timeout=30, trust_env=False).json()
        return {base64.b64decode(kv["key"]).decode(): base64.b64decode(kv["value"]) for kv in reply.get("kvs", ())}

    def migrate(self) -> None:
        """Write every secret anew, as a storage migration does."""
        listed = self.plane.request("GET", "/api/v1/secrets").ok()
        for item in listed["items"]:
            where = f"/api/v1/namespaces/{item['metadata']['namespace']}/secrets/{item['metadata']['name']}"
            # without these two the bytes change anyhow: the key id in etcd is stale, so nothing is a no-op
            self.plane.request("PUT", where, {"apiVersion": "v1", "kind": "Secret", **item}).ok()

    def key_id(self) -> str:
        """The key that Status names."""
        return str(self.client.status().get("keyId", ""))

    def restart_apiserver(self) -> None:
        self.plane.restart_apiserver(*self.flags)

    @contextmanager
    def second_apiserver(self, plugin: Plugin) -> Iterator[httpx.Client]:
        """Another API server on the same etcd, with this plugin; a client of it."""
        plane: Any = self.plane
        config = self._config.with_name("encryption-2.yaml")
        config.write_text(plugin.encryption_configuration())
        port = Port()
        usual = [
            flag for flag in layout.apiserver_flags(plane.files, port.number, plane.etcd_url) if "audit" not in flag
        ]
        program = plane._binaries.kubernetes / "kube-apiserver"
        self.household.start("kube-apiserver-2", [program, *usual, f"--encryption-provider-config={config}"])
        context = ssl.create_default_context(cafile=str(plane.files.authority.bundle))
        headers = {"Authorization": f"Bearer {plane.admin_token}"}
        url = f"https://127.0.0.1:{port.number}"
        with httpx.Client(base_url=url, verify=context, headers=headers, trust_env=False, timeout=30) as client:

            def ready() -> bool:
                try:
                    return client.get("/readyz").status_code == 200
                except httpx.TransportError:
                    return False

            wait_until(ready, seconds=60, what="the second API server")
            yield client
        self.household.stop("kube-apiserver-2", grace=1)
        port.close()

    def restart_controller_manager(self, *flags: str) -> None:
        """Start it anew with more flags."""
        plane: Any = self.plane
        plane.stop_server("kube-controller-manager")
        program = plane._binaries.kubernetes / "kube-controller-manager"
        usual = layout.controller_manager_flags(plane.files)
        plane._household.start("kube-controller-manager", [program, *usual, *flags])

    def start_apiserver_unready(self) -> None:
        """Restart the API server although it cannot become ready; return when it answers at all."""
        self.plane.stop_server("kube-scheduler")
        self.plane.stop_server("kube-controller-manager")
        self.plane.stop_server("kwok")
        self.plane.stop_server("kube-apiserver")
        plane: Any = self.plane
        flags = layout.apiserver_flags(plane.files, plane._port.number, plane.etcd_url)
        plane._household.start("kube-apiserver", [plane._binaries.kubernetes / "kube-apiserver", *flags, *self.flags])
        wait_until(lambda: self.status("/version") == 200, seconds=60, what="the API server to answer")

    def status(self, path: str) -> int:
        try:
            return self.plane.request("GET", path).status
        except httpx.TransportError:
            return 0


@pytest.fixture(scope="module")
def encrypted(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    vault_for_etcd: Callable[[str], RealVault],
) -> Iterator[Encrypted]:
    """A control plane with the plugin, for the whole module; every test leaves it in order."""
    from tests.cluster.bed import build

    binaries = shown(request, Binaries.built)
    program = shown(request, lambda: build.build("kms-client")) / "kms-client"
    found = Encrypted(tmp_path_factory.mktemp("encrypted"), binaries, vault_for_etcd("eu-de"), program)
    try:
        introduce(found)
        yield found
    finally:
        found.close()


def introduce(encrypted: Encrypted) -> None:
    """Bring a cluster with secrets in plaintext under the key, as examples/kms says."""
    assert encrypted.put("before") == 201
    assert CANARY.encode() in encrypted.stored()["/registry/secrets/default/before"]
    with pytest.raises(AssertionError):
        is_clean(encrypted)  # so it can fail
    encrypted.configure("--migrating")
    encrypted.restart_apiserver()
    assert encrypted.read("before") == b"canary-of-a-secret-before"
    encrypted.migrate()
    assert is_clean(encrypted)
    encrypted.configure()  # without identity; the next restart takes it up


def is_clean(encrypted: Encrypted, *, keys: set[str] | None = None) -> bool:
    """No plaintext anywhere in etcd's secrets, all of them under the region's provider and one of these keys."""
    stored = encrypted.stored()
    assert stored
    for name, value in stored.items():
        assert value.startswith(PREFIX), name
        assert CANARY.encode() not in value, name
        assert b"eu-de" in value, name
        assert keys is None or any(key.encode() in value for key in keys), name
    return True


def test_the_static_pod_is_a_pod(encrypted: Encrypted) -> None:
    """The API server takes the example's manifest."""
    manifest = Path(__file__).parents[3] / "examples" / "kms" / "static-pod.yaml"
    encrypted.plane.kubectl("create", "--dry-run=server", "-f", str(manifest))


def test_secrets_are_written_read_rotated_and_migrated(encrypted: Encrypted) -> None:
    """Secrets lie encrypted; after a rotation they move to the new key, and the old version can be withdrawn."""
    for number in range(5):
        assert encrypted.put(f"first-{number}") == 201
    before = encrypted.key_id()
    assert is_clean(encrypted, keys={before})
    encrypted.vault.api("POST", "transit/keys/etcd/rotate", {})
    wait_until(lambda: encrypted.key_id() not in {before, ""}, seconds=20, what="the new version to be served")
    after = encrypted.key_id()
    encrypted.restart_apiserver()
    assert encrypted.read("first-0") == b"canary-of-a-secret-first-0"  # still under the old version
    assert is_clean(encrypted, keys={before, after})
    encrypted.migrate()
    assert is_clean(encrypted, keys={after})
    hashed = "sha256:" + hashlib.sha256(after.encode()).hexdigest()
    assert hashed in str(encrypted.plane.request("GET", "/metrics").body)  # as in the plugin's own
    latest = encrypted.vault.api("GET", "transit/keys/etcd")["data"]["latest_version"]
    encrypted.vault.api("POST", "transit/keys/etcd/config", {"min_decryption_version": latest})
    encrypted.restart_apiserver()
    assert [encrypted.read(f"first-{number}") for number in range(5)] == [
        f"{CANARY}first-{number}".encode() for number in range(5)
    ]


def test_etcd_is_verified_without_a_key(encrypted: Encrypted) -> None:
    """`keys verify-etcd` says of each secret that it lies under the region's key, and which is stale."""
    from click.testing import CliRunner

    from keymgmt.verbs.group import keys

    assert encrypted.put("verified") in {200, 201}
    encrypted.migrate()
    asked = ["verify-etcd", "--endpoints", encrypted.plane.etcd_url, "-o", "json", "--region"]
    done = CliRunner().invoke(keys, [*asked, "eu-de", "--config", encrypted.flags[0].partition("=")[2]])
    assert done.exit_code == 0, done.output
    sealed = [group for group in json.loads(done.stdout)["groups"] if group["state"] == "sealed"]
    assert {(group["provider"], group["key"], group["region"]) for group in sealed} == {
        ("kms:v2:bailiwick-eu-de", encrypted.key_id(), "eu-de")
    }
    elsewhere = json.loads(CliRunner().invoke(keys, [*asked, "fr-par"]).stdout)["problems"]
    assert {found["code"] for found in elsewhere} == {"foreign-region"}
    stale = json.loads(CliRunner().invoke(keys, [*asked, "eu-de", "--key-id", "bwk1.of-tomorrow"]).stdout)["problems"]
    assert {found["code"] for found in stale} == {"stale"}


def test_restarted_with_vault_sealed(encrypted: Encrypted) -> None:
    """While Vault is sealed a running API server reads, a restarted one reads no secret; unsealed, it does."""
    assert encrypted.put("sealed") in {200, 201}
    encrypted.vault.seal()
    try:
        encrypted.plugin.await_healthz("sealed", encrypted.client)
        assert encrypted.read("sealed") is not None  # from its cache, as docs/keys.md says
        encrypted.start_apiserver_unready()
        assert encrypted.read("sealed") is None
        assert encrypted.status("/readyz") != 200
        assert encrypted.client.encrypt(b"x" * 32)["error"] == "bailiwick: sealed"
    finally:
        encrypted.vault.unseal()
    encrypted.plugin.await_healthz("ok", encrypted.client)
    wait_until(lambda: encrypted.status("/readyz") == 200, seconds=60, what="the API server to be ready again")
    assert encrypted.read("sealed") == b"canary-of-a-secret-sealed"
    assert is_clean(encrypted)


def test_vault_lost_and_back(encrypted: Encrypted) -> None:
    """With Vault gone the API server goes on reading and writing for its three minutes; nothing is lost after."""
    assert encrypted.put("lost-before") in {200, 201}
    encrypted.vault.stop()
    encrypted.plugin.await_healthz("unreachable", encrypted.client)
    assert encrypted.read("lost-before") is not None
    assert encrypted.put("lost-while") in {200, 201}
    encrypted.vault.run()
    encrypted.vault.unseal()
    encrypted.plugin.await_healthz("ok", encrypted.client)
    encrypted.restart_apiserver()
    assert encrypted.read("lost-before") == b"canary-of-a-secret-lost-before"
    assert encrypted.read("lost-while") == b"canary-of-a-secret-lost-while"
    assert is_clean(encrypted)


@pytest.mark.skipif(not os.environ.get("BAILIWICK_TEST_LONG"), reason="takes minutes; set BAILIWICK_TEST_LONG=1")
def test_started_before_the_plugin(encrypted: Encrypted) -> None:
    """An API server that starts first waits for the plugin, and is ready by itself when it comes."""
    assert encrypted.put("late") in {200, 201}
    encrypted.plugin.kill()
    encrypted.start_apiserver_unready()
    assert encrypted.status("/readyz") != 200
    assert encrypted.read("late") is None
    encrypted.plugin.start()
    wait_until(lambda: encrypted.status("/readyz") == 200, seconds=90, what="the API server to be ready")
    wait_until(lambda: encrypted.read("late") == b"canary-of-a-secret-late", seconds=30, what="the secret")


def test_killed_at_any_moment(encrypted: Encrypted) -> None:
    """Killed again and again under writes, the plugin loses no acknowledged secret and leaves no plaintext."""
    acknowledged: list[str] = []
    statuses: list[int] = []
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            name = f"killed-{number}"
            statuses.append(encrypted.put(name))
            if statuses[-1] in {200, 201}:
                acknowledged.append(name)
            number += 1
            time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(int(os.environ.get("BAILIWICK_TEST_KILLS", "3"))):
            encrypted.plugin.kill()
            encrypted.plugin.start()
    finally:
        over.set()
        writer.join()
    encrypted.restart_apiserver()
    assert len(acknowledged) > 20, statuses
    assert [name for name in acknowledged if encrypted.read(name) != (CANARY + name).encode()] == []
    assert is_clean(encrypted)


def test_no_secret_is_written(encrypted: Encrypted) -> None:
    """Neither the plugin's log nor its files hold a canary, Vault's token or the secret id."""
    folder = encrypted.plugin.folder
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    texts.append(encrypted.plugin.log().encode())
    secret_id = (encrypted.vault.folder / "etcd.secret-id").read_bytes()
    assert len(texts) >= 3
    for text in texts:
        assert CANARY.encode() not in text
        assert b"hvs." not in text
        assert secret_id not in text


@pytest.mark.skipif(not os.environ.get("BAILIWICK_TEST_LONG"), reason="takes minutes; set BAILIWICK_TEST_LONG=1")
def test_migrated_by_kubernetes_itself(encrypted: Encrypted) -> None:
    """After a rotation Kubernetes' own StorageVersionMigration moves every secret to the new key."""
    assert encrypted.put("svm") in {200, 201}
    before = encrypted.key_id()
    encrypted.vault.api("POST", "transit/keys/etcd/rotate", {})
    wait_until(lambda: encrypted.key_id() not in {before, ""}, seconds=20, what="the new version")
    gate = "--feature-gates=StorageVersionMigrator=true"
    encrypted.plane.restart_apiserver(*encrypted.flags, gate, "--runtime-config=storagemigration.k8s.io/v1beta1=true")
    encrypted.restart_controller_manager(gate)
    wanted = {
        "apiVersion": "storagemigration.k8s.io/v1beta1",
        "kind": "StorageVersionMigration",
        "metadata": {"name": "secrets"},
        "spec": {"resource": {"group": "", "resource": "secrets"}},
    }
    where = "/apis/storagemigration.k8s.io/v1beta1/storageversionmigrations"
    encrypted.plane.request("POST", where, wanted).ok()

    def is_done() -> bool:
        found = encrypted.plane.request("GET", f"{where}/secrets").ok()
        states = {one["type"]: one["status"] for one in found.get("status", {}).get("conditions", ())}
        assert states.get("Failed") != "True", found
        return states.get("Succeeded") == "True"

    wait_until(is_done, seconds=120, what="the migration")
    assert is_clean(encrypted, keys={encrypted.key_id()})
    assert encrypted.read("svm") == b"canary-of-a-secret-svm"


@pytest.mark.skipif(not os.environ.get("BAILIWICK_TEST_LONG"), reason="takes minutes; set BAILIWICK_TEST_LONG=1")
def test_two_api_servers_change_over(encrypted: Encrypted) -> None:
    """Two API servers, each with a plugin of its own: through a rotation each reads at once what the other writes."""
    login = encrypted.vault.approle("etcd")
    keyring = transit_keyring(encrypted.vault, login.secret_id, login.role_id)
    folder = encrypted.plugin.folder.with_name("kms-2")
    rotation = {"rotation": {"delay": 2, "observations": 2}}
    other = Plugin("kms-plugin-2", folder, encrypted.household, keyring, more=rotation).start()
    encrypted.plugin.kill()
    encrypted.plugin.more = rotation
    encrypted.plugin.start()
    encrypted.restart_apiserver()
    with encrypted.second_apiserver(other) as second:
        before, seen, number = encrypted.key_id(), set[bytes](), 0
        encrypted.vault.api("POST", "transit/keys/etcd/rotate", {})
        ends = time.monotonic() + 100  # each asks for Status once a minute, at a moment of its own
        while time.monotonic() < ends:
            mine, theirs = f"of-one-{number}", f"of-two-{number}"
            assert encrypted.put(mine) == 201
            assert second.post("/api/v1/namespaces/default/secrets", json=secret(theirs)).status_code == 201
            assert second.get(f"/api/v1/namespaces/default/secrets/{mine}").status_code == 200
            assert encrypted.read(theirs) == (CANARY + theirs).encode()
            stored = encrypted.stored()
            seen |= {stored[f"/registry/secrets/default/{name}"].split(b"bwk1.")[1][:22] for name in (mine, theirs)}
            number += 1
            time.sleep(0.5)
    assert seen == {key.removeprefix("bwk1.").encode() for key in (before, encrypted.key_id())}
    assert number > 50


@pytest.mark.skipif(not os.environ.get("BAILIWICK_TEST_LONG"), reason="takes minutes; set BAILIWICK_TEST_LONG=1")
def test_residual_windows(encrypted: Encrypted) -> None:
    """Without any restart: how long old keys are written with, and how long writes and reads go on without Vault."""
    figures: dict[str, float | bool] = {}
    before = encrypted.key_id()
    began = time.monotonic()
    encrypted.vault.api("POST", "transit/keys/etcd/rotate", {})
    wait_until(lambda: encrypted.key_id() not in {before, ""}, seconds=20, what="the new version")
    after = encrypted.key_id().encode()
    wait_until(lambda: _written_with(encrypted, "window", after), seconds=200, what="writes under the new version")
    figures["rotated: seconds until the first write under the new version"] = time.monotonic() - began
    encrypted.vault.seal()
    began = time.monotonic()
    wait_until(lambda: encrypted.status("/readyz") != 200, seconds=60, what="the API server to say so")
    figures["sealed: seconds until /readyz fails"] = time.monotonic() - began
    figures["sealed: /readyz?exclude=kms-providers holds"] = encrypted.status("/readyz?exclude=kms-providers") == 200
    wait_until(lambda: _fresh(encrypted) >= 500, seconds=400, what="writes to stop")
    figures["sealed: seconds until writes of secrets stop"] = time.monotonic() - began
    figures["sealed: reads go on after that"] = encrypted.read("window") is not None
    figures["sealed: other objects are written"] = _config_map(encrypted) in {200, 201}
    encrypted.vault.unseal()
    began = time.monotonic()
    wait_until(lambda: _fresh(encrypted) == 201, seconds=200, what="writes to go on")
    figures["unsealed: seconds until writes of secrets go on"] = time.monotonic() - began
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}, indent=2))
    assert figures["sealed: reads go on after that"]
    assert figures["sealed: /readyz?exclude=kms-providers holds"]


def _written_with(encrypted: Encrypted, name: str, key_id: bytes) -> bool:
    time.sleep(1)
    encrypted.put(name)
    return key_id in encrypted.stored()[f"/registry/secrets/default/{name}"]


def _fresh(encrypted: Encrypted) -> int:
    """Create a secret: one that is put again unchanged is never written, and would say nothing."""
    time.sleep(0.5)
    return encrypted.put(f"fresh-{time.time_ns()}")


def _config_map(encrypted: Encrypted) -> int:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"w-{time.time_ns()}"}}
    return encrypted.plane.request("POST", "/api/v1/namespaces/default/configmaps", body).status
