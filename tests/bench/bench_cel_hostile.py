"""How long hostile expressions take: loaded and evaluated once, in milliseconds of the processor.

Every kind of `tests/policies/cel/oracle/hostile.py` that tries to be too much. The aim is 100 ms for each on one core;
the baseline is an evaluation that the limit on cost stops, which is the longest that the API server allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from statistics import median
from time import thread_time
from typing import Any

from policies.cel.budget import Budget
from policies.cel.environment import Environment
from policies.cel.errors import CelError
from policies.cel.program import Compiler
from tests.policies.cel.oracle import hostile

AIM = 100.0
KINDS: tuple[Callable[[], Iterator[str]], ...] = (hostile.deep, hostile.wide, hostile.costly, hostile.bombs)
STOPPED = "lists.range(100).all(a, lists.range(100).all(b, lists.range(100).all(c, a + b + c >= 0)))"
NAMES: dict[str, Any] = {"object": {"a": 1, "x": [1, 2]}, "oldObject": None, "params": None, "request": {}}


def taken(text: str, environment: Environment) -> float:
    """Milliseconds to load and evaluate it once, whatever comes of it."""
    started = thread_time()
    with suppress(CelError):
        Compiler().compile(text, environment).exact(NAMES, Budget())
    return 1000 * (thread_time() - started)


def main() -> None:
    environment = Environment.admission()
    for warm in ("1 + 1", "'a'.matches('b')", "timestamp(0).getHours('Europe/Berlin')"):
        taken(warm, environment)
    baseline = median(taken(STOPPED, environment) for _ in range(5))
    print(f"stopped by the limit on cost: {baseline:.0f} ms")
    for kind in KINDS:
        found = sorted(((taken(text, environment), text) for text in dict.fromkeys(kind())), reverse=True)
        worst, text = found[0]
        over = sum(milliseconds > AIM for milliseconds, _ in found)
        figures = f"median {median(one for one, _ in found):.2f} ms, worst {worst:.0f} ms ({worst / baseline:.1f} x)"
        print(f"{kind.__name__:7} {len(found)} expressions: {figures}, {over} over {AIM:.0f} ms")
        print(f"        worst: {text[:90]}")


if __name__ == "__main__":
    main()
