"""The plugin against key services that misbehave, over real TLS: nothing leaves for the wrong host."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.kms.annotations import annotations_of
from keymgmt.kms.running import backend_of, watch_of
from keymgmt.kms.server import THREADS
from keymgmt.kms.service import KmsService, Refused, Stored
from keymgmt.kms.settings import parse_settings
from keymgmt.kms.watch import OneKey, Watch
from tests.keymgmt.authority import Authority
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.kms.rings import Recorder
from tests.keymgmt.regions import Region, World
from tests.keymgmt.vault_double import DoubleKey, VaultDouble, answering, errors, hanging_up, redirect, where

SEED = bytes(range(32))
SpareKey = Callable[[], RSAPrivateKey]


@pytest.fixture
def spare(rsa_keys: list[RSAPrivateKey]) -> SpareKey:
    """More RSA keys, made once for the session."""
    left = iter(rsa_keys[1:])
    return lambda: next(left)


@pytest.fixture
def double(region: Region) -> VaultDouble:
    """The region's server, its sealing key under the plugin's name."""
    region.server.keys["etcd"] = region.server.keys.pop("archive")
    return region.server


def watching(region: Region, folder: Path, **changes: object) -> Watch:
    """What the plugin would run with."""
    login = {"appRole": {"roleId": "bailiwick", "secretIdFile": str(region.login.secret_id)}}  # type: ignore[attr-defined]
    transit = {"url": region.site.url, "ca": str(region.site.ca), "pins": sorted(region.site.pins), "login": login}
    settings = {
        "apiVersion": "bailiwick.dev/v1alpha1",
        "kind": "KmsPlugin",
        "region": region.name,
        "jurisdiction": "DE",
        "cluster": "prod",
        "state": str(folder / "state"),
        "keyring": {"transit": transit | changes},
    }
    read = parse_settings(yaml.safe_dump(settings), "kms.yaml")
    return watch_of(read, backend_of(read))


def test_encrypts_without_a_call_and_decrypts_with_one(region: Region, double: VaultDouble, tmp_path: Path) -> None:
    """Encrypt causes no call; Decrypt causes one, which carries a wrapped key and neither seed nor ciphertext."""
    watch, uses = watching(region, tmp_path), Recorder()
    watch.uses = uses
    assert watch.look().reason == "ok"
    service = KmsService(watch, uses)
    before = len(double.requests)
    made = service.encrypt(SEED, "u")
    assert len(double.requests) == before
    stored = Stored(made.ciphertext, made.key_id, made.annotations, "u")
    assert service.decrypt(stored) == SEED
    assert [request.path for request in double.requests[before:]] == ["/v1/transit/decrypt/etcd"]
    assert service.decrypt(stored) == SEED  # remembered
    assert len(double.requests) == before + 1
    asked = [(use.operation, use.asked, use.request_id) for use in uses.uses]
    assert asked == [("probe", True, "r"), ("encrypt", False, ""), ("decrypt", True, "r"), ("decrypt", False, "")]
    assert Canaries({SEED: "seed"}).seen_in(double.everything()) == []


def test_g1_only_the_regions_server_is_spoken_to(world: World, tmp_path: Path) -> None:
    """Same authority but another region's certificate, a wrong pin, a redirect: the wrong host gets not one byte."""
    region = world.region("eu-de")
    region.server.keys["etcd"] = region.server.keys.pop("archive")
    authority = Authority(tmp_path / "same", "same authority")
    foreign = world.stack.enter_context(VaultDouble(authority.serve(["urn:bailiwick:region:eu-fr"])).running())
    elsewhere = watching(region, tmp_path / "a", url=foreign.url, ca=str(authority.bundle), pins=[])
    assert elsewhere.look().reason == "wrong-server"
    assert foreign.everything() == b""
    pinned = watching(region, tmp_path / "b", pins=["sha256:" + "0" * 64])
    assert pinned.look().reason == "wrong-server"
    assert region.server.everything() == b""
    for status in (307, 308):
        region.server.always = redirect(status, f"{foreign.url}/v1/sys/health")
        assert watching(region, tmp_path / str(status)).look().reason == "wrong-server"
    assert foreign.everything() == b""


