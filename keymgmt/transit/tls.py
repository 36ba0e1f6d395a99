"""Connections to one region's server only: its CA, its pins, its region in the certificate, TLS 1.3, in bounded time.

The certificate is checked after the handshake and before the first byte of HTTP, so a wrong server sees neither token
nor plaintext. Nothing here reads the environment, follows a redirect, keeps a cookie or uses a proxy. Name resolution
is left to the system and is the one step that a deadline cannot cut.
"""

import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from requests.adapters import HTTPAdapter
from requests.models import PreparedRequest, Response
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection

from keymgmt.transit.errors import Unreachable, WrongServer
from keymgmt.transit.site import REGION_URN, TransitSite


class Watch:
    """Cuts the line of one call when its time is over, whatever state the connection is in."""

    def __init__(self, seconds: float) -> None:
        self.has_cut = False
        self._line: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch over what happens inside."""
        token = _watch.set(self)
        self._timer.start()
        try:
            yield
        finally:
            self._timer.cancel()
            _watch.reset(token)

    def attach(self, line: socket.socket) -> None:
        """From now on it is this line that is cut."""
        with self._lock:
            self._line = line
            if self.has_cut:
                _shut(line)

    def _cut(self) -> None:
        with self._lock:
            self.has_cut = True
            if self._line is not None:
                _shut(self._line)


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


def _shut(line: socket.socket) -> None:
    with suppress(OSError):  # gone already, which is what was wanted
        line.shutdown(socket.SHUT_RDWR)


def client_context(site: TransitSite) -> ssl.SSLContext:
    """TLS 1.3, this region's CA alone. Raises Unreachable when a file of ours cannot be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unlike the default context, it logs no keys for anybody
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cadata=site.ca.read_text())
        if site.client is not None:
            context.load_cert_chain(site.client.chain, site.client.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise Unreachable(
            f"cannot use the TLS files of region `{site.region}`; check CA, certificate and key"
        ) from error
    return context


def _no_password() -> NoReturn:
    raise ValueError("the client key is encrypted; give one that is not")  # never ask on a terminal


def spki_pin(certificate: x509.Certificate) -> str:
    """`sha256:` of the certificate's public key info."""
    info = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256:" + hashlib.sha256(info).hexdigest()


def check_server(site: TransitSite, der: bytes | None) -> None:
    """Whether a certificate, already verified up to the CA, is this region's server. Raises WrongServer."""
    if der is None:
        raise WrongServer(f"`{site.url}` shows no certificate")
    certificate = x509.load_der_x509_certificate(der)
    regions = [name for name in _uris(certificate) if name.startswith(REGION_URN)]
    if regions != [site.urn]:
        found = ", ".join(f"`{name}`" for name in regions) or "none"
        raise WrongServer(f"`{site.url}` does not prove to be in `{site.region}`: want `{site.urn}`, found {found}")
    if site.pins and spki_pin(certificate) not in site.pins:
        raise WrongServer(f"`{site.url}` has the key {spki_pin(certificate)}, which is not pinned for `{site.region}`")


def _uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _pinned_pool(site: TransitSite) -> type[HTTPSConnectionPool]:
    class Connection(HTTPSConnection):
        _line: socket.socket | None = None

        def _new_conn(self) -> socket.socket:
            plain = super()._new_conn()
            self._line = plain.dup()  # TLS takes the socket away; a duplicate can still be shut
            return plain

        def connect(self) -> None:
            super().connect()
            assert isinstance(self.sock, ssl.SSLSocket)
            try:
                check_server(site, self.sock.getpeercert(binary_form=True))
            except BaseException:
                self.close()
                raise

        def request(self, *args: Any, **kwargs: Any) -> None:
            if self.sock is None:
                self.connect()  # bounded by its own timeout, the handshake as a whole included
            watch = _watch.get()
            if watch is not None and self._line is not None:
                watch.attach(self._line)
            super().request(*args, **kwargs)

        def close(self) -> None:
            super().close()
            if self._line is not None:
                self._line.close()
                self._line = None

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


class PinnedTransport(HTTPAdapter):
    """Sends requests to one site and to nothing else."""

    def __init__(self, site: TransitSite) -> None:
        self._site = site
        self._context = client_context(site)
        super().__init__(pool_connections=1, pool_maxsize=8, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        """One pool, with our context and our connections."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _pinned_pool(self._site)}

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send to the site, directly. Raises WrongServer for any other address."""
        if not (request.url or "").startswith(self._site.url + "/"):
            raise WrongServer(f"refused to send to an address that is not `{self._site.url}`")
        return super().send(request, *args, **{**kwargs, "proxies": None})

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """Nothing: by default this would add the public CAs to ours."""

    def build_connection_pool_key_attributes(
        self,
        request: PreparedRequest,
        verify: object,  # noqa: ARG002  # TLS comes from the context
        cert: object = None,  # noqa: ARG002
    ) -> Any:
        """The address alone."""
        host, _ = super().build_connection_pool_key_attributes(request, True, None)
        return host, {}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> NoReturn:  # noqa: ARG002  # whatever it is
        """Never."""
        raise WrongServer("a proxy is never used for a key service")
