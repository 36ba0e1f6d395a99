"""Envelopes move to the newest version of their key: whole, bound as before, or not at all."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bailiwick import command
from keymgmt.approvals import ApprovalPolicy
from keymgmt.envelopes.envelope import parse_envelope
from keymgmt.envelopes.rewrap import Outcome, Rewrapper
from keymgmt.errors import EnvelopeInvalid, ForeignRegion
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.ports import Binding


def key_id(envelope: bytes) -> bytes:
    return parse_envelope(envelope).key_id


def test_moved_to_the_newest(keyring: FileKeyring, bound: Binding, now: datetime) -> None:
    """The data is the same, key and data key are not; what lies there already is left alone."""
    old = keyring.sealer().seal(b"patient 4711", bound).to_bytes()
    assert Rewrapper(keyring, bound).rewrapped(old) == old
    keyring.rotate("audit-archive", now)
    new = Rewrapper(keyring, bound).rewrapped(old)
    assert key_id(new) == keyring.recipient("audit-archive").key_id != key_id(old)
    assert parse_envelope(new).wrapped != parse_envelope(old).wrapped
    assert keyring.opener().open(new, bound) == b"patient 4711"
    assert Rewrapper(keyring, bound).rewrapped(new) == new


def test_what_is_bound_stays_bound(keyring: FileKeyring, bound: Binding, now: datetime, make: Any) -> None:
    """Under another binding nothing moves, and another region's envelope neither."""
    old = keyring.sealer().seal(b"patient 4711", bound).to_bytes()
    keyring.rotate("audit-archive", now)
    other = Binding(bound.region, bound.jurisdiction, bound.purpose, bound.cluster, "school")
    with pytest.raises(EnvelopeInvalid):
        Rewrapper(keyring, other).rewrapped(old)
    foreign = Binding("eu-fr", "FR", "audit-archive", "prod", "clinic")
    with pytest.raises(ForeignRegion):
        Rewrapper(keyring, bound).rewrapped(make("eu-fr").sealer().seal(b"x", foreign).to_bytes())


def test_files(keyring: FileKeyring, bound: Binding, now: datetime, tmp_path: Path) -> None:
    """Each file is replaced whole with its mode; refused ones stay, a dry run changes nothing, nothing is left over."""
    folder = tmp_path / "files"
    folder.mkdir()
    old = keyring.sealer().seal(b"patient 4711", bound).to_bytes()
    keyring.rotate("audit-archive", now)
    new = keyring.sealer().seal(b"patient 4711", bound).to_bytes()
    contents = {"old": old, "new": new, "rubbish": b"rubbish", "flipped": old[:-1] + bytes([old[-1] ^ 1])}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "old").chmod(0o640)
    (folder / "link").symlink_to(folder / "old")
    paths = [folder / name for name in (*contents, "link", "gone")]
    work = Rewrapper(keyring, bound)
    dry = [one.outcome for one in work.files(paths, dry=True)]
    assert dry == [Outcome.WOULD, Outcome.CURRENT, *[Outcome.REFUSED] * 4]
    assert {name: (folder / name).read_bytes() for name in contents} == contents
    done = [one.outcome for one in work.files(paths)]
    assert done == [Outcome.REWRAPPED, Outcome.CURRENT, *[Outcome.REFUSED] * 4]
    assert {name for name in contents if (folder / name).read_bytes() != contents[name]} == {"old"}
    assert keyring.opener().open((folder / "old").read_bytes(), bound) == b"patient 4711"
    assert (folder / "old").stat().st_mode & 0o777 == 0o640
    assert {path.name for path in folder.iterdir()} == {*contents, "link"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(keyring: FileKeyring, bound: Binding, now: datetime, tmp_path: Path) -> None:
    """The file is refused and stays as it was."""
    path = tmp_path / "old"
    path.write_bytes(keyring.sealer().seal(b"x", bound).to_bytes())
    keyring.rotate("audit-archive", now)
    tmp_path.chmod(0o500)
    assert [one.outcome for one in Rewrapper(keyring, bound).files([path])] == [Outcome.REFUSED]
    tmp_path.chmod(0o700)


def test_from_the_command_line(tmp_path: Path, now: datetime) -> None:
    """`rewrap` says what became of each file and exits with 1 when one was refused; after it the old key can go."""
    unlock = KeyFile.create(tmp_path / "kek")
    ring = FileKeyring.create(tmp_path / "ring", "eu-de", unlock=unlock, now=now)
    assert isinstance(ring.approvals, ApprovalPolicy | None)
    bound = Binding("eu-de", "DE", "audit-archive", "prod", "clinic")
    path = tmp_path / "one"
    path.write_bytes(ring.sealer().seal(b"patient 4711", bound).to_bytes())
    ring.rotate("audit-archive", now)

    def call(*more: str) -> Any:
        words = ["--directory", str(tmp_path / "ring"), "--region", "eu-de", "--key-file", str(tmp_path / "kek")]
        words += ["--purpose", "audit-archive", "--of", "DE/prod/clinic", *more]
        return CliRunner().invoke(command, ["keys", "rewrap", *words])

    before = path.read_bytes()
    assert "would be rewrapped" in call(str(path), "--dry-run").output
    assert path.read_bytes() == before
    done = call(str(path), "-o", "json")
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)[0]
    assert (row["outcome"], row["before"] != row["after"]) == ("rewrapped", True)
    assert ring.opener().open(path.read_bytes(), bound) == b"patient 4711"
    (tmp_path / "two").write_bytes(before[:-1] + b"x")
    done = call(str(path), str(tmp_path / "two"))
    assert (done.exit_code, "refused" in done.output, "current" in done.output) == (1, True, True)
