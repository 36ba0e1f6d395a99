"""The TLS context that is in force, and its exchange under load.

Guarantees that a new pair or client authority counts for every connection after it was loaded, that connections which
are open go on, and that files which can't be used change nothing: what was in force stays, and it is said. TLS 1.3 is
the least by default. No session is resumed, so a client authority that was taken away is gone at once.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from cryptography import x509

from webhook.serving.settings import Tls
from webhook.stamps import stamp_of

logger = logging.getLogger("bailiwick.webhook")

_Looks = tuple[tuple[int, ...], ...]


class TlsUnusable(Exception):
    """The certificate, key or client authority can't be served; the message says which and why."""

    hint = "give a PEM certificate with its key, or neither: then one is made in the state directory"


class Observer(Protocol):
    def certificate_loaded(self, expires: float) -> None: ...

    def certificate_refused(self) -> None: ...


class LiveTls:
    """Knows the context that a new connection gets."""

    def __init__(self, tls: Tls, observer: Observer, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Raises TlsUnusable: a process must not start without a certificate."""
        self._tls = tls
        self._observer = observer
        self._clock = clock
        self._looks = self._look()
        self._current, self.expires = load_context(tls, clock())
        observer.certificate_loaded(self.expires.timestamp())

    def context(self) -> ssl.SSLContext:
        """For the next connection. A new context each time the files change: what was in one can't be taken out."""
        return self._current

    def reload(self) -> bool:
        """Load the files as they are now; False, and nothing changed, when they can't be used."""
        self._looks = self._look()
        try:
            self._current, self.expires = load_context(self._tls, self._clock())
        except TlsUnusable as problem:
            logger.error("%s; the certificate that was loaded before stays in force", problem)  # noqa: TRY400
            self._observer.certificate_refused()
            return False
        logger.info("certificate loaded, valid until %s", self.expires.isoformat())
        self._observer.certificate_loaded(self.expires.timestamp())
        return True

    async def watch(self) -> None:
        """Load files that have changed and then stood still for one look, until cancelled."""
        seen = self._looks
        while True:
            await asyncio.sleep(self._tls.watch)
            looks = self._look()
            if looks != self._looks and looks == seen:
                self.reload()
            seen = looks

    def _look(self) -> _Looks:
        return tuple(stamp_of(path) for path in (self._tls.certificate, self._tls.key, self._tls.client_ca) if path)


def load_context(tls: Tls, now: datetime) -> tuple[ssl.SSLContext, datetime]:
    """A server's context from files, and when its certificate expires. Raises TlsUnusable."""
    expires = _expiry(tls.certificate)
    if expires <= now:
        raise TlsUnusable(f"certificate `{tls.certificate}` expired at {expires.isoformat()}: issue a new one")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2 if tls.allow_tls_1_2 else ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_refuse_password)
    except (OSError, ValueError) as cause:
        raise TlsUnusable(f"certificate `{tls.certificate}` with key `{tls.key}` can't be used: {cause}") from cause
    if tls.client_ca is not None:
        _require_clients(context, tls.client_ca)
    return context, expires


def _require_clients(context: ssl.SSLContext, authority: Path) -> None:
    try:
        context.load_verify_locations(cafile=authority)
    except (OSError, ValueError) as cause:
        raise TlsUnusable(f"client authority `{authority}` can't be used: {cause}") from cause
    context.verify_mode = ssl.CERT_REQUIRED


def _expiry(certificate: Path) -> datetime:
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as cause:
        raise TlsUnusable(
            f"certificate `{certificate}` can't be read: {getattr(cause, 'strerror', '') or cause}"
        ) from cause


def _refuse_password() -> str:
    """OpenSSL would otherwise ask on the terminal and wait."""
    raise ValueError("the key is encrypted; give a key without a passphrase")
