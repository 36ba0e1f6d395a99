"""Erasing beside a running webhook and without one: approved by people, recorded, verified, and told by the replay."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.checks.verify import verify_log
from audit.reading import read_records
from audit.verbs.places import verifier_keys
from bailiwick import command
from keymgmt.approvals import ApprovalPolicy, approve
from keymgmt.canonical import from_base64url, stamp, to_base64url
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from webhook.demo.process import Process

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
RULES, CLUSTER = str(QUICKSTART / "rules"), str(QUICKSTART / "cluster")
PEOPLE = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"x")) for name in ("ada", "ben", "cem")}
POD = next(yaml.safe_load_all((QUICKSTART / "manifests" / "10-vllm-pod.yaml").read_text()))


@dataclass
class Site:
    """A state directory whose keyring has approvers: two of three."""

    state: Path

    def make(self) -> None:
        keys = self.state / "keys"
        keys.mkdir(parents=True, mode=0o700)
        public = {name: key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) for name, key in PEOPLE.items()}
        unlock = KeyFile.create(keys / "unlock.key")
        now = datetime.now(UTC)
        FileKeyring.create(keys, "local", unlock=unlock, now=now, approvals=ApprovalPolicy(public, needed=2))

    def webhook(self) -> Process:
        return Process(self.state, ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0"])

    def decide(self, *namespaces: str) -> None:
        """A webhook judges one pod in each of these namespaces, and ends."""
        process = self.webhook()
        try:
            asker = process.ready()
            for number, namespace in enumerate(namespaces):
                metadata = {**POD["metadata"], "namespace": namespace, "name": f"vllm-{number}"}
                asker.create({**POD, "metadata": metadata})
        finally:
            assert process.stop() == 0, process.written()

    def run(self, verb: str, *arguments: str, fails: bool = False) -> str:
        shown = CliRunner().invoke(command, ["audit", verb, str(self.state), *arguments], standalone_mode=False)
        if fails:
            assert shown.exit_code == 2 or shown.exception is not None, shown.output
            return f"{shown.output}{shown.exception}{getattr(shown.exception, 'hint', '')}"
        assert not isinstance(shown.exception, Exception), f"{shown.output}{shown.exception!r}"
        assert shown.exit_code in (0, 1)
        return shown.output

    def vote(self, request: Path, name: str) -> str:
        """As `bailiwick keys approve` makes one; the vote's file."""
        asked = json.loads(request.read_text())
        now = datetime.now(UTC).replace(microsecond=0)
        made = approve(
            asked["action"].encode(),
            name,
            PEOPLE[name],
            nonce=from_base64url(asked["nonce"]),
            issued=now,
            expires=now + timedelta(hours=1),
        )
        path = request.with_name(f"{name}.vote")
        told = {"approver": name, "nonce": asked["nonce"], "issued": stamp(made.issued), "expires": stamp(made.expires)}
        signed = {"schema": "bailiwick.dev/approval/v1", **told, "signature": to_base64url(made.signature)}
        path.write_text(json.dumps(signed))
        return str(path)

    def outcomes(self, namespace: str) -> set[str]:
        told = json.loads(self.run("replay", "--namespace", namespace, "-o", "json"))
        return {row["then"]["outcome"] for row in told["records"]}

    def records(self, schema: str) -> list[Any]:
        return [r.fields for r in read_records(self.state / "log") if f".{schema}/" in r.fields["schema"]]

    def holds(self) -> bool:
        return verify_log(self.state / "log", verifier_keys(self.state / "log", ())).ok


