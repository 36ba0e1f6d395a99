"""Whether an API server's answer and ours agree. Pure: a case is a mapping, the verdict a value.

A case has `expr` and either `compile_err`, or `type`, `cost` and one of `val` (see `tagged`) and `err`. The texts of
errors don't count, nor how far an evaluation got beyond its limit. Where Go's random order of maps decides, an answer
that any order of ours gives is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from policies.cel.budget import PER_EXPRESSION, Budget, Patience
from policies.cel.environment import Environment
from policies.cel.errors import CompileError, CostExceeded, EvaluationError
from policies.cel.program import Compiler, Program
from policies.cel.tagged import same, tagged

Json = Mapping[str, Any]
_EVALUATIONS = 2  # the second goes another way than the first, and both must agree
_ORDERS = 60  # of maps, tried before an answer counts as different
_PATIENCE = Patience(seconds=10.0)  # agreement is asked here, not speed
_CANCELLED = "operation cancelled"
_BROKE_OFF = "PANIC"  # the API server's evaluation broke down: anything but a value agrees
_VARYING = frozenset({"error", "value", "cost"})  # what the order of a map can decide


@dataclass(frozen=True, slots=True)
class Agreement:
    """`differs` says what differs first: rejection, type, error, value or cost; nothing where all agrees."""

    differs: str
    ours: Json

    def __bool__(self) -> bool:
        return not self.differs


def judge(case: Json, variables: Json, environment: Environment) -> Agreement:
    """Our answer to a case, held against the one it records."""
    try:
        program = Compiler().compile(case["expr"], environment)
    except CompileError as error:
        ours: Json = {"compile_err": str(error)}
        return Agreement(difference(ours, case), ours)
    found = [answer(program, variables) for _ in range(_EVALUATIONS)]
    ours = next((one for one in found if difference(one, case)), found[0])
    differs = difference(ours, case)
    if differs in _VARYING:
        random = Random(case["expr"])  # noqa: S311 - the same orders in every run, nothing secret
        for _ in range(_ORDERS):
            other = answer(program, _shuffled(variables, random))
            if not difference(other, case):
                return Agreement("", other)
    return Agreement(differs, ours)


def answer(program: Program, names: Json, patience: Patience = _PATIENCE) -> Json:
    """What a program yields for these names, in the form of a case."""
    budget = Budget(patience=patience)
    made: dict[str, Any] = {"type": str(program.type)}
    try:
        made["val"] = tagged(program.exact(names, budget))
    except (EvaluationError, CostExceeded) as error:
        made["err"] = str(error)
    return made | {"cost": budget.spent}


def difference(ours: Json, theirs: Json) -> str:
    """What differs first, or nothing."""
    if str(theirs.get("err", "")).startswith(_BROKE_OFF):
        return "error" if "val" in ours else ""
    if "compile_err" in ours or "compile_err" in theirs:
        return "" if "compile_err" in ours and "compile_err" in theirs else "rejection"
    if ours["type"] != theirs.get("type", ours["type"]):
        return "type"
    if ("err" in ours) != ("err" in theirs):
        return "error"
    if "val" in theirs and not same(ours["val"], theirs["val"]):
        return "value"
    if str(theirs.get("err", "")).startswith(_CANCELLED):
        return "" if ours["cost"] > PER_EXPRESSION else "cost"
    return "cost" if ours["cost"] != theirs.get("cost", ours["cost"]) else ""


def _shuffled(value: Any, random: Random) -> Any:
    if isinstance(value, Mapping):
        names = list(value)
        random.shuffle(names)
        return {name: _shuffled(value[name], random) for name in names}
    return [_shuffled(item, random) for item in value] if isinstance(value, list) else value
