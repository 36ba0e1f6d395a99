"""The way to the API server: how often a request is made where nobody answers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from webhook.cluster.apiserver import ApiServer, ClusterUnavailable


class Silent:
    """Takes connections and requests, and hangs up on each without an answer."""

    def __init__(self) -> None:
        self.asked = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            with connection:
                if connection.recv(1 << 16):
                    self.asked += 1

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    """One of these."""
    with closing(Silent()) as found:
        yield found


def test_without_retries_a_request_is_made_once(silent: Silent, tmp_path: Path) -> None:
    """Who has a lease asks once and is done; a request that is made again behind its back might outlast the lease."""
    path = tmp_path / "config"
    named = {"name": "x", "cluster": {"server": f"http://127.0.0.1:{silent.port}"}}
    context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
    users = [{"name": "x", "user": {"token": "t"}}]
    path.write_text(json.dumps({"clusters": [named], "contexts": [context], "users": users, "current-context": "x"}))
    once, again = ApiServer.connect(str(path), retries=False), ApiServer.connect(str(path))
    with pytest.raises(ClusterUnavailable):
        once.put("/apis/coordination.k8s.io/v1/namespaces/n/leases/l", {}, timeout=5)
    assert silent.asked == 1
    with pytest.raises(ClusterUnavailable):
        again.put("/apis/coordination.k8s.io/v1/namespaces/n/leases/l", {}, timeout=5)
    assert silent.asked > 2
