"""When two answers to one question differ, and whether Go's random map order excuses it.

Compared are: rejected or not, the type, error or not, the value and the cost. The texts of errors are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from policies.cel.budget import PER_EXPRESSION
from tests.policies.cel.oracle.tagging import same

Json = dict[str, Any]
Ask = Callable[[int], list[Json]]  # the peer's answers when asked so many times again

CANCELLED = "operation cancelled"
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
    if found is None or found.kind == "rejected":
        return found
    for tries in TRIES:
        answers = again(tries)
        if any(_compared(ours, answer) is None for answer in answers):
            return None
        if all(_compared(theirs, answer) is None for answer in answers):
            return found  # nothing varies, so no order of a map is behind it
    return Difference(f"{found.kind}, in every map order tried", ours, theirs)


def _compared(ours: Json, theirs: Json) -> Difference | None:
    kind = _kind(ours, theirs)
    return None if kind is None else Difference(kind, ours, theirs)


def _kind(ours: Json, theirs: Json) -> str | None:
    if str(theirs.get("err", "")).startswith(
        "PANIC"
    ):  # the handler of the request crashed: anything but a value will do
        return "errored" if "val" in ours else None
    if ("compile_err" in ours) != ("compile_err" in theirs):
        return "rejected"
    if "compile_err" in ours:
        return None
    if ours["type"] != theirs["type"]:
        return "type"
    if ("err" in ours) != ("err" in theirs):
        return "errored"
    if "val" in ours and not same(ours["val"], theirs["val"]):
        return "value"
    if str(theirs.get("err", "")).startswith(CANCELLED):  # how far it gets beyond the limit is nobody's promise
        return None if ours["cost"] > PER_EXPRESSION else "cost"
    return "cost" if ours["cost"] != theirs["cost"] else None


def brief(answer: Json) -> str:
    """One line, cut where it is long."""
    if "compile_err" in answer:
        return f"rejected: {answer['compile_err'].splitlines()[0][:300]}"
    what = f"error: {answer['err']}" if "err" in answer else f"{answer.get('val')}"
    return f"{what[:400]}  type={answer.get('type')} cost={answer.get('cost')}"
