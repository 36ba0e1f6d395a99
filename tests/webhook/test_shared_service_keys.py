"""Replicas that share a log in a database, signed and sealed by the region's key service: rotated there, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checks.verify import verify_log
from audit.mirror import Mirror
from audit.postgres.published import PublishedTables
from audit.reading import LoggedRecord, read_records
from audit.tlog import parse_note
from tests.audit.servers import Server, running
from tests.keymgmt.regions import Region
from tests.webhook.test_following_keys import CLUSTER, RULES, eventually, pod
from tests.webhook.test_service_keys_followed import KEYS, region, settings
from tests.webhook.test_shared_log import keys_of, replicas
from webhook.demo.process import Process

ORIGIN = "audit.eu-de/cluster"
__all__ = ["region"]  # a fixture


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    """A real server."""
    with running() as server:
        yield server


def test_rotated_in_the_key_service(database: Server, region: Region, tmp_path: Path) -> None:
    """Both replicas see the rotation by themselves; each key's change is recorded once, and signed by the new one."""
    url, keyring = database.url(), settings(region, tmp_path / "keyring.yaml")
    made = replicas(tmp_path, 2, log=url, region="eu-de")
    options = ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0", "--region", "eu-de", "--keyring", str(keyring)]
    processes = [Process(one.directory, [*options, "--log", url, "--writer", one.writer]) for one in made]

    def records(schema: str) -> list[LoggedRecord]:
        known = list({str(key): key for one in made for key in keys_of(one)}.values())
        copy = Mirror(PublishedTables.open(url, ORIGIN), tmp_path / "copy", known)
        try:
            copy.open()
            copy.round()
        finally:
            copy.close()
        return [one for one in read_records(tmp_path / "copy") if f".{schema}/" in one.fields["schema"]]

    try:
        askers = [process.ready() for process in processes]
        for asker in askers:
            assert "leaf-index" in asker.create(pod(1)).annotations
        region.server.keys["checkpoint"].versions.append(Ed25519PrivateKey.generate())
        region.server.keys["archive"].versions.append(rsa.generate_private_key(65537, 4096))
        eventually(lambda: all(len(keys_of(one)) == 2 for one in made), "the new key beside both", seconds=60)
        for asker in askers:
            assert "leaf-index" in asker.create(pod(2)).annotations
    finally:
        codes = [process.stop() for process in processes]
    assert codes == [0, 0], [process.written() for process in processes]
    told = records("key-rotation")
    assert sorted(one.fields["purpose"] for one in told) == sorted(KEYS)
    at = next(one.index for one in told if one.fields["purpose"] == "audit-checkpoint")
    old, new = keys_of(made[0])
    rows = database.execute("SELECT size, note FROM bailiwick.note WHERE name = 'checkpoint'")
    for size, note in rows:
        assert parse_note(bytes(note)).verified_by([old, new]) == ((new,) if size > at else (old,)), size  # type: ignore[call-overload,operator]
    assert max(size for size, _ in rows) > at  # type: ignore[type-var,operator]
    assert verify_log(tmp_path / "copy", [old, new]).ok
