"""Where a region's key service is and how to know that it is the one. Pure settings, checked when made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from keymgmt.keys import REGION_NAME

REGION_URN = "urn:bailiwick:region:"
PIN = re.compile(r"sha256:[0-9a-f]{64}")
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
MOUNT = re.compile(rf"{NAME.pattern}(?:/{NAME.pattern})*")


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate chain and its key, for servers that ask for one and for the `cert` login."""

    chain: Path
    key: Path


@dataclass(frozen=True, slots=True)
class TransitSite:
    """One region's Vault or OpenBao. Raises ValueError for settings that could reach another region's."""

    region: str
    url: str  # https://host[:port], nothing more
    ca: Path  # this region's private CA, PEM; no other is trusted
    keys: Mapping[str, str]  # purpose to name of the Transit key
    pins: frozenset[str] = frozenset()  # `sha256:` of the server's SPKI; two or more, so that one can be replaced
    cluster_id: str = ""  # as `sys/health` says; empty: not pinned
    mount: str = "transit"
    namespace: str = ""
    client: ClientCertificate | None = None
    local_mount: bool = False  # the operator has mounted with `-local`, so replication does not carry keys away
    connecting: float = 2.0  # seconds until a connection stands
    deadline: float = 5.0  # seconds for a whole call, retries included
    attempts: int = 3  # at most, for what is safe to repeat
    largest: int = field(default=1 << 20)  # bytes of an answer

    def __post_init__(self) -> None:
        if not REGION_NAME.fullmatch(self.region):
            raise ValueError(f"`{self.region}` is no region name")
        parts = urlsplit(self.url)
        if (
            parts.scheme != "https"
            or not parts.hostname
            or self.url != f"https://{parts.netloc}"
            or "@" in parts.netloc
        ):
            raise ValueError(f"`{self.url}` must be https://host[:port] without path, query or user")
        if not all(PIN.fullmatch(pin) for pin in self.pins):
            raise ValueError("a pin is `sha256:` and 64 hex digits of the server's public key info")
        if not MOUNT.fullmatch(self.mount) or not all(NAME.fullmatch(name) for name in self.keys.values()):
            raise ValueError("mount and key names are path segments of letters, digits, `.`, `_` and `-`")
        if self.namespace and not MOUNT.fullmatch(self.namespace):
            raise ValueError(f"`{self.namespace}` is no namespace path")
        if not 0 < self.connecting <= self.deadline or self.attempts < 1:
            raise ValueError("timeouts must be positive, and there must be an attempt")
        object.__setattr__(self, "keys", MappingProxyType(dict(self.keys)))

    @property
    def urn(self) -> str:
        """The URI that the server's certificate must carry among its alternative names."""
        return REGION_URN + self.region
