"""Erasing, holding and pruning in a log that replicas share, by the commands, while a webhook writes it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit.checks.chain_check import verify_chain
from audit.key_changes import SIGNING
from audit.postgres.sharded_log import SharedShards
from audit.switching import Keeping
from audit.tlog import VerifierKey
from audit.whole import whole_log
from bailiwick import command
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.ports import Binding
from tests.audit.servers import Server, running
from tests.audit.test_mirror import run
from tests.audit.worlds import WRITER, until
from tests.webhook.test_erasure_verbs import CLUSTER, POD, RULES, Site
from webhook.demo.process import Process
from webhook.log.state import open_keyring
from webhook.options import Options
from webhook.verbs.stores import NAME


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    """A real server."""
    with running() as server:
        yield server


class SharedSite(Site):
    """A state directory whose webhook writes to a database."""

    server: Server
    database = "log"

    def webhook(self) -> Process:
        arguments = [
            "--rules",
            RULES,
            "--snapshot",
            CLUSTER,
            "--linger",
            "0",
            "--log",
            self.url("replica"),
        ]
        return Process(self.state, [*arguments, "--shard-records", "16"])

    def url(self, user: str) -> str:
        return self.server.url(user, self.database)

    def run(self, verb: str, *arguments: str, fails: bool = False) -> str:
        there = ["--log", self.url("replica"), "--remover", self.url("pruner")]
        return super().run(verb, *there, *arguments, fails=fails)

    def mirror(self) -> Path:
        """A copy for auditors."""
        copy = self.state.parent / "copy"
        key = str(self.state / "log.vkeys")
        done = run("mirror", self.url("reader"), str(copy), "--key", key, "--once")
        assert done.returncode == 0, done.stderr
        return copy

    def outcomes(self, namespace: str) -> set[str]:
        copy = self.mirror()
        there = ["--parts", self.url("replica"), "--keyring", str(self.state / "keys")]
        done = run("replay", str(copy), *there, "--namespace", namespace, "-o", "json")
        return {row["then"]["outcome"] for row in json.loads(done.stdout)["records"]}


def test_erased_held_and_pruned(database: Server, tmp_path: Path) -> None:
    """What people approved goes from the database, unless held; replay and verification say what became of it."""
    site = SharedSite(tmp_path / "state")
    site.server = database
    site.make()
    site.decide("clinic", "clinic", "research")
    request = tmp_path / "request.json"
    process = site.webhook()
    try:
        asker = process.ready()
        site.run("hold", "case-7", "--namespace", "clinic", "--basis", "GDPR 17(3)(e)")
        told = site.run("erase", "--namespace", "clinic", "--basis", "GDPR 17(1)(b)", "--request", str(request))
        assert "of 7 records would go" in told
        assert "held: `case-7` stands on 7" in told
        votes = [site.vote(request, name) for name in ("ada", "ben")]
        arguments = ["--approved", str(request), "--vote", votes[0], "--vote", votes[1]]
        assert "legal holds stand against it: `case-7`" in site.run("erase", *arguments, fails=True)
        until(lambda: "held, by case-7" in site.run("prune", "--older-than", "0"), 20)  # once the webhook has gone on
        refused = site.run("hold", "case-8", "--lift", "--basis", "closed", fails=True)
        assert "no hold `case-8` stands on this log" in refused
        assert "those that stand: `case-7`" in refused
        site.run("hold", "case-7", "--lift", "--basis", "closed")
        assert "no hold `case-7` stands" in site.run("hold", "case-7", "--lift", "--basis", "closed", fails=True)
        assert "approval" in site.run("erase", *arguments[:4], fails=True)
        assert "7 sealed parts of 7 records erased" in site.run("erase", *arguments)
        asker.create({**POD, "metadata": {**POD["metadata"], "namespace": "research", "name": "after"}})
    finally:
        assert process.stop() == 0, process.written()
    assert site.outcomes("clinic") == {"erased"}
    assert site.outcomes("research") == {"same"}
    assert "are kept for 180 days at least" in site.run("expire", "--days", "30", fails=True)
    assert "0 sealed parts of 0 records expired" in site.run("expire", "--days", "180")
    shown = json.loads(site.run("prune", "--older-than", "180", "-o", "json"))
    assert shown[0]["state"] == "young"
    assert len(shown) > 1
    refused = site.run("prune", "--older-than", "0", "--shard", "0", "--yes")
    assert "is kept for 180" in refused
    keys = [VerifierKey.parse(line) for line in (site.state / "log.vkeys").read_text().split()]
    assert verify_chain(site.mirror(), keys).ok


def test_two_commands_take_turns(database: Server, tmp_path: Path) -> None:
    """While one command changes a shared log, another waits, and gives up in the end with the reason."""
    database.create("second")
    site = SharedSite(tmp_path / "state")
    site.server, site.database = database, "second"
    site.make()
    site.decide("clinic")
    origin = "audit.local/cluster"
    signer = open_keyring(Options("test", state=str(site.state))).signer(SIGNING, origin)
    other = SharedShards.open(
        database.address("replica", "second"),
        Keeping(origin=origin, signer=signer, clock=lambda: datetime.now(UTC), writer=replace(WRITER, name=NAME)),
    )
    refused = site.run("hold", "x", "--basis", "b", "--wait", "0.5", fails=True)
    assert "another command changes this log" in refused
    other.close_now()
    site.run("hold", "x", "--basis", "b")
    site.run("hold", "x", "--lift", "--basis", "b")


def test_break_glass_in_a_shared_log(database: Server, tmp_path: Path) -> None:
    """The record of a key that opens in an emergency is durable in the database before it does."""
    database.create("glass")
    site = SharedSite(tmp_path / "state")
    site.server, site.database = database, "glass"
    site.make()
    site.decide("clinic")
    keys = site.state / "keys"
    ring = FileKeyring.open(keys, "local", unlock=KeyFile(keys / "unlock.key"))
    known = ring.keys()
    key_id = next(key.key_id for key in known if key.purpose == "audit-archive")
    bound = Binding("local", "", "audit-archive", "cluster", "clinic")
    envelope, plain, request = tmp_path / "envelope", tmp_path / "plain", tmp_path / "request.json"
    envelope.write_bytes(ring.sealer().seal(b"patient 4711", bound).to_bytes())
    named = ["--from", keys / "local.public.json", "--key-id", key_id, "--of", "/cluster/clinic", "--reason", "ward"]
    asked = CliRunner().invoke(command, ["keys", "break-glass", "ask", *map(str, named), "--out", str(request)])
    assert asked.exit_code == 0, asked.output
    votes = [part for name in ("ada", "ben") for part in ("--vote", site.vote(request, name))]
    there = [site.state, "--log", site.url("replica"), "--directory", keys, "--region", "local"]
    files = ["--key-file", keys / "unlock.key", "--request", request, "--in", envelope, "--out", plain, *votes]
    opened = CliRunner().invoke(command, ["keys", "break-glass", "open", *map(str, [*there, *files])])
    assert opened.exit_code == 0, opened.output
    assert plain.read_bytes() == b"patient 4711"
    leaves = [leaf.fields for _, leaf in whole_log(site.mirror()) if ".break-glass/" in leaf.fields["schema"]]
    assert [(leaf["names"], leaf["reason"], leaf["use"]) for leaf in leaves] == [([key_id], "ward", 1)]
