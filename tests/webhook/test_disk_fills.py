"""A webhook whose disk fills: a warning with its readiness, then denials, then answers again."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from audit.checks.verify import verify_log
from audit.verbs.places import verifier_keys
from tests.audit.small_disk import ballast, small_disk
from webhook.demo.process import Process

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
RULES, CLUSTER = str(QUICKSTART / "rules"), str(QUICKSTART / "cluster")
POD = next(yaml.safe_load_all((QUICKSTART / "manifests" / "10-vllm-pod.yaml").read_text()))
MIB = 1 << 20


def _until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


def test_a_disk_that_fills(tmp_path: Path) -> None:
    """A warning with 200 and a metric; at the floor denied and not ready; admitted again with space."""
    with small_disk(tmp_path / "small", 140) as small:
        state = small / "state"
        state.mkdir()
        arguments = [
            "--rules",
            RULES,
            "--snapshot",
            CLUSTER,
            "--linger",
            "0",
            "--log-reserve",
            "8",
            "--log-alarm",
            "30",
        ]
        process = Process(state, arguments)
        try:
            asker = process.ready()

            def answer() -> tuple[bool, str]:
                told = asker.create({**POD, "metadata": {**POD["metadata"], "name": f"p-{time.monotonic_ns()}"}})
                return told.allowed, " ".join(told.messages)

            def ready() -> tuple[int, str]:
                status, body = asker.get("/readyz")
                return status, body.decode()

            assert answer()[0]
            heavy = ballast(small, 20 * MIB)
            # A disk that takes the ballast may hold the log up for a moment; that is told, too, and passes.
            _until(lambda: (told := ready())[0] == 200 and "less than 30 MiB" in told[1], lambda: str(ready()))
            assert b"bailiwick_webhook_log_space_low 1.0" in asker.get("/metrics")[1]
            assert answer()[0]
            ballast(small, 4 * MIB)
            _until(lambda: ready()[0] == 503, lambda: str(ready()))
            assert "the reserve is 8 MiB" in ready()[1]
            allowed, message = answer()
            assert (allowed, "record-not-durable" in message) == (False, True), message
            heavy.unlink()
            _until(lambda: ready()[0] == 200, lambda: str(ready()))
            assert "warnings" not in ready()[1]
            assert answer()[0]
        finally:
            code = process.stop()
        assert code == 0, process.written()
        assert verify_log(state / "log", verifier_keys(state / "log", ())).ok
        assert shutil.disk_usage(small).free > 0
