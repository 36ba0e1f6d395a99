"""gRPC on a real socket: codes and words, calls that hang, and what an error's text may say."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from keymgmt.kms.api_pb2 import (
    DecryptRequest,
    DecryptResponse,
    EncryptRequest,
    EncryptResponse,
    StatusRequest,
    StatusResponse,
)
from keymgmt.kms.endpoint import Endpoint
from keymgmt.kms.server import CODES, WAITING, serve
from keymgmt.kms.service import KmsService
from keymgmt.transit import errors
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.kms.rings import Replica, Site

TYPES = {
    "Status": (StatusRequest, StatusResponse),
    "Encrypt": (EncryptRequest, EncryptResponse),
    "Decrypt": (DecryptRequest, DecryptResponse),
}


class Client:
    """A thin client."""

    def __init__(self, socket: Path) -> None:
        self.channel = grpc.insecure_channel(f"unix:{socket}", options=[("grpc.default_authority", "localhost")])

    def __getattr__(self, name: str) -> Any:
        asked, answered = TYPES[name]
        return self.channel.unary_unary(
            f"/v2.KeyManagementService/{name}",
            request_serializer=asked.SerializeToString,
            response_deserializer=answered.FromString,
        )


@contextmanager
def serving(service: KmsService, folder: Path) -> Iterator[Client]:
    """The service on a socket, in a thread of its own."""
    stop = threading.Event()
    endpoint = Endpoint(folder / "run" / "kms.sock")
    thread = threading.Thread(target=lambda: serve(service, endpoint, until=stop.wait))
    thread.start()
    client = Client(endpoint.path)
    try:
        grpc.channel_ready_future(client.channel).result(20)
        yield client
    finally:
        client.channel.close()
        stop.set()
        thread.join()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A region whose keyring may wait."""
    return Site(tmp_path, waits=True)


@pytest.fixture
def replica(site: Site) -> Replica:
    """A plugin."""
    return site.replica()


@pytest.fixture
def client(replica: Replica, tmp_path: Path) -> Iterator[Client]:
    """Its client."""
    with serving(replica.service, tmp_path) as found:
        yield found


def stored(made: EncryptResponse) -> DecryptRequest:
    """What the API server would ask with."""
    return DecryptRequest(ciphertext=made.ciphertext, key_id=made.key_id, annotations=made.annotations, uid="u")


def refused(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """Code and words of a refusal."""
    with pytest.raises(grpc.RpcError) as failure:
        call()
    error: Any = failure.value
    return error.code(), error.details()


def test_the_three_calls(client: Client) -> None:
    """Status says v2 and ok; what is encrypted under its key id is decrypted."""
    status = client.Status(StatusRequest())
    assert (status.version, status.healthz) == ("v2", "ok")
    made = client.Encrypt(EncryptRequest(plaintext=b"s" * 32, uid="u"))
    assert made.key_id == status.key_id
    assert client.Decrypt(stored(made)).plaintext == b"s" * 32


def test_status_while_everything_hangs(client: Client, replica: Replica) -> None:
    """With as many openings hanging as are let in, one more is refused and Status is still answered."""
    made = client.Encrypt(EncryptRequest(plaintext=b"s" * 32, uid="u"))
    replica.keyring.gate.clear()
    try:
        hanging = [client.Decrypt.future(stored(made), timeout=20) for _ in range(WAITING)]
        code = grpc.StatusCode.OK
        while code is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            code = refused(lambda: client.Decrypt(stored(made), timeout=0.5))[0]
        one_more: Any = client.Decrypt.future(stored(made), timeout=20)
        assert one_more.exception(10).code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # it does not wait at all
        assert client.Status(StatusRequest(), timeout=5).healthz == "ok"
        assert client.Encrypt(EncryptRequest(plaintext=b"s", uid="u"), timeout=5).key_id
    finally:
        replica.keyring.gate.set()
    assert {call.result(20).plaintext for call in hanging} == {b"s" * 32}


def test_a_call_without_time_left_is_not_made(client: Client, replica: Replica) -> None:
    """With less than a tenth of a second to go the key service is not asked."""
    made = client.Encrypt(EncryptRequest(plaintext=b"s" * 32, uid="u"))
    asked = replica.keyring.unwraps
    code, _ = refused(lambda: client.Decrypt(stored(made), timeout=0.08))
    assert code in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert replica.keyring.unwraps == asked


FAILURES = [
    (errors.Sealed, "sealed", grpc.StatusCode.UNAVAILABLE),
    (errors.Unreachable, "unreachable", grpc.StatusCode.UNAVAILABLE),
    (errors.PermissionRefused, "denied", grpc.StatusCode.PERMISSION_DENIED),
    (errors.WrongServer, "wrong-server", grpc.StatusCode.FAILED_PRECONDITION),
    (RuntimeError, "fault", grpc.StatusCode.INTERNAL),
]


@pytest.mark.parametrize(("kind", "word", "code"), FAILURES, ids=[word for _, word, _ in FAILURES])
def test_an_errors_text_stays_inside(
    client: Client,
    replica: Replica,
    caplog: pytest.LogCaptureFixture,
    kind: type[Exception],
    word: str,
    code: grpc.StatusCode,
) -> None:
    """A failure reaches the API server as a code and one word; what a foreign exception says, our log does not hold."""
    canaries = Canaries()
    secret = canaries.text("token")
    seed = canaries.draw("seed", 32)
    made = client.Encrypt(EncryptRequest(plaintext=seed, uid="u"))
    caplog.set_level(logging.DEBUG)
    replica.keyring.refusing = kind(secret if kind is RuntimeError else "what our own errors say")
    assert refused(lambda: client.Decrypt(stored(made))) == (code, f"bailiwick: {word}")
    replica.keyring.refusing = None
    assert client.Decrypt(stored(made)).plaintext == seed
    assert word in caplog.text
    assert canaries.seen_in(caplog.text) == []


def test_every_word_is_a_code() -> None:
    """What the table of codes does not name is UNAVAILABLE, and nothing in it is OK."""
    assert grpc.StatusCode.OK not in CODES.values()


@pytest.mark.parametrize("rubbish", [b"\xff\xff", b"\x0a\x05ab", bytes(70_000)])
def test_rubbish_is_refused(client: Client, rubbish: bytes) -> None:
    """What is no message, or too big a one, is an error and the plugin lives on."""
    call = client.channel.unary_unary("/v2.KeyManagementService/Encrypt")
    assert refused(lambda: call(rubbish, timeout=5))[0] is not grpc.StatusCode.OK
    other = client.channel.unary_unary("/v2.KeyManagementService/Export")
    assert refused(lambda: other(b"", timeout=5))[0] is grpc.StatusCode.UNIMPLEMENTED
    assert client.Status(StatusRequest()).healthz == "ok"
