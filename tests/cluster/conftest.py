"""Fixtures of the cluster tests: a control plane for the whole session, namespaces and nodes for one test.

`BAILIWICK_TEST_KUBECONFIG=<path>` takes that cluster instead of the bed's own; tests that ask for `local_control_plane`
or `add_node` are skipped then. Without Go they are all skipped, and in CI (the variable `CI` is set) they fail instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.bed import build
from tests.cluster.bed.cluster import Cluster, Json, external, kubectl_on_path
from tests.cluster.bed.control_plane import Binaries, ControlPlane
from tests.cluster.bed.shown import shown

KUBECONFIG_VARIABLE = "BAILIWICK_TEST_KUBECONFIG"
AddNode = Callable[..., Json]


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real API server: the bed's own, or the one that BAILIWICK_TEST_KUBECONFIG names."""
    folder = tmp_path_factory.mktemp("bed")
    if chosen := os.environ.get(KUBECONFIG_VARIABLE):
        cluster = external(Path(chosen).expanduser(), kubectl=lambda: _kubectl(request), scratch=folder)
    else:
        cluster = ControlPlane.start(folder, shown(request, Binaries.built))
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def local_control_plane(control_plane: Cluster) -> ControlPlane:
    """The bed's own control plane, for tests that stop servers, read its files or need nodes that kwok plays."""
    if not isinstance(control_plane, ControlPlane):
        pytest.skip(f"needs the control plane that the bed starts itself; {KUBECONFIG_VARIABLE} names another cluster")
    return control_plane


@pytest.fixture(scope="session")
def webhook_host(control_plane: Cluster) -> str:
    """This machine's address as the API server sees it."""
    if control_plane.webhook_host is None:
        pytest.skip("set BAILIWICK_TEST_WEBHOOK_HOST to an address under which the cluster reaches this machine")
    return control_plane.webhook_host


@pytest.fixture
def namespace(control_plane: Cluster) -> Iterator[str]:
    """A fresh namespace, deleted after the test."""
    name = control_plane.create_namespace()
    yield name
    control_plane.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def add_node(local_control_plane: ControlPlane) -> Iterator[AddNode]:
    """`ControlPlane.add_node`, whose nodes go away after the test."""
    added: list[str] = []

    def add(name: str, **wanted: object) -> Json:
        added.append(name)
        return local_control_plane.add_node(name, **wanted)  # type: ignore[arg-type] # its keywords, passed on

    yield add
    for name in added:
        local_control_plane.request("DELETE", f"/api/v1/nodes/{name}")


def _kubectl(request: pytest.FixtureRequest) -> Path:
    """The machine's own kubectl, or the bed's."""
    return kubectl_on_path() or shown(request, lambda: build.build("kubernetes")) / "kubectl"
