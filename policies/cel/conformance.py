"""Whether a recorded answer of an API server and ours agree. Pure: a case is a mapping, the verdict a value.

A case has `expr` and either `compile_err`, or `type`, `cost` and one of `val` (tagged) and `err`. The texts of errors
don't count, nor how far an evaluation got beyond its limit. Where Go's random order of maps decides, an answer that any
order of ours gives is right.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from random import Random
from typing import Any

from policies.cel.budget import Budget, Patience
from policies.cel.environment import Environment
from policies.cel.errors import CompileError, CostExceeded, EvaluationError
from policies.cel.maps import pairs
from policies.cel.program import Compiler, Program
from policies.cel.types import CelType
from policies.cel.values import Duration, Optional, Timestamp, UInt, Value

Json = Mapping[str, Any]
_EVALUATIONS = 2  # the second goes another way than the first, and both must agree
_ORDERS = 60  # of maps, tried before an answer counts as different
_PATIENCE = Patience(seconds=10.0)  # agreement is asked here, not speed
_CANCELLED = "operation cancelled"
_BROKE_OFF = "PANIC"  # the API server's evaluation broke down: anything but a value agrees


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
        refused = "compile_err" in case or _broke_off(case)
        return Agreement("" if refused else "rejection", {"compile_err": error.message})
    found = [answer(program, variables) for _ in range(_EVALUATIONS)]
    ours = next((one for one in found if difference(one, case)), found[0])
    differs = difference(ours, case)
    if differs in ("error", "value", "cost"):
        random = Random(case["expr"])  # noqa: S311 - the same orders in every run, nothing secret
        for _ in range(_ORDERS):
            other = answer(program, _shuffled(variables, random))
            if not difference(other, case):
                return Agreement("", other)
    return Agreement(differs, ours)


def answer(program: Program, variables: Json) -> Json:
    """What a program yields for these variables, in the form of a case."""
    budget = Budget(patience=_PATIENCE)
    made: dict[str, Any] = {"type": str(program.type)}
    try:
        made["val"] = tagged(program.exact(variables, budget))
    except (EvaluationError, CostExceeded) as error:
        made["err"] = str(error)
    return made | {"cost": budget.spent}


def difference(ours: Json, theirs: Json) -> str:
    """What differs first, or nothing."""
    if _broke_off(theirs):
        return "error" if "val" in ours else ""
    if "compile_err" in theirs:
        return "rejection"
    if ours["type"] != theirs.get("type", ours["type"]):
        return "type"
    if ("err" in ours) != ("err" in theirs):
        return "error"
    if "val" in theirs and _comparable(ours["val"]) != _comparable(theirs["val"]):
        return "value"
    if all(str(answer.get("err", "")).startswith(_CANCELLED) for answer in (ours, theirs)):
        return ""
    return "cost" if ours["cost"] != theirs.get("cost", ours["cost"]) else ""


def _broke_off(case: Json) -> bool:
    return str(case.get("err", "")).startswith(_BROKE_OFF)


def _shuffled(value: Any, random: Random) -> Any:
    if isinstance(value, Mapping):
        names = list(value)
        random.shuffle(names)
        return {name: _shuffled(value[name], random) for name in names}
    return [_shuffled(item, random) for item in value] if isinstance(value, list) else value


def tagged(value: Value) -> Json:
    """A value in the form of a case: `{"t": type, "v": value}`, so that 1, 1u and 1.0 are three."""
    match value:
        case None:
            return {"t": "null"}
        case bool() | str():
            return {"t": "bool" if isinstance(value, bool) else "string", "v": value}
        case Timestamp():
            return {"t": "timestamp", "v": "{}.{:09d}".format(*divmod(int(value), 10**9))}
        case UInt() | Duration() | int():
            names = {UInt: "uint", Duration: "duration"}
            return {"t": names.get(type(value), "int"), "v": str(int(value))}
        case float():
            return {"t": "double", "v": "nan" if isnan(value) else repr(value)}
        case bytes():
            return {"t": "bytes", "v": base64.b64encode(value).decode()}
    return _tagged_compound(value)


def _tagged_compound(value: Value) -> Json:
    match value:
        case list():
            return {"t": "list", "v": [tagged(item) for item in value]}
        case Mapping():
            return {"t": "map", "v": [[tagged(key), tagged(item)] for key, item in pairs(value)]}
        case Optional():
            return {"t": "optional", "v": tagged(value.value)} if value.present else {"t": "optional"}
        case CelType():
            return {"t": "type", "v": value.name}
    return {"t": "other", "v": f"{value.cel_type.name}:{value}"}


def _comparable(form: Json) -> object:
    """Doubles by value, maps in no order."""
    kind, value = form["t"], form.get("v")
    match kind:
        case "double":
            return kind, "nan" if value == "nan" else float(value or 0)
        case "list":
            return kind, [_comparable(item) for item in value or ()]
        case "map":
            return kind, sorted((repr(_comparable(key)), repr(_comparable(item))) for key, item in value or ())
        case "optional" if value is not None:
            return kind, _comparable(value)
    return kind, value
