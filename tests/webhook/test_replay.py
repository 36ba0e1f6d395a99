"""Old decisions made again: a real webhook decides, its archive gives each back bit for bit, or says why not."""

import os
import shutil
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from audit.checks.chain_check import verify_chain
from audit.checks.verify import verify_log
from audit.files.layout import archive_of
from audit.reading import read_records
from audit.sealed.archive import Archive
from audit.verbs.places import verifier_keys
from audit.whole import present_shards
from bailiwick import command
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from policies.decision import Decision
from policies.gathering import engine_of, load_rules
from policies.replaying import Outcome
from policies.version import version
from tests.audit.unread import published
from tests.webhook.decided import CANARIES, CLUSTER, PASSWORD, RULES, Decided, manifests
from webhook.demo.process import Process
from webhook.replaying.cases import Cases, NotReplayable


def test_every_decision_is_made_again_bit_for_bit(decided: Decided) -> None:
    """Under the rules of then each record gives the decision whose digest its leaf names; verdicts of all kinds."""
    lines = decided.lines()
    assert len(lines) == len(decided.records("decision")) > 60
    assert {line.then.outcome for line in lines if line.kind != "Secret"} == {Outcome.SAME}
    assert {line.then.outcome for line in lines if line.kind == "Secret"} == {Outcome.WITHHELD}
    assert {line.verdict for line in lines} >= {"allowed", "denied", "mutated"}
    for line in lines:
        assert isinstance(line.then.decision, Decision)
        assert line.then.decision.verdict == line.verdict
    assert False in decided.allowed
    assert True in decided.allowed


def test_an_other_decision_would_be_noticed(decided: Decided) -> None:
    """The comparison is of bytes: a case whose request is changed by one label no longer gives the same decision."""
    cases = _cases(decided)
    record = next(one for one in decided.records("decision") if one.fields["gvk"].endswith("/Pod"))
    case = cases.case(record.fields).case
    engine = engine_of((load_rules([RULES]),), case.inputs.engine)
    assert case.is_of(_digest(engine.decide(case.request, case.phase, case.excerpt, case.now)))
    other = {**case.request.review, "name": "another"}
    changed = replace(case.request, name="another", review=other)
    assert not case.is_of(_digest(engine.decide(changed, case.phase, case.excerpt, case.now)))


def test_shared_inputs_are_archived_once(decided: Decided) -> None:
    """However many decisions read them, rules and objects of the cluster are sealed once each."""
    addresses = [address for record in decided.records("inputs") for address in record.fields["addresses"]]
    assert len(addresses) == len(set(addresses)) < 12
    named = [set(record.fields.get("inputs", ())) for record in decided.records("decision")]
    assert set(addresses) == set.union(*named)
    rules = decided.records("inputs")[0]
    assert all(set(rules.fields["addresses"]) <= one for one in named), "every decision names the rules"


def test_inputs_are_durable_before_the_record_that_names_them(decided: Decided) -> None:
    """In the log's order, an address is archived before a decision names it."""
    archived: set[str] = set()
    for record in read_records(decided.log):
        archived |= set(record.fields.get("addresses", ()))
        assert set(record.fields.get("inputs", ())) <= archived


def test_nothing_personal_lies_there_in_clear(decided: Decided) -> None:
    """Names, users, images' hosts, messages and addresses of these requests stand nowhere in the directory in clear.

    Image references are the exception: they are clear by the leaf's table, since registers need them.
    """
    for path in (path for path in decided.log.rglob("*") if path.is_file()):
        data = path.read_bytes()
        found = [word for word in (*CANARIES, PASSWORD, "127.0.0.1", "::ffff") if word.encode() in data]
        assert set(found) <= {"canary.registry.example"}, path


def test_the_data_of_a_secret_is_nowhere(decided: Decided) -> None:
    """Opened with the private key, no part of the archive holds what was in the Secret."""
    cases = _cases(decided)
    for record in decided.records("decision"):
        case = cases.case(record.fields).case
        assert PASSWORD not in str(case.request)


def test_what_differs_under_other_rules(decided: Decided) -> None:
    """With the same rules nothing differs today; without them denials are gone, and it says so."""
    same = decided.lines(today=engine_of((load_rules([RULES]),), version()))
    assert {line.today.outcome for line in same if line.today is not None} == {Outcome.SAME}
    none = decided.lines(today=engine_of((), version(), packs=False))
    differing = [line for line in none if line.today is not None and line.today.outcome is Outcome.DIFFERS]
    assert {line.verdict for line in differing} >= {"denied", "mutated"}
    assert any("was denied, now allowed" in line.today.detail for line in differing if line.today is not None)


def test_rules_that_look_at_more_are_not_guessed_about(decided: Decided, tmp_path: Path) -> None:
    """Where today's rules need what the decision of then never read, the replay says that it can't tell."""
    rules = yaml.safe_load(_NODE_RULE)
    (tmp_path / "rule.yaml").write_text(yaml.safe_dump(rules))
    lines = decided.lines(today=engine_of((load_rules([str(tmp_path)]),), version(), packs=False))
    unknown = [line.today for line in lines if line.today is not None and line.today.outcome is Outcome.UNKNOWN]
    assert unknown
    assert any("not read by the recorded decision" in one.detail for one in unknown)


