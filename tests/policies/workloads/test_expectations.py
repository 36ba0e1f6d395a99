"""What upstream manifests hold by reading, and what the extractor says of them."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.policies.workloads.answers import answers, documents
from tests.policies.workloads.table_of_expectations import SAMPLES, Expectation, expectations, misplaced

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the corpora are not beside this checkout")


def test_every_row_stands_where_it_says() -> None:
    """Every object and every value of the table stands on the line that its row names."""
    wrong = [each for expectation in expectations() for each in misplaced(expectation)]
    assert not wrong, "\n".join(wrong)


def test_the_table_is_deep() -> None:
    """At least fifteen systems, several hundred rows, and every dimension."""
    table = expectations()
    rows = Counter(row.dimension for each in table for row in each.rows)
    assert len({each.system for each in table}) >= 25
    assert rows.total() > 800
    assert min(rows[dimension] for dimension in ("pod", "image", "device", "model", "place", "destination")) >= 50
    assert rows["identity"] >= 10


def test_the_table_covers_whole_manifests() -> None:
    """Of every manifest in the table, every object has its place there."""
    by_file: dict[str, set[int]] = {}
    for each in expectations():
        by_file.setdefault(each.file, set()).add(each.line)
    missing = {file: documents(file).keys() - lines for file, lines in by_file.items()}
    assert not {file: lines for file, lines in missing.items() if lines}


@pytest.mark.parametrize("system", sorted({each.system for each in expectations()}))
def test_the_extractor_answers_what_a_reader_finds(system: str) -> None:
    """Every row is answered on its line, and nothing is answered beyond what is stated."""
    wrong = [each for one in expectations() if one.system == system for each in _differences(one)]
    assert not wrong, "\n".join(wrong)


def _differences(expectation: Expectation) -> Iterator[str]:
    found = answers(documents(expectation.file)[expectation.line])
    left = list(found)
    for row in expectation.rows:
        given = [one for one in left if one.says(row.line, row.dimension, row.value)]
        if given:
            left.remove(given[0])
        elif not any(one.covers(row.line, row.dimension, row.value) for one in found):
            yield f"{expectation}: missing: {row.line} {row.dimension} {row.value}"
    yield from (f"{expectation}: too much: {one}" for one in left if one.dimension in expectation.stated)
