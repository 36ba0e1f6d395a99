"""The plugin as a process of its own, and clients of it: grpc-go as kube-apiserver is, and a thin one in Python."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.bed.processes import BedError, Household, wait_until

READY = 30.0  # seconds
ROOT = Path(__file__).parents[3]


def file_keyring(directory: Path, key_file: Path) -> dict[str, Any]:
    """The settings of a file keyring."""
    return {"file": {"directory": str(directory), "keyFile": str(key_file)}}


def transit_keyring(vault: Any, secret_id: Path, role_id: str) -> dict[str, Any]:
    """The settings of a Vault of the bed, reached by AppRole."""
    login = {"appRole": {"roleId": role_id, "secretIdFile": str(secret_id)}}
    return {
        "transit": {"url": vault.url, "ca": str(vault.authority.bundle), "pins": [vault.pin], "login": login},
    }


@dataclass
class Plugin:
    """One plugin of one region; looks at its keyring twice a second."""

    name: str
    folder: Path
    household: Household
    keyring: dict[str, Any]
    region: str = "eu-de"
    more: dict[str, Any] = field(default_factory=dict)
    own_log: Path | None = None

    @property
    def socket(self) -> Path:
        """Where it answers."""
        return self.folder / "run" / "kms.sock"

    @property
    def config(self) -> Path:
        """Its settings."""
        return self.folder / "kms.yaml"

    def write(self) -> None:
        """Write its settings."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "apiVersion": "bailiwick.dev/v1alpha1",
            "kind": "KmsPlugin",
            "region": self.region,
            "jurisdiction": "DE",
            "cluster": "prod",
            "socket": {"path": str(self.socket)},
            "state": str(self.folder / "state"),
            "keyring": self.keyring,
            "rotation": {"delay": 0, "observations": 1},
            "interval": 0.5,
        }
        self.config.write_text(yaml.safe_dump(settings | self.more))

    def start(self, *, ok: bool = True) -> Plugin:
        """Start the process; return when it answers, and is in order unless that is not expected."""
        self.write()
        log = self.household_log
        already = log.stat().st_size if log.exists() else 0
        command: list[str | Path] = [sys.executable, "-m", "bailiwick", "keys", "kms", "--config", self.config]
        command += ["--log", self.own_log] if self.own_log else []
        self.household.start(self.name, command)
        wait_until(
            lambda: self._answers(already, ok), seconds=READY, what=self.name, check=self.household[self.name].check
        )
        return self

    def kill(self) -> None:
        """End it without warning, as the kernel would."""
        os.kill(self.household[self.name].pid, signal.SIGKILL)
        self.household.stop(self.name)

    def stop(self) -> None:
        """End it politely."""
        self.household.stop(self.name)

    def await_healthz(self, wanted: str, client: GoClient) -> None:
        """Return when Status says so."""
        wait_until(lambda: client.status()["healthz"] == wanted, seconds=READY, what=f"{self.name} to say {wanted}")

    def log(self) -> str:
        """What it has written so far."""
        return self.household_log.read_text()

    @property
    def household_log(self) -> Path:
        """Its log's file, whether or not it runs."""
        return self.household.folder / f"{self.name}.log"

    def encryption_configuration(self, *more: str) -> str:
        """What the plugin says the API server must be told."""
        command = [sys.executable, "-m", "bailiwick", "keys", "kms", "--config", self.config]
        command += ["--encryption-configuration", *more]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout

    def _answers(self, already: int, ok: bool) -> bool:
        said = self.log()[already:]
        return "serving unix" in said and (not ok or "is in order" in said)


class GoClient:
    """The bed's grpc-go client as a process that takes a request a line."""

    def __init__(self, program: Path, socket: Path) -> None:
        self._process = subprocess.Popen(
            [program, socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """One call: `code` is `OK`, or the gRPC code with `error`. Bytes are base64."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        line = self._process.stdout.readline()
        if not line:
            raise BedError("the client has ended")
        return {"healthz": "", "keyId": "", **json.loads(line)}

    def status(self) -> dict[str, Any]:
        """Ask for Status."""
        return self.ask("status")

    def encrypt(self, plaintext: bytes, uid: str = "u") -> dict[str, Any]:
        """Have something encrypted."""
        return self.ask("encrypt", plaintext=base64.b64encode(plaintext).decode(), uid=uid)

    def decrypt(self, made: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Have the answer to `encrypt` decrypted, or something made from it."""
        fields = {name: made[name] for name in ("ciphertext", "keyId", "annotations")}
        return self.ask("decrypt", uid="u", **(fields | changes))

    def opened(self, made: dict[str, Any]) -> bytes:
        """The plaintext, which must be there."""
        answer = self.decrypt(made)
        assert answer["code"] == "OK", answer
        return base64.b64decode(answer["plaintext"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
