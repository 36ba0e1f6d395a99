"""The book of key uses: nothing leaves unrecorded, nothing written is lost, whatever ends its writer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bailiwick import command
from keymgmt.canonical import json_bytes
from keymgmt.errors import KeyManagementError, SignerUnavailable
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.ports import Binding
from keymgmt.uses.book import UseBook, remove, taken, uses_beside, waiting, written_lines
from keymgmt.uses.tallies import IDS_AT_ONCE, OPERATIONS, tallied
from keymgmt.uses.use import KeyUse, UseUnrecorded
from tests.audit.small_disk import ballast, small_disk

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
USE = KeyUse("sign", "eu-de", "checkpoint", "bwk1.x", 1, "r0", "2026-11-21T08:00:00.000Z", 0.25, "ok", "p", "l", "t")


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """Everything that can be taken up, without taking it."""
    found: list[dict[str, Any]] = []
    for page in waiting(folder):
        with taken(page) as data:
            found += [json.loads(line) for line in (data or b"").splitlines()]
    return found


def keyring(folder: Path, book: UseBook | None) -> FileKeyring:
    """Made, and opened with a book."""
    unlock = KeyFile(folder / "unlock.key")
    KeyFile.create(unlock.path)
    FileKeyring.create(folder / "keys", "eu-de", unlock=unlock, now=NOW, uses=book)
    return FileKeyring.open(folder / "keys", "eu-de", unlock=unlock, uses=book)


def test_every_use_and_change_of_a_file_keyring_is_a_line(tmp_path: Path) -> None:
    """Made, signed, tagged, opened, rotated, refused: each is written down, changes before and after."""
    book = UseBook(uses_beside(tmp_path / "keys", "eu-de"), "test")
    ring = keyring(tmp_path, book)
    signer = ring.signer("audit-checkpoint", "log")
    signer.sign(b"tree head")
    ring.tagger("audit-tags")(b"jane")
    bound = Binding("eu-de", "DE", "audit-archive", "prod", "clinic")
    envelope = ring.sealer().seal(b"patient 4711", bound).to_bytes()
    opener = ring.opener()
    assert opener.open(envelope, bound) == opener.open(envelope, bound) == b"patient 4711"  # one use of the key
    first, second = ring.keys()[0], ring.rotate("audit-checkpoint", NOW)
    with pytest.raises(SignerUnavailable):
        signer.sign(b"too late")
    book.close()
    found = [(line["operation"], line["version"], line["outcome"]) for line in lines_of(book.folder)]
    created = [("create", 1, "begun")] * 3 + [("create", 1, "ok")] * 3
    used = [("sign", 1, "ok"), ("hmac", 1, "ok"), ("decrypt", 1, "ok")]
    assert found == [*created, *used, ("rotate", 2, "begun"), ("rotate", 2, "ok"), ("sign", 1, "SignerUnavailable")]
    assert {line["key_id"] for line in lines_of(book.folder) if line["operation"] == "sign"} == {first.key_id}
    assert second.key_id in {line["key_id"] for line in lines_of(book.folder)}
    text = b"".join(page.read_bytes() for page in waiting(book.folder))
    assert b"4711" not in text and b"jane" not in text
    assert {page.stat().st_mode & 0o777 for page in waiting(book.folder)} == {0o600}


def test_without_a_book_nothing_happens(tmp_path: Path) -> None:
    """Where uses cannot be written down, nothing is signed, tagged, opened or changed."""
    ring = keyring(tmp_path, None)
    bound = Binding("eu-de", "DE", "audit-archive", "prod", "clinic")
    envelope = ring.sealer().seal(b"patient 4711", bound).to_bytes()
    (tmp_path / "file").write_text("")
    book = UseBook(tmp_path / "file" / "book")
    unlock, before = KeyFile(tmp_path / "unlock.key"), ring.head
    ring = FileKeyring.open(tmp_path / "keys", "eu-de", unlock=unlock, uses=book)
    for use in (
        lambda: ring.signer("audit-checkpoint", "log").sign(b"x"),
        lambda: ring.tagger("audit-tags")(b"x"),
        lambda: ring.opener().open(envelope, bound),
        lambda: ring.rotate("audit-checkpoint", NOW),
    ):
        with pytest.raises(UseUnrecorded):
            use()
    assert FileKeyring.open(tmp_path / "keys", "eu-de", unlock=unlock).head == before


WRITER = """
import sys
from pathlib import Path
from tests.keymgmt.test_use_book import USE
from dataclasses import replace
from bailiwick import command
from keymgmt.uses.book import UseBook
book = UseBook(Path(sys.argv[1]), sync=sys.argv[2] == "sync", room=int(sys.argv[3]))
for number in range(1 << 30):
    book.record(replace(USE, request_id=f"r{number}"))
    print(number, flush=True)
