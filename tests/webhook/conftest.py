from collections.abc import Iterator

import pytest

from tests.webhook.decided import Decided, decide
from tests.webhook.parts import Parts, running


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """A webhook of default limits, shared by the tests of a module; a test that bends a part straightens it again."""
    with running(tmp_path_factory.mktemp("webhook")) as parts:
        yield parts


@pytest.fixture(scope="session")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Decided:
    """What a webhook process decided; a test that spoils it takes a copy."""
    return decide(tmp_path_factory.mktemp("state"))
