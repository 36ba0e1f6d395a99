"""The mirror: what it copies, what it refuses, how it alarms, and that the server shows just what is published."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.checks.verify import verify_log
from audit.errors import LogCorrupt, LogForked, MerkleError, SignatureInvalid, SourceBehind, SourceBroken
from audit.files.layout import CHECKPOINT
from audit.files.log import LogSettings
from audit.mirror import EVIDENCE, Copied, Mirror
from audit.published import WITNESSED, NotPublished, Published, PublishedFiles
from audit.reading import prove, read_records
from audit.tlog import Checkpoint, Policy, VerifierKey, parse_note, signed_checkpoint, verified_checkpoint
from audit.tlog.notes import ED25519
from audit.web.client import Access, HttpClient, Unreachable
from audit.web.far_log import FarLog
from audit.web.reading import reading_app
from audit.web.running import Door, served
from audit.web.submitting import Submitter
from audit.witness.collecting import Collector
from tests.audit.disks import Fault, SimulatedDisk
from tests.audit.test_policy import vkey, witness
from tests.audit.test_witness import World, policy_of
from tests.audit.wired import fill
from tests.audit.worlds import CORPORA, ORIGIN, NoteKey, decision, filled, open_log, until
from webhook.serving.certificates import Authority

KEYS = [NoteKey().verifier()]
ROOT = Path(__file__).parents[2]


@contextmanager
def mirrored(source: Published, directory: Path, keys: list[VerifierKey] = KEYS) -> Iterator[Mirror]:
    """An open mirror."""
    copy = Mirror(source, directory, keys)
    try:
        copy.open()
        yield copy
    finally:
        copy.close()


def files_of(directory: Path) -> dict[str, bytes]:
    """What is published in a directory."""
    found = [directory / CHECKPOINT, *(path for path in (directory / "tile").rglob("*") if path.is_file())]
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


class Bent:
    """A log whose files come through somebody's hands."""

    def __init__(self, directory: Path, bend: Callable[[str, bytes], bytes] = lambda _path, data: data) -> None:
        self._log = PublishedFiles(directory)
        self.bend = bend

    def note(self, name: str = CHECKPOINT) -> bytes:
        return self.bend(name, self._log.note(name))

    def tile(self, level: int | str, index: int, width: int) -> bytes:
        return self.bend(f"tile/{level}/{index}", self._log.tile(level, index, width))

    def close(self) -> None:
        """Nothing is held."""


def test_a_growing_log_is_followed_over_http(tmp_path: Path) -> None:
    """Round by round, restarts between them, the copy comes to hold byte for byte what the log published."""
    log = open_log(tmp_path / "log")
    with served(reading_app(PublishedFiles(tmp_path / "log"))) as port:
        for count in (1, 252, 2, 700, 0, 3):
            for number in range(count):
                log.append_now(decision(number))
            until(lambda: log.status().signed == log.status().size)
            source = FarLog(HttpClient(f"http://127.0.0.1:{port}/"))
            with mirrored(source, tmp_path / "copy") as copy:
                assert copy.round().size == log.status().size
                assert copy.round().new == 0
            report = verify_log(tmp_path / "copy", KEYS, origin=ORIGIN)
            assert [str(problem) for problem in report.problems] == []
            assert report.records == log.status().size
    log.close_now()
    with mirrored(PublishedFiles(tmp_path / "log"), tmp_path / "copy") as copy:
        assert copy.round() == Copied(961, 1, 0)
    copied, published = files_of(tmp_path / "copy"), files_of(tmp_path / "log")
    assert all(published[path] == data for path, data in copied.items())
    assert [r.leaf for r in read_records(tmp_path / "copy")] == [r.leaf for r in read_records(tmp_path / "log")]
    assert prove(tmp_path / "copy", 500).verify(prove_hash(tmp_path / "log", 500), KEYS, ORIGIN).size == 961


def prove_hash(directory: Path, index: int) -> bytes:
    """A record's leaf hash."""
    return next(iter(read_records(directory, index, index + 1))).hash


def test_levels_above_the_second(tmp_path: Path) -> None:
    """A copy of 70,000 records, three levels of tiles, is whole, and is taken up again at its end."""
    settings = LogSettings(reserve_bytes=0, heartbeat_seconds=0)
    log = open_log(tmp_path / "log", settings=settings)
    record = decision(1)
    fill(log, [record] * 70_400, at_once=4096)
    log.close_now()
    with mirrored(PublishedFiles(tmp_path / "log"), tmp_path / "copy") as copy:
        assert copy.round().size == 70_403
    assert verify_log(tmp_path / "copy", KEYS).ok
    with mirrored(PublishedFiles(tmp_path / "log"), tmp_path / "copy") as copy:
        assert copy.round().new == 0


