"""Evidence packs that somebody changed and then made whole again, as far as that goes without the log's key.

The verifier runs as a stranger runs it: taken out of the pack, in an empty folder, isolated from everything of ours.
"""

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from audit.exports.selection import Selection
from audit.reading import read_records
from tests.audit.exporting import exported, many_tenants, members, population, zipped
from tests.audit.plain_reader import root_of
from tests.audit.worlds import NoteKey

ROOT = Path(__file__).parents[2]
KEY = str(NoteKey().verifier())
Files = dict[str, bytes]
TENANT = "canary-ns-1"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_tenants(tmp_path_factory.mktemp("packs") / "log", 60)


@pytest.fixture(scope="module")
def pack(log: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The whole log."""
    return exported(population(log), ["evidence"], tmp_path_factory.mktemp("whole"))["evidence"]


@pytest.fixture(scope="module")
def part(log: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One tenant's."""
    selected = population(log, Selection(namespaces=frozenset({TENANT})))
    return exported(selected, ["evidence"], tmp_path_factory.mktemp("part"))["evidence"]


class Stranger:
    """Somebody with Python, cryptography and the verifier of one pack."""

    def __init__(self, folder: Path, pack: bytes) -> None:
        self.folder = folder / "empty"
        self.folder.mkdir()
        self.verifier = folder / "verify.py"
        self.verifier.write_bytes(members(pack)["verify.py"])
        self.pack = folder / "pack.zip"

    def says(self, pack: bytes) -> tuple[int, str]:
        self.pack.write_bytes(pack)
        command = [sys.executable, "-I", str(self.verifier), str(self.pack), "--key", KEY]
        done = subprocess.run(command, check=False, cwd=self.folder, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def stranger(tmp_path: Path, pack: bytes) -> Stranger:
    return Stranger(tmp_path, pack)


def _remade(files: Mapping[str, bytes]) -> bytes:
    """A zip whose manifest lists these files as they are now."""
    made = dict(files)
    manifest = json.loads(made["MANIFEST.json"])
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in sorted(made.items())
        if not name.startswith("MANIFEST.")
    }
    manifest["records"] = made["log/leaves.ndjson"].count(b"\n")
    made["MANIFEST.json"] = json.dumps(manifest).encode()
    made["MANIFEST.sha256"] = f"{hashlib.sha256(made['MANIFEST.json']).hexdigest()}  MANIFEST.json\n".encode()
    return zipped(made)


def _beside(chosen: set[int], hashes: list[bytes], low: int, high: int) -> list[bytes]:
    """The roots of the complete subtrees without a chosen record, from left to right."""
    width = high - low
    if width & (width - 1) == 0 and chosen.isdisjoint(range(low, high)):
        return [root_of(hashes[low:high])]
    if width == 1:
        return []
    middle = low + (1 << (width - 1).bit_length() - 1)
    return _beside(chosen, hashes, low, middle) + _beside(chosen, hashes, middle, high)


def _without(pack: bytes, log: Path, index: int) -> Files:
    """The pack as if a record had never been in it, with the proof that all the others lie under the root."""
    files = members(pack)
    lines = [json.loads(line) for line in files["log/leaves.ndjson"].splitlines()]
    gone = next(line["leaf"] for line in lines if line["index"] == index)
    for name in ("log/leaves.ndjson", "reports/records.csv", "reports/ocsf.ndjson", "reports/kube-audit.ndjson"):
        kept = [line for line in files[name].split(b"\n") if f'{gone["id"]}"'.encode() not in line]
        files[name] = b"\n".join(line for line in kept if f'{gone["uid"]}"'.encode() not in line)
    files.pop(f"proofs/{index:012d}.tlog-proof")
    hashes = [record.hash for record in read_records(log)]
    chosen = {line["index"] for line in lines} - {index}
    beside = [base64.b64encode(value) + b"\n" for value in _beside(chosen, hashes, 0, len(hashes))]
    files["log/inclusion"] = b"bailiwick.inclusion/v1\n" + b"".join(beside)
    return files


def test_a_pack_holds_for_a_stranger(stranger: Stranger, pack: bytes, part: bytes) -> None:
    """The whole log and one tenant's part hold, in an empty folder, and so does the same pack zipped by others."""
    for given in (pack, part, _remade(members(pack)), zipped(members(part))):
        code, said = stranger.says(given)
        assert (code, said.splitlines()[-1]) == (0, "This pack holds."), said
        assert "from the first to the last record: none missing" in said


def test_neither_place_nor_language_nor_chance_changes_a_byte(log: Path, pack: bytes, tmp_path: Path) -> None:
    """Other processes in other time zones and languages, with other hashes, write the same: pack and formats."""
    keys = tmp_path / "log.vkeys"
    keys.write_text(f"{KEY}\n")
    formats = ("csv", "ndjson", "parquet", "ocsf", "kube-audit", "evidence")
    written = []
    for zone, language, seed in (("Pacific/Kiritimati", "C", "1"), ("America/St_Johns", "de_DE.UTF-8", "77")):
        out = tmp_path / seed
        out.mkdir()
        targets = [word for name in formats for word in (f"--{name}", str(out / name))]
        command = [sys.executable, "-m", "bailiwick", "audit", "export", str(log), "--key", str(keys), *targets]
        surroundings = os.environ | {"TZ": zone, "LC_ALL": language, "PYTHONHASHSEED": seed}
        subprocess.run(command, check=True, cwd=ROOT, env=surroundings, capture_output=True, timeout=60)
        written.append({name: (out / name).read_bytes() for name in formats})
    assert written[0] == written[1]
    assert members(written[0]["evidence"]).keys() == members(pack).keys()


def test_another_log_s_key(stranger: Stranger, pack: bytes) -> None:
    """The key in the pack isn't asked when another one is given."""
    files = members(pack)
    files["log/keys.txt"] = files["log/keys.txt"] + str(NoteKey(seed=b"\x0d" * 32).verifier()).encode() + b"\n"
    assert stranger.says(_remade(files))[0] == 0
    command = [sys.executable, "-I", str(stranger.verifier), str(stranger.pack)]
    command += ["--key", str(NoteKey(seed=b"\x0d" * 32).verifier())]
    done = subprocess.run(command, check=False, cwd=stranger.folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "signed by none of the keys" in done.stdout) == (1, True)


def test_each_file_is_named_when_it_is_changed_or_gone(stranger: Stranger, pack: bytes) -> None:
    """Whichever file somebody touches, the verifier's refusal names it."""
    files = members(pack)
    proofs = [name for name in files if name.startswith("proofs/")]
    for name in [*proofs[:1], *(name for name in files if not name.startswith("proofs/"))]:
        middle = len(files[name]) // 2
        bent = files[name][:middle] + bytes([files[name][middle] ^ 1]) + files[name][middle + 1 :]
        for changed in ({**files, name: bent}, {n: d for n, d in files.items() if n != name}):
            code, said = stranger.says(zipped(changed))
            assert (code, name in said) == (1, True), (name, said)


def _between(pack: bytes) -> bytes:
    """The same pack with forty bytes between its files and its directory, which says so."""
    at = int.from_bytes(pack[-6:-2], "little")
    end = pack[-22:-6] + (at + 40).to_bytes(4, "little") + pack[-2:]
    return pack[:at] + b"PK\x03\x04" + b"\x00" * 36 + pack[at:-22] + end


STRAY: dict[str, Callable[[bytes], bytes]] = {
    "a script before it": lambda pack: b"#!/bin/sh\nexit 0\n" + pack,
    "another zip before it": lambda pack: zipped({"README.txt": b"all is well"}) + pack,
    "something after it": lambda pack: pack + b"and more",
    "a comment": lambda pack: pack[:-2] + b"\x04\x00more",
    "something between": _between,
}


@pytest.mark.parametrize("name", STRAY)
def test_bytes_that_are_of_no_file(stranger: Stranger, pack: bytes, name: str) -> None:
    """What other programs would take for further files, or for another file altogether, is refused."""
    with zipfile.ZipFile(io.BytesIO(STRAY[name](pack))) as opened:
        assert opened.testzip() is None, "a usual program sees nothing wrong"
    code, said = stranger.says(STRAY[name](pack))
    assert (code, "of no file" in said) == (1, True), said


def test_a_file_twice_or_with_a_way_out(stranger: Stranger, pack: bytes) -> None:
    """A second file of the same name, or one that would be unpacked elsewhere, is refused by its name."""
    files = members(pack)
    for name in ("reports/records.csv", "../../evil", "/etc/evil", "reports\\records.csv"):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made:
            for there, data in files.items():
                made.writestr(there, data)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a name is there already
                made.writestr(name, b"x")
        code, said = stranger.says(out.getvalue())
        assert (code, name in said) == (1, True), said


def test_a_record_left_out_of_the_whole(stranger: Stranger, pack: bytes, log: Path) -> None:
    """With proof, reports and manifest made anew, the root is right; but of a whole log nothing is left out."""
    files = _without(pack, log, 30)
    code, said = stranger.says(_remade(files))
    assert code == 1
    assert "MANIFEST.json: nothing was selected, and 1 of 65 records are not here" in said
    manifest = json.loads(files["MANIFEST.json"])
    manifest["selection"]["since"] = "2026-01-01T00:00:00.000000Z"
    files["MANIFEST.json"] = json.dumps(manifest).encode()
    code, said = stranger.says(_remade(files))
    assert code == 0, "of a period it can't be known, and is said"
    assert "1 gaps, which the selection leaves or where records are missing" in said


def test_a_record_left_out_of_a_tenants_part(stranger: Stranger, part: bytes, log: Path) -> None:
    """One tenant's part without one of its records: the manifest says no gap, the tenant's own count has one."""
    index = [json.loads(line)["index"] for line in members(part)["log/leaves.ndjson"].splitlines()][5]
    code, said = stranger.says(_remade(_without(part, log, index)))
    assert code == 1
    assert "MANIFEST.json: says something else of the tenants' counts than the records do" in said
