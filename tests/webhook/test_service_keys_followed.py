"""A webhook whose checkpoints are signed and whose archive is sealed by the region's key service: rotated, lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checks.verify import verify_log
from audit.verbs.places import verifier_keys
from tests.keymgmt.regions import Region, World
from tests.webhook.test_following_keys import CLUSTER, RULES, _signed_by, eventually, pod, run, told
from webhook.demo.process import Process

KEYS = {"audit-checkpoint": "checkpoint", "audit-archive": "archive"}


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    """The region `eu-de` with a key service that can misbehave."""
    spare = (rsa.generate_private_key(65537, 4096) for _ in range(3))
    with ExitStack() as stack:
        yield World(tmp_path / "world", stack, lambda: next(spare)).region("eu-de")


def settings(region: Region, path: Path) -> Path:
    """As an operator writes them."""
    login = {"appRole": {"roleId": "bailiwick", "secretIdFile": str(region.site.ca.parent / "secret-id")}}
    transit = {"url": region.site.url, "ca": str(region.site.ca), "pins": sorted(region.site.pins), "login": login}
    about = {"apiVersion": "bailiwick.dev/v1alpha1", "kind": "Keyring", "region": "eu-de", "jurisdiction": "DE"}
    path.write_text(yaml.safe_dump({**about, "transit": {**transit, "keys": KEYS}}))
    return path


def test_signed_and_sealed_by_the_region(region: Region, tmp_path: Path) -> None:
    """Rotated there: recorded, gone over to; sealed: decisions go on unsigned; unsealed: signed; and all replays."""
    state, keyring = tmp_path / "state", settings(region, tmp_path / "keyring.yaml")
    state.mkdir()
    log, server = state / "log", region.server
    options = ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0", "--region", "eu-de", "--keyring", str(keyring)]
    process = Process(state, options)
    try:
        asker = process.ready()
        asker.create(pod(1))
        first = (state / "log.vkeys").read_text().split()[-1]
        eventually(lambda: _signed_by(log, first), "a checkpoint by the region's key")
        known = region.connect().keys()
        ids = {key.purpose: key.key_id for key in known}
        assert {part["key"] for part in told(log, "decision")[-1]["written"]["sealed"]} == {ids["audit-archive"]}

        server.keys["checkpoint"].versions.append(Ed25519PrivateKey.generate())
        server.keys["archive"].versions.append(rsa.generate_private_key(65537, 4096))
        eventually(lambda: len(told(log, "key-rotation")) == 2, "records of both rotations", seconds=40)
        eventually(lambda: (state / "log.vkeys").read_text().split()[-1] != first, "another verifier key")
        second = (state / "log.vkeys").read_text().split()[-1]
        number = 1

        def signed_anew() -> bool:
            """What was there before is signed already: it takes another record."""
            nonlocal number
            number += 1
            asker.create(pod(number))
            return _signed_by(log, second)

        eventually(signed_anew, "a checkpoint by the new key")
        known = region.connect().keys()
        newest = max((key for key in known if key.purpose == "audit-archive"), key=lambda key: key.version).key_id

        def sealed_anew() -> bool:
            nonlocal number
            number += 1
            asker.create(pod(number))
            return {part["key"] for part in told(log, "decision")[-1]["written"]["sealed"]} == {newest}

        eventually(sealed_anew, "parts sealed to the new key")
        server.sealed = True
        for _ in range(3):
            number += 1
            asker.create(pod(number))
        assert len(told(log, "decision")) == 3 * number  # nobody waited for the key service
        server.sealed = False
    finally:
        assert process.stop() == 0, process.written()
    found = verify_log(log, verifier_keys(log, ()))
    assert found.ok, found
    assert {leaf["purpose"] for leaf in told(log, "key-rotation")} == set(KEYS)
    replayed = json.loads(run("audit", "replay", state, "--keyring", keyring, "-o", "json"))
    assert {row["then"]["outcome"] for row in replayed["records"]} == {"same"}
    signed = [leaf for leaf in told(log, "key-use") if leaf.get("key_operation") == "sign"]
    assert {leaf["key"] for leaf in signed} >= {ids["audit-checkpoint"]}
