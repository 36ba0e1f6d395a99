"""The expressions of `expressions.yaml`, what they are evaluated over, and what an API server's CEL answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

HERE = Path(__file__).parent
ANSWERS = HERE / "answers.jsonl"  # of the test bed's version, 1.36
EXPRESSIONS: dict[str, list[str]] = yaml.safe_load((HERE / "expressions.yaml").read_text())
BINDINGS: Json = {
    "object": {
        "spec": {"replicas": 3, "containers": [{"name": "b"}, {"name": "a"}]},
        "flag": "true",
        "text": "certainly not",
        "pattern": "(",
    },
    "oldObject": None,
    "params": None,
    "request": {
        "operation": "CREATE",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "userInfo": {"username": "alice", "groups": ["a"]},
    },
    "namespaceObject": None,
}


def rows() -> list[tuple[str, str]]:
    """Library and expression."""
    return [(library, expression) for library, several in EXPRESSIONS.items() for expression in map(str, several)]


def answers_of(version: str) -> Path:
    """Where the answers of another version lie."""
    return HERE / f"answers-{version}.jsonl"


def recorded(path: Path = ANSWERS) -> list[Json]:
    """The recorded answers, in the order of the rows."""
    return [json.loads(line) for line in path.read_text().splitlines()]