@pytest.mark.parametrize("count", [50, 60, 40])
def test_a_fork_is_an_alarm_with_evidence(tmp_path: Path, count: int) -> None:
    """Another history under the same key, shorter, longer or as long, ends the mirror; both checkpoints are kept."""
    filled(tmp_path / "one", 50, parts=False, boot="one")
    filled(tmp_path / "two", count, parts=False, boot="two")
    with mirrored(PublishedFiles(tmp_path / "one"), tmp_path / "copy") as copy:
        copy.round()
    before = files_of(tmp_path / "copy")
    with mirrored(PublishedFiles(tmp_path / "two"), tmp_path / "copy") as copy:
        for _ in range(2):
            with pytest.raises(LogForked, match=r"signed two histories.*both checkpoints lie in"):
                copy.round()
    assert files_of(tmp_path / "copy") == before
    (evidence,) = (tmp_path / "copy" / EVIDENCE).iterdir()
    held, shown = ((evidence / name).read_bytes() for name in ("held.checkpoint", "shown.checkpoint"))
    assert held == (tmp_path / "one" / CHECKPOINT).read_bytes()
    assert shown == (tmp_path / "two" / CHECKPOINT).read_bytes()
    for note in (held, shown):
        verified_checkpoint(note, KEYS, ORIGIN)
    assert verify_log(tmp_path / "copy", KEYS).ok


def test_an_older_checkpoint_of_the_same_history_is_no_fork(tmp_path: Path) -> None:
    """A log that shows less than it did is told apart from one that forked."""
    log = open_log(tmp_path / "log")
    log.append_now(decision(0))
    until(lambda: log.status().signed == 3)
    shutil.copytree(tmp_path / "log", tmp_path / "old")
    for number in range(300):
        log.append_now(decision(number))
    log.close_now()
    with mirrored(PublishedFiles(tmp_path / "log"), tmp_path / "copy") as copy:
        copy.round()
    with (
        mirrored(PublishedFiles(tmp_path / "old"), tmp_path / "copy") as copy,
        pytest.raises(SourceBehind, match="304"),
    ):
        copy.round()
    assert not (tmp_path / "copy" / EVIDENCE).exists()


BENT: dict[str, Callable[[str, bytes], bytes]] = {
    "a record": lambda path, data: data.replace(b"denied", b"Denied") if path == "tile/entries/1" else data,
    "a cut bundle": lambda path, data: data[:-1] if path == "tile/entries/0" else data,
    "a full tile": lambda path, data: data[:-1] + b"\x00" if path == "tile/0/0" else data,
    "the last tile": lambda path, data: b"\x00" + data[1:] if path == "tile/0/2" else data,
    "a cut tile": lambda path, data: data[32:] if path == "tile/0/1" else data,
    "the tile above": lambda path, data: data[::-1] if path == "tile/1/0" else data,
}


@pytest.mark.parametrize("bend", BENT.values(), ids=BENT.keys())
def test_what_does_not_fit_is_not_copied(tmp_path: Path, bend: Callable[[str, bytes], bytes]) -> None:
    """A changed record, bundle or tile is refused, and leaves nothing that a later, honest round would trip over."""
    filled(tmp_path / "log", 600)
    source = Bent(tmp_path / "log", bend)
    with mirrored(source, tmp_path / "copy") as copy:
        with pytest.raises(SourceBroken):
            copy.round()
        assert not (tmp_path / "copy" / CHECKPOINT).exists()
        source.bend = lambda _path, data: data
        assert copy.round().size == 603
    assert verify_log(tmp_path / "copy", KEYS).ok


def test_an_unsigned_checkpoint_is_not_believed(tmp_path: Path) -> None:
    """A checkpoint by nobody known, or of another log, changes nothing."""
    filled(tmp_path / "log", 5)
    stranger = [NoteKey(seed=b"\x09" * 32).verifier()]
    log = PublishedFiles(tmp_path / "log")
    with mirrored(log, tmp_path / "copy", stranger) as copy, pytest.raises(SignatureInvalid):
        copy.round()
    bent = Bent(tmp_path / "log", lambda path, data: data.replace(b"\n8\n", b"\n9\n"))
    with mirrored(bent, tmp_path / "copy") as copy, pytest.raises(SignatureInvalid):
        copy.round()
    other = NoteKey(name="other.example")
    forged = Checkpoint("other.example", 8, bytes(32))
    with mirrored(PublishedFiles(tmp_path / "log"), tmp_path / "copy") as copy:
        copy.round()
    elsewhere = Bent(tmp_path / "log", lambda _path, _data: str(signed_checkpoint(forged, [other])).encode())
    with mirrored(elsewhere, tmp_path / "copy", [*KEYS, other.verifier()]) as copy, pytest.raises(SignatureInvalid):
        copy.round()


