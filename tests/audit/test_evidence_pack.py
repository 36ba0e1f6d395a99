"""The evidence pack: the same bytes again, verified by any Python, tampering found, nothing of others in it."""

import base64
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cryptography
import pytest
from hypothesis import given
from hypothesis import strategies as st

import audit.exports.verifier as verifier
from audit.errors import ProofInvalid
from audit.exports.chains import Chains
from audit.exports.cover import covered_root, covering_hashes
from audit.exports.ndjson import leaf_of_line
from audit.exports.pack import DECLARED
from audit.exports.population import verified_population
from audit.exports.selection import Selection
from audit.leaves.record import decision_record, event_record
from audit.reading import read_records
from audit.tlog import VerifierKey, subtrees_of
from audit.tlog.checkpoints import cosigned
from audit.tlog.merkle import leaf_hash, root_hash
from audit.tlog.notes import COSIGNATURE_ED25519, parse_note
from audit.tlog.tlog_proof import TlogProof
from tests.audit.exporting import FORMATS, KEY, exported, many_tenants, members, population, zipped
from tests.audit.worlds import NOON, TAGGER, NoteKey, fields, open_log, sealed

MINE = "canary-ns-1"
PROOF = "proofs/000000000007.tlog-proof"
VERIFIER = Path(verifier.__file__)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of three tenants."""
    return many_tenants(tmp_path_factory.mktemp("pack") / "log")


@pytest.fixture(scope="module")
def pack(log: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The pack of the whole log."""
    return exported(population(log), ["evidence"], tmp_path_factory.mktemp("whole"))["evidence"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder from which cryptography can be imported, and what it needs itself, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    packages = Path(cryptography.__file__).parents[1]
    for pattern in ("cryptography", "cffi", "_cffi_backend*", "pycparser"):
        for found in packages.glob(pattern):
            (folder / found.name).symlink_to(found)
    return folder


def _verify(bare: Path, pack: Path, *words: str) -> tuple[int, str]:
    """What the pack's own verifier says, run by an isolated Python that knows only cryptography."""
    start = (
        "import sys, runpy; sys.path.append(sys.argv[1]); script = sys.argv[2]; sys.argv = sys.argv[2:];"
        "runpy.run_path(script, run_name='__main__')"
    )
    script = pack.with_name("verify.py")
    script.write_bytes(VERIFIER.read_bytes())
    command = [sys.executable, "-I", "-S", "-c", start, str(bare), str(script), str(pack), *words]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=pack.parent)
    return shown.returncode, shown.stdout + shown.stderr


# — the same bytes, verified —


def test_the_same_log_gives_the_same_bytes(log: Path, pack: bytes, tmp_path: Path) -> None:
    """Made again later, in another process, time zone and order of hashing, a pack is the same byte for byte."""
    command = [sys.executable, "-m", "bailiwick", "audit", "export", str(log), "--key", str(KEY), "--evidence"]
    for number, zone in enumerate(("Pacific/Kiritimati", "America/Caracas")):
        path = tmp_path / f"{number}.zip"
        environment = {**os.environ, "TZ": zone, "PYTHONHASHSEED": str(number)}
        subprocess.run([*command, str(path)], check=True, env=environment, capture_output=True, timeout=60)
        if number:
            assert path.read_bytes() == (tmp_path / "0.zip").read_bytes()
    differing = {
        name for name, data in members(pack).items() if members((tmp_path / "0.zip").read_bytes())[name] != data
    }
    # the command knows what reason codes mean, and the report says it
    assert differing <= {"reports/report.html", "MANIFEST.json", "MANIFEST.sha256"}


