"""`python -m tests.policies.cel.library.record`: asks the API server's own CEL anew."""

from __future__ import annotations

import json

from tests.policies.cel.library.rows import ANSWERS, BINDINGS, Json, rows
from tests.policies.cel.oracle.peer import Peer


def answers(peer: Peer) -> list[Json]:
    """An answer for each row, in the form of the published conformance files."""
    asked = [{"expr": expression, "bindings": BINDINGS} for _, expression in rows()]
    return [
        {"expr": question["expr"], **{name: value for name, value in answer.items() if name != "id"}}
        for question, answer in zip(asked, peer.ask(asked), strict=True)
    ]


if __name__ == "__main__":
    with Peer.built() as started:
        ANSWERS.write_text("".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in answers(started)))