def test_a_damaged_copy_is_refused(tmp_path: Path) -> None:
    """A copy whose end doesn't fit its own checkpoint is not built upon."""
    filled(tmp_path / "log", 300)
    with mirrored(PublishedFiles(tmp_path / "log"), tmp_path / "copy") as copy:
        copy.round()
    bundle = next((tmp_path / "copy" / "tile" / "entries").glob("001.p/*"))
    bundle.write_bytes(bundle.read_bytes().replace(b"denied", b"Denied"))
    with pytest.raises(LogCorrupt, match="last tiles"), mirrored(PublishedFiles(tmp_path / "log"), tmp_path / "copy"):
        pass


def test_a_power_loss_at_any_moment(tmp_path: Path) -> None:
    """Whenever the power fails during a round, the copy opens again, holds what its checkpoint says, and goes on."""
    filled(tmp_path / "log", 300)
    source = PublishedFiles(tmp_path / "log")
    home = Path("/copy")
    failed = 0
    for point in range(1, 200, 4):
        disk = SimulatedDisk()
        disk.fault = Fault(point, forever=True)
        copy = Mirror(source, home, KEYS, files=disk)
        try:
            copy.open()
            copy.round()
        except OSError:
            failed += 1
        copy.close()
        survivor = disk.after_power_loss(random.Random(point))
        again = Mirror(source, home, KEYS, files=survivor)
        assert again.open() in (0, 303)
        assert again.round().size == 303
        again.close()
        assert verify_log(home, KEYS, files=survivor).ok
        if disk.hit == 0:
            break
    assert failed > 10


def test_the_cosigned_checkpoint_is_copied_too(tmp_path: Path) -> None:
    """The newest cosigned checkpoint lies in the copy once the copy reaches it; one of another history is a fork."""
    filled(tmp_path / "log", 300)
    rules = World().open()
    policy = policy_of(("X1", "http://w"))
    assert Collector(PublishedFiles(tmp_path / "log"), policy, lambda _w, body: rules.add_checkpoint(body)).collect()
    with mirrored(PublishedFiles(tmp_path / "log"), tmp_path / "copy") as copy:
        assert copy.round() == Copied(303, 303, 303)
    assert policy.verify(PublishedFiles(tmp_path / "copy").note(WITNESSED))[0].size == 303
    filled(tmp_path / "two", 200, parts=False, boot="two")
    shutil.copy(tmp_path / "two" / CHECKPOINT, tmp_path / "log" / WITNESSED)
    with (
        mirrored(PublishedFiles(tmp_path / "log"), tmp_path / "copy") as copy,
        pytest.raises(LogForked, match="cosigned"),
    ):
        copy.round()


def test_a_strangers_log(tmp_path: Path) -> None:
    """A log that somebody else's software wrote is mirrored, and the copy verifies as a tree."""
    folder = CORPORA / "tlog-tiles"
    if not folder.is_dir():
        pytest.skip("the corpora are not here")
    key = VerifierKey.parse("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")
    assert key.kind == ED25519
    with mirrored(PublishedFiles(folder), tmp_path / "copy", [key]) as copy:
        copied = copy.round()
    assert copied.size == Checkpoint.parse(parse_note((folder / CHECKPOINT).read_bytes()).text).size > 10
    assert verify_log(tmp_path / "copy", [key], foreign=True).ok


# — the server —


