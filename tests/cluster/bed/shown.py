"""Programs of the bed, asked for by tests: whoever waits for a build sees how far it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.cluster.bed import build

Built = TypeVar("Built")


def shown(request: pytest.FixtureRequest, built: Callable[[], Built]) -> Built:
    """What `built` returns, its progress shown although pytest captures output; without Go the test is skipped."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    try:
        with capture.global_and_fixture_disabled():
            return built()
    except build.GoMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
