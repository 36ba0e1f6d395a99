"""A real etcd of its own, spoken to through its HTTP gateway."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.cluster.bed import layout
from tests.cluster.bed.processes import Household, Port, wait_until

_CLIENT = httpx.Client(timeout=30, trust_env=False, verify=False)  # making one takes longer than a call


def ask(url: str, what: str, asked: dict[str, Any]) -> dict[str, Any]:
    """One call of the gateway."""
    answer = _CLIENT.post(f"{url}/v3/{what}", json=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def saved(url: str, path: Path) -> Path:
    """A snapshot, as etcdctl saves it."""
    stream = _CLIENT.post(f"{url}/v3/maintenance/snapshot", json={}).content
    with path.open("wb") as file:
        for line in stream.splitlines():
            file.write(base64.b64decode(orjson.loads(line)["result"].get("blob", "")))
    return path


def compacted(url: str) -> None:
    """Forget what was overwritten, and wait until it is gone."""
    revision = ask(url, "kv/range", {"key": encoded(b"\0")})["header"]["revision"]
    ask(url, "kv/compaction", {"revision": revision, "physical": True})


class Etcd:
    """One member with a directory of its own."""

    def __init__(self, folder: Path, program: Path, household: Household) -> None:
        self._ports = Port(), Port()
        self.url, peer = (f"http://127.0.0.1:{port.number}" for port in self._ports)
        flags = layout.etcd_flags(folder / "etcd-data", client=self.url, peer=peer)
        household.start("etcd", [program, *flags])
        wait_until(self._answers, seconds=30, what="etcd to answer")

    def put(self, key: bytes, value: bytes) -> None:
        ask(self.url, "kv/put", {"key": encoded(key), "value": encoded(value)})

    def delete(self, key: bytes) -> None:
        ask(self.url, "kv/deleterange", {"key": encoded(key)})

    def compact(self) -> None:
        compacted(self.url)

    def save(self, path: Path) -> Path:
        return saved(self.url, path)

    def close(self) -> None:
        """Give its ports back."""
        for port in self._ports:
            port.close()

    def _answers(self) -> bool:
        try:
            return bool(ask(self.url, "kv/range", {"key": encoded(b"\0")}))
        except httpx.TransportError:
            return False


@contextmanager
def etcd(folder: Path, program: Path) -> Iterator[Etcd]:
    """A member that ends with the context."""
    household = Household(folder, remove=folder / "etcd-data")
    found = Etcd(folder, program, household)
    try:
        yield found
    finally:
        household.stop_all()
        found.close()


def encoded(data: bytes) -> str:
    """As the gateway takes bytes."""
    return base64.b64encode(data).decode()
