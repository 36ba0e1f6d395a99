"""Keyrings of made-up regions in fresh directories, and canaries."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keymgmt.keyring import FileKeyring
from keymgmt.ports import Binding
from keymgmt.unlock import KeyFile
from tests.keymgmt.canaries import Canaries

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)

Make = Callable[[str], FileKeyring]


@pytest.fixture
def now() -> datetime:
    """The moment at which everything happens."""
    return NOW


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    """A fresh key-encrypting key."""
    return KeyFile.create(tmp_path / "kek")


@pytest.fixture
def make(tmp_path: Path, key_file: KeyFile) -> Make:
    """Makes a keyring for a region, all under one key file."""

    def create(region: str) -> FileKeyring:
        return FileKeyring.create(tmp_path / region, region, unlock=key_file, now=NOW)

    return create


@pytest.fixture
def keyring(make: Make) -> FileKeyring:
    """The keyring of `eu-de`."""
    return make("eu-de")


@pytest.fixture
def bound() -> Binding:
    """What most envelopes here are bound to."""
    return Binding(region="eu-de", jurisdiction="DE", purpose="audit-archive", cluster="prod", tenant="clinic")


@pytest.fixture
def canaries() -> Canaries:
    """A fresh set."""
    return Canaries()
