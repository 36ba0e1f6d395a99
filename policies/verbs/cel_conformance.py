"""Running conformance files: what an API server's CEL answered, against what ours answers.

A file holds one JSON object a line: `expr`, and `compile_err`, or `err` or `val` (tagged) with `type` and `cost`. The
variables are in `variables.json` beside it. What agrees is `policies.cel.conformance`'s to say.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.verbs.written import json_text
from policies.cel import Environment
from policies.cel.conformance import judge
from policies.cel.functions import Version
from policies.verbs.cel_evaluate import INPUTS

Json = Mapping[str, Any]
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
    text = json_text(json.dumps(answer, ensure_ascii=False))
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

    def disagreements(self, cases: list[Case], variables: Json) -> Iterator[Disagreement | None]:
        """One item for each case, None where both agree."""
        names = dict.fromkeys(INPUTS) | dict(variables)
        return (self._disagreement(case, names) for case in cases)

    def _disagreement(self, case: Case, names: Json) -> Disagreement | None:
        found = judge(case.theirs, names, self._environment)
        return None if found else Disagreement(case, found.differs, found.ours)
