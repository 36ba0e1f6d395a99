"""The demo, run as a stranger runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The demo's output and its state directory."""
    state = tmp_path_factory.mktemp("demo") / "state"
    command = [sys.executable, "-m", "bailiwick", "demo", "--state", str(state)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False), state


def test_it_admits_corrects_and_refuses_and_checks_the_record(shown):
    """All three verdicts are there, the log holds, and the tampered copy is found."""
    run, state = shown
    assert run.returncode == 0, run.stderr
    assert {"answer   admitted", "answer   admitted, corrected", "answer   refused"} <= set(run.stdout.splitlines())
    assert re.search(r"^holds: \d+ records, 0 of them not yet", run.stdout, re.MULTILINE)
    assert re.search(r"^broken: \d+ problems", run.stdout, re.MULTILINE)
    assert (state / "report.html").stat().st_size > 10_000


def test_the_readme_shows_what_it_prints(shown):
    """Every line of the README's excerpt is a line of the demo's real output."""
    excerpt = re.search(
        r"<!-- demo:begin -->\n```\n(.*?)```\n<!-- demo:end -->", (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert excerpt is not None
    printed = {_steady(line) for line in shown[0].stdout.splitlines()}
    told = [line for line in excerpt[1].splitlines() if line.strip() not in ("", "...")]
    assert len(told) > 20
    assert [line for line in told if _steady(line) not in printed] == []


def _steady(line: str) -> str:
    """A line without what differs from run to run: offsets and counts."""
    return re.sub(r"\d+", "0", line.strip())


def test_its_log_is_verified_and_exported_by_the_command(shown, tmp_path):
    """`audit verify` holds on the demo's state, `audit export` writes the report, in every format of the answer."""
    _, state = shown

    def bailiwick(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bailiwick", "audit", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    for output in ("table", "json", "yaml"):
        verified = bailiwick("verify", str(state), "-o", output)
        assert verified.returncode == 0, verified.stderr
    page = tmp_path / "report.html"
    exported = bailiwick("export", str(state), "--html", str(page))
    assert exported.returncode == 0, exported.stderr
    assert "Content-Security-Policy" in page.read_text()
    other = (state / "log.vkeys").read_text().strip().replace("audit.", "other.", 1)
    assert bailiwick("verify", str(state), "--key", other).returncode == 2


def test_it_empties_no_folder_of_somebody_elses(tmp_path):
    """A folder that holds anything and was no demo's is left alone, with exit code 2."""
    (tmp_path / "precious").write_text("x")
    command = [sys.executable, "-m", "bailiwick", "demo", "--state", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert (tmp_path / "precious").exists()