@pytest.fixture(scope="module")
def approved_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One that decided in two namespaces."""
    site = Site(tmp_path_factory.mktemp("decided") / "state")
    site.make()
    site.decide("clinic", "clinic", "research")
    return site


@pytest.fixture
def site(approved_site: Site, tmp_path: Path) -> Site:
    """A copy of it."""
    shutil.copytree(approved_site.state, tmp_path / "state")
    return Site(tmp_path / "state")


def test_an_approved_namespace_is_erased(site: Site, tmp_path: Path) -> None:
    """Request, two votes, done: its records verify and can't be replayed, others can; nobody's name is clear."""
    request = tmp_path / "request.json"
    told = site.run("erase", "--namespace", "clinic", "--basis", "GDPR 17(1)(b)", "--request", str(request))
    assert "of 7 records would go" in told  # six decisions, and the namespace's own object
    votes = [site.vote(request, name) for name in ("ada", "cem")]
    told = site.run("erase", "--approved", str(request), "--vote", votes[0], "--vote", votes[1])
    assert "7 sealed parts of 7 records erased" in told
    assert site.outcomes("clinic") == {"erased"}
    assert site.outcomes("research") == {"same"}
    assert site.holds()
    (leaf,) = site.records("erasure")
    assert (leaf["approvals"], leaf["needed"], leaf["scope"]) == (2, 2, "namespace")
    for path in (site.state / "log").rglob("*"):
        if path.is_file():
            assert not any(name in path.read_bytes() for name in (b'"ada"', b'"cem"'))


def test_too_few_votes_erase_nothing(site: Site, tmp_path: Path) -> None:
    """One vote of two, twice the same, or votes for another request: refused, and everything is still there."""
    request, other = tmp_path / "request.json", tmp_path / "other" / "request.json"
    other.parent.mkdir()
    for path, namespace in ((request, "clinic"), (other, "research")):
        site.run("erase", "--namespace", namespace, "--basis", "x", "--request", str(path))
    ada, ben = site.vote(request, "ada"), site.vote(other, "ben")
    for votes in ([], [ada], [ada, ada], [ada, ben]):
        arguments = [part for vote in votes for part in ("--vote", vote)]
        refused = site.run("erase", "--approved", str(request), *arguments, fails=True)
        assert "approval" in refused or "different requests" in refused
    assert site.outcomes("clinic") == {"same"}
    assert not site.records("erasure")


def test_a_running_webhook_erases_in_its_own_log(site: Site, tmp_path: Path) -> None:
    """The log has one writer: the command hands the order over, the webhook goes on answering, and it is done."""
    process = site.webhook()
    try:
        asker = process.ready()
        request = tmp_path / "request.json"
        site.run("erase", "--record", "7", "--basis", "GDPR 17(1)(b)", "--request", str(request))
        votes = [site.vote(request, name) for name in ("ada", "ben")]
        told = site.run("erase", "--approved", str(request), "--vote", votes[0], "--vote", votes[1], "-o", "json")
        assert json.loads(told)["parts"] >= 1
        asker.create({**POD, "metadata": {**POD["metadata"], "name": "after"}})
    finally:
        assert process.stop() == 0, process.written()
    assert site.outcomes("clinic") == {"erased", "same"}
    assert site.holds()
    assert not list((site.state / "orders").iterdir()), "neither an order nor an answer is left lying"


def test_a_hold_stops_erasures_and_expiry(site: Site, tmp_path: Path) -> None:
    """What is held neither goes by approval nor with its time; once lifted, both work."""
    request = tmp_path / "request.json"
    site.run("hold", "case-7", "--namespace", "clinic", "--basis", "GDPR 17(3)(e)")
    told = site.run("erase", "--namespace", "clinic", "--basis", "x", "--request", str(request))
    assert "held: `case-7` stands on 7" in told
    votes = [site.vote(request, name) for name in ("ada", "ben")]
    arguments = ["--approved", str(request), "--vote", votes[0], "--vote", votes[1]]
    refused = site.run("erase", *arguments, fails=True)
    assert "legal holds stand against it: `case-7`" in refused
    assert "0 sealed parts of 0 records expired" in site.run("expire", "--days", "180")
    site.run("hold", "case-7", "--lift", "--basis", "closed")
    assert "7 sealed parts" in site.run("erase", *arguments)
    assert [leaf["state"] for leaf in site.records("hold")] == ["placed", "lifted"]
    assert site.holds()


def test_a_user_is_found_by_the_tag(site: Site, tmp_path: Path) -> None:
    """Nobody's name stands in a leaf: with the region's keyring a user's records are found all the same."""
    request = tmp_path / "request.json"
    told = site.run("erase", "--user", "dr.ada@clinic.example", "--basis", "x", "--request", str(request))
    assert "of 7 records would go" in told
    assert "clinic.example" not in request.read_text()
    refused = site.run("erase", "--user", "nobody", "--basis", "x", "--request", str(request), fails=True)
    assert "no record with a sealed part" in refused
    assert "audit query" in refused


def test_nobody_declared_means_nobody_can_erase(tmp_path: Path) -> None:
    """A keyring without approvers refuses, and says how to make one that has some."""
    site = Site(tmp_path / "state")
    site.state.mkdir()
    site.decide("clinic")
    request = tmp_path / "request.json"
    site.run("erase", "--namespace", "clinic", "--basis", "x", "--request", str(request))
    refused = site.run("erase", "--approved", str(request), "--vote", site.vote(request, "ada"), fails=True)
    assert "no approvers" in refused
    assert "keys init --approver" in refused


def test_mistakes_are_told(site: Site, tmp_path: Path) -> None:
    """No scope, two scopes, no basis, a file that is no request: each is a usage error that says what is missing."""
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    for arguments, message in (
        (["--basis", "x", "--request", str(broken)], "give one of --namespace"),
        (["--namespace", "a", "--user-tag", "k:t", "--basis", "x", "--request", str(broken)], "give one of"),
        (["--namespace", "a"], "give --basis and --request"),
        (["--approved", str(broken)], "is not a file of"),
    ):
        assert message in site.run("erase", *arguments, fails=True)
    assert "--records takes" in site.run("hold", "x", "--basis", "b", "--records", "a-b", fails=True)
    assert "--class takes" in site.run("expire", "--days", "1", "--class", "restricted", fails=True)
    for arguments in (["--days", "179"], ["--days", "365", "--class", "public=30"]):
        assert "are kept for 180 days at least" in site.run("expire", *arguments, fails=True)
