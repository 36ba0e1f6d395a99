"""The TLS transport alone, over a TCP transport that only remembers."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.web.tls_transport import TlsTransport
from tests.webhook.parts import issue
from tests.webhook.wire import client_context
from webhook.serving.settings import Tls
from webhook.serving.tls import load_context


class Wire(asyncio.Transport):
    """A TCP transport without a network."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.ended = self.aborted = self.paused = False

    def write(self, data: "bytes | bytearray | memoryview[int]") -> None:
        assert not self.ended, "written after the end"
        self.sent += bytes(data)

    def write_eof(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0


class Inside(asyncio.Protocol):
    """The protocol that TLS is made for; `appetite` is how many bytes it takes before it asks for a pause."""

    def __init__(self, appetite: int = 1 << 30) -> None:
        self.heard = b""
        self.made = self.lost = False
        self.refusals: list[str] = []
        self.appetite = appetite
        self.transport: asyncio.Transport

    def accepted(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def refused(self, reason: str) -> None:
        self.refusals.append(reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made = True

    def data_received(self, data: bytes) -> None:
        self.heard += data
        if len(self.heard) >= self.appetite:
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


class Client:
    """A TLS client in memory."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def shaken(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def take(self, wire: Wire) -> None:
        self.incoming.write(wire.sent)
        wire.sent = b""

    def says(self) -> bytes:
        return self.outgoing.read()


class Pair:
    def __init__(self, contexts: tuple[ssl.SSLContext, ssl.SSLContext], appetite: int = 1 << 30) -> None:
        self.inside, self.wire, self.client = Inside(appetite), Wire(), Client(contexts[1])
        self.server = TlsTransport(self.inside, contexts[0])
        self.server.connection_made(self.wire)

    def shake(self) -> None:
        while not self.client.shaken():
            self.server.data_received(self.client.says())
            self.client.take(self.wire)
        self.server.data_received(self.client.says())


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ssl.SSLContext, ssl.SSLContext]]:
    directory: Path = tmp_path_factory.mktemp("transport")
    issue(directory)
    server, _ = load_context(Tls(directory / "tls.crt", directory / "tls.key"), datetime.now(UTC))
    yield server, client_context(directory / "ca.crt")


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@given(data=st.binary(min_size=1, max_size=40_000), cuts=st.lists(st.integers(1, 5000), max_size=20))
def test_any_fragments(contexts: Contexts, data: bytes, cuts: list[int]) -> None:
    """However the network cuts what a client sent, the protocol inside hears the same bytes."""

    async def scenario() -> None:
        pair = Pair(contexts)
        pair.shake()
        pair.client.tls.write(data)
        sealed = pair.client.says()
        for size in cuts:
            pair.server.data_received(sealed[:size])
            sealed = sealed[size:]
        pair.server.data_received(sealed)
        assert pair.inside.heard == data

    asyncio.run(scenario())


@given(data=st.binary(min_size=1, max_size=400))
def test_any_garbage(contexts: Contexts, data: bytes) -> None:
    """Whatever comes instead of a handshake, the end is a refusal or more waiting, never an exception."""

    async def scenario() -> None:
        pair = Pair(contexts)
        pair.server.data_received(data)
        pair.server.data_received(data * 100)
        assert not pair.inside.made
        assert bool(pair.inside.refusals) is pair.wire.ended
        pair.server.connection_lost(None)
        assert pair.inside.lost

    asyncio.run(scenario())


@given(data=st.binary(min_size=1, max_size=400), place=st.integers(0, 400))
def test_tampered_records(contexts: Contexts, data: bytes, place: int) -> None:
    """A record that was changed on the way is never heard; the connection ends."""

    async def scenario() -> None:
        pair = Pair(contexts)
        pair.shake()
        pair.client.tls.write(data)
        sealed = bytearray(pair.client.says())
        sealed[5 + place % (len(sealed) - 5)] ^= 1  # behind the record's header
        pair.server.data_received(bytes(sealed))
        assert pair.inside.heard == b""
        assert pair.server.is_closing()
        assert pair.wire.ended

    asyncio.run(scenario())


async def test_one_record_for_head_and_body(contexts: Contexts) -> None:
    """What is written in one go leaves in one piece."""
    pair = Pair(contexts)
    pair.shake()
    pair.server.write(b"head")
    pair.server.write(b"body")
    assert pair.wire.sent == b""
    assert pair.server.get_write_buffer_size() == 8
    await asyncio.sleep(0)
    pair.client.take(pair.wire)
    assert pair.client.tls.read(100) == b"headbody"


async def test_large_answers(contexts: Contexts) -> None:
    """An answer of many records arrives whole."""
    pair = Pair(contexts)
    pair.shake()
    answer = bytes(range(256)) * 400
    pair.server.write(answer)
    await asyncio.sleep(0)
    pair.client.take(pair.wire)
    heard = b""
    while len(heard) < len(answer):
        heard += pair.client.tls.read(65536)
    assert heard == answer


async def test_close_keeps_what_was_written(contexts: Contexts) -> None:
    """What was written before the end is sent before the goodbye; what comes in afterwards is read and forgotten."""
    pair = Pair(contexts)
    pair.shake()
    pair.server.write(b"last words")
    pair.server.close()
    pair.server.write(b"too late")
    await asyncio.sleep(0)
    pair.client.take(pair.wire)
    assert pair.client.tls.read(100) == b"last words"
    assert pair.client.tls.read(100) == b""
    pair.client.tls.write(b"still sending")
    pair.server.data_received(pair.client.says())
    assert pair.inside.heard == b""
    assert not pair.wire.aborted


async def test_pause(contexts: Contexts) -> None:
    """While the protocol inside wants nothing it hears nothing, and afterwards it hears all."""
    pair = Pair(contexts, appetite=10)
    pair.shake()
    for word in (b"0123456789", b"abc", b"def"):
        pair.client.tls.write(word)
    pair.server.data_received(pair.client.says())
    assert (pair.inside.heard, pair.wire.paused) == (b"0123456789", True)
    pair.inside.appetite = 1 << 30
    pair.server.resume_reading()
    await asyncio.sleep(0)
    assert (pair.inside.heard, pair.wire.paused) == (b"0123456789abcdef", False)


async def test_goodbye_of_the_peer(contexts: Contexts) -> None:
    """A client that says goodbye is answered with ours."""
    pair = Pair(contexts)
    pair.shake()
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.tls.unwrap()
    pair.server.data_received(pair.client.says())
    pair.client.take(pair.wire)
    pair.client.tls.unwrap()  # raises unless the server's goodbye has come
    assert pair.wire.ended


async def test_after_the_end(contexts: Contexts) -> None:
    """A transport that is gone takes every call and does nothing."""
    pair = Pair(contexts)
    pair.shake()
    pair.server.write(b"never sent")
    pair.wire.aborted = True
    pair.server.connection_lost(ConnectionResetError())
    for act in (pair.server.close, pair.server.pause_reading, pair.server.resume_reading):
        act()
    pair.server.write(b"x")
    pair.server.data_received(b"x")
    await asyncio.sleep(0)
    assert pair.wire.sent == b""
