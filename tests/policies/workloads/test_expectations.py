"""What upstream manifests hold by reading, and what the extractor says of them."""

import pytest
from tests.policies.workloads.table_of_expectations import SAMPLES, expectations, misplaced

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the corpora are not beside this checkout")


def test_every_row_stands_where_it_says() -> None:
    """Every object and every value of the table stands on the line that its row names."""
    wrong = [each for expectation in expectations() for each in misplaced(expectation)]
    assert not wrong, "\n".join(wrong)
