"""Objects that differ from good ones at one place: most are bad, some are still good, and nobody thought of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.policies.kinds.vectors import Case, cases

JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    7,
    1.5,
    2**40,
    "",
    " ",
    "\n",
    "a",
    "A",
    "*",
    "a b",
    "a.b",
    "-a",
    "DE",
    "EU",
    "é",
    "\u00a0",
    "\u2028",
    "x" * 64,
    "x" * 600,
    "2027-02-30",
    "2027-06-30",
    "2027-06-30T24:00:00Z",
    "2027-06-30T23:59:60Z",
    "2027-06-30t10:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+01:00",
    "1700-01-01",
    [],
    [None],
    ["a"],
    ["a", "a"],
    [["a"]],
    [{}],
    {},
    {"a": "b"},
    {"name": "a"},
)


def mutants(number: int, seed: int) -> Iterator[Case]:
    """So many objects, the same for the same seed. Whether they are good is not said."""
    random = Random(seed)
    good = [case for case in cases() if case.good]
    for turn in range(number):
        case = random.choice(good)
        value = copy.deepcopy(case.value)
        value["metadata"]["name"] = f"mutant-{turn}"
        reason = "; ".join(_mutate(value, random) for _ in range(random.choice((1, 1, 1, 2))))
        yield Case(value["metadata"]["name"], f"{case.reason}, {reason}", False, value, ())


def _mutate(value: dict[str, Any], random: Random) -> str:
    path, inside = random.choice(list(_places(value["spec"], ("spec",))))
    where = ".".join(map(str, path))
    if isinstance(inside, dict):
        return f"{where}: {_mutate_mapping(inside, random)}"
    return f"{where}: {_mutate_list(inside, random)}"


def _mutate_mapping(inside: dict[str, Any], random: Random) -> str:
    key = random.choice([*inside, "unknown"])
    if key in inside and random.random() < 0.3:
        del inside[key]
        return f"without {key}"
    inside[key] = copy.deepcopy(random.choice(JUNK))
    return f"{key} = {inside[key]!r:.40}"


def _mutate_list(inside: list[Any], random: Random) -> str:
    index = random.randrange(len(inside) + 1)
    if inside and random.random() < 0.3:
        inside.insert(index, copy.deepcopy(random.choice(inside)))
        return f"item {index} doubled"
    if index < len(inside) and random.random() < 0.3:
        del inside[index]
        return f"without item {index}"
    inside[index : index + 1] = [copy.deepcopy(random.choice(JUNK))]
    return f"item {index} = {inside[index]!r:.40}"


def _places(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if not isinstance(value, dict | list):
        return
    yield path, value
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _places(inner, (*path, key))
