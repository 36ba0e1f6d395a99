"""What the audit trail costs: building a record, verifying a log, a report. Appends: `bench_audit_appends.py`.

Run from the root of the checkout: `python tests/bench/bench_audit.py`. Exits 1 when a figure misses its target. What is
measured and what it is compared with take turns, so that both meet the same neighbours; the best of each counts.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.checks.verify import verify_log
from audit.exports.html import Sections, report_of_log
from audit.files.log import FileLog, LogSettings, Writer
from audit.leaves.record import Record, decision_record
from audit.leaves.tags import Tagger, salted
from audit.tlog import VerifierKey

ROUNDS = 7
ORIGIN = "audit.example.org/bench"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement; `least` and `most` are its targets."""

    name: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def is_met(self) -> bool:
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    def __str__(self) -> str:
        bound = self.least if self.least is not None else self.most
        word = "at least" if self.least is not None else "at most"
        target = f"target {word} {bound:,.6g}  {'ok' if self.is_met else 'MISSED'}" if bound is not None else ""
        return f"{self.name:<58}{self.value:>12,.2f} {self.unit:<10}{target}"


class Signer:
    """An Ed25519 key in memory."""

    name = ORIGIN

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class TagKey:
    """A keyed hash in memory."""

    key_id = "tags-1"

    def __call__(self, value: bytes) -> bytes:
        import hmac

        return hmac.digest(bytes(32), value, "sha256")


def record(number: int) -> Record:
    """A decision of usual size, about a kilobyte."""
    return decision_record(_fields(number, Tagger(TagKey())))


def _fields(number: int, tagger: Tagger) -> dict[str, object]:
    digest, salt = bytes(32), bytes(16)
    namespace = f"team-{number % 50:02}"
    return {
        "id": f"0b6c{number:08x}-0000-4000-8000-000000000000",
        "uid": f"9d2e{number:08x}-0000-4000-8000-000000000000",
        "time": NOON,
        "cluster": "prod-7",
        "region": "eu-de",
        "engine": "0.1.0",
        "namespace": namespace,
        "gvk": "apps/v1/Deployment",
        "operation": "CREATE",
        "phase": "validate-fail",
        "data_class": "restricted",
        "jurisdiction": "eu",
        "places": ["aws.eu-central-1"],
        "isolation": "exclusive",
        "images": ["registry.example/vllm@sha256:" + "a" * 64],
        "policies": ["placement", "gpu-isolation"],
        "verdict": "allowed",
        "latency_us": 240,
        "digests": {name: salted(salt, digest) for name in ("policies", "data", "snapshot", "request")},
        "tags": tagger.of(
            tenant=namespace,
            user="system:serviceaccount:kube-system:deployment-controller",
            groups=["system:serviceaccounts", "system:authenticated"],
            address="10.0.0.1",
            name=f"web-{number}",
            object_digest=digest,
        ),
    }


def _log(directory: Path) -> FileLog:
    writer = Writer("bench-0", "boot", "prod-7", "eu-de")
    settings = LogSettings(reserve_bytes=0)
    return FileLog.open(directory, origin=ORIGIN, signer=Signer(), clock=lambda: NOON, writer=writer, settings=settings)


def _building() -> float:
    """CPU microseconds to build a record, tags and salted digests included; identities repeat, names don't."""
    tagger, best = Tagger(TagKey()), float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for number in range(5_000):
            decision_record(_fields(number, tagger))
        best = min(best, time.process_time() - begun)
    return best / 5_000 * 1e6


def _verifying(directory: Path, *, quick: bool) -> tuple[float, float]:
    """Records verified per second and core, and leaf hashes alone, in turns: the machine's own measure."""
    import hashlib

    key, data = VerifierKey.ed25519(ORIGIN, Signer().public_key), bytes(1200)
    verified = hashed = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        report = verify_log(directory, [key], quick=quick)
        between = time.process_time()
        for _ in range(report.records):
            hashlib.sha256(b"\x00" + data).digest()
        assert report.ok
        verified, hashed = min(verified, between - begun), min(hashed, time.process_time() - between)
    return report.records / verified, report.records / hashed


def _verifying_shared(directory: Path, jobs: int) -> float:
    """How many times sooner so many processes are done, by the clock; their start is in it."""
    key = VerifierKey.ed25519(ORIGIN, Signer().public_key)
    _filled(directory, 400_000)
    alone = shared = float("inf")
    for _ in range(2):
        begun = time.perf_counter()
        assert verify_log(directory, [key]).ok
        between = time.perf_counter()
        assert verify_log(directory, [key], jobs=jobs).ok
        alone, shared = min(alone, between - begun), min(shared, time.perf_counter() - between)
    return alone / shared


def _report(directory: Path) -> tuple[float, float]:
    """Seconds and megabytes of a report for a hundred thousand records."""
    _filled(directory / "report", 100_000)
    begun = time.process_time()
    made = report_of_log(directory / "report", Sections(NOON, [VerifierKey.ed25519(ORIGIN, Signer().public_key)]))
    return time.process_time() - begun, len(made.encode()) / 1e6


def _filled(directory: Path, count: int, *, sealed: bool = False) -> None:
    """A closed log of so many records."""
    log = _log(directory)

    part = [("key", os.urandom(1500))] if sealed else []
    for at in range(0, count, 2_000):
        log.append_batch([(record(number), part) for number in range(at, at + 2_000)])
    log.close_now()


def figures(directory: Path) -> Iterator[Figure]:
    """Measure everything in `directory`, whose disk counts."""
    yield Figure("a record built, with tags and salted digests", _building(), "us")
    _filled(directory / "plain", 20_000)
    verified, hashed = _verifying(directory / "plain", quick=True)
    yield Figure("leaf hashes alone", hashed, "/s a core")
    yield Figure("hashes, signatures and counters verified (--quick)", verified, "/s a core", least=200_000)
    yield Figure("  share of the hashes' rate", verified / hashed, "")
    read, hashed = _verifying(directory / "plain", quick=False)
    yield Figure("verified, what each record says included", read, "/s a core")
    yield Figure("  share of the hashes' rate", read / hashed, "", least=0.1)
    _filled(directory / "sealed", 20_000, sealed=True)
    verified, _ = _verifying(directory / "sealed", quick=True)
    yield Figure("verified, records with a sealed part of 1.5 kB", verified, "/s a core")
    yield Figure("verified by two processes, times as soon as by one", _verifying_shared(directory / "long", 2), "")
    seconds, megabytes = _report(directory)
    yield Figure("HTML report of 100,000 decisions", seconds, "s", most=20)
    yield Figure("  size", megabytes, "MB", most=15)


def main() -> int:
    """Print each figure as it is measured; 1 when a target is missed."""
    missed = 0
    with tempfile.TemporaryDirectory(
        prefix="bench-audit-", dir=os.environ.get("BAILIWICK_BENCH_DIRECTORY")
    ) as directory:
        for figure in figures(Path(directory)):
            print(figure, flush=True)
            missed += not figure.is_met
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
