"""What an auditor may type: wrong places, ranges and names are refused, and never taken for an answer."""

import json
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit.errors import AuditError
from bailiwick import command
from tests.audit.exporting import KEY
from tests.audit.worlds import filled
from tests.webhook.decided import Decided


def run(*words: object) -> tuple[int, str]:
    """Exit code and everything that is shown; the program's own end makes 2 of a log's errors."""
    shown = CliRunner().invoke(command, ["audit", *map(str, words)])
    code = 2 if isinstance(shown.exception, AuditError) else shown.exit_code
    return code, shown.output + str(shown.exception or "")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A log of eleven records with its key beside it."""
    filled(tmp_path / "log", 8)
    (tmp_path / "log.vkeys").write_text(f"{KEY}\n")
    return tmp_path


VERBS = {
    "verify": [],
    "query": [],
    "export": ["--csv", "-"],
    "replay": [],
    "prove": ["1"],
    "reconcile": ["--kube-audit", "/dev/null"],
    "prune": [],
    "expire": ["--days", "400"],
    "hold": ["case-7", "--basis", "b"],
    "serve": ["--port", "0"],
    "erase": ["--namespace", "x", "--basis", "b", "--request", "r.json"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_without_a_log(verb: str, tmp_path: Path) -> None:
    """Each command says that there is no log, and leaves nothing behind."""
    code, said = run(verb, tmp_path, *VERBS[verb])
    assert (code, f"no log in `{tmp_path}`" in said) == (2, True), said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["verify", "--key", ""], "--key is empty"),
        (["verify", "--from", "5", "--to", "5"], "holds no record"),
        (["verify", "--shard", "4"], "there is no shard 4"),
        (["prove", "3", "--shard", "4"], "there is no shard 4"),
        (["prove", "3", "--shard", "-1"], "Invalid value for '--shard'"),
        (["prove", "3", "--to", "/nonexistent/x"], "no folder `/nonexistent`"),
        (["query", "--from", "2027-01-01", "--to", "2026-01-01"], "the end comes first"),
        (["query", "--from", "2027-01-01T00:00:00+02:00", "--to", "2026-12-31T22:00:00Z"], "the end comes first"),
        (["query", "--from", "yesterday"], "is no time for --from"),
        (["query", "--verdict", "refused"], "Invalid value for '--verdict'"),
        (["export", "--csv", "a", "--since", "2027-01-01", "--until", "2026-01-01"], "the end comes first"),
        (["export", "--csv", "a", "--ndjson", "./a"], "two exports can't go to"),
        (["export", "--csv", "."], "`.` is a folder"),
        (["export", "--csv", "a", "--tenant", "clinic"], "is no tenant's tag"),
        (["replay", "--from", "5", "--to", "3"], "holds no record"),
        (["replay", "--shard", "4"], "there is no shard 4"),
        (["hold", "case-7", "--basis", "b", "--namespace", "a", "--records", "1-2"], "a hold has one scope"),
        (["hold", "case-7", "--basis", "b", "--records", "5-3"], "holds nothing"),
        (["hold", "", "--basis", "b"], "is no name for a hold"),
        (["hold", "\x1b[31m", "--basis", "b"], "is no name for a hold"),
        (["hold", "case-8", "--lift", "--basis", "b"], "no hold `case-8` stands"),
        (["serve", "--port", "99999"], "Invalid value for '--port'"),
        (["serve", "--port", "0", "--certificate", "log.vkeys"], "the certificate `log.vkeys` can't be used"),
        (["serve", "--port", "0", "--key", "log.vkeys"], "has no certificate with it"),
        (["reconcile", "--kube-audit", "/dev/null", "--skew", "-1"], "Invalid value for '--skew'"),
        (["reconcile", "--kube-audit", "/dev/null", "--skew", "nan"], "--skew takes a number"),
    ],
    ids=lambda one: " ".join(one)[:50] if isinstance(one, list) else "",
)
def test_what_cannot_be_meant(words: list[str], told: str, state: Path) -> None:
    """A question that nothing can answer is refused with the reason, and nothing is written."""
    before = sorted(state.rglob("*"))
    with chdir(state):
        code, said = run(words[0], state, *words[1:])
    assert (code, told in said) == (2, True), said
    assert "\x1b" not in said
    assert sorted(state.rglob("*")) == before


def test_an_empty_key_file_is_no_key(state: Path) -> None:
    """A file of keys that holds none doesn't mean the keys beside the log."""
    (state / "none").write_text("\n")
    code, said = run("verify", state, "--key", state / "none")
    assert (code, "--key is empty" in said) == (2, True)


def test_a_range_that_the_log_ends_before(state: Path) -> None:
    """What isn't there is said by its number; what ends early is noted."""
    code, said = run("verify", state, "--from", 9999)
    assert code == 1
    assert "broken: 1 problem in 0 records" in said
    assert "there is no record 9999: the log ends before" in said
    code, said = run("verify", state, "--from", 1, "--to", 500)
    assert (code, "ends with record 10: the log has no more" in said) == (0, True)


def test_nothing_found_is_said(state: Path) -> None:
    """An export of nothing, and a replay of nothing, say so beside their sums; lower case is no other operation."""
    code, said = run("export", state, "--csv", state / "a.csv", "--namespace", "nosuch")
    assert (code, "nothing in the log is of this selection" in said) == (0, True)
    code, said = run("query", state, "--schema", "nonsense")
    assert (code, "this release knows no records `nonsense`" in said) == (0, True)
    assert run("query", state, "--operation", "create")[1].startswith("8 records")
    assert run("query", state, "--namespace", "team-0", "--limit", 0)[1].startswith("3 records")


def test_a_replay_of_nothing_says_so(decided: Decided) -> None:
    """Whoever asks for records that are no decisions is told that nothing was decided again."""
    code, said = run("replay", decided.state, "--from", 100_000)
    assert (code, "no decision of this log was asked for" in said) == (0, True)


def test_a_hold_is_lifted_by_its_name(decided: Decided, tmp_path: Path) -> None:
    """A hold that stands is lifted once; then it doesn't stand any more."""
    state = decided.copy(tmp_path / "state").state
    assert run("hold", state, "case-7", "--basis", "b", "--records", "3-5")[0] == 0
    assert run("hold", state, "case-7", "--basis", "b", "--lift")[0] == 0
    code, said = run("hold", state, "case-7", "--basis", "b", "--lift")
    assert (code, "no hold `case-7` stands" in said) == (2, True)


def test_lines_of_the_api_servers_log_that_are_no_events(state: Path) -> None:
    """Each is said with what it lacks."""
    (state / "kube").write_text('{"kind":"Event"}\n[]\nnull\n')
    code, said = run("reconcile", state, "--kube-audit", state / "kube", "-o", "json")
    messages = [one["message"] for one in json.loads(said.removesuffix("1"))["differences"]]
    assert code == 1
    assert any("line 1 of the API server's log is no audit event: it has no `stage`" in one for one in messages)
    assert sum("it is no JSON object" in one for one in messages) >= 1


def test_a_witness_without_a_name_that_policies_can_have(state: Path) -> None:
    """A name with a space is refused before a key is made for it."""
    code, said = run("witness", "--name", "x y", "--log", state / "log.vkeys", "--state", state / "w")
    assert (code, "--name: `x y` is no key name" in said) == (2, True), said
    assert not (state / "w").exists()
