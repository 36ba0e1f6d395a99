import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from audit.leaves.record import Record
from policies.decision import Verdict
from policies.request import Phase
from tests.webhook.fakes import ScriptedEngine
from tests.webhook.parts import Parts, issue
from tests.webhook.reviews import behaving
from webhook.reviews.judge import Call, Judge, Limits, Ruling
from webhook.reviews.review import parse_review


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("judge")
    issue(directory)
    return directory


@pytest.fixture
def parts(certificates: Path) -> Parts:
    return Parts(certificates)


def call(
    behaviour: str, phase: Phase = Phase.FAIL, failure_policy: str = "Fail", *, seconds: float = 5.0, dry: bool = False
) -> Call:
    body = behaving(behaviour, failure_policy, dryRun=dry)
    now = time.monotonic()
    return Call(parse_review(body), phase, body, now, now + seconds, "192.0.2.1")


def codes(ruling: Ruling) -> list[str]:
    return [reason.code for reason in ruling.decision.reasons]


def counted(parts: Parts, line: str) -> bool:
    return line.encode() in parts.metrics.exposition()


async def test_recorded_before_the_answer(parts: Parts) -> None:
    """A ruling names the leaf that holds it."""
    ruling = await parts.judge().rule(call("allow"))
    assert (ruling.decision.verdict, ruling.id, ruling.leaf_index) == (Verdict.ALLOWED, "d-1", 0)
    assert b'"id":"d-1"' in parts.log.records[0][0].body


async def test_denials_are_recorded(parts: Parts) -> None:
    """A denial is recorded like an admission."""
    ruling = await parts.judge().rule(call("deny"))
    assert (ruling.decision.allowed, ruling.leaf_index) == (False, 0)


async def test_dry_run(parts: Parts) -> None:
    """A dry run is decided and leaves no record."""
    ruling = await parts.judge().rule(call("deny", dry=True))
    assert (ruling.decision.verdict, ruling.leaf_index, parts.log.records) == (Verdict.DENIED, None, [])


async def test_dry_run_without_a_log(parts: Parts) -> None:
    """A dry run needs no log."""
    parts.log.break_down()
    assert (await parts.judge().rule(call("allow", dry=True))).decision.allowed


async def test_needs_are_resolved(parts: Parts) -> None:
    """What only I/O can answer is asked once, and the decision is made with the answer."""
    ruling = await parts.judge().rule(call("ask"))
    assert ruling.decision.verdict is Verdict.ALLOWED
    assert len(parts.resolver.asked) == 1


async def test_needs_without_end(parts: Parts) -> None:
    """An engine that asks for ever is stopped after a bounded number of rounds, and the answer is no."""
    ruling = await parts.judge(Limits(rounds=3)).rule(call("ask-forever"))
    assert codes(ruling) == ["internal-fault"]
    assert not ruling.decision.allowed
    assert len(parts.resolver.asked) == 3


async def test_slow_resolver(parts: Parts) -> None:
    """A resolver that keeps no time is left behind: denied within the deadline, and that denial is recorded."""
    parts.resolver.delay = 30.0
    asked = call("ask", seconds=0.4)
    ruling = await parts.judge().rule(asked)
    assert time.monotonic() <= asked.deadline
    assert (codes(ruling), ruling.decision.allowed, ruling.leaf_index) == (["deadline-exceeded"], False, 0)


async def test_slow_decision(parts: Parts) -> None:
    """A decision that took too long is a denial, whatever it said."""
    ruling = await parts.judge().rule(call("block", seconds=0.2))
    assert (codes(ruling), ruling.decision.allowed) == (["deadline-exceeded"], False)


async def test_slow_log(parts: Parts) -> None:
    """A record that is not durable in time is a denial within the deadline."""
    parts.log.delay = 30.0
    asked = call("allow", seconds=0.3)
    ruling = await parts.judge().rule(asked)
    assert time.monotonic() < asked.deadline + 1
    assert (codes(ruling), ruling.decision.allowed, ruling.leaf_index) == (["deadline-exceeded"], False, None)


