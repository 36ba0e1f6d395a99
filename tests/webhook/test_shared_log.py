"""A webhook whose log lies beyond its host: replicas that share an order in a database, witnesses that cosign."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from audit import LogUnavailable
from audit.checks.verify import verify_log
from audit.errors import LogRefused, LogUnsafe
from audit.mirror import Mirror
from audit.postgres.published import PublishedTables
from audit.published import WITNESSED, NotPublished, PublishedFiles
from audit.reading import read_records
from audit.sealed.archive import StoredParts
from audit.tlog import Policy, VerifierKey, parse_note
from audit.web.running import served
from audit.web.witness import witness_app
from audit.witness.rules import Witness
from audit.witness.states import FileStates
from bailiwick import command
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.states import State
from policies.replaying import Outcome
from tests.audit.servers import Server, running
from tests.audit.test_policy import vkey, witness
from tests.audit.worlds import decision
from tests.webhook.decided import CLUSTER, RULES, manifests
from webhook.demo.client import Asker
from webhook.demo.process import Process
from webhook.log.process import LogProcess
from webhook.log.state import open_keyring
from webhook.options import Options
from webhook.replaying.replay import Asked, Replay

ROOT = Path(__file__).parents[2]
ORIGIN = "audit.local/cluster"


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    """A real server."""
    with running() as server:
        yield server


def replicas(folder: Path, count: int, **more: str) -> list[Options]:
    """State directories with one keyring between them."""
    made = [Options(version="test", state=str(folder / f"r{n}"), writer=f"webhook-{n}", **more) for n in range(count)]  # type: ignore[arg-type]
    open_keyring(made[0])
    for one in made[1:]:
        shutil.copytree(made[0].directory / "keys", one.directory / "keys")
    return made


def keys_of(options: Options) -> list[VerifierKey]:
    """Who signs the log, as it stands beside it."""
    return [VerifierKey.parse(line) for line in (options.directory / "log.vkeys").read_text().split()]


async def test_replicas_share_a_witnessed_order(database: Server, tmp_path: Path) -> None:
    """Two webhooks' logs in one database, one killed under load: one order, cosigned, nothing acknowledged lost."""
    policy_file = tmp_path / "policy"
    made = replicas(tmp_path, 2, log=database.url(), witnesses=str(policy_file))
    signer = open_keyring(made[0]).signer("audit-checkpoint", ORIGIN)
    known = VerifierKey.ed25519(ORIGIN, signer.public_key)
    states = FileStates.open(tmp_path / "witness")
    rules = Witness({ORIGIN: [known]}, witness("X1"), states, lambda: 1_795_000_000)
    acknowledged: dict[int, bytes] = {}
    with served(witness_app(rules)) as port:
        text = f"log {known}\nwitness X1 {vkey(witness('X1'))} http://127.0.0.1:{port}\nquorum X1\n"
        policy_file.write_text(text)
        logs = [await LogProcess.start(options) for options in made]

        async def produce(log: LogProcess, numbers: range) -> None:
            for number in numbers:
                try:
                    position = await log.append(decision(number))
                    acknowledged[position.index] = position.leaf_hash
                except LogUnavailable:
                    await asyncio.sleep(0.05)

        spans = [range(at * 50, at * 50 + 50) for at in range(16)]
        load = [asyncio.ensure_future(produce(logs[n % 2], span)) for n, span in enumerate(spans)]
        await asyncio.sleep(0.1)
        killed = logs[1].pid
        os.kill(killed, signal.SIGKILL)
        await asyncio.gather(*load)
        while logs[1].pid == killed or not all(log.healthy() for log in logs):  # the killed one is started again
            await asyncio.sleep(0.05)
        assert {(await log.append(decision(9))).origin for log in logs} == {ORIGIN}
        for log in logs:
            await log.close()
    states.close()
    assert keys_of(made[0]) == keys_of(made[1]) == [known]
    copy = Mirror(PublishedTables.open(database.url()), tmp_path / "copy", [known])
    copy.open()
    copied = copy.round()
    copy.close()
    assert copied.size == copied.witnessed
    assert verify_log(tmp_path / "copy", [known]).ok
    there = {record.index: record.hash for record in read_records(tmp_path / "copy")}
    assert {index: there[index] for index in acknowledged} == acknowledged
    assert len(acknowledged) >= 400
    assert Policy.parse(text.encode()).verify(PublishedFiles(tmp_path / "copy").note(WITNESSED))[0].size == copied.size


