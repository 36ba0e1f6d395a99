"""Finding records: what is found is what a walk over the whole log finds, whatever has become of the index."""

import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import event_record
from audit.files.log import FileLog
from audit.files.sharded_log import ShardedLog
from audit.files.shards import TOMBSTONE, ShardSettings
from audit.query import COLUMNS, Index, IndexUnwritable, Question, ask, leaves_at, search
from audit.query.index import FOLDER, Bounds
from audit.query.terms import microseconds, moment_of_id, terms_of
from audit.reading import LoggedRecord, read_records
from audit.switching import Keeping
from audit.whole import whole_log
from tests.audit.test_record import CANARIES
from tests.audit.worlds import NOON, ORIGIN, TAGGER, WRITER, Clock, NoteKey, decision, open_log, sealed
from tests.audit.worlds import SMALL as SMALL_LOG
from webhook.reviews.ids import DecisionIds

SMALL = Bounds(widest=64, fresh=8, narrow=2)
MODELS = ("hf:org/llama@abc", "hf:org/llama@def", "oci:registry.example/mistral@sha256:1")


def filled(directory: Path, begin: int, count: int, boot: str = "boot-1") -> None:
    """Decisions of all sorts, some of whose times go back, and one record of another kind."""
    log: FileLog = open_log(directory, boot=boot)
    chance = random.Random(begin)
    for number in range(begin, begin + count):
        more = {
            "time": NOON + timedelta(seconds=number + chance.randint(-3, 3)),
            "data_class": chance.choice(("public", "restricted")),
            "models": chance.sample(MODELS, chance.randint(0, 2)),
            "region": "eu-de" if number % 50 else "eu-fr",
        }
        log.append_now(decision(number, **more), sealed(number))
    common = {"time": NOON, "cluster": "c", "region": "eu-de"}
    log.append_now(event_record("policy-load", common | {"outcome": "loaded"}))
    log.close_now()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of some three hundred records."""
    directory = tmp_path_factory.mktemp("state") / "log"
    filled(directory, 0, 300)
    return directory


def walked(log: Path, question: Question) -> list[int]:
    """What fits, found the slow way."""
    return [record.index for record in read_records(log) if _fits(record, question)]


def _fits(record: LoggedRecord, question: Question) -> bool:
    terms = set(terms_of(record.fields))
    time = microseconds(record.fields["time"])
    return (
        all(any((column, value) in terms for value in values) for column, values in question.values.items())
        and (question.begin is None or question.begin <= time)
        and (question.end is None or time < question.end)
    )


def asked(log: Path, question: Question, limit: int = 1000) -> tuple[int, tuple[int, ...]]:
    with closing(Index.of(log, bounds=SMALL)) as index:
        found = search(index, question, limit)
    return found.count, found.newest


VALUES: Mapping[str, Sequence[str]] = {
    "schema": ("decision", "policy-load", "start", "nothing"),
    "namespace": ("team-0", "team-1", "team-2", "team-9"),
    "verdict": ("denied", "allowed", "warned"),
    "reason": ("place-outside", "none-such"),
    "model": (*MODELS, "hf:org/llama", "hf:org"),
    "region": ("eu-de", "eu-fr"),
    "class": ("public", "restricted"),
    "user": tuple(TAGGER.tag("user", f"user-{number}") for number in (1, 70, 200)),
    "policy": ("placement", "gpu-isolation"),
    "kind": ("Deployment", "Pod"),
}
questions = st.builds(
    Question,
    st.dictionaries(st.sampled_from(sorted(VALUES)), st.just(()), max_size=3).flatmap(
        lambda chosen: st.fixed_dictionaries(
            {name: st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=3, unique=True) for name in chosen}
        )
    ),
    st.none() | st.integers(-10, 310).map(lambda second: microseconds(_iso(second))),
    st.none() | st.integers(-10, 310).map(lambda second: microseconds(_iso(second))),
)


def _iso(second: int) -> str:
    return (NOON + timedelta(seconds=second)).isoformat()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(questions, st.integers(0, 60))
def test_it_finds_what_a_walk_finds(log: Path, question: Question, limit: int) -> None:
    """For any question: the same number, and the newest of the same records."""
    expected = walked(log, question)
    assert asked(log, question, limit) == (len(expected), tuple(expected[::-1][:limit]))


def test_a_log_that_grows(tmp_path: Path) -> None:
    """New records are found at once; what is indexed already isn't read again; narrow runs become wide ones."""
    directory = tmp_path / "log"
    question = Question({"schema": ["decision"]})
    total = 0
    for step, count in enumerate((20, 3, 30, 30, 30, 30, 30)):
        filled(directory, total, count, f"boot-{step}")
        total += count
        expected = walked(directory, question)
        assert asked(directory, question) == (total, tuple(expected[::-1]))
    again = Index.of(directory, bounds=SMALL)
    assert again.made == 0
    assert len(again.runs) <= (again.size // SMALL.widest + 1) * (SMALL.narrow + 2)
    assert again.size == sum(1 for _ in read_records(directory))
    again.close()


def test_a_deleted_index_makes_itself_again(log: Path) -> None:
    """The folder is nobody's loss."""
    question = Question({"verdict": ["denied"]})
    before = asked(log, question)
    for path in (log.parent / FOLDER).iterdir():
        path.unlink()
    (log.parent / FOLDER).rmdir()
    assert asked(log, question) == before


def test_a_damaged_index_never_answers_wrongly(log: Path) -> None:
    """A flipped bit anywhere in it, a cut file, an empty one: the answer is right, at once or once it is made anew."""
    values = {"verdict": ["denied"], "namespace": ["team-1"]}
    question = Question(values, microseconds(_iso(50)), microseconds(_iso(250)))
    expected = walked(log, question)
    chance = random.Random(3)
    asked(log, question)
    for path in sorted((log.parent / FOLDER).glob("*.run")):
        whole = path.read_bytes()
        for damage in (*(chance.randrange(len(whole)) for _ in range(20)), "cut", "empty"):
            spoiled = bytearray(whole)
            if isinstance(damage, int):
                spoiled[damage] ^= 1 << chance.randrange(8)
            path.write_bytes(spoiled[: len(whole) // 2] if damage == "cut" else b"" if damage == "empty" else spoiled)
            assert _persistently(log, question) == (len(expected), tuple(expected[::-1])), damage
            asked(log, question)


def _persistently(log: Path, question: Question) -> tuple[int, tuple[int, ...]]:
    """As the command asks: once more when a run turns out to be damaged."""
    answer = ask(log, question, 1000, bounds=SMALL)
    return answer.count, tuple(record.index for _, record in answer.rows)


def test_a_log_in_shards(tmp_path: Path) -> None:
    """Each shard has an index of its own, the newest shard comes first, and what was pruned is forgotten."""
    directory = tmp_path / "state" / "log"
    log = ShardedLog.open(
        directory,
        Keeping(
            origin=ORIGIN, signer=NoteKey(), clock=Clock(), writer=WRITER, settings=SMALL_LOG, shards=ShardSettings()
        ),
    )
    for number in range(60):
        log.append_now(decision(number))
        if number % 25 == 24:
            log.rotate()
    log.close_now()
    question = Question({"namespace": ["team-1"]})
    expected = [
        (shard, record.index) for shard, record in whole_log(directory) if record.fields.get("namespace") == "team-1"
    ]
    answer = ask(directory, question, 15, bounds=SMALL)
    assert answer.count == len(expected) == 20
    assert [(shard, record.index) for shard, record in answer.rows][:7] == expected[::-1][:7]
    folder = tmp_path / "state" / FOLDER
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["000001", "000002"]
    shutil.rmtree(directory / "wal")
    shutil.rmtree(directory / "tile" / "entries")
    (directory / TOMBSTONE).write_text("")
    assert ask(directory, question, bounds=SMALL).count == sum(shard > 0 for shard, _ in expected)
    assert not list(folder.glob("*.run"))


def test_another_logs_index_is_not_believed(log: Path, tmp_path: Path) -> None:
    """Put beside another log, or beside one that was put back, it counts for nothing."""
    other = tmp_path / "log"
    filled(other, 500, 100)
    question = Question({"namespace": ["team-1"]})
    asked(log, question)
    (tmp_path / FOLDER).mkdir()
    for path in (log.parent / FOLDER).iterdir():
        (tmp_path / FOLDER / path.name).write_bytes(path.read_bytes())
    expected = walked(other, question)
    assert asked(other, question) == (len(expected), tuple(expected[::-1]))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_run_of_another_log_among_ours_is_not_believed(log: Path, tmp_path: Path, which: int) -> None:
    """Each run is held to the log by itself: one in the middle that another log's index had there doesn't answer."""
    question = Question({"verdict": ["denied"]})
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    filled(tmp_path / "other", 1_001, 300)
    for place, folder in ((log, ours), (tmp_path / "other", theirs)):
        shutil.rmtree(log.parent / FOLDER, ignore_errors=True)
        ask(place, question, folder=folder, bounds=SMALL)
    runs, others = sorted(ours.iterdir()), sorted(theirs.iterdir())
    assert len(runs) > 3
    assert [path.name for path in runs[:3]] == [path.name for path in others[:3]]
    shutil.copy(others[which], runs[which])
    found = ask(log, question, 1000, folder=ours, bounds=SMALL)
    assert [record.index for _, record in found.rows] == walked(log, question)[::-1]


def test_nothing_personal_is_in_the_index(tmp_path: Path) -> None:
    """The files hold numbers; whose records they are can be asked by tag only."""
    directory = tmp_path / "log"
    log = open_log(directory)
    for number in range(40):
        log.append_now(decision(number, tags=TAGGER.of(**CANARIES)))  # type: ignore[arg-type]  # the canaries' names
    log.close_now()
    assert asked(directory, Question({"user": [TAGGER.tag("user", CANARIES["user"])]}))[0] == 40  # type: ignore[arg-type]
    assert asked(directory, Question({"user": [str(CANARIES["user"])]}))[0] == 0
    data = b"".join(path.read_bytes() for path in (tmp_path / FOLDER).iterdir())
    assert data
    for value in (b"canary", b"jane", b"203.0.113.77", b"team-1", b"placement"):
        assert value not in data


def test_leaves_by_their_numbers(log: Path) -> None:
    """Published and unpublished records are read one by one, as they stand in the log."""
    everything = list(read_records(log))
    wanted = [300, 2, 299, 17, 17, len(everything) - 1]
    assert [(found.index, found.leaf) for found in leaves_at(log, wanted)] == [
        (index, everything[index].leaf) for index in wanted
    ]
    assert leaves_at(log, []) == []


def test_ids_say_when_they_were_made() -> None:
    """A decision is found by its id without a term for each: the id's own time says where to look."""
    made = DecisionIds(lambda: 1_795_262_400_123)()
    assert moment_of_id(made) == 1_795_262_400_123_000
    for other in ("", "decision-7", "c4d722ae-0000-4000-8000-000000000000"):
        assert moment_of_id(other) is None


def test_every_column_is_one_that_leaves_have(log: Path) -> None:
    """What the command offers and what leaves give are the same columns."""
    given_terms = {column for record in read_records(log) for column, _ in terms_of(record.fields)}
    assert given_terms <= set(COLUMNS)
    assert set(COLUMNS) - given_terms == {"waiver"}


def test_a_folder_that_cannot_be_written(log: Path, tmp_path: Path) -> None:
    """It is said, with what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexUnwritable) as refused:
        Index.of(log, tmp_path / "file" / "index", bounds=SMALL)
    assert "--index" in refused.value.hint


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """A log that has only just begun."""
    open_log(tmp_path / "log").close_now()
    yield tmp_path / "log"


def test_a_log_that_has_only_begun(empty: Path) -> None:
    """No decision is an answer too."""
    assert asked(empty, Question({"schema": ["decision"]})) == (0, ())
    assert asked(empty, Question({}))[0] == 3
