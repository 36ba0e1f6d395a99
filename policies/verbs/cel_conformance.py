"""Running conformance files: what an API server's CEL answered, against what ours answers.

A file holds one JSON object a line: `expr`, and `compile_err`, or `err` or `val` (tagged) with `type` and `cost`. The
variables are in `variables.json` beside it. Error texts are not compared; where an API server's answer depends on the
order of a map, every order's answer is right.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from policies.cel import Budget, CompileError, Compiler, CostExceeded, Environment, EvaluationError, Program
from policies.cel.functions import Version
from policies.verbs.cel_tagged import same, tagged

Json = Mapping[str, Any]
_ORDERS = 60  # of maps, tried before a cost counts as different
_SHOWN = 300  # characters of an answer


class FileUnreadable(ValueError):
    """A conformance file can't be used; the message says where and why."""

    hint = "one JSON object a line, with `expr` and `val`, `err` or `compile_err`; variables.json beside the file"


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a file."""

    source: str
    line: int
    theirs: Json

    @property
    def expression(self) -> str:
        return str(self.theirs["expr"])


@dataclass(frozen=True, slots=True)
class Disagreement:
    case: Case
    what: str  # rejection, error, type, value or cost
    ours: Json

    def __str__(self) -> str:
        theirs = {name: held for name, held in self.case.theirs.items() if name != "expr"}
        where = f"{self.case.source}:{self.case.line}: {self.what} differs"
        return f"{where}: {self.case.expression}\n  API server: {_brief(theirs)}\n  ours:       {_brief(self.ours)}"


def _brief(answer: Json) -> str:
    text = json.dumps(answer, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def load_cases(path: Path) -> tuple[list[Case], Json]:
    """The cases of a file and their variables. Raises FileUnreadable."""
    try:
        lines = path.read_text().splitlines()
        variables = json.loads((path.parent / "variables.json").read_text())
    except (OSError, ValueError) as error:
        raise FileUnreadable(f"`{path}`: {error}") from error
    if not isinstance(variables, dict):
        raise FileUnreadable(f"`{path.parent / 'variables.json'}`: not a JSON object")
    return [_case(path, number, line) for number, line in enumerate(lines, 1) if line.strip()], variables


def _case(path: Path, number: int, line: str) -> Case:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise FileUnreadable(f"`{path}`:{number}: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("expr"), str):
        raise FileUnreadable(f"`{path}`:{number}: no `expr`")
    if not {"val", "err", "compile_err"} & found.keys():
        raise FileUnreadable(f"`{path}`:{number}: neither `val`, `err` nor `compile_err`")
    return Case(str(path), number, found)


class Runner:
    """Answers cases in the environment of one Kubernetes version."""

    def __init__(self, version: Version) -> None:
        self._environment = Environment.admission(version)
        self._compiler = Compiler()

    def disagreements(self, cases: list[Case], variables: Json) -> Iterator[Disagreement | None]:
        """One item for each case, None where both agree."""
        return (self._disagreement(case, variables) for case in cases)

    def _disagreement(self, case: Case, variables: Json) -> Disagreement | None:
        try:
            program = self._compiler.compile(case.expression, self._environment)
        except CompileError as error:
            ours: Json = {"compile_err": str(error)}
            refused = "compile_err" in case.theirs or _broke_off(case.theirs)
            return None if refused else Disagreement(case, "rejection", ours)
        ours = answer(program, variables)
        what = difference(ours, case.theirs)
        if what in ("cost", "error", "value") and self._in_another_order(program, case, variables):
            return None
        return Disagreement(case, what, ours) if what else None

    def _in_another_order(self, program: Program, case: Case, variables: Json) -> bool:
        """Whether some order of the maps gives their answer. The same orders in every run."""
        random = Random(case.expression)  # noqa: S311  # nothing secret
        return any(not difference(answer(program, _shuffled(variables, random)), case.theirs) for _ in range(_ORDERS))


def answer(program: Program, variables: Json) -> Json:
    """What a program gives, in the form of a conformance file."""
    names = {"object": None, "oldObject": None, "params": None, "request": None, "namespaceObject": None, **variables}
    budget = Budget()
    made: dict[str, Any] = {"type": str(program.type)}
    try:
        made["val"] = tagged(program.evaluate(names, budget))
    except (EvaluationError, CostExceeded) as error:
        made["err"] = str(error)
    made["cost"] = budget.spent
    return made


def difference(ours: Json, theirs: Json) -> str:
    """What differs first; empty where nothing does."""
    if _broke_off(theirs):
        return "error" if "val" in ours else ""
    if "compile_err" in theirs:
        return "rejection"
    if ("err" in ours) != ("err" in theirs):
        return "error"
    if "type" in theirs and ours["type"] != theirs["type"]:
        return "type"
    if "val" in theirs and not same(ours["val"], theirs["val"]):
        return "value"
    return "cost" if "cost" in theirs and ours["cost"] != theirs["cost"] else ""


def _broke_off(theirs: Json) -> bool:
    """Whether the API server's evaluation crashed: then anything but a value will do."""
    return str(theirs.get("err", "")).startswith("PANIC")


def _shuffled(value: Any, random: Random) -> Any:
    if isinstance(value, Mapping):
        names = list(value)
        random.shuffle(names)
        return {name: _shuffled(value[name], random) for name in names}
    return [_shuffled(item, random) for item in value] if isinstance(value, list) else value