async def test_a_log_on_files_is_witnessed_to_its_end(tmp_path: Path) -> None:
    """With witnesses named, a log on files is cosigned to its last checkpoint; one with another history says so."""
    policy_file = tmp_path / "policy"
    (made,) = replicas(tmp_path, 1, witnesses=str(policy_file))
    origin = f"{ORIGIN}/webhook-0"
    known = VerifierKey.ed25519(origin, open_keyring(made).signer("audit-checkpoint", origin).public_key)
    states = FileStates.open(tmp_path / "witness")
    rules = Witness({origin: [known]}, witness("X1"), states, lambda: 1_795_000_000)
    with served(witness_app(rules)) as port:
        text = f"log {known}\nwitness X1 {vkey(witness('X1'))} http://127.0.0.1:{port}\nquorum X1\n"
        policy_file.write_text(text)
        log = await LogProcess.start(made)
        await log.append(decision(1))
        while log.status().witnessed < 3:
            await asyncio.sleep(0.05)
        assert log.status().split == ""
        await log.close()
        made = replace(made, state=str(tmp_path / "other"))  # the same key, another history
        shutil.copytree(tmp_path / "r0" / "keys", made.directory / "keys")
        log = await LogProcess.start(made)
        while not log.status().split:
            await asyncio.sleep(0.05)
        assert "put back, or two histories" in log.status().split
        await log.append(decision(1))
        await log.close()
    made = replace(made, state=str(tmp_path / "r0"))
    states.close()
    checkpoint, _ = Policy.parse(text.encode()).verify(PublishedFiles(made.directory / "log").note(WITNESSED), origin)
    assert checkpoint.size == sum(1 for _ in read_records(made.directory / "log"))


async def test_why_a_shared_log_was_refused(database: Server, tmp_path: Path) -> None:
    """A role with too many rights, a policy that is none, a password in the address: each is said by its own error."""
    (loose,) = replicas(tmp_path / "a", 1, log=database.url("owner"))
    with pytest.raises(LogUnsafe, match="bailiwick_writer alone"):
        await LogProcess.start(loose)
    (tmp_path / "policy").write_text("nonsense\n")
    (strange,) = replicas(tmp_path / "b", 1, witnesses=str(tmp_path / "policy"))
    with pytest.raises(LogRefused, match="line 1"):
        await LogProcess.start(strange)
    (tmp_path / "policy").write_text(f"witness X1 {vkey(witness('X1'))}\nquorum X1\n")
    with pytest.raises(LogRefused, match="too few addresses"):
        await LogProcess.start(strange)
    (told,) = replicas(tmp_path / "c", 1, log="postgres://u:s3cret@host/db")
    with pytest.raises(LogRefused, match="by file") as caught:
        await LogProcess.start(told)
    assert "s3cret" not in str(caught.value)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bailiwick",
            "serve",
            "--state",
            str(tmp_path / "c"),
            "--log",
            "postgres://u:s3cret@h/d",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "hint: " in done.stderr
    assert "s3cret" not in done.stderr


async def test_the_password_comes_by_file(database: Server, tmp_path: Path) -> None:
    """A database that asks for a password gets it from the file; it stands in no process's arguments."""
    database.execute("CREATE ROLE guarded LOGIN PASSWORD 's3cret' IN ROLE bailiwick_writer")
    hba = database.data / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text(f"local all guarded scram-sha-256\n{before}")
    database.execute("SELECT pg_reload_conf()")
    try:
        (tmp_path / "password").write_text("s3cret\n")
        more = {"log": database.url("guarded"), "cluster_name": "guarded"}
        (without,) = replicas(tmp_path / "a", 1, **more)
        with pytest.raises(LogRefused, match="password"):
            await LogProcess.start(without)
        (made,) = replicas(tmp_path / "b", 1, **more, log_password_file=str(tmp_path / "password"))
        log = await LogProcess.start(made)
        assert b"s3cret" not in Path(f"/proc/{log.pid}/cmdline").read_bytes()
        assert b"s3cret" not in Path(f"/proc/{log.pid}/environ").read_bytes()
        await log.append(decision(1))
        await log.close()
    finally:
        hba.write_text(before)
        database.execute("SELECT pg_reload_conf()")


def test_a_shared_logs_decisions_are_made_again(database: Server, tmp_path: Path) -> None:
    """What a webhook recorded in a database is replayed from a mirror of its records and the parts in the database."""
    state = tmp_path / "state"
    state.mkdir()
    arguments = ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0", "--cluster-name", "replayed"]
    process = Process(state, [*arguments, "--log", database.url()])
    try:
        asker = process.ready()
        for found in list(manifests())[:4]:
            asker.create(found)
    finally:
        assert process.stop() == 0, process.written()
    known = [VerifierKey.parse(line) for line in (state / "log.vkeys").read_text().split()]
    copy = Mirror(PublishedTables.open(database.url(), known[0].name), tmp_path / "copy", known)
    copy.open()
    copy.round()
    copy.close()
    keyring = FileKeyring.open(state / "keys", "local", unlock=KeyFile(state / "keys" / "unlock.key"))
    tables = PublishedTables.open(database.url(), known[0].name)
    try:
        parts = StoredParts(tables.sealed)
        lines = list(Replay(tmp_path / "copy", keyring.opener(), keyring.jurisdiction, parts).run(Asked()))
        assert len(lines) > 6
        assert {line.then.outcome for line in lines} == {Outcome.SAME}
        gone = StoredParts(lambda _: None)
        missing = list(Replay(tmp_path / "copy", keyring.opener(), keyring.jurisdiction, gone).run(Asked()))
        assert {line.then.outcome for line in missing} == {Outcome.MISSING}
    finally:
        tables.close()