"""


@pytest.mark.parametrize(("sync", "room"), [("sync", 0), ("kernel", 1 << 20)])
def test_what_was_written_survives_its_writer(tmp_path: Path, sync: str, room: int) -> None:
    """Killed at any moment, a process leaves every line that it had acknowledged, and its page can be taken up."""
    folder = tmp_path / "book"
    command = [sys.executable, "-c", WRITER, str(folder), sync, str(room)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        for _ in range(20):
            last = int(process.stdout.readline())
        assert lines_of(folder) == []  # it is being written
        process.send_signal(signal.SIGKILL)
        last = max([last, *map(int, process.stdout.read().split())])
    ids = [line["request_id"] for line in lines_of(folder)]
    assert ids[: last + 1] == [f"r{number}" for number in range(last + 1)]
    assert len(ids) <= last + 2


def test_a_page_is_taken_up_by_one_alone(tmp_path: Path) -> None:
    """While one has a page nobody else gets it, and afterwards it is gone."""
    book = UseBook(tmp_path / "book")
    book.record(USE)
    (page,) = waiting(book.folder)
    with taken(page) as early:
        assert early is None
    book.turn()
    with taken(page) as lines, taken(page) as other:
        assert lines is not None and other is None
        remove(page)
    with taken(page) as gone:
        assert gone is None


def test_space_that_was_set_aside_is_there_when_the_disk_is_full(tmp_path: Path) -> None:
    """On a real disk without a free byte a page takes as many lines as it has room for, and then refuses."""
    line = json_bytes(asdict(USE)) + b"\n"
    with small_disk(tmp_path / "small", 8) as small:
        book = UseBook(small / "book", room=16_384)
        book.prepare()
        ballast(small, 0)
        count = 0
        with pytest.raises(UseUnrecorded):
            while True:
                book.record(USE)
                count += 1
        assert count == 16_384 // len(line)
        book.turn()
        book.close()
        assert len(lines_of(book.folder)) == count


uses = st.builds(
    replace,
    st.just(USE),
    operation=st.sampled_from(sorted(OPERATIONS)),
    key_id=st.sampled_from(["a", "b"]),
    outcome=st.sampled_from(["ok", "Sealed"]),
    request_id=st.text("0123456789abcdef", max_size=3),
    seconds=st.floats(0, 100),
    asked=st.booleans(),
)
rubbish = st.binary(max_size=40).filter(lambda line: b"\n" not in line and b"\r" not in line and line.strip())


@given(st.lists(uses | rubbish, max_size=60))
def test_every_line_is_in_exactly_one_count(written: list[KeyUse | bytes]) -> None:
    """Whatever a page holds, the counts add up to its lines, and every request id stands in one of them."""
    data = b"".join((one if isinstance(one, bytes) else json_bytes(asdict(one))) + b"\n" for one in written)
    found: list[dict[str, Any]] = tallied(data, "page")  # type: ignore[assignment]
    assert sum(one["count"] for one in found) == len(data.splitlines())
    good = [one for one in written if isinstance(one, KeyUse)]
    counted = Counter(
        {(one["key_operation"], one["key"], one["outcome"]): one["count"] for one in found if "key" in one}
    )
    assert counted == Counter((one.operation, one.key_id, one.outcome) for one in good)
    ids = [known for one in found for known in one.get("request_ids", ())]
    assert sorted(ids) == sorted(one.request_id for one in good if one.request_id)
    assert sum(one.get("asked", 0) for one in found) == sum(one.asked for one in good)
    assert len({one["source"] for one in found}) == len(found)


def test_ids_that_a_leaf_has_no_room_for_go_into_another() -> None:
    """More request ids than a record holds make a further record of the same kind."""
    data = b"".join(
        json_bytes(asdict(replace(USE, request_id=f"{number:036}"))) + b"\n" for number in range(2 * IDS_AT_ONCE + 1)
    )
    assert [one["count"] for one in tallied(data, "page")] == [IDS_AT_ONCE, IDS_AT_ONCE, 1]


@given(st.binary(max_size=200))
def test_what_was_set_aside_is_no_line(data: bytes) -> None:
    """Zeros at the end, and a last line that was never whole, are not read."""
    lines = written_lines(data + bytes(64))
    assert not lines or lines.endswith(b"\n")
    assert data.startswith(lines)


def test_refusals_of_the_book_are_ours(tmp_path: Path) -> None:
    """Whoever uses a key sees one error, with the folder and what to do."""
    with pytest.raises(UseUnrecorded, match="free the disk, or mend the folder") as caught:
        UseBook(tmp_path / "no" / "folder").record(USE)
    assert isinstance(caught.value, KeyManagementError)
    assert os.fspath(tmp_path / "no" / "folder") in str(caught.value)


def run(*words: str | Path) -> str:
    """A command that succeeds."""
    done = CliRunner().invoke(command, ["keys", *map(str, words)])
    assert done.exit_code == 0, done.output
    return done.output


def test_every_verb_writes_its_uses_down(tmp_path: Path) -> None:
    """Making, rotating, staging, activating, attesting, rewrapping: each verb's uses lie beside the keyring."""
    keys, unlock = tmp_path / "keys", tmp_path / "unlock.key"
    named: list[str | Path] = ["--region", "eu-de", "--key-file", unlock]
    run("init", keys, *named, "--new-key-file")
    ring = FileKeyring.open(keys, "eu-de", unlock=KeyFile(unlock))
    envelope = tmp_path / "envelope"
    envelope.write_bytes(ring.sealer().seal(b"x", Binding("eu-de", "DE", "audit-archive", "prod", "")).to_bytes())
    run("rotate", keys, *named, "audit-archive")
    staged = run("stage", keys, *named, "audit-tags").split()[0]
    run("activate", keys, *named, staged)
    run("attest", "--directory", keys, *named, "--nonce", "asked-just-now")
    run("rewrap", "--directory", keys, *named, "--purpose", "audit-archive", "--of", "DE/prod/", envelope)
    found = lines_of(uses_beside(keys, "eu-de"))
    done = Counter((line["task"], line["operation"]) for line in found if line["outcome"] == "ok")
    assert done == {
        ("init", "create"): 5,
        ("rotate", "rotate"): 1,
        ("stage", "stage"): 1,
        ("activate", "activate"): 1,
        ("attest", "sign"): 1,
        ("rewrap", "decrypt"): 2,  # the old version, and once more to see that the new one opens
        ("rewrap", "encrypt"): 1,
    }
    assert all(line["key_id"].startswith("bwk1.") for line in found)


def test_a_verb_does_nothing_that_it_cannot_write_down(tmp_path: Path) -> None:
    """With a file where the folder of the book should be, a rotation is refused, and nothing has changed."""
    keys, unlock = tmp_path / "keys", tmp_path / "unlock.key"
    named: list[str | Path] = ["--region", "eu-de", "--key-file", unlock]
    run("init", keys, *named, "--new-key-file")
    for page in waiting(uses_beside(keys, "eu-de")):
        page.unlink()
    uses_beside(keys, "eu-de").rmdir()
    uses_beside(keys, "eu-de").write_text("")
    before = FileKeyring.open(keys, "eu-de", unlock=KeyFile(unlock)).head
    done = CliRunner().invoke(command, ["keys", "rotate", str(keys), *map(str, named), "audit-archive"])
    assert done.exit_code == 2
    assert "cannot write down the use of a key" in done.output
    assert FileKeyring.open(keys, "eu-de", unlock=KeyFile(unlock)).head == before
