"""What a webhook process decided, kept for tests that look at its log: one state directory, shared by all of them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from audit.reading import LoggedRecord, read_records
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from webhook.demo.process import Process
from webhook.replaying.replay import Asked, Line, Replay

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
RULES, CLUSTER = str(QUICKSTART / "rules"), str(QUICKSTART / "cluster")
CANARIES = ("canary-pod-of-jane", "canary-jane", "canary.registry.example", "canary-token", "dr.ada", "ada@clinic")
PASSWORD = "Y2FuYXJ5LXBhc3N3b3Jk"


def manifests() -> Iterator[Any]:
    for path in sorted((QUICKSTART / "manifests").glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text())
    container = {"name": "canary-jane", "image": "canary.registry.example/x:latest", "args": ["canary-token"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}}
    yield {**pod, "metadata": {"name": "canary-pod-of-jane", "namespace": "clinic"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"password": PASSWORD}}
    yield {**secret, "metadata": {"name": "canary-pod-of-jane", "namespace": "clinic"}}


@dataclass(frozen=True)
class Decided:
    """The state directory of a webhook that decided and ended; `verdicts` as it told them."""

    state: Path
    allowed: tuple[bool, ...]

    @property
    def log(self) -> Path:
        return self.state / "log"

    def copy(self, to: Path) -> "Decided":
        """One that a test may spoil."""
        shutil.copytree(self.state, to)
        return replace(self, state=to)

    def keyring(self) -> FileKeyring:
        return FileKeyring.open(self.state / "keys", "local", unlock=KeyFile(self.state / "keys" / "unlock.key"))

    def lines(self, **asked: Any) -> list[Line]:
        keyring = self.keyring()
        return list(Replay(self.log, keyring.opener(), keyring.jurisdiction).run(Asked(**asked)))

    def records(self, schema: str) -> list[LoggedRecord]:
        found = f"bailiwick.{schema}/"
        return [record for record in read_records(self.log) if record.fields["schema"].startswith(found)]


def decide(state: Path) -> Decided:
    """A webhook process judges every object of the quickstart twice, behind all doors, and ends."""
    process = Process(state, ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0"])
    try:
        asker = process.ready()
        told = [asker.create(found) for _ in range(2) for found in manifests()]
    finally:
        assert process.stop() == 0, process.written()
    return Decided(state, tuple(one.allowed for one in told))
