"""A server that behaves as Vault's Transit does, over real TLS, and misbehaves when told to.

It keeps every byte that reached it, decrypted, so that a test can say what a server did not receive. What it answers
when it behaves was compared with Vault 1.21.
"""

import base64
import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.keymgmt.authority import Pair

OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
CREATED = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)


@dataclass
class Request:
    """What a client asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as an object."""
        return dict(json.loads(self.body or b"{}"))


@dataclass
class Answer:
    """What is answered: status, body and headers."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    def encoded(self) -> bytes:
        """As HTTP/1.1."""
        lines = [f"HTTP/1.1 {self.status} x", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "", ""]).encode() + self.body


Fault = Callable[["VaultDouble", socket.socket, Request], Answer | None]  # None: no answer, hang up
BEHAVE = Answer(0)  # what a fault returns to have the request answered as if it were not there


def data(**content: Any) -> Answer:
    """A good answer."""
    return Answer(200, json.dumps({"request_id": "r", "data": content}).encode())


def errors(status: int, *texts: str) -> Answer:
    """An answer with Vault's error list."""
    return Answer(status, json.dumps({"errors": list(texts)}).encode())


def answering(answer: Answer) -> Fault:
    """Answer so, whatever was asked."""
    return lambda double, line, request: answer


def where(part: str, fault: Fault) -> Fault:
    """Misbehave for paths that contain `part`, and behave for others."""
    return lambda double, line, request: fault(double, line, request) if part in request.path else BEHAVE


def redirect(status: int, location: str) -> Fault:
    """Point elsewhere."""
    return answering(Answer(status, b"", {"Location": location}))


def echoing(status: int) -> Fault:
    """Repeat token and body in the error."""
    return lambda double, line, request: errors(status, f"{request.headers} {request.body!r}")


def hanging_up(double: "VaultDouble", line: socket.socket, request: Request) -> None:
    """Close without an answer."""


def stalling(double: "VaultDouble", line: socket.socket, request: Request) -> None:
    """Say nothing until the client gives up."""
    with suppress(OSError):
        line.settimeout(30)
        line.recv(1)


def dripping(content: bytes) -> Fault:
    """Send one byte at a time, each soon enough to keep a read timeout quiet."""

    def fault(double: "VaultDouble", line: socket.socket, request: Request) -> None:
        with suppress(OSError):
            for byte in content:
                line.sendall(bytes([byte]))
                double.dripped += 1
                time.sleep(0.05)

    return fault


@dataclass
class Token:
    """A token's rest of life."""

    ends: float
    ttl: int
    renewable: bool = True
    born: float = 0.0


@dataclass
class DoubleKey:
    """A Transit key with all its versions."""

    versions: list[Ed25519PrivateKey | RSAPrivateKey]
    minimum: int = 1
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Vault's name of its type."""
        return "ed25519" if isinstance(self.versions[0], Ed25519PrivateKey) else "rsa-4096"

    def described(self, name: str) -> Answer:
        """What reading the key answers."""
        versions = {
            str(number): {"creation_time": _time(number), "name": self.kind, "public_key": _public(key)}
            for number, key in enumerate(self.versions, 1)
            if number >= self.minimum
        }
        content: dict[str, Any] = {
            "name": name,
            "type": self.kind,
            "latest_version": len(self.versions),
            "min_decryption_version": self.minimum,
            "min_encryption_version": 0,
            "exportable": False,
            "allow_plaintext_backup": False,
            "deletion_allowed": False,
            "derived": False,
            "imported_key": False,
            "keys": versions,
        }
        return data(**(content | self.changes))


def _time(version: int) -> str:
    return (CREATED + timedelta(days=version)).isoformat().replace("+00:00", ".123456789Z")


def _public(key: Ed25519PrivateKey | RSAPrivateKey) -> str:
    if isinstance(key, Ed25519PrivateKey):
        return base64.b64encode(key.public_key().public_bytes_raw()).decode()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


