"""What exports cost: CPU of each format for a record, against reading and parsing the records alone in the same run.

Run from the root of the checkout: `python tests/bench/bench_exports.py`. `BAILIWICK_BENCH_RECORDS` sets how many
records (100,000). Exits 1 when a figure misses its target: a report of 100,000 decisions under 20 s of CPU and 15 MB.
What is said of memory is the peak of a process of its own that verifies and exports.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench_audit import NOON, ORIGIN, Signer, record

from audit.exports import verifier
from audit.exports.population import Population, selected, verified_population
from audit.exports.runs import Wanted, write_exports
from audit.exports.sections import Sections
from audit.files.log import FileLog, LogSettings, Writer
from audit.tlog import VerifierKey

RECORDS = int(os.environ.get("BAILIWICK_BENCH_RECORDS", "100000"))
STREAMED = ("ndjson", "csv", "parquet", "ocsf", "kube-audit", "oscal")
KEY = VerifierKey.ed25519(ORIGIN, Signer().public_key)
SECTIONS = Sections(NOON, [KEY])
_PEAK = """
import resource, sys
from pathlib import Path
from audit.exports.population import verified_population
from audit.exports.runs import Wanted, write_exports
from audit.exports.sections import Sections
from audit.tlog import VerifierKey
log, out, key, *names = sys.argv[1:]
vkey = VerifierKey.parse(key)
write_exports(verified_population(Path(log), [vkey]), [Wanted(n, f"{out}/{n}") for n in names], Sections(None, [vkey]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def _fill(directory: Path, count: int) -> None:
    writer = Writer("bench-0", "boot", "prod-7", "eu-de")
    settings = LogSettings(reserve_bytes=0)
    log = FileLog.open(directory, origin=ORIGIN, signer=Signer(), clock=lambda: NOON, writer=writer, settings=settings)
    for at in range(0, count, 2_000):
        log.append_batch([(record(number), ()) for number in range(at, min(count, at + 2_000))])
    log.close_now()


def _cpu(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _read(population: Population) -> int:
    return sum(1 for _ in selected(population))


def _peak(log: Path, out: Path, *names: str) -> int:
    words = [sys.executable, "-c", _PEAK, str(log), str(out), str(KEY), *names]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def _streamed(population: Population, folder: Path) -> None:
    best = min(_cpu(lambda: _read(population)) for _ in range(3))
    print(f"{RECORDS:,} records read, hashed, parsed: {best / RECORDS * 1e6:.1f} us each")
    for name in STREAMED:
        best = min(best, _cpu(lambda: _read(population)))
        took = _cpu(partial(write_exports, population, [Wanted(name, str(folder / name))], SECTIONS))
        print(f"{name:<12}{took / RECORDS * 1e6:>8.1f} us each, {took / best:.1f} times reading alone", flush=True)


def _whole(population: Population, folder: Path, name: str) -> tuple[float, float]:
    """Seconds of CPU and megabytes."""
    took = _cpu(partial(write_exports, population, [Wanted(name, str(folder / name))], SECTIONS))
    return took, (folder / name).stat().st_size / 1e6


def main() -> int:
    """Print each figure as it is measured; 1 when a target is missed."""
    with tempfile.TemporaryDirectory(prefix="bench-exports-") as made:
        folder = Path(made)
        _fill(folder / "log", RECORDS)
        population = verified_population(folder / "log", [KEY])
        _streamed(population, folder)
        seconds, megabytes = _whole(population, folder, "html")
        good = seconds < 20 and megabytes < 15
        print(f"html: {seconds:.1f} s of CPU, {megabytes:.1f} MB, target 20 s and 15 MB: {'ok' if good else 'MISSED'}")
        seconds, megabytes = _whole(population, folder, "evidence")
        print(f"evidence pack: {seconds:.1f} s of CPU, {megabytes:.1f} MB", flush=True)
        begun = time.perf_counter()
        subprocess.run([sys.executable, verifier.__file__, str(folder / "evidence")], check=True, capture_output=True)
        print(f"its own verifier: {time.perf_counter() - begun:.1f} s", flush=True)
        print(f"peak memory of the streamed formats together: {_peak(folder / 'log', folder, *STREAMED)} MB")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