FAULTS = {
    "sealed": (errors(503, "Vault is sealed"), "sealed"),
    "busy": (errors(429), "unreachable"),
    "audit device blocked": (errors(500, "no audit backend succeeded in logging the request"), "unreachable"),
    "denied": (errors(403, "permission denied"), "denied"),
    "too new": (errors(400, "invalid ciphertext: version is too new"), "unreachable"),
    "no such key": (errors(400, "encryption key not found"), "no-active-key"),
    "mount gone": (errors(404, 'no handler for route "transit/decrypt/etcd". route entry not found.'), "denied"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_g8_a_key_service_that_cannot_open(region: Region, double: VaultDouble, tmp_path: Path, name: str) -> None:
    """Whatever decrypting answers, Decrypt has no plaintext; and the next look, which tries it, says so in Status."""
    answer, word = FAULTS[name]
    watch = watching(region, tmp_path)
    watch.look()
    service = KmsService(watch, Recorder())
    made = service.encrypt(SEED, "u")
    stored = Stored(made.ciphertext, made.key_id, made.annotations, "u")
    double.always = where("decrypt", answering(answer))
    with pytest.raises(Refused, match=word):
        service.decrypt(stored)
    watch.rhythm = replace(watch.rhythm, interval=0.001, patience=0.001)  # no patience: the first failure counts
    assert watch.look().reason == word
    with pytest.raises(Refused, match=word):
        service.encrypt(SEED, "u")


def test_a_cold_api_server(
    region: Region, double: VaultDouble, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Many seeds at once: each is opened with a call of its own, over few connections that are kept, with one login."""
    watch = watching(region, tmp_path)
    watch.look()
    service = KmsService(watch, Recorder())
    seeds = [bytes([number]) * 32 for number in range(40)]
    key = watch.standing.key
    assert key is not None
    sealers = [RegionSealer(OneKey(key)) for _ in seeds]  # each has a data key of its own
    notes = annotations_of(watch.bound, key)
    stored = [
        Stored(sealer.seal(seed, watch.bound).to_bytes(), key.key_id, notes, "u")
        for sealer, seed in zip(sealers, seeds, strict=True)
    ]
    before, connections = len(double.requests), len(double.received)
    caplog.clear()
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(service.decrypt, stored)) == seeds
    assert len(double.requests) == before + len(seeds)
    assert len(double.received) - connections <= THREADS
    assert double.issued == 1
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


@pytest.mark.parametrize(
    ("status", "health", "word"),
    [
        (429, {"standby": True}, "ok"),  # a standby of the same cluster passes requests on
        (473, {"performance_standby": True}, "ok"),
        (472, {"replication_dr_mode": "secondary"}, "standby"),
        (200, {"replication_performance_mode": "primary"}, "wrong-server"),  # keys may lie elsewhere
        (200, {"cluster_id": "another"}, "wrong-server"),
        (501, {"initialized": False}, "sealed"),
        (503, {"sealed": True}, "sealed"),
        (200, {"cluster_id": 7}, "unreachable"),  # not a key service's answer
    ],
)
def test_every_health(
    region: Region, double: VaultDouble, tmp_path: Path, status: int, health: dict[str, object], word: str
) -> None:
    """What the key service's health says is what Status says."""
    double.health_status, double.health = status, health
    pinned = watching(region, tmp_path, clusterId=double.cluster_id)
    assert pinned.look().reason == word


def test_a_refused_token_is_replaced_once(region: Region, double: VaultDouble, tmp_path: Path) -> None:
    """A token that ended is followed by another; when logins are refused as well, Status says `denied`."""
    watch = watching(region, tmp_path)
    assert watch.look().reason == "ok"
    double.tokens.clear()
    assert watch.look().reason == "ok"
    double.tokens.clear()
    double.credentials.clear()
    assert watch.look().reason == "denied"


def test_a_key_that_could_leave_is_refused(region: Region, double: VaultDouble, tmp_path: Path) -> None:
    """Exportable, or of a type that does not seal: Status says so and nothing is encrypted."""
    double.keys["etcd"].changes = {"exportable": True}
    assert watching(region, tmp_path / "a").look().reason == "unfit-key"
    double.keys["etcd"].changes = {"type": "aes256-gcm96"}
    assert watching(region, tmp_path / "b").look().reason == "unfit-key"


def test_an_older_state_is_noticed(region: Region, double: VaultDouble, tmp_path: Path, spare: SpareKey) -> None:
    """Fewer versions than before, or another key under a version, is a restored state: while running and after."""
    first = double.keys["etcd"].versions[0]
    double.rotate("etcd", spare())
    watch = watching(region, tmp_path)
    assert watch.look().reason == "ok"
    double.keys["etcd"] = DoubleKey([first])
    assert watch.look().reason == "rolled-back"
    assert watching(region, tmp_path).look().reason == "rolled-back"  # restarted, on what it remembers
    double.keys["etcd"] = DoubleKey([spare(), spare()])
    assert watching(region, tmp_path).look().reason == "rolled-back"


def test_no_secret_in_what_is_written(
    region: Region, double: VaultDouble, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Through every failure, neither token, secret id nor seed is in logs, records, state files or refusals."""
    canaries = Canaries()
    token, seed = canaries.text("token"), canaries.draw("seed", 32)
    double.new_token = lambda: token
    caplog.set_level("DEBUG")
    watch, uses = watching(region, tmp_path), Recorder()
    watch.look()
    service = KmsService(watch, uses)
    made = service.encrypt(seed, "u")
    said: list[str] = []
    for fault in (*(answering(answer) for answer, _ in FAULTS.values()), hanging_up):
        double.always = where("decrypt", fault)
        with pytest.raises(Refused) as refused:
            service.decrypt(Stored(made.ciphertext, made.key_id, made.annotations, "u"))
        said.append(repr(refused.value))
        watch.look()
        said.append(repr(watch.standing))
    double.always = None
    written = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert written
    everything = b"\n".join([*written, caplog.text.encode(), repr(uses.uses).encode(), *(s.encode() for s in said)])
    assert canaries.seen_in(everything) == []
