"""A crew of threads: few that answer, and others in the place of those that wait."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from keymgmt.kms.crew import Crew


def threads(name: str) -> int:
    """How many of that name there are."""
    return sum(one.name == name for one in threading.enumerate())


def test_whoever_waits_is_stood_in_for() -> None:
    """With every thread waiting the next task is done at once; afterwards there are as many threads as before."""
    crew, gate = Crew(2, "crew-a"), threading.Event()

    def waiting() -> str:
        with crew.aside():
            assert gate.wait(20)
        return "waited"

    hanging = [crew.submit(waiting) for _ in range(5)]
    assert crew.submit(lambda: "at once").result(10) == "at once"
    assert not any(future.done() for future in hanging)
    gate.set()
    assert {future.result(10) for future in hanging} == {"waited"}
    for _ in range(20):  # surplus threads end with the next thing that they do
        crew.submit(lambda: None).result(10)
    assert threads("crew-a") <= 3
    crew.shutdown()


def test_without_waiting_there_are_no_more_threads() -> None:
    """A hundred tasks at once are done by as many threads as were asked for."""
    crew = Crew(3, "crew-b")
    assert sorted(future.result(10) for future in [crew.submit(pow, 2, n) for n in range(100)]) == [
        2**n for n in range(100)
    ]
    assert threads("crew-b") == 3
    crew.shutdown()


def test_errors_reach_whoever_asked() -> None:
    """What fails does so for its caller; the thread goes on; cancelled tasks are left out; at the end none is taken."""
    crew, gate = Crew(1, "crew-c"), threading.Event()
    failing: Future[float] = crew.submit(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        failing.result(10)
    busy = crew.submit(gate.wait, 20)
    dropped = crew.submit(lambda: pytest.fail("was cancelled"))
    assert dropped.cancel()
    gate.set()
    assert busy.result(10)
    crew.shutdown()
    with pytest.raises(RuntimeError):
        crew.submit(lambda: None)
