"""Plugins, Vaults and programs of the bed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.cluster.bed import build
from tests.cluster.bed.processes import Household
from tests.cluster.bed.shown import shown
from tests.keymgmt.kms.plugin import GoClient
from tests.keymgmt.vault_server import RealVault

POLICY = (Path(__file__).parents[3] / "examples" / "kms" / "vault-policy.hcl").read_text()


@pytest.fixture
def household(tmp_path: Path) -> Iterator[Household]:
    """Processes that end with the test."""
    found = Household(tmp_path, remove=tmp_path / "nothing")
    yield found
    found.stop_all()


@pytest.fixture
def go_client(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], GoClient]]:
    """Makes grpc-go clients of a socket."""
    program = shown(request, lambda: build.build("kms-client")) / "kms-client"
    made: list[GoClient] = []

    def make(socket: Path) -> GoClient:
        made.append(GoClient(program, socket))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="session")
def vault_for_etcd(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], RealVault]]:
    """Regions with a Transit key `etcd` and a role that may use it, each started once for the session."""
    program, plugins = (shown(request, lambda p=p: build.build(p)) for p in ("vault", "vault-auth-kubernetes"))
    folder = tmp_path_factory.mktemp("vaults")
    household = Household(folder, remove=folder / "storage")

    @cache
    def start(region: str) -> RealVault:
        vault = RealVault(region, folder / region, program / "vault", household, plugins).start()
        vault.api("POST", "transit/keys/etcd", {"type": "rsa-4096"})
        vault.api("PUT", "sys/policies/acl/etcd", {"policy": POLICY})
        vault.api("POST", "auth/approle/role/etcd", {"token_policies": ["etcd"], "token_ttl": "1h"})
        return vault

    try:
        yield start
    finally:
        household.stop_all()
