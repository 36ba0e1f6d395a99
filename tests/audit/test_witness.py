"""Witnesses: what is cosigned, what is refused and how, what crosses a border, and that a split view is found."""

import base64
import random
import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import LogCorrupt, LogLocked, NoteMalformed
from audit.files.log import FileLog
from audit.files.sharded_log import ShardedLog
from audit.files.shards import ShardSettings, shard_directory, shard_numbers
from audit.published import WITNESSED, PublishedFiles
from audit.reading import read_records
from audit.switching import Keeping
from audit.tlog import (
    Checkpoint,
    Policy,
    consistency_proof,
    parse_note,
    signed_checkpoint,
    subtrees_of,
    verified_cosignatures,
)
from audit.tlog.merkle import leaf_hash, root_hash
from audit.tlog.notes import COSIGNATURE_ED25519, VerifierKey
from audit.tlog.policy import PolicyWitness
from audit.tlog.submission import Submission
from audit.web.running import served
from audit.web.submitting import Submitter
from audit.web.witness import witness_app
from audit.witness.collecting import Collector
from audit.witness.rules import Answer, Witness
from audit.witness.states import FileStates, folder_of
from tests.audit.disks import Fault, SimulatedDisk
from tests.audit.test_policy import vkey, witness
from tests.audit.worlds import ORIGIN, SMALL, WRITER, Clock, NoteKey, decision, filled, open_log, until

LOG = NoteKey()
NOW = 1_795_000_000
LEAVES = [leaf_hash(b"%d" % number) for number in range(40)]
FORKED = [leaf_hash(b"%d" % number) for number in range(20)] + [leaf_hash(b"other %d" % number) for number in range(20)]


def submission(old: int, new: int, leaves: list[bytes] = LEAVES, log: NoteKey = LOG, origin: str = ORIGIN) -> bytes:
    """A checkpoint of so many leaves with its proof."""
    note = signed_checkpoint(Checkpoint(origin, new, root_hash(leaves[:new])), [log])
    proof = consistency_proof(min(old, new), new, subtrees_of(leaves))
    return Submission(old, proof, str(note).encode()).to_bytes()


@dataclass
class World:
    """A witness over a disk in memory."""

    disk: SimulatedDisk = field(default_factory=SimulatedDisk)
    signer: NoteKey = field(default_factory=lambda: witness("X1"))

    def open(self) -> Witness:
        """The witness, as after a start."""
        self.states = FileStates.open(Path("/witness"), self.disk)
        return Witness({ORIGIN: [LOG.verifier()]}, self.signer, self.states, lambda: NOW)

    def restart(self) -> Witness:
        """The witness after a power loss."""
        self.states.close()
        self.disk = self.disk.after_power_loss(random.Random(7))
        return self.open()


@pytest.fixture
def world() -> World:
    return World()


def test_what_grows_is_cosigned(world: World) -> None:
    """Checkpoints that extend each other are cosigned with the time, and what was cosigned survives a power loss."""
    rules = world.open()
    key = VerifierKey.ed25519(world.signer.name, world.signer.public_key, COSIGNATURE_ED25519)
    for old, new in ((0, 5), (5, 5), (5, 6), (6, 33)):
        body = submission(old, new)
        answer = rules.add_checkpoint(body)
        assert answer.status == 200, answer
        text = parse_note(Submission.parse(body).checkpoint).text
        note = parse_note(text.encode() + b"\n" + answer.body)
        assert [one.time for one in verified_cosignatures(note, [key])] == [NOW]
        rules = world.restart()
    newest = rules.newest(folder_of(ORIGIN))
    assert newest is not None
    assert Checkpoint.parse(parse_note(newest).text).size == 33
    assert verified_cosignatures(parse_note(newest), [key])
    assert rules.newest(folder_of("another.example")) is None


def test_every_refusal_has_its_status(world: World) -> None:
    """Malformed 400, unknown log 404, bad signature 403, stale 409 with the size, bad proof 422."""
    rules = world.open()
    assert rules.add_checkpoint(submission(0, 10)).status == 200
    assert rules.add_checkpoint(b"nonsense").status == 400
    assert rules.add_checkpoint(submission(11, 10)).status == 400
    assert rules.add_checkpoint(submission(10, 12, origin="another.example")).status == 404
    assert rules.add_checkpoint(submission(10, 12, log=NoteKey(seed=b"\x09" * 32))).status == 403
    for stale in (0, 9):
        answer = rules.add_checkpoint(submission(stale, 12))
        assert (answer.status, answer.body, answer.kind) == (409, b"10\n", "text/x.tlog.size")
    broken = submission(10, 30).replace(b"\n\n", b"\n" + base64.b64encode(bytes(32)) + b"\n\n", 1)
    assert rules.add_checkpoint(broken).status == 422
    assert rules.add_checkpoint(submission(10, 30, FORKED)).status == 200  # the fork begins after 20
    assert rules.add_checkpoint(submission(30, 40)).status == 422
    assert rules.add_checkpoint(submission(30, 30)).status == 409  # the same size, another root


