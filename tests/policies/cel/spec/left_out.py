"""Prints the cases of the CEL specification's tests that an API server can't hold, with the reason for each.

python -m tests.policies.cel.spec.left_out ../shared/corpora/cel-spec
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from policies.cel import CompileError, Compiler, CostExceeded, Environment, EvaluationError, Program
from policies.cel.conformance import difference
from policies.cel.tagged import tagged
from tests.policies.cel.spec.cases import Case, Unsupported, read
from tests.policies.cel.spec.unchecked import unchecked

# Where an API server accepts a case and answers something else than the specification asks for.
_ANSWERS_OTHERWISE = (
    (r"\.format\(\[?(.*NaN|.*Infinity|dyn|.*\[|.*\{|[0-9.]+\])", "its `format` is that of an older strings extension"),
    (
        r"(?i)indexof\('a', 30\)",
        "its `indexOf` finds nothing beyond the end, where the specification asks for an error",
    ),
    (r"::ffff:", "it refuses IPv4-mapped addresses"),
    (r"true:.*true:", "of two entries with one key, it takes the later"),
    (r"getMilliseconds\(\)$", "a duration's milliseconds are all of it, not the last three digits"),
    (r"^\{3\.3:", "where nothing is checked, a key may be of any type"),
    (r"exists\(y, \.?y", "a dotted name shines through a loop's variable, up to 1.36"),
    (r"\?.*\.hasValue\(\)$", "what is optionally selected from something without fields is absent, not an error"),
)
_NO_CONTAINER = "resolves names in a container, which the API server doesn't have"


def compiled(case: Case, version: tuple[int, int] = (1, 36)) -> Program:
    """The case's program, in the environment of an API server and with the case's own variables.

    Raises Unsupported or CompileError.
    """
    environment = Environment.admission(version).extend(variables=case.variables())
    case.names()
    case.wanted()
    if case.container and case.container in str(case.message.get("type_env", "")):
        raise Unsupported(_NO_CONTAINER)
    return unchecked(case.expr, environment) if case.unchecked else Compiler().compile(case.expr, environment)


def reason(case: Case) -> str:
    """Why the case is left out, or nothing where it isn't."""
    if not case.of_values():
        return "is about types alone or about unknowns"
    try:
        compiled(case)
    except Unsupported as error:
        return str(error)
    except CompileError as error:
        return "" if case.fails else f"is refused: {error.message}"
    return ""


def outcome(case: Case, version: tuple[int, int] = (1, 36)) -> str:
    """What is wrong with our answer, or nothing."""
    try:
        found = compiled(case, version).exact(case.names())
    except (CompileError, EvaluationError, CostExceeded) as error:
        return "" if case.fails else f"failed: {error}"
    if case.fails:
        return f"should fail, is {found!r}"
    ours, wanted = ({"type": "", "cost": 0, "val": tagged(value)} for value in (found, case.wanted()))
    return f"is {found!r}, not {case.wanted()!r}" if difference(ours, wanted) else ""


def otherwise(case: Case) -> str:
    """Why an API server's own answer isn't the one that the case asks for, or nothing."""
    return next((why for pattern, why in _ANSWERS_OTHERWISE if re.search(pattern, case.expr)), "")


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a case: `left_out` has the reason, empty where the answer is the one that the case asks for."""

    case: Case
    left_out: str
    refused: bool  # an error is asked for, and the expression is refused already


def judged(folder: Path) -> Iterator[Judged]:
    """Every case, as an API server of 1.36 answers it."""
    for case in read(folder):
        why = reason(case)
        if why:
            yield Judged(case, why, refused=False)
        elif wrong := outcome(case):
            yield Judged(case, otherwise(case) or f"unexplained: {wrong}", refused=False)
        else:
            yield Judged(case, "", case.fails and not _compiles(case))


def _compiles(case: Case) -> bool:
    try:
        compiled(case)
    except CompileError:
        return False
    return True


def main(folder: str) -> None:
    found = list(judged(Path(folder)))
    for one in found:
        if one.left_out:
            print(f"{one.case.name}: {one.left_out}")
    print(summary("cases", found))
    print(summary("cases about plain values", [one for one in found if one.case.of_plain_values()]))


def summary(what: str, several: Sequence[Judged]) -> str:
    """The figures of one line."""
    held = [one for one in several if not one.left_out]
    refused = sum(one.refused for one in held)
    return (
        f"{len(several)} {what}: {len(held)} hold ({len(held) - refused} evaluated, {refused} refused), "
        f"{len(several) - len(held)} left out"
    )


if __name__ == "__main__":
    main(sys.argv[1])