def test_it_verifies_with_python_and_cryptography_alone(pack: bytes, bare: Path, tmp_path: Path) -> None:
    """An isolated Python without our packages finds it whole, under the key that was told by another way."""
    (tmp_path / "pack.zip").write_bytes(pack)
    code, said = _verify(bare, tmp_path / "pack.zip", "--key", str(KEY))
    assert (code, said.splitlines()[-1]) == (0, "This pack holds.")
    assert "records: 95 of 95 in the log" in said
    assert f"signed by {KEY.name}" in said
    assert "came with the pack" not in said
    assert "came with the pack" in _verify(bare, tmp_path / "pack.zip")[1]
    assert members(pack)["verify.py"] == VERIFIER.read_bytes()
    for name in ("orjson", "audit", "click"):
        shown = subprocess.run([sys.executable, "-I", "-S", "-c", f"import {name}"], capture_output=True, check=False)
        assert shown.returncode == 1, f"{name} could be imported: the test shows nothing"


def test_what_lies_in_it(log: Path, pack: bytes) -> None:
    """Checkpoint, records, one proof for all and one for each, keys, control map, reports, verifier, manifest."""
    found = members(pack)
    assert found["log/checkpoint"] == (log / "checkpoint").read_bytes()
    expected = {"MANIFEST.json", "MANIFEST.sha256", "README.txt", "controls.json", "log/inclusion", "log/keys.txt"}
    expected |= {"log/leaves.ndjson", "log/policy.txt", "oscal/assessment-results.json", "verify.py"}
    expected |= {"oscal/component-definition.json", "reports/report.html", "reports/records.csv"}
    assert expected <= set(found)
    assert found["log/policy.txt"].decode() == f"log {KEY}\nquorum none\n"
    assert len(json.loads(found["controls.json"])) >= 25
    for record in read_records(log):
        proof = TlogProof.parse(found[f"proofs/{record.index:012d}.tlog-proof"])
        assert proof.verify(record.hash, [KEY]).size == 95


def test_a_large_pack_has_single_proofs_of_refusals(tmp_path: Path) -> None:
    """Beyond a thousand records one proof covers all, and single ones are there for refusals."""
    opened = open_log(tmp_path / "log", segment_bytes=1 << 20)
    for number in range(1_010):
        opened.append_now(decision_record(fields(number)))
    opened.close_now()
    found = exported(population(tmp_path / "log"), ["evidence"], tmp_path / "out")
    proofs = [name for name in found if name.startswith("evidence/proofs/")]
    assert len(proofs) == 253
    (tmp_path / "pack.zip").write_bytes(found["evidence"])
    assert verifier.main([str(tmp_path / "pack.zip"), "--key", str(KEY)]) == 0


# — tampering —


def _names() -> list[str]:
    return [
        "MANIFEST.json",
        "MANIFEST.sha256",
        "README.txt",
        "controls.json",
        "log/checkpoint",
        "log/inclusion",
        "log/keys.txt",
        "log/leaves.ndjson",
        "log/policy.txt",
        "oscal/assessment-results.json",
        "oscal/component-definition.json",
        PROOF,
        "reports/columns.json",
        "reports/kube-audit.ndjson",
        "reports/ocsf.ndjson",
        "reports/records.csv",
        "reports/report.html",
        "verify.py",
    ]