def test_shards_of_a_log_are_witnessed_with_it(world: World) -> None:
    """A later shard, signed by the log's key under its own name, has a state of its own; by another key it is not."""
    rules = world.open()
    shard = f"{ORIGIN}/1"
    assert rules.add_checkpoint(submission(0, 5)).status == 200
    assert rules.add_checkpoint(submission(0, 7, log=replace(LOG, name=shard), origin=shard)).status == 200
    assert rules.add_checkpoint(submission(0, 5, log=NoteKey(shard, seed=b"\x09" * 32), origin=shard)).status == 403
    for other in (f"{ORIGIN}/01", f"{ORIGIN}/x", f"{ORIGIN}/1/1", "another.example/1"):
        assert rules.add_checkpoint(submission(0, 5, log=replace(LOG, name=other), origin=other)).status == 404
    for origin, size in ((ORIGIN, 5), (shard, 7)):
        newest = rules.newest(folder_of(origin))
        assert newest is not None
        assert Checkpoint.parse(parse_note(newest).text).size == size


def test_nothing_is_cosigned_that_is_not_remembered(world: World) -> None:
    """When the state can't be made durable no cosignature is given, and none ever again before a restart."""
    rules = world.open()
    assert rules.add_checkpoint(submission(0, 5)).status == 200
    for call in ("sync", "rename", "write", "sync_directory"):
        world.disk.fault = Fault(1, only=call)
        assert rules.add_checkpoint(submission(5, 6)).status == 503
        world.disk.fault = None
        assert rules.add_checkpoint(submission(5, 6)).status == 503
        rules = world.restart()
        newest = rules.newest(folder_of(ORIGIN))
        assert newest is not None
        assert Checkpoint.parse(parse_note(newest).text).size in (5, 6)
        if Checkpoint.parse(parse_note(newest).text).size == 6:
            world = World()
            rules = world.open()
            rules.add_checkpoint(submission(0, 5))


def test_two_at_once(world: World) -> None:
    """Of many submissions from the same old size only one advances the state; the others are told the new size."""
    rules = world.open()
    rules.add_checkpoint(submission(0, 5))
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(rules.add_checkpoint(submission(5, n))))
        for n in range(6, 26)
    ]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers].count(200) == 1
    assert {answer.status for answer in answers} == {200, 409}


def test_a_damaged_state_is_not_forgotten(world: World) -> None:
    """A state that can't be read cosigns nothing rather than begin anew; two witnesses share no directory."""
    rules = world.open()
    rules.add_checkpoint(submission(0, 5))
    with pytest.raises(LogLocked):
        FileStates.open(Path("/witness"), world.disk)
    path = Path("/witness") / folder_of(ORIGIN) / "checkpoint"
    world.disk.edit(path, lambda data: data.__setitem__(slice(0, 3), b"\x00\x00\x00"))
    with pytest.raises(LogCorrupt, match="restore it"):
        rules.add_checkpoint(submission(5, 6))


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63), st.binary(max_size=200))
def test_submissions_round_trip(old: int, proof: list[bytes], checkpoint: bytes) -> None:
    """What is written is read back, and what is read is written back the same, byte for byte."""
    made = Submission(old, tuple(proof), checkpoint)
    assert Submission.parse(made.to_bytes()) == made


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=100).map(lambda rest: b"old 5\n" + rest)))
def test_any_bytes_are_a_submission_or_malformed(data: bytes) -> None:
    """Nothing else comes of reading them, and a witness answers each with a refusal."""
    with suppress(NoteMalformed):
        assert Submission.parse(data).to_bytes() == data
    assert World().open().add_checkpoint(data).status in (400, 404)


SUBMISSION = re.compile(
    rb"old (0|[1-9][0-9]*)\n"
    rb"([A-Za-z0-9+/]{43}=\n){0,63}"
    rb"\n"
    rb"(?P<origin>[!-~]+)\n(0|[1-9][0-9]*)\n[A-Za-z0-9+/]{43}=\n"
    rb"\n"
    rb"(\xe2\x80\x94 [!-~]+ [A-Za-z0-9+/]+=*\n)+"
)


