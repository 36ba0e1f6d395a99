"""Prints the cases of the CEL specification's tests that an API server can't hold, with the reason for each.

python -m tests.policies.cel.spec.left_out ../shared/corpora/cel-spec
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from policies.cel import CompileError, Compiler, Environment, Program
from tests.policies.cel.spec.cases import Case, Unsupported, read

# Where an API server accepts a case and answers something else than the specification asks for.
_ANSWERS_OTHERWISE = (
    (r"\.format\(\[?(.*NaN|.*Infinity|dyn|.*\[|.*\{|[0-9.]+\])", "its `format` is that of an older strings extension"),
    (
        r"(?i)indexof\('a', 30\)",
        "its `indexOf` finds nothing beyond the end, where the specification asks for an error",
    ),
    (r"::ffff:", "it refuses IPv4-mapped addresses"),
    (r"true:.*true:", "of two entries with one key, it takes the later"),
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
    return Compiler().compile(case.expr, environment)


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


def otherwise(case: Case) -> str:
    """Why an API server's own answer isn't the one that the case asks for, or nothing."""
    return next((why for pattern, why in _ANSWERS_OTHERWISE if re.search(pattern, case.expr)), "")


def main(folder: str) -> None:
    cases = list(read(Path(folder)))
    reasons = [(case.name, why) for case in cases if (why := reason(case))]
    for name, why in reasons:
        print(f"{name}: {why}")
    print(f"{len(reasons)} of {len(cases)} cases left out, {len(cases) - len(reasons)} hold")


if __name__ == "__main__":
    main(sys.argv[1])
