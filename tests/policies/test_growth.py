"""What large objects cost: work in proportion to their size, whatever they are large in; long texts are read once."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from policies.checking import creation
from policies.engine import RuleEngine
from policies.request import Phase
from policies.snapshot import MemorySnapshot
from policies.version import is_compiled
from policies.workloads import extract, whole
from tests.policies.large import SHAPES, Object
from tests.policies.law import EU, engine_under, namespace, profile

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
SIZE, GROWTH = 400, 2.3  # things; of sorting, and of what is no more remembered, twice is a little more
LONG, PATIENCE = (
    30_000,
    150,
)  # 900,000 characters; seconds for all texts, where one in quadratic time takes many minutes
COMPLETE = [("", kind) for kind in ("Namespace", "Node", "PersistentVolume", "PersistentVolumeClaim")]
COMPLETE += [("storage.k8s.io", "StorageClass"), ("node.k8s.io", "RuntimeClass")]
COMPLETE += [("resource.k8s.io", "ResourceClaim"), ("resource.k8s.io", "DeviceClass")]
TEXTS = [
    name for name in SHAPES if name.startswith("one ") or name in ("quotes", "open quotes", "backslashes", "dollars")
]
TEXTS += [
    "double quotes and backslashes",
    "braces",
    "defaults",
    "blanks",
    "lines",
    "lines of code",
    "pipes",
    "backticks",
]


@pytest.fixture(scope="module")
def engine() -> RuleEngine:
    return engine_under(EU, profile("eu-central-1"))


def decide(subject: Object, engine: RuleEngine, *phases: Phase) -> None:
    """Decided by an engine that remembers no decision."""
    snapshot = MemorySnapshot.of([namespace("chat")], complete=COMPLETE)
    fresh, request = engine.under(engine.law), creation(subject, "chat")
    for phase in phases:
        fresh.decide(request, phase, snapshot, NOW)


def judge(subject: Object, engine: RuleEngine) -> None:
    """Corrected and judged, and all that is extracted is told."""
    decide(subject, engine, Phase.MUTATE, Phase.FAIL)
    whole(extract(subject))


def calls(subject: Object, engine: RuleEngine) -> int:
    """How many functions are called while an object is judged, ours and the interpreter's."""
    count = 0

    def counted(_frame: FrameType, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        judge(subject, engine)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.skipif(is_compiled(), reason="calls of machine code are not counted: shown as Python")
@pytest.mark.parametrize("shape", SHAPES)
def test_work_grows_with_size_and_no_faster(shape: str, engine: RuleEngine) -> None:
    """An object of twice as many things takes twice as many calls, and no quarter more."""
    judge(SHAPES[shape](10), engine)  # what is loaded and compiled at first use
    once, twice = (calls(SHAPES[shape](size), engine) for size in (SIZE, 2 * SIZE))
    assert twice <= GROWTH * once, f"{once} calls, then {twice}"


def test_long_texts_are_read_in_linear_time() -> None:
    """Texts of 900,000 characters that invite an expression to try again from each of them are read, one after another.

    Calls don't tell of that, so a process of its own has to come to an end.
    """
    program = (
        "from tests.policies.test_growth import EU, LONG, SHAPES, TEXTS, Phase, decide, engine_under, profile\n"
        "engine = engine_under(EU, profile('eu-central-1'))\n"
        "for name in TEXTS:\n"
        "    print(name, flush=True)\n"
        "    decide(SHAPES[name](LONG), engine, Phase.FAIL)\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, timeout=PATIENCE, capture_output=True, text=True, check=True
        )
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"still under way: {(late.stdout or b'').splitlines()[-1:]}")
    assert done.stdout.splitlines() == TEXTS
