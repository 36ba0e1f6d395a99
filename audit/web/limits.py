"""What one connection may cost, in time and bytes. Frozen, each with its unit and its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """For one listener."""

    connections: int = 2048  # open at one time; for one more, whichever has kept us waiting longest is let go
    handshake: float = 5.0  # seconds for TLS
    first_request: float = 10.0  # seconds from the handshake to the first byte of a request
    idle: float = (
        120.0  # seconds between requests; more than Go's 90, so that a client closes first and no request is lost
    )
    headers: float = 5.0  # seconds from a request's first byte to the end of its headers
    header_bytes: int = 32 << 10  # bytes of headers; an API server sends less than one KiB
    body: float = 10.0  # seconds from the end of the headers to the end of the body
    answer: float = 60.0  # seconds from there until it is read; the doors answer within 30, readers are slow
    closing: float = 5.0  # seconds for a peer to end its side of TLS
    sweep: float = 0.5  # seconds between looks at all connections: the times above are kept to this grain
    backlog: int = 1024  # connections that wait for their turn
