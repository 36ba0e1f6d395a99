"""The cases of tests/vectors/kinds: objects of our kinds, good and bad, each with the reason why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.manifests import Document, read_documents

VECTORS = Path(__file__).parents[2] / "vectors" / "kinds"


@dataclass(frozen=True, slots=True)
class Case:
    """One object, whether it is good, and the fields at which a bad one has problems."""

    name: str
    reason: str
    good: bool
    value: dict[str, Any]
    at: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.value['kind']}: {self.reason}"


def cases() -> list[Case]:
    """All cases, in the order of their files."""
    return [case for path in sorted(VECTORS.glob("*.yaml")) for case in _cases(path)]


def _cases(path: Path) -> Iterator[Case]:
    (file,) = read_documents(path.read_bytes(), path.name)
    assert isinstance(file, Document), file
    for number, row in enumerate(file.value["cases"]):
        (verdict,) = row.keys() & {"good", "bad", "good_object", "bad_object"}
        said = row[verdict] if verdict.endswith("_object") else {"spec": row[verdict]}
        name = f"{path.stem}-{number}"
        value = {
            "apiVersion": "bailiwick.dev/v1alpha1",
            "kind": file.value["kind"],
            "metadata": {"name": name},
            **said,
        }
        yield Case(name, row["reason"], verdict.startswith("good"), value, tuple(row.get("at", ())))
