"""`docs/keys.md` lists the ten guarantees, each with tests of its own that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "keys.md").read_text()


@pytest.mark.parametrize("number", range(1, 11))
def test_each_guarantee_names_its_tests(number: int) -> None:
    """One row each, and at least one of its tests carries its number."""
    rows = re.findall(rf"^\| G{number} \|.*\|$", PAGE, re.MULTILINE)
    assert len(rows) == 1
    named = re.findall(r"`(tests/[\w/.-]+\.py)::(\w+)`", rows[0])
    assert any(name.startswith(f"test_g{number}_") for _, name in named)
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_mutations_are_named() -> None:
    """The page says how it is shown that each check is needed."""
    assert PAGE.count("_mutations.py::test_without_the_check_a_test_fails") == 3
