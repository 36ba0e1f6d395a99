"""Break-glass from the command line, beside a running webhook and without one: in the log first, and in reports."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.checks.verify import verify_log
from audit.reading import read_records
from audit.verbs.places import verifier_keys
from bailiwick import command
from keymgmt.approvals import ApprovalPolicy, approve
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.ports import Binding
from keymgmt.states import Change
from webhook.demo.process import Process

PEOPLE = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"x")) for name in ("ada", "ben")}
BOUND = Binding("local", "", "audit-archive", "cluster", "clinic")


@dataclass
class Site:
    """A state directory with a log; what was sealed lies under a version that is revoked."""

    state: Path

    @property
    def keys(self) -> Path:
        return self.state / "keys"

    def make(self) -> None:
        self.keys.mkdir(parents=True, mode=0o700)
        policy = ApprovalPolicy({name: key.public_key().public_bytes_raw() for name, key in PEOPLE.items()}, needed=2)
        unlock = KeyFile.create(self.keys / "unlock.key")
        now = datetime.now(UTC).replace(microsecond=0)
        ring = FileKeyring.create(self.keys, "local", unlock=unlock, now=now, approvals=policy)
        self.envelope.write_bytes(ring.sealer().seal(b"patient 4711", BOUND).to_bytes())
        known = ring.keys()
        old = next(key.key_id for key in known if key.purpose == "audit-archive")
        ring.rotate("audit-archive", now)
        action, until = ring.action(Change.REVOKE, old), now + timedelta(hours=1)
        cast = [approve(action, name, key, nonce=b"r" * 16, issued=now, expires=until) for name, key in PEOPLE.items()]
        ring.revoke(old, cast, now)
        (self.state / "revoked").write_text(old)
        for name, person in PEOPLE.items():
            pem = person.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (self.state / f"{name}.pem").write_bytes(pem)
        process = self.webhook()
        try:
            process.ready()
        finally:
            assert process.stop() == 0, process.written()

    @property
    def envelope(self) -> Path:
        return self.state / "envelope"

    def webhook(self) -> Process:
        return Process(self.state, ["--linger", "0"])

    def run(self, *words: object, code: int = 0) -> str:
        shown = CliRunner().invoke(command, list(map(str, words)))
        assert shown.exit_code == code, shown.output
        return shown.output

    def asked(self, *words: object) -> tuple[Path, list[object]]:
        """A request and two votes for it."""
        request, votes = self.state / "request.json", []
        public, old = self.keys / "local.public.json", (self.state / "revoked").read_text()
        named = ["--from", public, "--key-id", old, "--of", "/cluster/clinic", "--reason", "ward needs its records"]
        self.run("keys", "break-glass", "ask", *named, *words, "--out", request)
        for name in PEOPLE:
            vote = self.state / f"{name}.vote"
            key = self.state / f"{name}.pem"
            assert "break-glass" in self.run("keys", "approve", request, "--as", name, "--key", key, "--out", vote)
            votes += ["--vote", vote]
        return request, votes

    def opened(self, request: Path, votes: list[object], *words: object, code: int = 0) -> str:
        ring = ["--directory", self.keys, "--region", "local", "--key-file", self.keys / "unlock.key"]
        files = ["--in", self.envelope, "--request", request, "--out", self.state / "plain"]
        return self.run("keys", "break-glass", "open", self.state, *ring, *files, *votes, *words, code=code)

    def records(self) -> list[Any]:
        return [r.fields for r in read_records(self.state / "log") if ".break-glass/" in r.fields["schema"]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One of them."""
    site = Site(tmp_path_factory.mktemp("glass") / "state")
    site.make()
    return site


@pytest.fixture
def site(made: Site, tmp_path: Path) -> Site:
    """A copy of it."""
    shutil.copytree(made.state, tmp_path / "state")
    return Site(tmp_path / "state")


def test_opened_recorded_and_reported(site: Site) -> None:
    """Two votes and a reason open what a revoked key holds; record, report and OSCAL say so; names stay sealed."""
    request, votes = site.asked()
    assert "record" in site.opened(request, votes)
    assert (site.state / "plain").read_bytes() == b"patient 4711"
    assert (site.state / "plain").stat().st_mode & 0o777 == 0o600
    (record,) = site.records()
    told = {name: record[name] for name in ("what", "state", "key_state", "purpose", "reason", "use", "uses", "needed")}
    assert told == {
        "what": "key", "state": "opened", "key_state": "revoked", "purpose": "audit-archive",
        "reason": "ward needs its records", "use": 1, "uses": 1, "needed": 2,
    }  # fmt: skip
    assert record["names"] == [(site.state / "revoked").read_text()]
    assert record["written"]["sealed"], "who approved lies sealed beside it"
    for path in (site.state / "log").rglob("*"):
        assert not path.is_file() or not any(name in path.read_bytes() for name in (b'"ada"', b'"ben"'))
    assert verify_log(site.state / "log", verifier_keys(site.state / "log", ())).ok
    report, oscal = site.state / "report.html", site.state / "oscal"
    site.run("audit", "export", site.state, "--html", report, "--oscal", oscal)
    text = report.read_text()
    assert text.index("Break-glass") < text.index("ward needs its records")
    said = json.loads((oscal / "assessment-results.json").read_text())
    assert "uses of break-glass" in json.dumps(said)
    assert site.run("audit", "query", site.state, "--schema", "break-glass", "-o", "json").count("ward needs") == 1


def test_beside_a_running_webhook(site: Site) -> None:
    """The webhook that holds the log writes the record, says so in its own log, and only then the envelope opens."""
    request, votes = site.asked("--uses", "2")
    process = site.webhook()
    try:
        process.ready()
        site.opened(request, votes)
        assert (site.state / "plain").read_bytes() == b"patient 4711"
    finally:
        assert process.stop() == 0, process.written()
    assert [record["use"] for record in site.records()] == [1]
    assert "break-glass: key" in process.written()


def test_nothing_opens_without_its_record(site: Site) -> None:
    """A log that takes no record, too few votes, a use too many: no plaintext, and a hint what to do."""
    request, votes = site.asked("--uses", "2")
    assert "1 of 2 needed approvals" in site.opened(request, votes[:2], code=2)
    records, moved = site.state / "log" / "wal", site.state / "elsewhere"
    records.rename(moved)
    records.mkdir()
    assert "nothing was opened" in site.opened(request, votes, code=2)
    shutil.rmtree(records)
    moved.rename(records)
    assert not (site.state / "plain").exists()
    assert site.records() == []
    site.opened(request, votes)
    (site.state / "plain").unlink()
    assert "they are spent" in site.opened(request, votes, code=2)
    assert not (site.state / "plain").exists()
    assert len(site.records()) == 1
