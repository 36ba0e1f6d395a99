"""The API server's own CEL for the tests here; skipped where it can't be built, an error with the variable CI set."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cluster.bed import build
from tests.policies.cel.oracle.peer import NEWEST, PROGRAMS, Peer


@pytest.fixture(scope="session")
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A running oracle, built the first time with its progress shown."""
    with _built(request, NEWEST) as started:
        yield started


@pytest.fixture(scope="session")
def older_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """The same of the oldest version that is asked."""
    with _built(request, min(PROGRAMS)) as started:
        yield started


def _built(request: pytest.FixtureRequest, version: str) -> Peer:
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    try:
        with capture.global_and_fixture_disabled():
            return Peer.built(version=version)
    except build.BuildError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the API server's CEL can't be built: {error}")
