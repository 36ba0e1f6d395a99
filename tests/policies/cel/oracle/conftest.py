"""The API server's own CEL for the tests here; skipped without Go, an error with the variable CI set."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cluster.bed import build
from tests.policies.cel.oracle.peer import Peer


@pytest.fixture(scope="session")
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A running oracle, built the first time with its progress shown."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    try:
        with capture.global_and_fixture_disabled():
            started = Peer.built()
    except build.GoMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the API server's CEL is built with Go: {error}")
    with started:
        yield started