def policy_of(*urls: tuple[str, str], quorum: str = "all") -> Policy:
    """A policy with witnesses at these addresses."""
    lines = [f"log {LOG.verifier()}", *(f"witness {name} {vkey(witness(name))} {url}" for name, url in urls)]
    lines += [f"group w {quorum} {' '.join(name for name, _ in urls)}", "quorum w"]
    return Policy.parse("".join(f"{line}\n" for line in lines).encode())


def test_only_names_sizes_and_hashes_cross_a_border(tmp_path: Path) -> None:
    """Every byte that a witness is sent is of the protocol's form, and nothing of any record is among them."""
    filled(tmp_path / "log", 700)
    sent: list[bytes] = []
    world = World()
    rules = world.open()

    def submit(_to: PolicyWitness, body: bytes) -> Answer:
        sent.append(body)
        return rules.add_checkpoint(body)

    rules.add_checkpoint(_first(tmp_path / "log", 300))
    collector = Collector(PublishedFiles(tmp_path / "log"), policy_of(("X1", "http://w")), submit)
    assert collector.collect()
    assert len(sent) == 2  # told the size, then taken
    for body in sent:
        match = SUBMISSION.fullmatch(body)
        assert match is not None
        assert match["origin"].decode() == ORIGIN
        assert len(body) < 2_000
        for part in (b"team-", b"decision", b"denied", b"web-", b"restricted", b"Deployment"):
            assert part not in body


def test_the_bytes_on_the_wire(tmp_path: Path) -> None:
    """The whole HTTP request to a witness is its address, a few headers and the submission."""
    filled(tmp_path / "log", 300)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        submitter = Submitter()
        collector = Collector(
            PublishedFiles(tmp_path / "log"), policy_of(("X1", f"http://127.0.0.1:{port}/w")), submitter
        )
        received: list[bytes] = []

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                data = b""
                while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < _length(data):
                    data += connection.recv(65536)
                received.append(data)
                connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert not collector.collect()
        thread.join()
        submitter.close()
    head, _, body = received[0].partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    assert first == b"POST /w/add-checkpoint HTTP/1.1"
    assert {line.partition(b":")[0] for line in headers} == {
        b"Host",
        b"Accept-Encoding",
        b"Content-Length",
        b"User-Agent",
    }
    assert SUBMISSION.fullmatch(body)


def _length(data: bytes) -> int:
    found = re.search(rb"Content-Length: ([0-9]+)", data)
    return int(found[1]) if found else 0


def _first(directory: Path, size: int) -> bytes:
    """A submission of the log's first records, as an earlier checkpoint would have been."""
    leaves = [record.hash for record in read_records(directory, 0, size)]
    note = signed_checkpoint(Checkpoint(ORIGIN, size, root_hash(leaves)), [LOG])
    return Submission(0, (), str(note).encode()).to_bytes()


def test_a_quorum_over_http(tmp_path: Path) -> None:
    """A running log gets its checkpoints cosigned by two witnesses over HTTP; one that is down changes nothing."""
    log = open_log(tmp_path / "log")
    worlds = [World(signer=witness(name)) for name in ("X1", "X2")]
    with (
        served(witness_app(worlds[0].open())) as first,
        served(witness_app(worlds[1].open())) as second,
    ):
        addresses = [("X1", f"http://127.0.0.1:{first}/"), ("X2", f"http://127.0.0.1:{second}")]
        policy = policy_of(*addresses, ("X3", "http://127.0.0.1:9"), quorum="2")
        submitter = Submitter()
        collector = Collector(PublishedFiles(tmp_path / "log"), policy, submitter)
        for count in (3, 300, 1):
            for _ in range(count):
                log.append_now(decision(1))
            _signed(log)
            assert collector.collect()
            checkpoint, found = policy.verify(PublishedFiles(tmp_path / "log").note(WITNESSED), ORIGIN)
            assert checkpoint.size == log.status().signed
            assert len(found) == 2
        assert collector.status().size == log.status().signed
        assert "X3" in collector.status().trouble
        assert collector.status().split == ""
        submitter.close()
    log.append_now(decision(1))
    _signed(log)
    assert not collector.collect()
    assert collector.status().behind_seconds > 0
    assert collector.status().size == log.status().signed - 1
    log.close_now()


def test_a_log_that_goes_on_in_a_shard_is_witnessed_on(tmp_path: Path) -> None:
    """A next shard, much shorter than the one before, is cosigned from its first checkpoint on, and no split view."""
    log = ShardedLog.open(
        tmp_path,
        Keeping(origin=ORIGIN, signer=LOG, clock=Clock(), writer=WRITER, settings=SMALL, shards=ShardSettings()),
    )
    rules = World().open()
    published = PublishedFiles(lambda: shard_directory(tmp_path, shard_numbers(tmp_path)[-1]))
    collector = Collector(published, policy_of(("X1", "http://w")), lambda _w, body: rules.add_checkpoint(body))
    for records in (300, 3, 5):
        for number in range(records):
            log.append_now(decision(number))
        until(lambda: log.status().signed == log.status().size)
        assert collector.collect(), collector.status()
        assert collector.status().size == log.status().size
        log.rotate()
    assert collector.status().split == ""
    log.close_now()


