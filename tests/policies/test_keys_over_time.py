"""Keys as time goes by: an attestation runs out by itself, and no rule ever asks a key service."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from policies.checking import creation
from policies.request import Phase
from policies.snapshot import MemorySnapshot
from tests.policies.law import EU, engine_under, namespace, profile

ROOT = Path(__file__).parents[2]
ATTESTED = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEY = {
    "match": "vault:eu/*",
    "place": "aws.eu-central-1",
    "attested": "2026-11-01T09:00:00+01:00",
    "attestedWithin": 24,
}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "clinic", "annotations": {"bailiwick.dev/key": "vault:eu/x"}},
}


def codes(at: datetime, found: dict[str, Any] = SECRET) -> list[str]:
    """Reason codes of the decision at a time."""
    engine, snapshot = engine_under(EU, profile("eu-central-1", keys=[KEY])), MemorySnapshot.of([namespace("clinic")])
    decision = engine.decide(creation(found, "default", "u"), Phase.FAIL, snapshot, at)
    return [reason.code for reason in decision.reasons]


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (ATTESTED - SECOND, ["key-not-attested"]),
        (ATTESTED, []),
        (ATTESTED + timedelta(hours=24), []),
        (ATTESTED + timedelta(hours=24) + SECOND, ["key-not-attested"]),
        (ATTESTED + timedelta(days=4000), ["key-not-attested"]),
    ],
)
def test_g8_an_attestation_runs_out(at: datetime, said: list[str]) -> None:
    """Who loses the key service cannot attest anew, and with time loses the door too: it never opens by waiting."""
    assert codes(at) == said


def test_g8_rules_about_keys_ask_no_key_service() -> None:
    """A decision about a key is made without even loading what could reach one, so its loss changes no answer."""
    program = (
        "import sys; sys.path.insert(0, '.');"
        "from tests.policies.test_keys_over_time import ATTESTED, codes;"
        "assert codes(ATTESTED) == [];"
        "reaching = ('keymgmt.transit', 'keymgmt.kms', 'hvac', 'requests');"
        "print([name for name in sys.modules if name.startswith(reaching)])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
