import uuid

from hypothesis import given
from hypothesis import strategies as st

from webhook.reviews.ids import DecisionIds


def test_version_7() -> None:
    """An id is a UUID of version 7 that tells its time."""
    made = uuid.UUID(DecisionIds(lambda: 0x0123456789AB)())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 0x0123456789AB


@given(st.lists(st.integers(0, 2**40), min_size=2, max_size=50))
def test_order(times: list[int]) -> None:
    """Ids sort as they were made, whatever the clock does."""
    clock = iter(times)
    ids = DecisionIds(lambda: next(clock))
    made = [ids() for _ in times]
    assert made == sorted(set(made))


def test_more_than_a_millisecond_holds() -> None:
    """Ten thousand ids in one millisecond still differ and still sort."""
    ids = DecisionIds(lambda: 1_700_000_000_000)
    made = [ids() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {uuid.UUID(found).version for found in made} == {7}


def test_processes_do_not_meet() -> None:
    """Two processes that make ids in the same millisecond make different ones."""
    first, second = DecisionIds(lambda: 1), DecisionIds(lambda: 1)
    assert first() != second()