def test_the_server_shows_what_is_published_and_nothing_else(tmp_path: Path) -> None:
    """Checkpoint, tiles and bundles by their canonical paths; segments, locks, parents and other methods not at all."""
    filled(tmp_path / "log", 300)
    (tmp_path / "secret").write_text("secret")
    with ExitStack() as stack:
        port = stack.enter_context(served(reading_app(PublishedFiles(tmp_path / "log"))))
        client = stack.enter_context(HttpClient(f"http://127.0.0.1:{port}"))
        for path, data in files_of(tmp_path / "log").items():
            reply = client.get(path)
            assert (reply.status, reply.body) == (200, data)
        hidden = ["", "head.json", "lock", "wal/", "wal/0000000000000000.seg", "../secret", "tile/0/../../../secret"]
        hidden += [
            "tile/0/0",
            "tile/0/000.p/256",
            "tile/99/000",
            "tile/0/999",
            "%2e%2e/secret",
            "checkpoint/",
            WITNESSED,
        ]
        for path in hidden:
            assert client.get(path).status == 404, path
        assert client.post("checkpoint", b"x").status == 405


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    """With a token set, who hasn't it sees nothing; it stands in no message and no `repr`."""
    filled(tmp_path / "log", 3)
    with served(reading_app(PublishedFiles(tmp_path / "log"), token="s3cret")) as port:
        url = f"http://127.0.0.1:{port}"
        with HttpClient(url, Access(token="s3cret")) as client:
            assert client.get(CHECKPOINT).status == 200
        for token in ("", "s3cre", "s3cret2"):
            with HttpClient(url, Access(token=token)) as client, pytest.raises(Unreachable, match="status 401"):
                FarLog(client).note()
        assert "s3cret" not in repr(Access(token="s3cret"))


def test_over_tls(tmp_path: Path) -> None:
    """With a certificate the log is served over TLS; who doesn't know its authority copies nothing."""
    filled(tmp_path / "log", 3)
    authority = Authority("test", datetime.now(UTC))
    authority.server(["localhost"], datetime.now(UTC)).write(tmp_path)
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    door = Door(certificate=tmp_path / "tls.crt", key=tmp_path / "tls.key")
    with served(reading_app(PublishedFiles(tmp_path / "log")), door) as port:
        known = Access(authority=tmp_path / "ca.crt")
        with mirrored(FarLog(HttpClient(f"https://localhost:{port}", known)), tmp_path / "copy") as copy:
            assert copy.round().size == 6
        with HttpClient(f"https://localhost:{port}") as stranger, pytest.raises(Unreachable, match="certificate"):
            stranger.get(CHECKPOINT)
        with (
            HttpClient(f"https://127.0.0.1:{port}", known) as elsewhere,
            pytest.raises(Unreachable, match="certificate"),
        ):
            elsewhere.get(CHECKPOINT)


def test_the_client_is_bounded(tmp_path: Path) -> None:
    """A body over the limit, an address that isn't one, nobody there: each is Unreachable, with the address."""
    filled(tmp_path / "log", 300)
    with served(reading_app(PublishedFiles(tmp_path / "log"))) as port:
        client = HttpClient(f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable, match="over 100 bytes"):
            client.get("tile/entries/000", 100)
        assert client.get("tile/entries/000").status == 200
        with pytest.raises(NotPublished):
            FarLog(client).tile(0, 7, 256)
        client.close()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        client.get(CHECKPOINT)
    for url in ("ftp://host/", "http://", "file:///etc/passwd", "http://user:password@host/"):
        with pytest.raises(Unreachable) as caught:
            HttpClient(url)
        assert "password@" not in str(caught.value)