@pytest.mark.parametrize("phase", [Phase.MUTATE, Phase.FAIL])
async def test_log_unavailable_fails_closed(parts: Parts, phase: Phase) -> None:
    """Without a durable record nothing is admitted when a matching policy says Fail; no patch leaves either."""
    parts.log.break_down()
    ruling = await parts.judge().rule(call("patch", phase))
    assert (codes(ruling), ruling.decision.verdict) == (["record-not-durable"], Verdict.DENIED)
    assert ruling.decision.patch == ()
    assert counted(parts, 'log_errors_total{error="LogUnavailable"} 1.0')


@pytest.mark.parametrize("phase", list(Phase))
async def test_log_unavailable_fails_open(parts: Parts, phase: Phase) -> None:
    """Without a durable record it is admitted with a warning, and counted, when every matching policy says Ignore."""
    parts.log.break_down()
    ruling = await parts.judge().rule(call("allow", phase, "Ignore"))
    assert (ruling.decision.allowed, ruling.leaf_index) == (True, None)
    assert "record-not-durable" in ruling.decision.warnings[0]
    assert counted(parts, 'failed_open_total{reason="record-not-durable"} 1.0')


async def test_a_denial_stays_one(parts: Parts) -> None:
    """A broken log never turns a denial into an admission, and never hides its reasons."""
    parts.log.break_down()
    for failure_policy in ("Fail", "Ignore"):
        ruling = await parts.judge().rule(call("deny", Phase.IGNORE, failure_policy))
        assert not ruling.decision.allowed
        assert codes(ruling)[-2:] == ["place-outside-jurisdiction", "record-not-durable"]


@pytest.mark.parametrize("phase", [Phase.MUTATE, Phase.FAIL])
async def test_fault_fails_closed(parts: Parts, phase: Phase, caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours is a denial behind the doors that fail closed; its traceback is in the log, not in the answer."""
    ruling = await parts.judge().rule(call("raise", phase))
    assert (codes(ruling), ruling.decision.allowed, ruling.leaf_index) == (["internal-fault"], False, 0)
    assert "the engine broke" not in ruling.decision.reasons[0].message
    assert "the engine broke, as asked" in caplog.text


async def test_fault_behind_the_open_door(parts: Parts) -> None:
    """Behind the door whose policies all say Ignore, a fault of ours is an admission with a warning, counted."""
    ruling = await parts.judge().rule(call("raise", Phase.IGNORE))
    assert ruling.decision.allowed
    assert "internal-fault" in ruling.decision.warnings[0]
    assert counted(parts, 'failed_open_total{reason="internal-fault"} 1.0')


async def test_unrecordable(certificates: Path) -> None:
    """A record that can't even be made is a record that isn't there."""
    parts = Parts(certificates)

    def broken(*_: object) -> tuple[Record, tuple[()]]:
        raise ValueError("no such field, as asked")

    parts.recording = broken  # type: ignore[assignment]
    ruling = await parts.judge().rule(call("allow"))
    assert (codes(ruling), ruling.decision.allowed) == (["internal-fault"], False)


async def test_engine_is_swapped_between_calls(parts: Parts) -> None:
    """Rules change as a whole between two calls."""
    judge = parts.judge()
    first = await judge.rule(call("allow"))
    parts.engine.swap(ScriptedEngine("second"))
    second = await judge.rule(call("allow"))
    assert [ruling.decision.inputs.engine for ruling in (first, second)] == ["scripted", "second"]


async def test_a_call_keeps_its_engine(parts: Parts) -> None:
    """A call under way ends with the rules that it began with."""
    parts.resolver.delay = 0.1
    under_way = asyncio.create_task(parts.judge().rule(call("ask")))
    await asyncio.sleep(0.02)
    parts.engine.swap(ScriptedEngine("second"))
    assert (await under_way).decision.inputs.engine == "scripted"


async def test_calls_do_not_wait_for_each_other(parts: Parts) -> None:
    """While one call waits for an answer, others are ruled on."""
    parts.resolver.delay = 0.5
    judge: Judge = parts.judge()
    slow = asyncio.create_task(judge.rule(call("ask")))
    await asyncio.sleep(0)
    quick = await judge.rule(replace(call("allow"), phase=Phase.MUTATE))
    assert quick.decision.allowed
    assert not slow.done()
    assert (await slow).decision.allowed