_NODE_RULE = """
apiVersion: bailiwick.dev/v1alpha1
kind: SovereigntyPolicy
metadata: {name: looks-at-a-node}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: "jurisdiction.admits(cluster.placeOfNode('never-read'))", message: "it isn't known"}]
"""


@pytest.mark.parametrize("what", ["rules", "own"])
def test_a_tampered_archive_is_found(decided: Decided, tmp_path: Path, what: str) -> None:
    """A flipped bit in a part is found by whatever needs the part, and nothing else is called the same."""
    spoiled = decided.copy(tmp_path / "state")
    record = (spoiled.records("inputs") if what == "rules" else spoiled.records("decision"))[0]
    digest = bytes.fromhex(record.fields["written"]["sealed"][0]["sha256"])
    slot = Archive.open([spoiled.log]).slot(digest)
    assert slot is not None
    data = bytearray(slot.path.read_bytes())
    data[slot.offset + slot.size // 2] ^= 1
    slot.path.write_bytes(data)
    outcomes = [line.then.outcome for line in spoiled.lines()]
    assert outcomes.count(Outcome.TAMPERED) == (len(outcomes) if what == "rules" else 1)
    assert CliRunner().invoke(command, ["audit", "replay", str(spoiled.state)]).exit_code == 1


def test_a_part_of_another_record_does_not_pass(decided: Decided, tmp_path: Path) -> None:
    """Two parts exchanged in the archive are both found: each lies where another's hash stands."""
    spoiled = decided.copy(tmp_path / "state")
    archive = Archive.open([spoiled.log])
    sizes: dict[int, list[Any]] = {}
    own = [record.fields["written"]["sealed"][0]["sha256"] for record in spoiled.records("decision")]
    for slot in filter(None, (archive.slot(bytes.fromhex(digest)) for digest in own)):
        sizes.setdefault(slot.size, []).append(slot)
    first, second = next(group for group in sizes.values() if len(group) > 1)[:2]
    data = bytearray(first.path.read_bytes())
    one, two = (bytes(data[slot.offset : slot.offset + slot.size]) for slot in (first, second))
    data[first.offset : first.offset + first.size], data[second.offset : second.offset + second.size] = two, one
    first.path.write_bytes(data)
    assert sum(line.then.outcome is Outcome.TAMPERED for line in spoiled.lines()) == 2


def test_a_removed_archive_is_missing_and_not_erased(decided: Decided, tmp_path: Path) -> None:
    """What no record declares erased is missing, and that fails."""
    spoiled = decided.copy(tmp_path / "state")
    shutil.rmtree(archive_of(spoiled.log))
    lines = spoiled.lines()
    assert {line.then.outcome for line in lines} == {Outcome.MISSING}
    assert all(line.fails for line in lines)


def test_without_the_private_key_it_says_what_to_give(decided: Decided, tmp_path: Path) -> None:
    """No keyring is an error with a hint, and so is another region's key."""
    spoiled = decided.copy(tmp_path / "state")
    shutil.rmtree(spoiled.state / "keys")
    shown = CliRunner().invoke(command, ["audit", "replay", str(spoiled.state)])
    assert "no keyring of region `local`" in str(shown.exception)
    assert "--keyring" in str(getattr(shown.exception, "hint", ""))
    keys = tmp_path / "other"
    keys.mkdir(mode=0o700)
    unlock = KeyFile.create(keys / "unlock.key")
    FileKeyring.create(keys, "local", unlock=unlock, now=datetime.now(UTC))
    foreign = CliRunner().invoke(command, ["audit", "replay", str(spoiled.state), "--keyring", str(keys)])
    assert foreign.exit_code == 1
    assert "tampered" in foreign.output
    assert "never had the key" in foreign.output


def test_the_verb_tells_and_exits(decided: Decided) -> None:
    """All the same is 0; something that would differ today is 1; programs get every line."""
    arguments = ["audit", "replay", str(decided.state), "--namespace", "clinic"]
    shown = CliRunner().invoke(command, arguments)
    assert shown.exit_code == 0, shown.output
    assert "under the rules of then" in shown.output
    whole = CliRunner().invoke(command, [*arguments, "-o", "json"])
    told = yaml.safe_load(whole.output)
    assert told["failing"] == 0
    assert {row["namespace"] for row in told["records"]} == {"clinic"}
    differing = CliRunner().invoke(command, [*arguments, "--rules", RULES, "--no-packs"])
    assert differing.exit_code == 1
    assert "today differs" in differing.output


def test_the_log_holds(decided: Decided) -> None:
    """All these records and parts verify like any others."""
    report = verify_log(decided.log, verifier_keys(decided.log, ()))
    assert report.ok, report.problems


def _digest(decision: Any) -> bytes:
    from hashlib import sha256

    assert isinstance(decision, Decision)
    return sha256(decision.to_bytes()).digest()


def _cases(decided: Decided) -> Cases:
    keyring = decided.keyring()
    cases = Cases(Archive.open([decided.log]), keyring.opener(), keyring.jurisdiction)
    for record in read_records(decided.log):
        cases.learn(record)
    return cases


def test_older_forms_are_said_to_be_older(decided: Decided) -> None:
    """A record that names no part of its own, or archived no inputs, is unreadable and not a fault."""
    fields = dict(decided.records("decision")[0].fields)
    with pytest.raises(NotReplayable, match="names 0 sealed parts"):
        _cases(decided).case({**fields, "written": {}})


def test_a_record_that_nobody_can_read(decided: Decided, tmp_path: Path) -> None:
    """It is a line of its own with the reason, once; all others are decided again as ever, and the command says so."""
    copy = decided.copy(tmp_path / "state")
    leaves = [record.leaf for record in read_records(decided.log)]
    for name in ("wal", "tile"):
        shutil.rmtree(copy.log / name)
    published(copy.log, [*leaves[:9], b"\x1b[31mno record", *leaves[9:]])
    lines = copy.lines()
    assert [line.index for line in lines if line.then.outcome is Outcome.UNREADABLE] == [9]
    assert len(lines) == len(decided.lines()) + 1
    shown = CliRunner().invoke(command, ["audit", "replay", str(copy.state)])
    assert shown.exit_code == 1
    assert shown.output.count("unreadable: record 9: the record can't be read: it is no JSON") == 1
    assert "\x1b" not in shown.output


def test_each_shard_has_its_own_inputs(tmp_path: Path) -> None:
    """When the log goes on in a new shard, what records need is archived there anew: an old shard may be pruned."""
    process = Process(tmp_path, ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0", "--shard-records", "12"])
    manifest = next(found for found in manifests() if found["kind"] == "Pod")
    try:
        asker = process.ready()
        until = time.monotonic() + 20
        while len(present_shards(tmp_path / "log")) < 3 and time.monotonic() < until:
            asker.create(manifest)
            time.sleep(0.05)
    finally:
        assert process.stop() == 0, process.written()
    decided = Decided(tmp_path, ())
    assert {line.shard for line in decided.lines()} >= {0, 1, 2}
    assert {line.then.outcome for line in decided.lines()} == {Outcome.SAME}
    for _, place in present_shards(decided.log):
        fields = [record.fields for record in read_records(place)]
        archived = {address for leaf in fields for address in leaf.get("addresses", ())}
        assert {address for leaf in fields for address in leaf.get("inputs", ())} <= archived
    assert verify_chain(decided.log, verifier_keys(decided.log, ())).ok


def test_killed_in_the_middle(tmp_path: Path) -> None:
    """SIGKILL while it decides: every record that is there has all its inputs, and is made again bit for bit."""
    process = Process(tmp_path, ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0"])
    answered = 0
    try:
        asker = process.ready()
        threading.Timer(0.7, os.kill, (process.pid, signal.SIGKILL)).start()
        with suppress(OSError, HTTPException):
            while True:
                for found in manifests():
                    asker.create(found)
                    answered += 1
    finally:
        process.stop()
    decided = Decided(tmp_path, ())
    until = time.monotonic() + 10
    while not decided.records("stop") and time.monotonic() < until:
        time.sleep(0.05)  # the log's own process outlives the webhook by a moment
    lines = decided.lines()
    assert len(lines) >= answered > 0
    assert {line.then.outcome for line in lines} <= {Outcome.SAME, Outcome.WITHHELD}
    assert verify_log(decided.log, verifier_keys(decided.log, ())).ok


def test_keys_rotated_between_two_runs(decided: Decided, tmp_path: Path) -> None:
    """New keys sign, seal and tag from the next start on: it has a record for each, all verifies, all is made again."""
    copy = decided.copy(tmp_path / "state")
    before = len(copy.records("decision"))
    for purpose in ("audit-checkpoint", "audit-archive", "audit-tags"):
        copy.keyring().rotate(purpose, datetime.now(UTC))
    process = Process(copy.state, ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0"])
    try:
        asker = process.ready()
        for found in list(manifests())[:2]:
            asker.create(found)
    finally:
        assert process.stop() == 0, process.written()
    leaves = [record.fields for record in copy.records("key-rotation")]
    assert [leaf["purpose"] for leaf in leaves] == ["audit-archive", "audit-checkpoint", "audit-tags"]
    assert leaves[1]["new_key"] in (copy.state / "log.vkeys").read_text().splitlines()
    report = verify_log(copy.log, verifier_keys(copy.log, ()))
    assert report.ok, report.problems
    assert not [note for note in report.notes if "announces" in note.message]
    lines = copy.lines()
    assert len(lines) > before
    assert {line.then.outcome for line in lines} <= {Outcome.SAME, Outcome.WITHHELD}