# — the commands —


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """`bailiwick audit ...` as a user runs it."""
    command = [sys.executable, "-m", "bailiwick", "audit", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_the_commands(tmp_path: Path) -> None:
    """`audit serve` and `audit mirror --once` copy a log; a fork ends with exit code 1, nobody there with 2."""
    filled(tmp_path / "log", 300)
    filled(tmp_path / "fork", 310, parts=False, boot="two")
    key = str(NoteKey().verifier())
    serving = subprocess.Popen(
        [sys.executable, "-m", "bailiwick", "audit", "serve", str(tmp_path / "log"), "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    try:
        port = serving.stdout.readline().split()[-1]
        url = f"http://127.0.0.1:{port}"
        done = run("mirror", url, str(tmp_path / "copy"), "--key", key, "--once")
        assert (done.returncode, done.stdout) == (0, "holds: 303 records, 303 of them new\n"), done.stderr
        assert run("verify", str(tmp_path / "copy"), "--key", key).returncode == 0
        shutil.rmtree(tmp_path / "log")
        shutil.move(tmp_path / "fork", tmp_path / "log")
        done = run("mirror", url, str(tmp_path / "copy"), "--key", key, "--once")
        assert done.returncode == 1
        assert done.stderr.startswith("fork: the log")
        followed = run("mirror", url, str(tmp_path / "copy"), "--key", key)
        assert followed.returncode == 1
    finally:
        serving.terminate()
        assert serving.wait(10) == 0
        serving.stdout.close()
    done = run("mirror", url, str(tmp_path / "copy"), "--key", key, "--once")
    assert done.returncode == 2
    assert "hint: " in done.stderr
    done = run("mirror", url, str(tmp_path / "copy"), "--once")
    assert (done.returncode, "no key" in done.stderr) == (2, True)


def test_a_mirror_that_is_killed_and_started_again(tmp_path: Path) -> None:
    """`audit mirror` follows a growing log; killed it goes on where it was, told to end it ends with 0."""
    log = open_log(tmp_path / "log")
    key = str(NoteKey().verifier())
    with served(reading_app(PublishedFiles(tmp_path / "log"))) as port:
        command = [sys.executable, "-m", "bailiwick", "audit", "mirror", f"http://127.0.0.1:{port}"]
        command += [str(tmp_path / "copy"), "--key", key, "--interval", "0.05"]
        for kill in (True, True, False):
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            for _ in range(2):
                for number in range(200):
                    log.append_now(decision(number))
                until(lambda: log.status().signed == log.status().size)
                told = ""
                while f"holds: {log.status().size} records" not in told:
                    told = process.stdout.readline()
                    assert told
            if kill:
                process.kill()
            else:
                process.terminate()
            assert process.wait(10) == (-9 if kill else 0)
            process.stdout.close()
    log.close_now()
    report = verify_log(tmp_path / "copy", KEYS)
    assert (report.ok, report.records) == (True, 1202)


def test_verifying_against_a_policy(tmp_path: Path) -> None:
    """`audit verify --policy` holds only with the quorum's cosignatures, over just the records that are there."""
    filled(tmp_path / "log", 300)
    lines = [f"log {NoteKey().verifier()}", f"witness X1 {vkey(witness('X1'))} http://w", "quorum X1"]
    (tmp_path / "policy").write_text("".join(f"{line}\n" for line in lines))
    done = run("verify", str(tmp_path / "log"), "--policy", str(tmp_path / "policy"))
    assert done.returncode == 1
    assert "misses the quorum `X1`" in done.stdout
    rules = World().open()
    policy = policy_of(("X1", "http://w"))
    assert Collector(PublishedFiles(tmp_path / "log"), policy, lambda _w, body: rules.add_checkpoint(body)).collect()
    done = run("verify", str(tmp_path / "log"), "--policy", str(tmp_path / "policy"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "satisfied for the first 303 records; 0 came after" in done.stdout
    filled(tmp_path / "two", 300, parts=False, boot="two")
    shutil.copy(tmp_path / "log" / WITNESSED, tmp_path / "two" / WITNESSED)
    done = run("verify", str(tmp_path / "two"), "--policy", str(tmp_path / "policy"))
    assert done.returncode == 1
    assert "have another root" in done.stdout
    (tmp_path / "policy").write_text("quorum\n")
    done = run("verify", str(tmp_path / "log"), "--policy", str(tmp_path / "policy"))
    assert (done.returncode, "line 1" in done.stderr) == (2, True)


def test_a_witness_as_a_process(tmp_path: Path) -> None:
    """`audit witness` makes a key, prints its line for policies, cosigns, and remembers over a restart."""
    filled(tmp_path / "log", 30)
    command = [sys.executable, "-m", "bailiwick", "audit", "witness", "--log", str(NoteKey().verifier())]
    command += ["--name", "w.example", "--state", str(tmp_path / "state"), "--port", "0"]
    printed, submitter = set(), Submitter()
    for number in range(2):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            line, port = process.stdout.readline().strip(), process.stdout.readline().split()[-1]
            printed.add(line)
            text = f"log {NoteKey().verifier()}\n{line} http://127.0.0.1:{port}\nquorum w.example\n"
            log = tmp_path / ("log" if number == 0 else "two")
            collector = Collector(PublishedFiles(log), Policy.parse(text.encode()), submitter)
            if number == 0:
                assert collector.collect(), collector.status()
                filled(tmp_path / "two", 30, parts=False, boot="two")
            else:
                assert not collector.collect()
                assert "at 33 records it saw another root" in collector.status().split
        finally:
            submitter.close()
            process.terminate()
            assert process.wait(10) == 0
            process.stdout.close()
    assert len(printed) == 1


def test_a_merkle_error_is_an_audit_error() -> None:
    """Whatever doesn't hold about a mirrored log can be caught in one place."""
    assert issubclass(SignatureInvalid, MerkleError)
