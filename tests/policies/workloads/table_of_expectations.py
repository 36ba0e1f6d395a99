"""The table of what upstream manifests hold: reads `expectations/*.yaml` and says where a row isn't in its file.

Guarantees that a row that passes `misplaced` names a line of the manifest on which its value, or what the value was
put together from, stands. Nothing of the product is imported: the table is checked against the manifests alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import yaml

EXPECTATIONS: Final = Path(__file__).with_name("expectations")
SAMPLES: Final = Path(__file__).parents[4] / "shared" / "corpora" / "workload-samples"
DIMENSIONS: Final = ("pod", "image", "device", "model", "place", "destination", "identity", "key")
_STATED: Final = ("pod", "image", "device", "model", "place", "identity", "key")
_ROW: Final = re.compile(r"(\d+) (" + "|".join(DIMENSIONS) + r") (\S.*)")
_OBJECT: Final = re.compile(r"(\d+) (\S+) (\S+)(?: ~(\S+))?")
_INDEX: Final = re.compile(r"\[\d+\]$")


@dataclass(frozen=True, slots=True)
class Row:
    """One fact: the line it stands on, its dimension and its value."""

    line: int
    dimension: str
    value: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one object of one file holds, and in which dimensions that is everything."""

    system: str
    file: str
    line: int
    kind: str
    name: str
    stated: frozenset[str]
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.kind}/{self.name}"


def expectations() -> list[Expectation]:
    """Every object of every table, each file that has the same text as another one too."""
    return [each for path in sorted(EXPECTATIONS.glob("*.yaml")) for each in _table(path)]


def misplaced(expectation: Expectation) -> list[str]:
    """What of an expectation doesn't stand where it says."""
    lines = text(expectation.file)
    found = [] if _declares(lines, expectation) else [f"{expectation}: no such object begins there"]
    wrong = [row for row in expectation.rows if not 0 < row.line <= len(lines) or not _stands(row, lines)]
    return found + [f"{expectation.file}:{row.line}: no {row.dimension} `{row.value}`" for row in wrong]


@cache
def text(file: str) -> list[str]:
    """The lines of a manifest."""
    return (SAMPLES / file).read_text(encoding="utf-8").splitlines()


def _table(path: Path) -> Iterator[Expectation]:
    table = yaml.safe_load(path.read_text(encoding="utf-8"))
    stated = frozenset(cast("list[str]", table.get("stated", _STATED)))
    folder = "" if table["folder"] == "." else table["folder"] + "/"
    for file, objects in table["files"].items():
        for copy in (file, *table.get("same", {}).get(file, ())):
            for head, rows in objects.items():
                yield _expectation(table["system"], folder + copy, head, rows, stated)


def _expectation(system: str, file: str, head: str, rows: list[Any], stated: frozenset[str]) -> Expectation:
    match = _OBJECT.fullmatch(head)
    assert match, f"{file}: `{head}`"
    unstated = frozenset((match[4] or "").split(","))
    return Expectation(system, file, int(match[1]), match[2], match[3], stated - unstated, tuple(_rows(file, rows)))


def _rows(file: str, rows: list[Any]) -> Iterator[Row]:
    """The rows in force; a row that was changed has a reason, and says what it was."""
    for each in rows:
        if isinstance(each, dict):
            assert len(each.get("why", "").split()) > 3, f"{file}: `{each}` needs a reason"
            assert each.keys() <= {"row", "was", "why"}, f"{file}: `{each}`"
            if "row" not in each:
                continue
        text = each["row"] if isinstance(each, dict) else each
        match = _ROW.fullmatch(text)
        assert match, f"{file}: `{text}`"
        yield Row(int(match[1]), match[2], match[3])


def _declares(lines: list[str], expectation: Expectation) -> bool:
    near = lines[expectation.line - 1 : expectation.line + 24]
    kind = re.fullmatch(rf"kind: [\"']?{re.escape(expectation.kind)}[\"']?\s*(#.*)?", near[0])
    return kind is not None and any(expectation.name in line for line in near)


def _stands(row: Row, lines: list[str]) -> bool:
    line = lines[row.line - 1]
    if row.dimension == "pod":
        last = row.value.rpartition(".")[2]
        return line.lstrip().startswith("-") if _INDEX.search(last) else line.lstrip("- ").startswith(f"{last}:")
    return all(piece in line for piece in _pieces(row, lines))


def _pieces(row: Row, lines: list[str]) -> list[str]:
    """What of a row's value has to be on its line; the rest is beside it."""
    if row.dimension == "device":
        name, _, count = row.value.removeprefix("claim/").partition("=")
        return [
            name if name in lines[row.line - 1] else name.rpartition("/")[2] if "gpu" in lines[row.line - 1] else count
        ]
    if row.dimension == "place":
        words = row.value.split(" ")
        return words[1].split("=") if words[0] == "nodeSelector" else [words[1]]
    if row.dimension == "image" and row.value not in lines[row.line - 1]:
        return [_middle(row.value, lines[row.line - 1])]
    return [row.value.removeprefix("$(").removesuffix(")") if row.dimension == "model" else row.value]


def _middle(reference: str, line: str) -> str:
    """The part of an image put together that a line holds: its repository or its name with the tag."""
    parts = (reference.rpartition(":")[0], reference.partition("/")[2], reference.rpartition("/")[2].partition(":")[0])
    return next((part for part in parts if part and part in line), reference)