def test_replicas_may_both_ask(tmp_path: Path) -> None:
    """Two collectors of one log, as replicas have them, get the same cosignatures and take nothing for a split view."""
    log = open_log(tmp_path / "log")
    rules = World().open()
    collectors = [
        Collector(
            PublishedFiles(tmp_path / "log"),
            policy_of(("X1", "http://w")),
            lambda _w, body: rules.add_checkpoint(body),
        )
        for _ in range(2)
    ]
    for _ in range(3):
        log.append_now(decision(1))
        _signed(log)
        for collector in collectors:
            assert collector.collect()
            assert collector.status().split == ""
    log.close_now()


def test_a_split_view_is_found(tmp_path: Path) -> None:
    """Of two logs with one name and key, each of which looks whole, the second to ask finds that there is another."""
    for name, count in (("one", 50), ("two", 60)):
        filled(tmp_path / name, count, parts=False, boot=name)
    rules = World().open()
    collectors = {
        name: Collector(
            PublishedFiles(tmp_path / name), policy_of(("X1", "http://w")), lambda _w, body: rules.add_checkpoint(body)
        )
        for name in ("one", "two")
    }
    assert collectors["one"].collect()
    assert not collectors["two"].collect()
    assert "not part of our history" in collectors["two"].status().split
    assert not (tmp_path / "two" / WITNESSED).exists()
    assert collectors["one"].status().split == ""


def test_a_log_put_back_is_found(tmp_path: Path) -> None:
    """A log that is shorter than what its witness saw, or other at the same length, says so."""
    for name, count in (("long", 60), ("short", 40), ("other", 60)):
        filled(tmp_path / name, count, parts=False, boot=name)
    rules = World().open()

    def collected(name: str) -> str:
        collector = Collector(
            PublishedFiles(tmp_path / name), policy_of(("X1", "http://w")), lambda _w, body: rules.add_checkpoint(body)
        )
        collector.collect()
        return collector.status().split

    assert collected("long") == ""
    assert "it saw 63 records, the log has 43" in collected("short")
    assert "at 63 records it saw another root" in collected("other")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(200, b""), "signature lines"),
        (Answer(200, b"garbage\n"), "em dash"),
        (Answer(409, b"many\n", "text/x.tlog.size"), "names no size"),
        (Answer(409, b"3\n"), "names no size"),
        (Answer(500, b"\xff\x00"), "status 500"),
    ],
)
def test_a_witness_that_talks_nonsense(tmp_path: Path, answer: Answer, message: str) -> None:
    """Whatever a witness answers, the log goes on and says what was wrong."""
    filled(tmp_path / "log", 5)
    collector = Collector(PublishedFiles(tmp_path / "log"), policy_of(("X1", "http://w")), lambda _w, _b: answer)
    assert not collector.collect()
    assert message in collector.status().trouble


def test_a_cosignature_by_another_key_counts_for_nothing(tmp_path: Path) -> None:
    """A line under the witness's name with a key that the policy doesn't name is not taken."""
    filled(tmp_path / "log", 5)
    liar = World(signer=NoteKey(name=witness("X1").name, seed=b"\x66" * 32)).open()
    collector = Collector(
        PublishedFiles(tmp_path / "log"), policy_of(("X1", "http://w")), lambda _w, body: liar.add_checkpoint(body)
    )
    assert not collector.collect()
    assert "no cosignature by the key" in collector.status().trouble


def test_answers_never_wait_for_a_witness(tmp_path: Path) -> None:
    """While a witness hangs, records are acknowledged, published and signed; only the cosigned checkpoint lags."""
    hanging = threading.Event()
    begun = threading.Event()

    def submit(_to: PolicyWitness, _body: bytes) -> Answer:
        begun.set()
        hanging.wait(20)
        return Answer(503, b"")

    log = open_log(tmp_path / "log")
    collector = Collector(PublishedFiles(tmp_path / "log"), policy_of(("X1", "http://w")), submit)
    collector.start()
    _signed(log)
    assert begun.wait(10)
    for _ in range(200):
        log.append_now(decision(1))
    _signed(log)
    assert log.status().signed == 202
    assert collector.status().size == 0
    hanging.set()
    collector.stop()
    log.close_now()


def _signed(log: FileLog) -> None:
    """Wait until everything is under a signed checkpoint."""
    until(lambda: log.status().signed == log.status().size)
