"""Health and metrics over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from keymgmt.kms.probes import Metrics, Probes, ProbesRefused
from keymgmt.kms.service import KmsService
from keymgmt.transit.errors import Sealed
from tests.keymgmt.kms.rings import Replica, Site


@pytest.fixture
def replica(tmp_path: Path) -> Replica:
    """A plugin."""
    return Site(tmp_path).replica()


@pytest.fixture
def metrics(replica: Replica) -> Metrics:
    """Its metrics."""
    return Metrics(replica.watch, replica.uses)


@pytest.fixture
def probes(replica: Replica, metrics: Metrics) -> Iterator[Probes]:
    """Its server."""
    found = Probes(("127.0.0.1", 0), replica.watch, metrics)
    found.start()
    yield found
    found.stop()


def get(probes: Probes, path: str) -> httpx.Response:
    """Ask it."""
    return httpx.get(f"http://127.0.0.1:{probes.port}{path}", trust_env=False, timeout=10)


def test_live_and_ready(replica: Replica, probes: Probes) -> None:
    """Alive as long as it answers; ready while it would encrypt, otherwise 503 and why."""
    assert get(probes, "/livez").status_code == 200
    assert get(probes, "/readyz").status_code == 200
    replica.keyring.failure = Sealed("sealed; unseal it")
    replica.look()
    ready = get(probes, "/readyz")
    assert (ready.status_code, ready.text) == (503, "sealed\n")
    assert get(probes, "/livez").status_code == 200
    assert get(probes, "/secrets").status_code == 404


def test_metrics(replica: Replica, probes: Probes, metrics: Metrics) -> None:
    """Calls by outcome, the standing, and the key by the hash that kube-apiserver's metrics have."""
    service = KmsService(replica.watch, metrics)
    made = service.encrypt(b"s" * 32, "u")
    text = get(probes, "/metrics").text
    assert 'bailiwick_kms_operations_total{operation="encrypt",outcome="ok"} 1.0' in text
    assert 'bailiwick_kms_status{reason="ok"} 1.0' in text
    assert hashlib.sha256(made.key_id.encode()).hexdigest() in text
    assert replica.uses.uses[-1].operation == "encrypt"


def test_an_address_that_is_taken(replica: Replica, metrics: Metrics, probes: Probes) -> None:
    """It says so, with the address."""
    with pytest.raises(ProbesRefused, match=str(probes.port)):
        Probes(("127.0.0.1", probes.port), replica.watch, metrics)
