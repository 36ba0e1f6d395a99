"""TLS between a TCP transport and a protocol: OpenSSL over memory buffers, bytes in, bytes out.

Event loops have TLS of their own. This one exists for what they don't do: a refused handshake reaches the client as the
alert that says why, a connection counts and has a deadline from its first packet on, and a response that is followed by
the end of the connection is not lost to a client that is still sending.
"""

import asyncio
import ssl
from typing import Any, Protocol, cast

_RECORD = 16384  # bytes of plaintext in one TLS record


class Guarded(Protocol):
    """The protocol inside: an asyncio protocol that is also told of what precedes and prevents a connection."""

    def accepted(self, transport: asyncio.Transport) -> None:
        """A socket has been accepted; the handshake begins."""

    def refused(self, reason: str) -> None:
        """The handshake failed; an alert has been sent and the connection is closing."""

    def connection_made(self, transport: asyncio.Transport) -> None: ...

    def data_received(self, data: bytes) -> None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """The protocol of the TCP transport, and the transport of the protocol inside."""

    def __init__(self, inner: Guarded, context: ssl.SSLContext) -> None:
        super().__init__({"sslcontext": context})
        self._inner = inner
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._raw: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []
        self._established = False
        self._closing = False
        self._paused = False

    # what the TCP transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)  # uvloop's is one without saying so
        self._inner.accepted(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return  # read on and forget: closing a socket with unread bytes would take our last words with it
        self._incoming.write(data)
        if self._established or self._shake():
            self._pump()

    def eof_received(self) -> None:
        """The peer has ended its side: so do we, by returning nothing."""
        self._closing = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._unsent.clear()
        self._inner.connection_lost(exc)
        # each of us holds the other: parting here frees both now, and what OpenSSL holds for them
        del self._inner, self._tls, self._incoming, self._outgoing

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    # what the protocol inside calls

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        if self._closing or not self._established:
            return
        if not self._unsent:
            self._loop.call_soon(self._send)  # head and body of a response become one record, one packet, one call
        self._unsent.append(bytes(data))

    def close(self) -> None:
        """Say goodbye, then wait for the peer to do the same; whoever watches deadlines aborts if it doesn't."""
        if self._closing:
            return
        self._closing = True
        if self._established:
            self._send()
            self._say_goodbye()
        self._flush()
        if not self._raw.is_closing():
            self._raw.write_eof()
            if self._paused:
                self._raw.resume_reading()

    def abort(self) -> None:
        self._closing = True
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        if not (self._paused or self._closing or self._raw.is_closing()):
            self._paused = True
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        if self._paused and not (self._closing or self._raw.is_closing()):
            self._paused = False
            self._raw.resume_reading()
            self._loop.call_soon(self._pump)  # records that were read but not yet opened

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._unsent)) + self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        found = super().get_extra_info(name)
        return found if found is not None else self._raw.get_extra_info(name, default)

    # between both

    def _shake(self) -> bool:
        """Go on with the handshake; True once it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except (ssl.SSLError, ssl.CertificateError) as error:
            self._flush()  # the alert
            self._inner.refused(_reason(error))
            self.close()
            return False
        self._established = True
        self._flush()
        self._inner.connection_made(self)
        return True

    def _pump(self) -> None:
        """Open what came, as long as somebody wants it."""
        while not self._paused and not self._closing:
            try:
                data = self._tls.read(_RECORD)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError:
                self.close()  # its alert goes out with it
                return
            if not data:
                self.close()
                return
            self._inner.data_received(data)
            if not self._incoming.pending and not self._tls.pending():
                break  # the usual end, without the price of an exception
        if not self._closing:
            self._flush()

    def _send(self) -> None:
        if not self._unsent:
            return
        left = memoryview(b"".join(self._unsent))
        self._unsent.clear()
        while left:
            left = left[self._tls.write(left) :]  # one record at a time
        self._flush()

    def _say_goodbye(self) -> None:
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            return  # it wants to read the peer's goodbye, or the session is broken; ours is written if it could be

    def _flush(self) -> None:
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())


def _reason(error: Exception) -> str:
    """OpenSSL's own word: one of a fixed set."""
    return (getattr(error, "reason", None) or type(error).__name__).lower().replace("_", "-")
