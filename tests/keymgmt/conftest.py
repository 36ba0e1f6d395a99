"""Keyrings of made-up regions in fresh directories, and canaries."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.ports import Binding
from tests.keymgmt.authority import Authority
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.regions import Region, World
from tests.keymgmt.vault_scene import Scene

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


@pytest.fixture(scope="session")
def rsa_keys() -> list[rsa.RSAPrivateKey]:
    """Four RSA keys for the whole session: making one takes a second or more."""
    return [rsa.generate_private_key(65537, 4096) for _ in range(4)]


@pytest.fixture
def world(tmp_path: Path, rsa_keys: list[rsa.RSAPrivateKey]) -> Iterator[World]:
    """An empty world, whose regions end with the test."""
    spare = iter(rsa_keys)
    with ExitStack() as stack:
        yield World(tmp_path / "world", stack, lambda: next(spare))


@pytest.fixture
def region(world: World) -> Region:
    """The region `eu-de`, with a key service that behaves so far."""
    return world.region("eu-de")


@pytest.fixture
def scene(tmp_path: Path, canaries: Canaries) -> Iterator[Scene]:
    """A fresh scene, whose servers end with the test."""
    with ExitStack() as stack:
        yield Scene(tmp_path, canaries, stack, Authority(tmp_path / "de", "eu-de authority"))
