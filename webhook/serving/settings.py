"""The webhook's settings: read once, frozen, each with its unit and its reason."""

from dataclasses import dataclass, field
from pathlib import Path

from audit.web.limits import ConnectionLimits


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What a door reads before it says no."""

    # An API server takes requests of 3 MiB; a review carries that object, the stored one (etcd's limit is 1.5 MiB, some
    # more once it is JSON), options and userInfo. One sealed part of a record (8 MiB) holds it whole.
    body: int = 7 << 20  # bytes of one review
    buffered: int = 128 << 20  # bytes of bodies being read at one time; more is refused with 503


@dataclass(frozen=True, slots=True)
class Deadlines:
    """When an answer must leave."""

    default: float = (
        10.0  # seconds, where the URL has no `timeout`: what an API server gives when nothing is registered
    )
    longest: float = 30.0  # seconds: an API server allows no more in `timeoutSeconds`
    margin: float = 0.5  # seconds for the way back; never more than a quarter of the timeout


@dataclass(frozen=True, slots=True)
class Tls:
    """What the webhook shows and what it asks for."""

    certificate: Path  # PEM, the leaf first
    key: Path  # PEM, not encrypted
    client_ca: Path | None = None  # PEM; when given, only clients with a certificate of this authority are served
    allow_tls_1_2: bool = False  # for API servers and proxies that can't do 1.3
    watch: float = 2.0  # seconds between looks at the files


@dataclass(frozen=True, slots=True)
class Stopping:
    """What happens between SIGTERM and the end."""

    linger: float = 5.0  # seconds of answering on after readiness turned false: endpoints take time to follow
    grace: float = 20.0  # seconds for requests under way; with `linger`, less than terminationGracePeriodSeconds


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the webhook process is told."""

    tls: Tls
    host: str | None = None  # address to listen on; None is every address, IPv4 and IPv6
    port: int = 8443  # 0 takes a free one
    probes_port: int | None = None  # plain HTTP for /livez, /readyz, /metrics: a kubelet has no client certificate
    body: BodyLimits = field(default_factory=BodyLimits)
    deadlines: Deadlines = field(default_factory=Deadlines)
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    stopping: Stopping = field(default_factory=Stopping)
