"""Answers questions from an index: how many records fit, and which are the newest of them.

Values of one column are alternatives, columns are conditions. Frequent terms are combined as whole numbers of a million
bits, rare ones as lists; no leaf is read but those that are shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from audit.query.index import Index
from audit.query.runs import BLOCK, Posting, Run
from audit.query.terms import terms_of


@dataclass(frozen=True, slots=True)
class Question:
    """`begin` and `end` are microseconds since 1970, the end not included."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by column
    begin: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """How many records fit, and the indices of the newest, the newest first."""

    count: int
    newest: tuple[int, ...]


def search(index: Index, question: Question, limit: int = 100) -> Found:
    """Raises RunBroken where a run turns out to be damaged: `index.discard` it and ask anew."""
    fresh = [record.index for time, record in index.fresh if _fits(question, time, record.fields)]
    newest = fresh[::-1][:limit]
    count = len(fresh)
    for run in reversed(index.runs):
        found, places = _in_run(run, question, limit - len(newest))
        count += found
        newest += [run.first + place for place in places]
    return Found(count, tuple(newest))


def _fits(question: Question, time: int, leaf: Mapping[str, object]) -> bool:
    terms = set(terms_of(leaf))
    if not all(any((column, value) in terms for value in values) for column, values in question.values.items()):
        return False
    return (question.begin is None or time >= question.begin) and (question.end is None or time < question.end)


def _in_run(run: Run, question: Question, limit: int) -> tuple[int, list[int]]:
    """How many of a run's records fit, and the newest places, the newest first."""
    conditions = [_any_of(run, column, values) for column, values in question.values.items()]
    if any(condition.count == 0 for condition in conditions):
        return 0, []
    rare = [condition.places for condition in conditions if condition.places is not None]
    if rare:
        return _among(run, question, min(rare, key=len), conditions, limit)
    bits = (1 << run.count) - 1
    for condition in conditions:
        bits &= condition.bits(run.count)
    if question.begin is not None or question.end is not None:
        bits &= _between(run, question)
    return bits.bit_count(), list(_highest(bits, limit))


def _any_of(run: Run, column: str, values: Sequence[str]) -> Posting:
    """The records in which one of these values stands."""
    postings = [run.posting((column, value)) for value in values]
    if len(postings) == 1:
        return postings[0]
    bits = 0
    for posting in postings:
        bits |= posting.bits(run.count)
    return Posting(bits.bit_count(), bits, None)


def _among(
    run: Run, question: Question, places: Sequence[int], conditions: Sequence[Posting], limit: int
) -> tuple[int, list[int]]:
    """The same where one condition is rare: its records are looked at one by one."""
    for condition in conditions:
        if condition.places is places:
            continue
        data = condition.bits(run.count).to_bytes((run.count + 7) // 8, "little")
        places = [place for place in places if data[place >> 3] >> (place & 7) & 1]
    if question.begin is not None or question.end is not None:
        places = _within(run, question, places)
    return len(places), list(reversed(places[-limit:] if limit > 0 else []))


def _within(run: Run, question: Question, places: Sequence[int]) -> list[int]:
    """Those of some places that lie within the time."""
    low, high = _bounds(question)
    extremes = list(run.extremes())
    inside: list[int] = []
    for block, its in groupby(places, lambda place: place // BLOCK):
        earliest, latest = extremes[block]
        if low <= earliest and latest < high:
            inside += its
        elif latest >= low and earliest < high:
            times = run.times(block)
            inside += [place for place in its if low <= times[place % BLOCK] < high]
    return inside


def _between(run: Run, question: Question) -> int:
    """All records of a time. They mostly rise, so that most blocks lie wholly inside or outside."""
    low, high = _bounds(question)
    bits = 0
    for block, (earliest, latest) in enumerate(run.extremes()):
        if latest < low or earliest >= high:
            continue
        width = min(BLOCK, run.count - block * BLOCK)
        inside = (1 << width) - 1
        if earliest < low or latest >= high:
            inside = sum(1 << place for place, time in enumerate(run.times(block)) if low <= time < high)
        bits |= inside << block * BLOCK
    return bits


def _bounds(question: Question) -> tuple[int, int]:
    low = question.begin if question.begin is not None else 0
    return low, question.end if question.end is not None else 1 << 63


def _highest(bits: int, limit: int) -> Iterator[int]:
    """The highest set bits, downwards."""
    for _ in range(limit):
        if not bits:
            return
        place = bits.bit_length() - 1
        yield place
        bits ^= 1 << place
