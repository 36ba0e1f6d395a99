"""After an erasure no byte of what was sealed is left in any file, nothing says a name, and everything still verifies.

Seen from the outside: what the archive held before, against the bytes of all that lies there afterwards and of all that
the commands say about it.
"""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.reading import read_records, sealed_parts
from tests.webhook.test_erasure_verbs import PEOPLE, POD, Site

NAME, LABEL, USER = "gravida-pod-7f3a", "gravida-label-55c1", "dr.ada@clinic.example"
WINDOW = 24  # bytes of a ciphertext: found by chance once in the age of the world
BASIS = "GDPR 17(1)(b)"


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A webhook decided of a pod with telling names in one namespace, and of others elsewhere."""
    site = Site(tmp_path_factory.mktemp("telling") / "state")
    site.make()
    process = site.webhook()
    try:
        asker = process.ready()
        for namespace, name in (("clinic", NAME), ("clinic", "other"), ("research", "kept-pod")):
            metadata = {**POD["metadata"], "namespace": namespace, "name": name}
            asker.create({**POD, "metadata": metadata | {"labels": {"patient": LABEL}}})
    finally:
        assert process.stop() == 0, process.written()
    return site


@pytest.fixture
def site(decided: Site, tmp_path: Path) -> Site:
    shutil.copytree(decided.state, tmp_path / "site" / "state")
    return Site(tmp_path / "site" / "state")


def _parts(site: Site, namespace: str) -> dict[bytes, bytes]:
    """The ciphertexts that records of this namespace name."""
    there = dict(sealed_parts(site.state / "log"))
    named = [
        bytes.fromhex(part["sha256"])
        for record in read_records(site.state / "log")
        if record.fields.get("namespace") == namespace
        for part in record.fields["written"].get("sealed", ())
    ]
    return {digest: there[digest] for digest in named}


def _asked(site: Site, folder: Path, namespace: str = "clinic") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    site.run("erase", "--namespace", namespace, "--basis", BASIS, "--request", str(folder / "request.json"))
    return folder / "request.json"


def _erased(site: Site, request: Path, *names: str) -> str:
    votes = [word for name in names or ("ada", "cem") for word in ("--vote", site.vote(request, name))]
    return site.run("erase", "--approved", str(request), *votes)


def _windows(parts: dict[bytes, bytes], but: dict[bytes, bytes]) -> list[bytes]:
    """Pieces of these that no other has: how an envelope begins is common to all."""
    pieces = (data[at : at + WINDOW] for data in parts.values() for at in range(0, len(data) - WINDOW, 48))
    return [piece for piece in pieces if not any(piece in data for data in but.values())]


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes().rstrip(b"\x00") for path in folder.rglob("*") if path.is_file()}


def test_not_a_byte_is_left_in_any_file(site: Site, tmp_path: Path) -> None:
    """No file beside or below the log holds a piece of an erased ciphertext; every other part is whole."""
    gone, kept = _parts(site, "clinic"), _parts(site, "research")
    assert len(gone) > 3
    assert kept
    windows = _windows(gone, kept)
    assert len(windows) > 100
    before = _contents(site.state)
    assert all(any(window in data for data in before.values()) for window in windows)
    _erased(site, _asked(site, tmp_path / "asked"))
    after = _contents(site.state)
    found = [name for name, data in after.items() if any(window in data for window in windows)]
    assert found == []
    assert _left(site, kept) == kept
    assert site.holds()


def _said(site: Site, out: Path) -> dict[str, bytes]:
    """Everything that the commands write and say about the log."""
    out.mkdir()
    formats = ("html", "csv", "ndjson", "parquet", "ocsf", "kube-audit", "oscal", "evidence")
    targets = [word for name in formats for word in (f"--{name}", str(out / name))]
    told = {"export": site.run("export", *targets).encode()}
    told["verify"] = site.run("verify", "-o", "json").encode()
    told["replay"] = site.run("replay", "-o", "json").encode()
    told["query"] = site.run("query", "--namespace", "clinic", "-o", "json").encode()
    shutil.unpack_archive(out / "evidence", out / "pack", "zip")
    return told | _contents(out) | _contents(site.state)


def test_nobody_and_nothing_is_named_anywhere(site: Site, tmp_path: Path) -> None:
    """No file before or after, no export and no answer says the user, the pod or its label, plain, in base64 or hex."""
    spelled = [word.encode() for word in (NAME, LABEL, USER)]
    spelled += [word.hex().encode() for word in spelled] + [base64.b64encode(word)[:-4] for word in spelled]
    before = _contents(site.state)
    _erased(site, _asked(site, tmp_path / "asked"))
    for told in (before, _said(site, tmp_path / "after")):
        assert [(name, word) for name, data in told.items() for word in spelled if word in data] == []


def test_the_erasure_itself_is_visible_everywhere(site: Site, tmp_path: Path) -> None:
    """Its record, with basis and number of approvals, is found by a query and lies in each export that has records."""
    parts = _parts(site, "clinic")
    _erased(site, _asked(site, tmp_path / "asked"))
    found = json.loads(site.run("query", "--schema", "erasure", "-o", "json"))
    assert found["count"] == 1
    leaf = found["records"][0]["leaf"]
    assert (leaf["basis"], leaf["approvals"], len(leaf["sealed"])) == (BASIS, 2, len(parts))
    told = _said(site, tmp_path / "out")
    for name in ("html", "csv", "ndjson"):
        assert BASIS.encode() in told[str(tmp_path / "out" / name)], name
    report = json.loads(told["verify"])
    assert (report["ok"], report["erased"]) == (True, len(leaf["sealed"]))
    outcomes = {row["then"]["outcome"] for row in json.loads(told["replay"])["records"]}
    assert outcomes == {"erased", "same"}


Forgery = Callable[[dict[str, Any], dict[str, Any]], None]  # changes the request and the second vote


def _of_another(request: dict[str, Any], vote: dict[str, Any]) -> None:
    action = json.loads(request["action"])
    request["action"] = json.dumps(action | {"namespace": "research"}, separators=(",", ":"))


def _fewer_parts(request: dict[str, Any], vote: dict[str, Any]) -> None:
    action = json.loads(request["action"])
    request["action"] = json.dumps(action | {"parts": 1, "digest": "0" * 64}, separators=(",", ":"))


def _of_another_log(request: dict[str, Any], vote: dict[str, Any]) -> None:
    request["action"] = request["action"].replace("webhook-0", "webhook-1")


def _in_anothers_name(request: dict[str, Any], vote: dict[str, Any]) -> None:
    vote["approver"] = "ben"


def _by_nobody_known(request: dict[str, Any], vote: dict[str, Any]) -> None:
    vote["approver"] = "eve"


def _once_more(request: dict[str, Any], vote: dict[str, Any]) -> None:
    vote["nonce"] = request["nonce"] = "AAAAAAAAAAAAAAAAAAAAAA"


def _for_longer(request: dict[str, Any], vote: dict[str, Any]) -> None:
    vote["expires"] = "2099-01-01T00:00:00Z"


def _bent(request: dict[str, Any], vote: dict[str, Any]) -> None:
    vote["signature"] = ("B" if vote["signature"][0] == "A" else "A") + vote["signature"][1:]


def _the_firsts(request: dict[str, Any], vote: dict[str, Any]) -> None:
    vote["approver"] = "ada "


FORGERIES = (
    _of_another,
    _fewer_parts,
    _of_another_log,
    _in_anothers_name,
    _by_nobody_known,
    _once_more,
    _for_longer,
    _bent,
    _the_firsts,
)


def test_no_forged_vote_or_request_erases_anything(site: Site, tmp_path: Path) -> None:
    """Another scope, log, person, nonce, time or signature than two people signed: refused, all is there."""
    before = dict(sealed_parts(site.state / "log"))
    request = _asked(site, tmp_path / "asked")
    first, second = (site.vote(request, name) for name in ("ada", "cem"))
    for forgery in FORGERIES:
        asked, vote = json.loads(request.read_text()), json.loads(Path(second).read_text())
        forgery(asked, vote)
        forged = tmp_path / "forged.json", tmp_path / "forged.vote"
        forged[0].write_text(json.dumps(asked))
        forged[1].write_text(json.dumps(vote))
        words = ("--approved", str(forged[0]), "--vote", first, "--vote", str(forged[1]))
        site.run("erase", *words, fails=True)
        assert not site.records("erasure"), forgery.__name__
    assert dict(sealed_parts(site.state / "log")) == before
    assert set(PEOPLE) == {"ada", "ben", "cem"}


def test_an_approval_counts_once_and_for_what_was_there(site: Site, tmp_path: Path) -> None:
    """Given again after it was done, an order does nothing; what came after the request is not touched by it."""
    before, request = _parts(site, "clinic"), _asked(site, tmp_path / "asked")
    stale = _asked(site, tmp_path / "stale")
    site.decide("clinic")
    later = _parts(site, "clinic")
    assert "recorded as none" not in _erased(site, request)
    left = _left(site, later)
    assert len(left) == len(later) - len(before), "what was decided after the request is not in it"
    for again in (request, stale):
        assert "recorded as none" in _erased(site, again, "ada", "ben")
    assert (len(site.records("erasure")), _left(site, later)) == (1, left)
    assert site.holds()


def _left(site: Site, parts: dict[bytes, bytes]) -> dict[bytes, bytes]:
    there = dict(sealed_parts(site.state / "log"))
    return {digest: data for digest, data in parts.items() if there.get(digest) == data}