def _said(files: dict[str, bytes], folder: Path, *words: str) -> str:
    """What the verifier says of a pack of these files; it must not hold."""
    path = folder / "tampered.zip"
    path.write_bytes(zipped(files))
    shown = subprocess.run(
        [sys.executable, str(VERIFIER), str(path), "--key", str(KEY), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.returncode == 1, shown.stdout + shown.stderr
    assert "This pack holds" not in shown.stdout
    return shown.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", _names())
def test_any_change_of_any_file_is_found(name: str, pack: bytes, tmp_path: Path) -> None:
    """A flipped byte anywhere, a missing file: found, with the file's name."""
    files = members(pack)
    assert {one if not one.startswith("proofs/") else _names()[11] for one in files} == set(_names())
    place = random.Random(name).randrange(len(files[name]))
    flipped = bytearray(files[name])
    flipped[place] ^= 1 + place % 255
    manifest = {"MANIFEST.json", "MANIFEST.sha256"}
    said = _said({**files, name: bytes(flipped)}, tmp_path)
    assert said.startswith("FAILED: ")
    assert "MANIFEST" in said if name in manifest else name in said
    said = _said({one: data for one, data in files.items() if one != name}, tmp_path)
    assert said == f"FAILED: {name}: is missing"


def test_a_file_that_was_added(pack: bytes, tmp_path: Path) -> None:
    """What the manifest doesn't name has no business in the pack."""
    said = _said({**members(pack), "reports/extra.html": b"<p>all is well</p>"}, tmp_path)
    assert said == "FAILED: reports/extra.html: is not in the manifest, or is there twice"


def _rewritten(files: dict[str, bytes], **more: Any) -> dict[str, bytes]:
    """The files under a manifest made to fit them, as a careful forger would."""
    manifest = json.loads(files["MANIFEST.json"]) | more
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in files.items()
        if not name.startswith("MANIFEST")
    }
    data = json.dumps(manifest).encode()
    digest = f"{hashlib.sha256(data).hexdigest()}  MANIFEST.json\n".encode()
    return {**files, "MANIFEST.json": data, "MANIFEST.sha256": digest}


def _line(data: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    lines = data.split(b"\n")
    lines[number] = change(lines[number])
    return b"\n".join(lines)


def _lie(line: bytes) -> bytes:
    """A refusal made an approval, with the hash beside it made to fit."""
    leaf = line[line.index(b'"leaf":') + 7 : line.rindex(b',"log":')]
    changed = leaf.replace(b'"verdict":"denied"', b'"verdict":"allowed"')
    return line.replace(leaf, changed).replace(leaf_hash(leaf).hex().encode(), leaf_hash(changed).hex().encode())


def _replaced(files: dict[str, bytes], name: str, old: bytes, new: bytes) -> dict[str, bytes]:
    return {**files, name: files[name].replace(old, new, 1)}


def _forged_checkpoint(files: dict[str, bytes]) -> dict[str, bytes]:
    text, _, signature = files["log/checkpoint"].decode().partition("\n\n")
    name, size, _ = text.split("\n")
    other = f"{name}\n{size}\n{base64.b64encode(bytes(32)).decode()}\n"
    said = {"origin": name, "size": int(size), "root": bytes(32).hex()}
    return _rewritten({**files, "log/checkpoint": f"{other}\n{signature}".encode()}, checkpoint=said)


def _two_faced(line: bytes) -> bytes:
    """The true leaf for the hash, and another one for whoever parses the line."""
    at = line.rindex(b',"verified":')
    return line[:at] + b',"leaf":{"schema":"bailiwick.decision/v1","id":"x","verdict":"allowed"},"log":"x"' + line[at:]


FORGERIES: dict[str, tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = {
    "a record changed": (
        lambda f: {**f, "log/leaves.ndjson": _line(f["log/leaves.ndjson"], 3, _lie)},
        "log/inclusion: records and hashes lead to another root than the checkpoint's",
    ),
    "a record changed, not its hash": (
        lambda f: {**f, "log/leaves.ndjson": f["log/leaves.ndjson"].replace(b'"denied"', b'"allowd"', 1)},
        "log/leaves.ndjson: record 3 does not match its hash",
    ),
    "a line with two leaves": (
        lambda f: {**f, "log/leaves.ndjson": _line(f["log/leaves.ndjson"], 3, _two_faced)},
        "log/leaves.ndjson: record 3 does not match its hash",
    ),
    "a line of another form": (
        lambda f: {**f, "log/leaves.ndjson": f["log/leaves.ndjson"].replace(b'"index":3,', b'"index": 3,')},
        "log/leaves.ndjson: a line has another form than it should",
    ),
    "a record left out": (
        lambda f: {**f, "log/leaves.ndjson": b"\n".join(f["log/leaves.ndjson"].split(b"\n")[1:])},
        "log/leaves.ndjson: holds 94 records, the manifest says 95",
    ),
    "two records swapped": (
        lambda f: {**f, "log/leaves.ndjson": b"\n".join([*f["log/leaves.ndjson"].split(b"\n")[:2][::-1], b""])},
        "log/leaves.ndjson: record 0 is out of order",
    ),
    "a cell of the CSV file": (
        lambda f: {**f, "reports/records.csv": f["reports/records.csv"].replace(b'"denied"', b'"allowed"', 1)},
        "reports/records.csv: line 5 (record 3): says something else than the record",
    ),
    "a line of the CSV file left out": (
        lambda f: {**f, "reports/records.csv": _line(f["reports/records.csv"], -2, lambda _: b"").rstrip() + b"\r\n"},
        "reports/records.csv: has fewer lines than there are records",
    ),
    "a verdict in OCSF": (
        lambda f: _replaced(f, "reports/ocsf.ndjson", b'code":"denied"', b'code":"allowed"'),
        "reports/ocsf.ndjson: line 1 is not that of record 3",
    ),
    "a verdict in audit.k8s.io": (
        lambda f: _replaced(f, "reports/kube-audit.ndjson", b'verdict":"denied', b'verdict":"allowed'),
        "reports/kube-audit.ndjson: line 1 is not that of record 3",
    ),
    "a proof of another record": (
        lambda f: {**f, PROOF: f["proofs/000000000008.tlog-proof"].replace(b"index 8", b"index 7")},
        f"{PROOF}: leads to another root than the checkpoint's",
    ),
    "one hash too many": (
        lambda f: {**f, "log/inclusion": f["log/inclusion"] + base64.b64encode(bytes(32)) + b"\n"},
        "log/inclusion: has more hashes or records than the tree",
    ),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forger_who_also_writes_the_manifest(what: str, pack: bytes, tmp_path: Path) -> None:
    """Records, proofs and derived lines are bound to the signed checkpoint, not to the manifest alone."""
    change, expected = FORGERIES[what]
    files = members(pack)
    changed = change(files)
    assert changed != files
    assert _said(_rewritten(changed), tmp_path).startswith(f"FAILED: {expected}")


def test_a_good_record_hidden_as_one_that_nobody_can_read(pack: bytes, tmp_path: Path) -> None:
    """A stand-in in the place of a record that the manifest doesn't name is found, though its hash is right."""
    files = members(pack)
    lines = files["log/leaves.ndjson"].split(b"\n")
    leaf = leaf_of_line(lines[2])
    encoded = base64.b64encode(leaf).decode()
    stand_in = json.dumps({"bytes": encoded, "schema": "unreadable", "why": "?"}, separators=(",", ":"))
    lines[2] = lines[2].replace(leaf, stand_in.encode())
    said = _said(_rewritten(files | {"log/leaves.ndjson": b"\n".join(lines)}), tmp_path)
    assert said == "FAILED: log/leaves.ndjson: record 2 is there in another form than MANIFEST.json says"


def test_another_checkpoint_key_or_manifest(pack: bytes, tmp_path: Path) -> None:
    """A checkpoint that nobody signed, one signed by somebody else, a manifest other than the one told of."""
    files = members(pack)
    assert "another root" in _said(_forged_checkpoint(files), tmp_path)
    (tmp_path / "pack.zip").write_bytes(pack)
    other = NoteKey(seed=b"\x05" * 32).verifier()
    assert verifier.main([str(tmp_path / "pack.zip"), "--key", str(other)]) == 1
    digest = hashlib.sha256(files["MANIFEST.json"]).hexdigest()
    assert verifier.main([str(tmp_path / "pack.zip"), "--key", str(KEY), "--manifest", digest]) == 0
    changed = _rewritten({**files, "reports/report.html": b"<p>all is well</p>"})
    assert "you were told" in _said(changed, tmp_path, "--manifest", digest)


def test_a_pack_of_a_log_that_does_not_verify(tmp_path: Path) -> None:
    """It can be made when asked for, says so, and its verifier refuses it."""
    many_tenants(tmp_path / "log", 10)
    (tmp_path / "log" / "head.json").write_text("{}")
    made = exported(population(tmp_path / "log", unverified=True), ["evidence"], tmp_path / "out")
    said = _said(members(made["evidence"]), tmp_path)
    assert "MANIFEST.json: the pack was made from a log that did not verify" in said


def test_what_is_no_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is an error in a sentence."""
    (tmp_path / "x").write_bytes(b"PK not really")
    assert verifier.main([str(tmp_path / "x")]) == 2
    (tmp_path / "x").write_bytes(zipped({"a": b"b"}))
    assert verifier.main([str(tmp_path / "x")]) == 1
    assert "MANIFEST.json: is missing" in capsys.readouterr().out


# — one proof for many —


@given(st.integers(0, 200), st.data())
def test_the_cover_of_any_records_leads_to_the_root(size: int, data: st.DataObject) -> None:
    """For any tree and any records of it, and both who make and who check agree; a hash less doesn't do."""
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    chosen = sorted(data.draw(st.sets(st.integers(0, size - 1))) if size else [])
    beside = list(covering_hashes(chosen, size, subtrees_of(leaves)))
    pairs = [(number, leaves[number]) for number in chosen]
    assert covered_root(pairs, size, beside) == root_hash(leaves)
    assert verifier.covered_root(pairs, size, beside) == root_hash(leaves)
    assert len(beside) <= size - len(chosen)
    for wrong in (beside[:-1], [*beside, bytes(32)]):
        if wrong != beside:
            with pytest.raises(ProofInvalid):
                covered_root(pairs, size, wrong)
            with pytest.raises(verifier.Wrong):
                verifier.covered_root(pairs, size, wrong)
    if not (set(leaves) & set(beside)) - {leaves[one] for one in range(size) if one not in chosen}:
        assert not {leaves[one] for one in chosen} & set(beside)


def test_records_out_of_order_have_no_cover() -> None:
    """Numbers that don't ascend, or beyond the tree."""
    leaves = [leaf_hash(b"%d" % number) for number in range(8)]
    for chosen in ([3, 2], [9], [1, 1]):
        with pytest.raises(ProofInvalid):
            list(covering_hashes(chosen, 8, subtrees_of(leaves)))


# — selective disclosure —


OWN = "own-ns"


def _others(directory: Path, seed: int) -> Path:
    """A log in which one tenant does the same as ever, and what others do between depends on the seed."""
    log = open_log(directory, segment_bytes=1 << 20)
    dice = random.Random(seed)
    for number in range(60):
        if number % 3 == 1:
            tags = TAGGER.of(tenant=OWN, user="me", name=f"mine-{number}")
            log.append_now(decision_record(fields(number, namespace=OWN, tags=tags, id=f"mine-{number}")))
            continue
        if dice.random() < 0.2:
            given = {"time": NOON + timedelta(seconds=number), "cluster": "prod-7", "region": "eu-de"}
            log.append_now(event_record("policy-load", given | {"outcome": "loaded", "policies": [f"canary-{seed}"]}))
            continue
        name = f"canary-ns-{dice.randrange(9)}-{seed}"
        tags = TAGGER.of(tenant=name, user=f"canary-{seed}", name=f"canary-{number}")
        more = {"namespace": name, "tags": tags, "verdict": dice.choice(["allowed", "denied", "mutated"])}
        more |= {"models": [f"hf://canary-{seed}/{number}"], "id": f"canary-{seed}-{number}", "reasons": []}
        log.append_now(decision_record(fields(number, **more)), sealed(number) if dice.random() < 0.5 else ())
    log.close_now()
    return directory


_HASHES = re.compile(rb"[0-9a-f]{64}|[0-9a-f]{16}\xe2\x80\xa6|[0-9a-f-]{36}|[A-Za-z0-9+/]{43}=|\xe2\x80\x94 \S+ \S+")


def _blanked(name: str, data: bytes) -> bytes:
    """Without hashes, signatures and identifiers made of them."""
    if name.endswith(("html", "inclusion")):
        data = re.sub(rb'(id="(?:proof|hashes)">)[^<]*', rb"\1", data)
    if name.endswith("json"):  # OSCAL holds the checkpoint's note, a manifest how long each file is packed
        data = re.sub(rb'"(value": "[A-Za-z0-9+/=]{80,}|size": \d+)', b'"', data)
    return _HASHES.sub(b"#", data)


@pytest.mark.parametrize("by", ["namespace", "tenant"])
def test_one_tenants_export_says_nothing_of_others(by: str, tmp_path: Path) -> None:
    """Whatever others did, what one tenant gets is the same in every format but for hashes; and it verifies."""
    tag = TAGGER.tag("tenant", OWN)
    chosen = Selection(namespaces=frozenset({OWN})) if by == "namespace" else Selection(tenants=frozenset({tag}))
    made = []
    for seed in (1, 2):
        opened = population(_others(tmp_path / f"log-{seed}", seed), chosen)
        made.append(exported(opened, FORMATS, tmp_path / f"out-{seed}"))
    for name in set(made[0]) - {"evidence", "parquet"}:
        assert _blanked(name, made[0][name]) == _blanked(name, made[1][name]), name
        for data in (made[0][name], *_unpacked(made[0][name])):
            assert b"canary" not in data, name
            assert TAGGER.tag("tenant", "canary-ns-0-1").encode() not in data
    for name in ("parquet", "evidence"):
        assert b"canary" not in made[0][name]
    assert set(made[0]) == set(made[1])
    manifest = json.loads(made[0]["evidence/MANIFEST.json"])
    assert (manifest["records"], manifest["declared"]) == (20, list(DECLARED))
    assert manifest["tenants"] == {tag: {"first": 1, "gaps": 0, "last": 20}}
    (tmp_path / "pack.zip").write_bytes(made[0]["evidence"])
    assert verifier.main([str(tmp_path / "pack.zip"), "--key", str(KEY)]) == 0


def _unpacked(html: bytes) -> Iterator[bytes]:
    """The data blocks of a report as the script reads them."""
    for block in re.findall(rb'<script type="application/octet-stream" id="(?!hashes)\w[^"]*">([^<]*)', html):
        yield zlib.decompress(base64.b64decode(block))


def test_a_tenants_missing_record_shows(log: Path) -> None:
    """The tenant's own counter says when a period or somebody leaves one of its records out."""
    mine = [record for record in read_records(log) if record.fields.get("namespace") == MINE]
    whole, holed = Chains(), Chains()
    for record in mine:
        whole.add(record)
        if record is not mine[7]:
            holed.add(record)
    tag = TAGGER.tag("tenant", MINE)
    assert whole.plain() == {tag: {"first": 1, "gaps": 0, "last": 30}}
    assert holed.plain() == {tag: {"first": 1, "gaps": 1, "last": 30}}
    assert "none is missing" in whole.said()[0]
    assert "1 gaps" in holed.said()[0]


def test_a_witness_signature_is_checked(tmp_path: Path) -> None:
    """A cosignature by a known witness is verified as well, and a failing one refuses the pack."""
    directory = many_tenants(tmp_path / "log", 10)
    witness = NoteKey(name="witness.example.org", seed=b"\x0b" * 32)
    known = VerifierKey.ed25519(witness.name, witness.public_key, COSIGNATURE_ED25519)
    note = parse_note((directory / "checkpoint").read_bytes())
    line = cosigned(note, witness, 1_795_262_400)
    (directory / "checkpoint").write_bytes(str(replace(note, signatures=(*note.signatures, line))).encode())
    opened = verified_population(directory, [KEY, known])
    assert opened.report.cosignatures[0].time == 1_795_262_400
    made = exported(opened, ["evidence"], tmp_path / "out")
    assert f"witness w1 {known}" in made["evidence/log/policy.txt"].decode()
    (tmp_path / "pack.zip").write_bytes(made["evidence"])
    words = [str(tmp_path / "pack.zip"), "--key", str(KEY), "--key", str(known)]
    assert verifier.main(words) == 0
    files = members(made["evidence"])
    broken = replace(line, signature=line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
    files["log/checkpoint"] = str(replace(note, signatures=(*note.signatures, broken))).encode()
    for name in [one for one in files if one.startswith("proofs/")]:
        head = files[name].partition(b"\n\n")[0]
        files[name] = head + b"\n\n" + files["log/checkpoint"]
    said = _said(_rewritten(files), tmp_path, "--key", str(known))
    assert said == f"FAILED: log/checkpoint: the signature by {witness.name} is not valid"
