"""The page about the engine: its code runs, its files are there, its figures are those of the tests."""

from __future__ import annotations

import re
from contextlib import chdir
from pathlib import Path

from click.testing import CliRunner

from bailiwick import command
from tests.policies.cel.spec.test_cel_spec import PLAIN

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "cel.md").read_text()


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def test_the_code_runs() -> None:
    """The pieces of Python run one after the other, and what they assert holds."""
    names: dict[str, object] = {"__name__": "page"}
    assert len(blocks("python")) >= 3
    for code in blocks("python"):
        exec(compile(code, "docs/cel.md", "exec"), names)


def test_the_warning_is_the_one_that_is_shown(tmp_path: Path) -> None:
    """The policy on the page gets the warning on the page."""
    (tmp_path / "policy.yaml").write_text(blocks("yaml")[0])
    with chdir(tmp_path):
        done = CliRunner().invoke(command, ["check", "--no-packs", "policy.yaml"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "\n".join(line.rstrip() for line in blocks("text")[0].splitlines()) in done.stdout


def test_every_file_is_there() -> None:
    """What the page names lies in the package or in the tree."""
    named = [name for name in re.findall(r"`([\w/.-]+(?:\.py|\.json|/))`", PAGE) if "<" not in name]
    named += re.findall(r"`(tests/[\w/.-]+)`", PAGE)
    assert len(named) > 20
    missing = [name for name in named if not any((base / name).exists() for base in (ROOT, ROOT / "policies" / "cel"))]
    assert missing == []


def test_the_figures() -> None:
    """The figures about the specification are the ones that its tests find."""
    cases, held = re.findall(r"^(\d+) cases about plain values: (\d+) hold", PLAIN)[0]
    assert f"of {int(cases):,} cases about plain values {int(held):,} hold" in PAGE