class VaultDouble:
    """One region's server."""

    def __init__(
        self,
        pair: Pair,
        *,
        cluster_id: str = "cluster-1",
        clock: Callable[[], float] = time.monotonic,
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        clients: Path | None = None,
    ) -> None:
        self.received: list[bytearray] = []  # decrypted bytes, one item per connection
        self.requests: list[Request] = []
        self.faults: deque[Fault | None] = deque()  # one for each request to come; None behaves
        self.always: Fault | None = None
        self.dripped = 0  # bytes that a slow answer got rid of
        self.sealed = False
        self.health: dict[str, Any] = {}
        self.health_status: int | None = None
        self.cluster_id = cluster_id
        self.tokens: dict[str, Token] = {}
        self.credentials: dict[str, dict[str, Any]] = {}  # login mount to what it accepts
        self.grant_ttl, self.grant_maximum, self.grant_renewable = 3600, 32 * 86400.0, True
        self.issued = 0
        self.new_token: Callable[[], str] = lambda: f"hvs.{self.issued}"
        self.keys: dict[str, DoubleKey] = {}
        self._clock = clock
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.maximum_version = newest
        self._context.load_cert_chain(pair.certificate, pair.key)
        if clients is not None:
            self._context.verify_mode = ssl.CERT_OPTIONAL
            self._context.load_verify_locations(clients)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    @contextmanager
    def running(self) -> Iterator["VaultDouble"]:
        """Serve until the end of the block."""
        acceptor = threading.Thread(target=self._accept)
        acceptor.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            acceptor.join()
            for line in list(self._open):
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
            for thread in self._threads:
                thread.join()

    def everything(self) -> bytes:
        """All application bytes that ever reached this server."""
        return b"".join(self.received)

    def rotate(self, name: str, key: Ed25519PrivateKey | RSAPrivateKey) -> None:
        """Give a key one more version."""
        self.keys[name].versions.append(key)

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(line,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        received = bytearray()
        self.received.append(received)
        plain.settimeout(30)
        self._open.add(plain)
        with suppress(OSError), plain, self._context.wrap_socket(plain, server_side=True) as line:
            self._open.discard(plain)
            self._open.add(line)
            try:
                while (request := _read(line, received)) is not None:
                    answer = self._answer(line, request)
                    if answer is None:
                        return
                    line.sendall(answer.encoded())
            finally:
                self._open.discard(line)

    def _answer(self, line: ssl.SSLSocket, request: Request) -> Answer | None:
        self.requests.append(request)
        fault = self.faults.popleft() if self.faults else self.always
        if fault is not None and (answer := fault(self, line, request)) is not BEHAVE:
            return answer
        if request.path == "/v1/sys/health":
            return self._healthy()
        if self.sealed:
            return errors(503, "Vault is sealed")
        parts = request.path.removeprefix("/v1/").split("/")
        if parts[0] == "auth" and parts[-1] == "login":
            return self._login("/".join(parts[1:-1]), line, request)
        return self._authorised(parts, request)

    def _healthy(self) -> Answer:
        content = {
            "initialized": True,
            "sealed": self.sealed,
            "standby": False,
            "replication_performance_mode": "disabled",
            "replication_dr_mode": "disabled",
            "version": "1.21.0",
            "cluster_name": "double",
            "cluster_id": self.cluster_id,
        }
        status = self.health_status or (503 if self.sealed else 200)
        return Answer(status, json.dumps(content | self.health).encode())

    def _login(self, mount: str, line: ssl.SSLSocket, request: Request) -> Answer:
        wanted = self.credentials.get(mount)
        if wanted is None:
            return errors(403, "permission denied")
        given = request.json()
        shown = line.getpeercert(binary_form=True)
        if wanted != given and not (wanted.get("certificate") and wanted["certificate"] == shown):
            return errors(400, "invalid role or credential")
        self.issued += 1
        return self._granted(self.new_token(), self.grant_ttl)

    def _granted(self, name: str, ttl: int, born: float | None = None) -> Answer:
        ends = self._clock() + ttl if ttl else float("inf")
        self.tokens[name] = Token(ends, ttl, self.grant_renewable, self._clock() if born is None else born)
        auth = {"client_token": name, "lease_duration": ttl, "renewable": self.grant_renewable}
        return Answer(200, json.dumps({"auth": auth, "data": None}).encode())

    def _authorised(self, parts: list[str], request: Request) -> Answer:
        name = request.headers.get("x-vault-token", "")
        token = self.tokens.get(name)
        if not name:
            return errors(403, "permission denied")
        if token is None or self._clock() >= token.ends:
            return errors(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
        match parts:
            case ["auth", "token", "renew-self"]:
                return self._renewed(name, token)
            case ["auth", "token", "lookup-self"]:
                left = 0 if token.ends == float("inf") else int(token.ends - self._clock())
                return data(id=name, ttl=left, renewable=token.renewable, policies=["bailiwick", "default"])
            case ["sys", "capabilities-self"]:
                return data(**{path: ["read"] for path in request.json()["paths"]})
            case ["transit", action, key]:
                return self._transit(action, key, request)
        return errors(404, f'no handler for route "{"/".join(parts)}". route entry not found.')

    def _renewed(self, name: str, token: Token) -> Answer:
        if not token.renewable:
            return errors(400, "lease is not renewable")
        if self._clock() >= token.born + self.grant_maximum:
            return errors(500, "1 error occurred:\n\t* past the max TTL, cannot renew\n\n")
        left = token.born + self.grant_maximum - self._clock()
        return self._granted(name, int(min(self.grant_ttl, left)), born=token.born)

    def _transit(self, action: str, name: str, request: Request) -> Answer:
        key = self.keys.get(name)
        if action == "keys":
            return key.described(name) if key else errors(404)
        if key is None:
            return errors(400, "signing key not found" if action == "sign" else "encryption key not found")
        return self._signed(key, request) if action == "sign" else self._decrypted(key, request)

    def _signed(self, key: DoubleKey, request: Request) -> Answer:
        asked = request.json()
        version = asked.get("key_version") or len(key.versions)
        private = key.versions[version - 1]
        assert isinstance(private, Ed25519PrivateKey)
        signature = base64.b64encode(private.sign(base64.b64decode(asked["input"]))).decode()
        return data(signature=f"vault:v{version}:{signature}", key_version=version)

    def _decrypted(self, key: DoubleKey, request: Request) -> Answer:
        _, version, encoded = request.json()["ciphertext"].split(":")
        number = int(version[1:])
        if number < key.minimum:
            return errors(400, "ciphertext or signature version is disallowed by policy (too old)")
        if number > len(key.versions):
            return errors(400, "invalid ciphertext: version is too new")
        private = key.versions[number - 1]
        assert isinstance(private, RSAPrivateKey)
        try:
            plaintext = private.decrypt(base64.b64decode(encoded), OAEP)
        except ValueError:
            failure = "1 error occurred:\n\t* failed to RSA decrypt the ciphertext: crypto/rsa: decryption error\n\n"
            return errors(500, failure)
        return data(plaintext=base64.b64encode(plaintext).decode())


def _read(line: ssl.SSLSocket, received: bytearray) -> Request | None:
    """The next request, or nothing when the client is gone."""
    start = len(received)
    while (end := received.find(b"\r\n\r\n", start)) < 0:
        if not _more(line, received):
            return None
    head, *fields = bytes(received[start:end]).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in fields)}
    wanted = end + 4 + int(headers.get("content-length", "0"))
    while len(received) < wanted:
        if not _more(line, received):
            return None
    method, path, _ = head.split(" ")
    return Request(method, path, headers, bytes(received[end + 4 : wanted]))


def _more(line: ssl.SSLSocket, received: bytearray) -> bool:
    try:
        chunk = line.recv(65536)
    except OSError:
        return False
    received += chunk
    return bool(chunk)
