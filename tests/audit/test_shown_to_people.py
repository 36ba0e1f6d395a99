"""What commands show to people of a log whose names somebody chose: nothing in it steers, hides or turns a terminal."""

import base64
import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from audit.exports.text import INVISIBLE
from bailiwick import command
from tests.audit.plain_reader import checkpoint_text, leaf_digest, note_of, read_log, root_of, write_log
from tests.audit.worlds import ORIGIN, NoteKey, filled

KEY = NoteKey()
EVIL = "x\x1b[2J\x9b31m\x9d0;t\x9c\u202e\u2066\u200b\ufeff\u2028\x85\U000e0041y"  # clears, colours, turns, hides


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A log with one record in which every name is hostile, written by whoever holds its key."""
    filled(tmp_path / "real", 5)
    _, leaves = read_log(tmp_path / "real", {ORIGIN: [KEY.public_key]}, ORIGIN)
    fields: dict[str, Any] = json.loads(leaves[2])
    names = dict.fromkeys(("namespace", "id", "uid", "data_class", "jurisdiction"), EVIL)
    more = {
        "gvk": f"apps/v1/{EVIL}",
        "verdict": "denied",
        "reasons": [{"code": EVIL, "policy": EVIL}],
        "models": [EVIL],
    }
    written = {"boot": EVIL, "by": EVIL, "seq": 1}
    fields |= names | more | {"written": written}
    del fields["tags"]
    event = {"schema": "bailiwick.config/v1", "what": EVIL, "written": written | {"seq": 2}}
    event |= {name: fields[name] for name in ("time", "cluster", "region")}
    write_log(tmp_path / "state" / "log", [*leaves, _canonical(fields), _canonical(event)], ORIGIN, KEY.seed)
    (tmp_path / "state" / "log.vkeys").write_text(f"{KEY.verifier()}\n")
    return tmp_path / "state"


def _canonical(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _shows(*words: object) -> str:
    """What a command shows; no more than lines of visible text."""
    done = CliRunner().invoke(command, ["audit", *map(str, words)], standalone_mode=False)
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert INVISIBLE.findall(done.output.replace("\n", "")) == [], done.output.encode()
    return done.output


def test_queries_and_reports_show_names_as_text(state: Path, tmp_path: Path) -> None:
    """Namespaces, kinds, codes and writers' names are shown with what is invisible in them written out."""
    assert "x\\u{1b}[2J\\u{9b}31m" in _shows("query", state, "--verdict", "denied")
    assert "x\\u{1b}[2J\\u{9b}31m" in _shows("query", state, "--schema", "config")
    assert "x\\u{1b}[2J\\u{9b}31m" in _shows("verify", state)
    proof = tmp_path / "record.tlog-proof"
    _shows("prove", state, 8, "--to", proof)
    assert "lies under the checkpoint" in _shows("verify-proof", proof, "--key", state / "log.vkeys")


def test_so_do_problems(state: Path) -> None:
    """A checkpoint that names another log, or a signer of such a name, is told of in visible text."""
    directory = state / "log"
    _, leaves = read_log(directory, {ORIGIN: [KEY.public_key]}, ORIGIN)
    root = root_of([leaf_digest(leaf) for leaf in leaves])
    name = EVIL.replace("\x1b[2J", "")  # a note holds no ASCII controls
    for text, signer in (
        (checkpoint_text(name, len(leaves), root), ORIGIN),
        (checkpoint_text(ORIGIN, 9, root), "a\u202eb"),
    ):
        (directory / "checkpoint").write_bytes(note_of(text, (signer, KEY.seed)))
        assert "problem: checkpoint" in _shows("verify", state)
    asked = state / "asked.tlog-proof"
    asked.write_bytes(
        b"c2sp.org/tlog-proof@v1\nextra " + base64.b64encode(EVIL.encode()) + b"\nindex 0\n\n" + b"\x9b31m\n"
    )
    assert "broken" in _shows("verify-proof", asked, "--key", state / "log.vkeys")


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_what_programs_read_is_harmless_too(state: Path, tmp_path: Path, output: str) -> None:
    """Queries, verifications and proofs for programs hold the hostile names, as escapes."""
    asked = ("query", state, "--schema", "config", "-o", output)
    found = (json.loads if output == "json" else yaml.safe_load)(_shows(*asked))
    assert found["records"][0]["leaf"]["what"] == EVIL
    _shows("verify", state, "-o", output)
    proof = tmp_path / "record.tlog-proof"
    _shows("prove", state, 8, "--to", proof)
    _shows("verify-proof", proof, "--key", state / "log.vkeys", "-o", output)
    _shows("export", state, "--csv", tmp_path / "a\u202eb.csv", "-o", output)


def test_lines_of_records_are_harmless_on_a_terminal_alone(state: Path) -> None:
    """NDJSON has the leaf's own bytes in a pipe and in a file; on a terminal they are shown with escapes."""
    asked = [sys.executable, "-m", "bailiwick", "audit", "export", str(state), "--ndjson", "-", "--unverified"]
    piped = subprocess.run(asked, capture_output=True, check=True).stdout
    assert EVIL.replace("\x1b", "\\u001b").encode() in piped
    ours, theirs = pty.openpty()
    with subprocess.Popen(asked, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
            while more := terminal.read(65536):
                shown += more
    assert process.returncode == 0
    text = shown.decode().replace("\r\n", "\n")
    assert INVISIBLE.findall(text.replace("\n", "")) == []
    assert [json.loads(line) for line in text.splitlines()] == [json.loads(line) for line in piped.split(b"\n")[:-1]]
