"""Strangers' software: Tessera's checker verifies our logs, and we read, verify and witness what it writes."""

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from audit.checks.verify import verify_log
from audit.mirror import Mirror
from audit.published import PublishedFiles, whole_tile
from audit.reading import prove
from audit.tlog import Checkpoint, Policy, VerifierKey, leaf_hash, parse_bundle, parse_note
from audit.tlog.notes import ed25519_key_id
from audit.web.reading import reading_app
from audit.web.running import served
from audit.web.witness import witness_app
from audit.witness.rules import Witness
from audit.witness.states import FileStates
from tests.audit.backends import Tables
from tests.audit.test_policy import vkey, witness
from tests.audit.worlds import NoteKey, decision, filled
from tests.cluster.bed import build

THEIRS = NoteKey(name="stranger.example/log", seed=b"\x21" * 32)


@pytest.fixture(scope="module")
def tessera() -> Path:
    """Where Tessera's programs lie, built once."""
    if shutil.which("go") is None and not os.environ.get("CI"):
        pytest.skip("there is no `go` command to build Tessera's programs with")
    return build.build("tessera")


def checked(tessera: Path, url: str, key: VerifierKey, folder: Path) -> str:
    """What Tessera's checker says of the log at this address; empty when all of it holds."""
    (folder / "key").write_text(str(key))
    command = [str(tessera / "fsck"), "--storage_url", url, "--public_key", str(folder / "key")]
    command += ["--ui=false", "--N=2", "-v=1", "-logtostderr"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "Completed ranges" in done.stderr
    return "\n".join(line for line in done.stderr.splitlines() if "fsck failed" in line)


@pytest.mark.parametrize("count", [1, 254, 700])
def test_their_checker_verifies_our_log(tessera: Path, tmp_path: Path, count: int) -> None:
    """Served by our read-only server, a log of ours is verified from its checkpoint to its last record."""
    filled(tmp_path / "log", count)
    with served(reading_app(PublishedFiles(tmp_path / "log"))) as port:
        assert checked(tessera, f"http://127.0.0.1:{port}/", NoteKey().verifier(), tmp_path) == ""


def test_their_checker_verifies_a_shared_log(tessera: Path, tables: Tables, tmp_path: Path) -> None:
    """So is one in PostgreSQL."""
    log = tables.open()
    for number in range(600):
        log.append_now(decision(number))
    log.close_now()
    shown = tables.published()
    with served(reading_app(shown)) as port:
        assert checked(tessera, f"http://127.0.0.1:{port}/", NoteKey().verifier(), tmp_path) == ""
    shown.close()


def test_their_checker_finds_what_was_changed(tessera: Path, tmp_path: Path) -> None:
    """A record of ours that was changed in its published bundle is found by theirs too."""
    filled(tmp_path / "log", 300)
    bundle = tmp_path / "log" / "tile" / "entries" / "000"
    bundle.write_bytes(bundle.read_bytes().replace(b"denied", b"Denied", 1))
    with served(reading_app(PublishedFiles(tmp_path / "log"))) as port:
        assert "fsck failed" in checked(tessera, f"http://127.0.0.1:{port}/", NoteKey().verifier(), tmp_path)


def write_theirs(tessera: Path, folder: Path, first: int, count: int, *more: str) -> None:
    """Append entries to a log that Tessera's POSIX driver keeps, in a process of its own."""
    entries = folder / f"entries-{first}"
    entries.mkdir(parents=True)
    for number in range(first, first + count):
        (entries / f"{number:06d}").write_bytes(b"entry %d\n" % number)
    material = base64.b64encode(b"\x01" + THEIRS.seed).decode()
    key_id = ed25519_key_id(THEIRS.name, THEIRS.public_key).hex()
    (folder / "private").write_text(f"PRIVATE+KEY+{THEIRS.name}+{key_id}+{material}")
    command = [str(tessera / "posix-oneshot"), "--storage_dir", str(folder / "log")]
    command += ["--private_key", str(folder / "private"), "--entries", f"{entries}/*", *more]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def test_we_verify_their_log(tessera: Path, tmp_path: Path) -> None:
    """A log that Tessera wrote in three goes is mirrored, verified and proved from; a change in it is found."""
    for first, count in ((0, 1), (1, 299), (300, 420)):
        write_theirs(tessera, tmp_path, first, count)
        copy = Mirror(PublishedFiles(tmp_path / "log"), tmp_path / "copy", [THEIRS.verifier()])
        copy.open()
        assert copy.round().size == first + count
        copy.close()
    for directory in (tmp_path / "log", tmp_path / "copy"):
        report = verify_log(directory, [THEIRS.verifier()], foreign=True)
        assert [str(problem) for problem in report.problems] == []
        assert report.records == 720
        proof = prove(directory, 517)
        assert proof.verify(leaf_hash(_entry(directory, 517)), [THEIRS.verifier()], THEIRS.name).size == 720
    bundle = tmp_path / "copy" / "tile" / "entries" / "001"
    bundle.write_bytes(bundle.read_bytes().replace(b"entry 300", b"entry 309"))
    assert not verify_log(tmp_path / "copy", [THEIRS.verifier()], foreign=True).ok


def _entry(directory: Path, index: int) -> bytes:
    size = Checkpoint.parse(parse_note((directory / "checkpoint").read_bytes()).text).size
    width = min(256, size - index // 256 * 256)
    return parse_bundle(whole_tile(PublishedFiles(directory), "entries", index // 256, width), width)[index % 256]


def test_our_witness_cosigns_their_log(tessera: Path, tmp_path: Path) -> None:
    """Tessera, asked to publish nothing without our witness, gets its cosignatures, and our policy takes the result."""
    states = FileStates.open(tmp_path / "witness")
    rules = Witness({THEIRS.name: [THEIRS.verifier()]}, witness("X1"), states, lambda: 1_795_000_000)
    with served(witness_app(rules)) as port:
        lines = [f"witness X1 {vkey(witness('X1'))} http://127.0.0.1:{port}", "group g all X1", "quorum g"]
        (tmp_path / "policy").write_text("".join(f"{line}\n" for line in lines))
        for first, count in ((0, 5), (5, 300)):
            write_theirs(tessera, tmp_path, first, count, "--witness_policy_file", str(tmp_path / "policy"))
    states.close()
    policy = Policy.parse(f"log {THEIRS.verifier()}\n".encode() + (tmp_path / "policy").read_bytes())
    checkpoint, cosignatures = policy.verify((tmp_path / "log" / "checkpoint").read_bytes(), THEIRS.name)
    assert (checkpoint.size, len(cosignatures)) == (305, 1)
