"""A live etcd, asked through its HTTP gateway: every key below a prefix, as of one revision.

Reads only. Pages are read at the revision of the first, so that what is counted was there at one moment. Keys and
values come through memory page by page.
"""

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keymgmt.etcd.errors import EtcdUnavailable
from keymgmt.etcd.snapshot import Entry

PAGE = 500  # keys
TIMEOUT = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM files, as etcdctl takes them."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


def entries(endpoint: str, credentials: Credentials, prefix: str = "/registry") -> Iterator[Entry]:
    """Every key below the prefix. Raises EtcdUnavailable."""
    connection = _connected(endpoint, credentials)
    try:
        begin, end = f"{prefix}/".encode(), f"{prefix}0".encode()  # `0` follows `/`
        revision = 0
        while True:
            page = _range(connection, begin, end, revision)
            revision = revision or int(page["header"]["revision"])
            pairs = page.get("kvs") or []
            for pair in pairs:
                yield Entry(_bytes(pair, "key"), _bytes(pair, "value"), int(pair["mod_revision"]))
            if not page.get("more") or not pairs:
                return
            begin = _bytes(pairs[-1], "key") + b"\0"
    finally:
        connection.close()


def _connected(endpoint: str, credentials: Credentials) -> http.client.HTTPConnection:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EtcdUnavailable(f"`{endpoint}` is no endpoint", "write it as https://HOST:2379")
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, parts.port or 2379, timeout=TIMEOUT)
    try:
        context = credentials.context()
    except (OSError, ssl.SSLError) as error:
        raise EtcdUnavailable(f"the certificates can't be read: {error}") from error
    return http.client.HTTPSConnection(parts.hostname, parts.port or 2379, timeout=TIMEOUT, context=context)


def _range(connection: http.client.HTTPConnection, begin: bytes, end: bytes, revision: int) -> dict[str, Any]:
    asked = {"key": _text(begin), "range_end": _text(end), "limit": PAGE, "revision": revision}
    try:
        connection.request("POST", "/v3/kv/range", json.dumps(asked), {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise EtcdUnavailable(f"etcd does not answer: {error}") from error
    if response.status != 200:
        raise EtcdUnavailable(f"etcd answers {response.status}: {body[:200].decode(errors='replace')}")
    try:
        page = json.loads(body)
        int(page["header"]["revision"])
    except (ValueError, KeyError, TypeError) as error:
        raise EtcdUnavailable("the answer is not etcd's") from error
    return dict(page)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(pair: dict[str, Any], name: str) -> bytes:
    return base64.b64decode(pair.get(name, ""))
