"""`python -m tests.policies.cel.library.record [PROGRAM VERSION]`: asks the API server's own CEL anew.

Without arguments, the program of the test bed. PROGRAM is the same one built on other modules: copy its folder, write
`k8s.io/apiserver` and `k8s.io/apimachinery` of that VERSION into go.mod, and the version into `newest` of oracle.go.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.policies.cel.library.rows import ANSWERS, BINDINGS, Json, answers_of, rows
from tests.policies.cel.oracle.peer import Peer


def answers(peer: Peer) -> list[Json]:
    """An answer for each row, in the form of the published conformance files."""
    asked = [{"expr": expression, "bindings": BINDINGS} for _, expression in rows()]
    return [
        {"expr": question["expr"], **{name: value for name, value in answer.items() if name != "id"}}
        for question, answer in zip(asked, peer.ask(asked), strict=True)
    ]


def main(arguments: list[str]) -> None:
    program, target = (Path(arguments[0]), answers_of(arguments[1])) if arguments else (None, ANSWERS)
    with Peer(program) if program else Peer.built() as started:
        target.write_text("".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in answers(started)))


if __name__ == "__main__":
    main(sys.argv[1:])
