"""When two answers to one question differ, and whether Go's random map order excuses it.

What is compared is `policies.cel.conformance`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from policies.cel import conformance

Json = dict[str, Any]
Ask = Callable[[int], list[Json]]  # the peer's answers when asked so many times again

TRIES = (12, 60, 300)  # how often the peer is asked for another map order


@dataclass(frozen=True, slots=True)
class Difference:
    """What kind it is of, and both answers."""

    kind: str
    ours: Json
    theirs: Json

    def __str__(self) -> str:
        return f"{self.kind}\n      ours   {brief(self.ours)}\n      theirs {brief(self.theirs)}"


def difference(ours: Json, theirs: Json, again: Ask) -> Difference | None:
    """The first difference that counts, or None when the answers agree in some order of the maps."""
    found = _compared(ours, theirs)
    if found is None or found.kind == "rejection":
        return found
    for tries in TRIES:
        answers = again(tries)
        if any(_compared(ours, answer) is None for answer in answers):
            return None
        if all(_compared(theirs, answer) is None for answer in answers):
            return found  # nothing varies, so no order of a map is behind it
    return Difference(f"{found.kind}, in every map order tried", ours, theirs)


def _compared(ours: Json, theirs: Json) -> Difference | None:
    kind = conformance.difference(ours, theirs)
    return Difference(kind, ours, theirs) if kind else None


def brief(answer: Json) -> str:
    """One line, cut where it is long."""
    if "compile_err" in answer:
        return f"rejected: {answer['compile_err'].splitlines()[0][:300]}"
    what = f"error: {answer['err']}" if "err" in answer else f"{answer.get('val')}"
    return f"{what[:400]}  type={answer.get('type')} cost={answer.get('cost')}"
