"""`bailiwick audit query` as people use it, on a log that a real webhook wrote."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from audit.reading import read_records
from bailiwick import command
from tests.webhook.decided import Decided


@pytest.fixture
def state(decided: Decided) -> Path:
    """What a webhook decided."""
    return decided.state


def run(state: Path, *arguments: str) -> str:
    shown = CliRunner().invoke(command, ["audit", "query", str(state), *arguments], standalone_mode=False)
    assert shown.exception is None, f"{shown.output}{shown.exception!r}"
    return shown.output


def found(state: Path, *arguments: str, limit: int = 1000) -> list[int]:
    told = json.loads(run(state, "--limit", str(limit), *arguments, "-o", "json"))
    assert told["count"] >= len(told["records"])
    return [row["index"] for row in told["records"]]


def expected(state: Path, **fields: str) -> list[int]:
    records = [r for r in read_records(state / "log") if r.fields["schema"].startswith("bailiwick.decision/")]
    return [r.index for r in records if all(r.fields.get(name) == value for name, value in fields.items())][::-1]


def test_by_fields(state: Path) -> None:
    """Verdict, namespace, region: what fits, the newest first."""
    assert found(state, "--verdict", "denied") == expected(state, verdict="denied") != []
    both = found(state, "--verdict", "denied", "--verdict", "mutated", "--namespace", "clinic")
    assert both == [index for index in expected(state, namespace="clinic") if index in both] != []
    assert found(state, "--region", "elsewhere") == []
    assert found(state, "--policy", "never-heard-of") == []
    assert len(found(state, limit=3)) == 3
    assert "records" in run(state, "--count")


def test_by_user_and_tag(state: Path) -> None:
    """A user is found by name with the keyring, and by tag without; nobody's name is in the answer."""
    everything = expected(state)
    by_name = run(state, "--user", "dr.ada@clinic.example", "--limit", "1000", "-o", "json")
    assert [row["index"] for row in json.loads(by_name)["records"]] == everything
    assert "dr.ada" not in by_name
    tag = json.loads(by_name)["records"][0]["leaf"]["tags"]["user"]
    assert found(state, "--user-tag", tag) == everything


def test_by_model_with_and_without_its_revision(state: Path) -> None:
    """A model is found at any revision, and at one."""
    record = next(r for r in read_records(state / "log") if any("@" in one for one in r.fields.get("models", ())))
    whole = next(one for one in record.fields["models"] if "@" in one)
    bare = whole.rpartition("@")[0]
    assert record.index in found(state, "--model", whole)
    assert set(found(state, "--model", whole)) <= set(found(state, "--model", bare))


def test_by_time_and_id(state: Path) -> None:
    """A time span, a decision by the id of its annotation; what is no time and no id is said to be none."""
    records = [r for r in read_records(state / "log") if r.fields["schema"].startswith("bailiwick.decision/")]
    middle = records[len(records) // 2]
    after = found(state, "--from", middle.fields["time"])
    assert after == [r.index for r in records if r.fields["time"] >= middle.fields["time"]][::-1]
    assert found(state, "--to", middle.fields["time"]) == [r.index for r in records if r.index not in after][::-1]
    assert found(state, "--id", middle.fields["id"]) == [middle.index]
    for arguments in (["--from", "yesterday"], ["--id", "x"]):
        shown = CliRunner().invoke(command, ["audit", "query", str(state), *arguments], standalone_mode=False)
        assert "is no" in str(shown.exception)
        assert getattr(shown.exception, "hint", "")


def test_other_records(state: Path) -> None:
    """Everything that isn't a decision is found by its kind, and shown in a line."""
    for schema in ("policy-load", "config", "inputs", "start", "stop", "genesis"):
        assert schema in run(state, "--schema", schema)
    assert found(state, "--schema", "break-glass") == []


def test_a_damaged_index_is_made_anew(state: Path) -> None:
    """Spoiled files beside the log change no answer."""
    before = found(state, "--verdict", "denied")
    folder = state / "query-index"
    folder.mkdir(exist_ok=True)
    (folder / "00000000000000000000-00000000000000000010.run").write_bytes(b"nothing of ours" * 40)
    assert found(state, "--verdict", "denied") == before
    assert yaml.safe_load(run(state, "--verdict", "denied", "-o", "yaml"))["count"] == len(before)
