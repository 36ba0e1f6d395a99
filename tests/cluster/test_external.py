"""The suite runs on any cluster whose kubeconfig it is given, and leaves out what needs the bed itself."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.bed.control_plane import ControlPlane

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]


def as_others_write_it(kubeconfig: Path, target: Path) -> Path:
    """The same access in the form that most tools write: the certificate inside the file."""
    config = json.loads(kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    bundle = Path(cluster.pop("certificate-authority")).read_bytes()
    cluster["certificate-authority-data"] = base64.b64encode(bundle).decode()
    target.write_text(json.dumps(config))
    return target


@pytest.mark.parametrize(
    ("host", "outcome"), [("", "2 passed, 3 skipped"), ("127.0.0.1", "4 passed, 1 skipped")], ids=["apart", "reachable"]
)
def test_another_cluster(local_control_plane: ControlPlane, tmp_path: Path, host: str, outcome: str) -> None:
    """On a given cluster users, policies and, where it reaches this machine, webhooks are tested; nodes are not."""
    kubeconfig = as_others_write_it(local_control_plane.kubeconfig, tmp_path / "kubeconfig")
    tests = [
        "test_bed.py::test_users",
        "test_bed.py::test_policy_in_force",
        "test_bed.py::test_scheduling",
        "test_webhooks.py::test_several_configurations",
        "test_webhooks.py::test_refused_configuration_leaves_nothing",
    ]
    settings = {"BAILIWICK_TEST_KUBECONFIG": str(kubeconfig)} | ({"BAILIWICK_TEST_WEBHOOK_HOST": host} if host else {})
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}"]
    done = subprocess.run(
        [*command, *(f"tests/cluster/{test}" for test in tests)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | settings,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcome in done.stdout
