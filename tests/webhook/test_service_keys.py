"""A webhook whose log is signed and sealed by keys in a key service: served, verified, replayed, and without it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import rsa

from audit.errors import LogRefused
from audit.whole import whole_log
from bailiwick import command
from keymgmt.errors import KeyManagementError, KeyringRolledBack, NoSuchKey, SignerUnavailable
from keymgmt.uses.book import UseBook
from tests.keymgmt.regions import KEYS, Region, World
from tests.webhook.test_shards_serving import CLUSTER, POD, RULES
from webhook.demo.process import Process
from webhook.keys.service import ServiceKeys
from webhook.log.process import LogProcess
from webhook.log.state import open_keyring, service_public
from webhook.options import Options


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=4096)


@pytest.fixture
def region(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> Iterator[Region]:
    """A region whose keys lie in a key service."""
    with ExitStack() as stack:
        (tmp_path / "eu-de").mkdir()
        yield World(tmp_path, stack, lambda: rsa_key).region("eu-de")


def settings_of(region: Region, folder: Path, changes: dict[str, Any] | None = None) -> Path:
    """`kind: Keyring`, as an operator writes it."""
    secret = folder / "eu-de" / "secret-id"
    secret.chmod(0o600)
    login = {"appRole": {"roleId": "bailiwick", "secretIdFile": str(secret)}}
    vault = {"url": region.site.url, "ca": str(region.site.ca), "pins": sorted(region.site.pins), "login": login}
    found = {
        "apiVersion": "bailiwick.dev/v1alpha1",
        "kind": "Keyring",
        "region": region.name,
        "jurisdiction": "DE",
        "transit": {**vault, "keys": KEYS},
    }
    path = folder / "keyring.yaml"
    path.write_text(yaml.safe_dump(found | (changes or {})))
    return path


def opened(region: Region, folder: Path) -> ServiceKeys:
    """The keys as the log's process opens them."""
    state = folder / "state"
    (state / "keys").mkdir(parents=True, exist_ok=True, mode=0o700)
    public = service_public(Options(version="test", state=str(state), region=region.name))
    return ServiceKeys.open(settings_of(region, folder), region.name, public, UseBook(folder / "book"))


def test_a_webhook_with_its_keys_in_a_key_service(region: Region, tmp_path: Path) -> None:
    """It answers, its log verifies with the service's key, and its decisions replay by opening in the service."""
    state = tmp_path / "state"
    state.mkdir()
    settings = str(settings_of(region, tmp_path))
    arguments = ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0", "--region", "eu-de", "--keyring", settings]
    process = Process(state, arguments)
    try:
        process.ready().create(POD)
    finally:
        assert process.stop() == 0, process.written()
    known = region.connect().keys()
    active = {key.purpose: key for key in known}
    in_use = json.loads((state / "keys-in-use.json").read_text())
    assert in_use["audit-archive"] == active["audit-archive"].key_id
    assert in_use["audit-checkpoint"] == (state / "log.vkeys").read_text().strip()
    sealed = {part["key"] for _, leaf in whole_log(state / "log") for part in leaf.fields["written"].get("sealed", ())}
    assert sealed == {active["audit-archive"].key_id}
    for words in (["verify", str(state)], ["replay", str(state), "--keyring", settings]):
        done = CliRunner().invoke(command, ["audit", *words])
        assert done.exit_code == 0, done.output
    done = CliRunner().invoke(command, ["audit", "hold", str(state), "case-7", "--basis", "GDPR 17(3)(e)"])
    assert done.exit_code == 2
    assert "a key service signs it" in done.output


def test_without_the_service_only_signing_waits(region: Region, tmp_path: Path) -> None:
    """Away at a start it seals as before and signs nothing; back, it signs with the same key."""
    name, bound = "log", region.bound()
    first = opened(region, tmp_path).signer("audit-checkpoint", name)
    region.server.sealed = True
    keys = opened(region, tmp_path)
    assert keys.sealer().seal(b"patient 4711", bound).region == "eu-de"
    signer = keys.signer("audit-checkpoint", name)
    assert signer.public_key == first.public_key
    with pytest.raises(SignerUnavailable, match="away"):
        signer.sign(b"tree head")
    region.server.sealed = False
    back = opened(region, tmp_path).signer("audit-checkpoint", name)
    assert back.sign(b"tree head") == first.sign(b"tree head")


def test_a_first_start_needs_the_service(region: Region, tmp_path: Path) -> None:
    """Nobody knows its keys yet, so nothing could be sealed."""
    region.server.sealed = True
    with pytest.raises(KeyManagementError):
        opened(region, tmp_path)


def test_an_older_service_is_refused(region: Region, tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    """Fewer versions than were seen before: somebody restored it."""
    region.server.rotate("archive", rsa_key)
    opened(region, tmp_path)
    region.server.keys["archive"].versions.pop()
    with pytest.raises(KeyringRolledBack):
        opened(region, tmp_path)


async def test_settings_that_do_not_fit(region: Region, tmp_path: Path) -> None:
    """Another region's settings, a file keyring, no key that signs: the log is refused with the reason."""
    files = {"directory": str(tmp_path / "keys"), "keyFile": str(tmp_path / "kek")}
    for changes, told in (
        ({"region": "eu-fr"}, "names no key service or module of region `eu-de`"),
        ({"file": files, "transit": None}, "names no key service or module of region `eu-de`"),
    ):
        state = tmp_path / "state"
        path = settings_of(region, tmp_path, changes)
        options = Options(version="test", state=str(state), region="eu-de", keyring=str(path))
        open_keyring(options)
        with pytest.raises(LogRefused, match=told):
            await LogProcess.start(options)
        shutil.rmtree(state)
    with pytest.raises(NoSuchKey):
        opened(region, tmp_path).signer("audit-tags", "log")
