"""`bailiwick audit query` on many records: the index's building, its size, and questions against it.

`python tests/bench/bench_audit_query.py [RECORDS]`, or BAILIWICK_BENCH_RECORDS; 300,000 by default, 10,000,000 for the
target. Terms are those of decisions as a log of this many would hold them (a thousand namespaces, a hundred thousand
users); a real log of 20,000 records says what reading the leaves costs beside that. Each question is asked with the
index opened anew, and of three rounds the best counts. The baseline of the same run is a walk over the leaves, for as
many records as the real log has, scaled. Exits 1 when a question takes a second or more.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench_audit import ORIGIN, Figure, Signer

from audit.files.log import FileLog, LogSettings, Writer
from audit.leaves.record import decision_record
from audit.query import Index, Question, search
from audit.query.index import Bounds
from audit.query.runs import WIDEST, Run, RunBuilder, write_run
from audit.query.terms import Term, terms_of
from audit.reading import read_records

REAL = 20_000
ROUNDS = 3
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
START = round(NOON.timestamp() * 1_000_000)
USERS = [f"{number:032x}" for number in range(100_000)]
NAMESPACES = [f"team-{number}" for number in range(1_000)]
MODELS = [f"hf:org/model-{number}" for number in range(200)]
POLICIES = [f"policy-{number}" for number in range(8)]
CODES = ["place-outside-jurisdiction", "image-not-pinned", "isolation-too-weak", "model-not-pinned"]


def _leaf(number: int, chance: random.Random) -> dict[str, object]:
    """The fields of a decision by which it is found."""
    denied = chance.random() < 0.05
    model = MODELS[int(chance.random() ** 3 * len(MODELS))]
    return {
        "id": f"01939f3a-{number:012x}",
        "time": NOON + timedelta(milliseconds=10 * number),
        "cluster": "prod",
        "region": "eu-de" if number % 3 else "eu-fr",
        "namespace": NAMESPACES[int(chance.random() ** 2 * len(NAMESPACES))],
        "gvk": "apps/v1/Deployment" if number % 2 else "/v1/Pod",
        "operation": "CREATE" if number % 4 else "UPDATE",
        "phase": "validate-fail",
        "data_class": "restricted" if number % 5 else "public",
        "jurisdiction": "eu",
        "models": [f"{model}@{number % 7:040x}"] if number % 3 == 0 else [],
        "policies": POLICIES[: 3 + number % 5],
        "verdict": "denied" if denied else "allowed",
        "reasons": [{"code": chance.choice(CODES), "policy": "p", "actions": ["Deny"]}] if denied else [],
        "tags": {"user": USERS[int(chance.random() ** 2 * len(USERS))], "key": "k"},
    }


def _terms(number: int, chance: random.Random) -> Iterator[Term]:
    yield from terms_of({**_leaf(number, chance), "schema": "bailiwick.decision/v2"})


def build(folder: Path, records: int) -> float:
    """Runs for so many records; records a second, the making of their terms included."""
    chance = random.Random(1)
    begun = time.process_time()
    for first in range(0, records, WIDEST):
        builder = RunBuilder(first)
        for number in range(first, min(first + WIDEST, records)):
            builder.add(bytes(32), START + 10_000 * number, _terms(number, chance))
        write_run(folder, builder)
        print(f"  {first + len(builder):,} indexed", file=sys.stderr, flush=True)
    return records / (time.process_time() - begun)


def questions(records: int) -> dict[str, Question]:
    """What people ask."""
    middle, hour = START + 5_000 * records, 3_600_000_000
    return {
        "denied, of all time": Question({"schema": ["decision"], "verdict": ["denied"]}),
        "a namespace in an hour": Question({"namespace": ["team-7"]}, middle, middle + hour),
        "a user": Question({"user": [USERS[4711]]}),
        "a model, any revision, denied": Question({"model": [MODELS[3]], "verdict": ["denied"]}),
        "two reasons, one region, one policy, half of the time": Question(
            {"reason": CODES[:2], "region": ["eu-de"], "policy": [POLICIES[4]]}, middle, None
        ),
        "everything allowed of a class (most records)": Question({"verdict": ["allowed"], "class": ["restricted"]}),
    }


def asked(folder: Path, question: Question) -> tuple[float, int]:
    """Seconds of the best round, the index opened anew each time, and how many fit."""
    best, count = float("inf"), 0
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        index = Index(folder, folder, Bounds())
        index.runs = [Run(path) for path in sorted(folder.glob("*.run"))]
        with closing(index):
            count = search(index, question, 50).count
        best = min(best, time.perf_counter() - begun)
    return best, count


def real_log(directory: Path) -> Path:
    """A log of decisions."""
    settings = LogSettings(reserve_bytes=0, heartbeat_seconds=0)
    writer = Writer("w", "b", "prod", "eu-de")
    log = FileLog.open(directory, origin=ORIGIN, signer=Signer(), clock=lambda: NOON, writer=writer, settings=settings)
    chance = random.Random(2)
    for begin in range(0, REAL, 500):
        log.append_batch([(decision_record(_leaf(number, chance)), ()) for number in range(begin, begin + 500)])
    log.close_now()
    return directory


def figures(directory: Path, records: int) -> Iterator[Figure]:
    """Measure everything."""
    log = real_log(directory / "log")
    begun = time.process_time()
    walked = sum(record.fields.get("verdict") == "denied" for record in read_records(log))
    walk = (time.process_time() - begun) / REAL
    begun = time.process_time()
    with closing(Index.of(log, directory / "real")) as index:
        built = time.process_time() - begun
        assert search(index, Question({"verdict": ["denied"]})).count == walked
    yield Figure("a walk over the leaves instead, scaled to all records", walk * records, "s")
    yield Figure("a real log indexed, leaves read", REAL / built, "/s a core")
    folder = directory / "index"
    yield Figure(f"terms of {records:,} records indexed", build(folder, records), "/s a core")
    size = sum(path.stat().st_size for path in folder.iterdir())
    yield Figure("  size of the index for a record", size / records, "bytes")
    for name, question in questions(records).items():
        seconds, count = asked(folder, question)
        yield Figure(f"{name}: {count:,}", seconds * 1_000, "ms", most=1_000.0)


def main() -> int:
    """Print each figure as it is measured; 1 when a target is missed."""
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BAILIWICK_BENCH_RECORDS", "300000")
    missed = 0
    place = os.environ.get("BAILIWICK_BENCH_DIRECTORY")
    with tempfile.TemporaryDirectory(prefix="bench-query-", dir=place) as directory:
        for figure in figures(Path(directory), int(given.replace(",", "").replace("_", ""))):
            print(figure, flush=True)
            missed += not figure.is_met
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