def test_rotated_while_replicas_serve(database: Server, tmp_path: Path) -> None:
    """One replica's keys are rotated, the other gets the keyring later: one record of each, and nobody is refused.

    From the record on, every checkpoint is signed by the new key, and by the old one up to it; both seal and tag anew.
    """
    database.create("rotated")
    url = database.url(database="rotated")
    made = replicas(tmp_path, 2, log=url)
    arguments = ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0", "--log", url]
    processes = [Process(one.directory, [*arguments, "--writer", one.writer]) for one in made]
    purposes = ("audit-checkpoint", "audit-archive", "audit-tags")
    number = 0

    def asked(askers: list[Asker]) -> None:
        nonlocal number
        number += 1
        pod = next(found for found in manifests() if found["kind"] == "Pod")
        for asker in askers:
            pod["metadata"] |= {"name": f"pod-{number}", "namespace": "clinic"}
            assert "leaf-index" in asker.create(pod).annotations

    try:
        askers = [process.ready() for process in processes]
        asked(askers)
        keys = made[0].directory / "keys"
        for purpose in purposes:
            words = ["keys", "rotate", str(keys), "--region", "local", "--key-file", str(keys / "unlock.key"), purpose]
            assert CliRunner().invoke(command, words).exit_code == 0
        until = time.monotonic() + 30
        while len(_told(url, tmp_path, made, "key-rotation")) < 3 and time.monotonic() < until:
            asked(askers)
        asked(askers)
        ring = open_keyring(made[0])
        shutil.copy(ring.path, made[1].directory / "keys" / ring.path.name)
        known = ring.keys()
        active = {key.purpose: key.key_id for key in known if key.state is State.ACTIVE}

        def tags() -> set[str]:
            asked(askers)
            decisions = _told(url, tmp_path, made, "decision")
            return {leaf["tags"]["key"] for leaf in decisions[-4:]}

        while tags() != {active["audit-tags"]} and time.monotonic() < until:
            time.sleep(0.5)
        asked(askers)
    finally:
        codes = [process.stop() for process in processes]
    assert codes == [0, 0], [process.written() for process in processes]
    told = _told(url, tmp_path, made, "key-rotation")
    assert sorted(leaf["purpose"] for leaf in told) == sorted(purposes)
    decisions = _told(url, tmp_path, made, "decision")
    assert {leaf["tags"]["key"] for leaf in decisions[-4:]} == {active["audit-tags"]}
    assert {part["key"] for leaf in decisions[-4:] for part in leaf["written"]["sealed"]} == {active["audit-archive"]}
    assert {leaf["written"]["by"] for leaf in decisions[-4:]} == {"webhook-0", "webhook-1"}
    (at,) = database.execute(
        "SELECT at FROM bailiwick.key_used WHERE purpose = 'audit-checkpoint' AND at > 0", database="rotated"
    )
    old, new = keys_of(made[0])
    assert keys_of(made[1]) == [old, new]
    notes = database.execute("SELECT size, note FROM bailiwick.note WHERE name = 'checkpoint'", database="rotated")
    signers = {size: parse_note(bytes(note)).verified_by([old, new]) for size, note in notes}  # type: ignore[call-overload]
    assert {size: [new] if size > at[0] else [old] for size in signers} == {s: list(k) for s, k in signers.items()}
    assert len({tuple(found) for found in signers.values()}) == 2
    assert verify_log(tmp_path / "copy", [old, new]).ok


def _told(url: str, folder: Path, made: list[Options], schema: str) -> list[Any]:
    """The fields of all records of a schema, as a mirror shows them."""
    known = list({str(key): key for one in made for key in keys_of(one)}.values())
    copy = Mirror(PublishedTables.open(url, ORIGIN), folder / "copy", known)
    try:
        copy.open()
        copy.round()
    except NotPublished:
        return []  # so soon after the start
    finally:
        copy.close()
    return [record.fields for record in read_records(folder / "copy") if f".{schema}/" in record.fields["schema"]]
