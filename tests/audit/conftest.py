"""One PostgreSQL for all tests of the audit trail, started when the first of them asks."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.audit.backends import Backend, Files, Tables
from tests.audit.servers import Server, running

_numbers = count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real server, shared by the tests; whoever stops it starts it again."""
    with running() as found:
        yield found


@pytest.fixture
def tables(server: Server, tmp_path: Path) -> Iterator[Tables]:
    """A log's tables in a database of their own."""
    made = Tables(server, f"log_{next(_numbers)}", tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["files", "postgres"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """Each place where a log can lie."""
    if request.param == "files":
        yield Files(tmp_path)
    else:
        yield request.getfixturevalue("tables")
