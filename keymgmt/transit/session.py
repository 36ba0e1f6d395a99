"""A token that is there when it is needed: logged in late, renewed early, replaced once when it is refused.

Guarantees that calls of several threads share one login, and that a failed renewal does no harm while the token lives.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from keymgmt.errors import KeyManagementError, KeyServiceError
from keymgmt.secret import Secret
from keymgmt.transit.connection import Answer, VaultConnection
from keymgmt.transit.errors import PermissionRefused, RequestRefused
from keymgmt.transit.login import Grant, Login, grant

RENEW_AT = 2 / 3  # of a token's life
LEAST = 5.0  # seconds between attempts to renew: a failing server is not asked at every call


class TransitAdapter:
    """What hvac's Transit class calls."""

    def __init__(self, connection: VaultConnection, token: Secret) -> None:
        self._connection = connection
        self._token = token

    def get(self, url: str) -> Answer:
        """Read."""
        return self._connection.call("GET", url, self._token)

    def post(self, url: str, json: Mapping[str, Any]) -> Answer:
        """Ask. Everything asked of Transit here can be repeated."""
        return self._connection.call("POST", url, self._token, json)


@dataclass(frozen=True, slots=True)
class _Held:
    grant: Grant
    renew_at: float
    ends_at: float


class VaultSession:
    """An authorised way to one site."""

    def __init__(
        self, connection: VaultConnection, login: Login, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.connection = connection
        self._login = login
        self._clock = clock
        self._lock = threading.Lock()
        self._held: _Held | None = None

    def __repr__(self) -> str:
        return f"VaultSession({self.connection.site.url})"

    def ask(self, call: Callable[[Any], Answer]) -> Answer:
        """Let `call` use hvac's Transit class. Raises KeyServiceError; a refused token is replaced once."""
        token = self.token()
        answer = self._asked(token, call)
        if isinstance(answer, PermissionRefused):
            self._forget(token)
            answer = self._asked(self.token(), call)
        if isinstance(answer, KeyManagementError):
            raise answer
        return answer

    def get(self, path: str) -> Answer:
        """Read a path that is not Transit's. Raises as `ask` does."""
        return self.ask(lambda transit: transit._adapter.get(path))  # what hvac's classes call themselves

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Ask a path that is not Transit's, and that can be asked twice. Raises as `ask` does."""
        return self.ask(lambda transit: transit._adapter.post(path, json=body))

    def token(self) -> Secret:
        """A token that is good for now. Raises KeyServiceError."""
        with self._lock:
            now, held = self._clock(), self._held
            if held is None or now >= held.ends_at:
                held = _held(self._login.login(self.connection), now)
            elif now >= held.renew_at:
                held = self._renewed(held, now)
            self._held = held
            return held.grant.token

    def _asked(self, token: Secret, call: Callable[[Any], Answer]) -> Answer | KeyManagementError:
        from hvac.api.secrets_engines import Transit  # type: ignore[import-untyped]  # half a second

        try:
            return call(Transit(TransitAdapter(self.connection, token)))
        except KeyManagementError as error:
            return error

    def _renewed(self, held: _Held, now: float) -> _Held:
        """The token with a longer life, a new one, or the old one for as long as it lives."""
        try:
            return self._prolonged(held, now) or _held(self._login.login(self.connection), now)
        except KeyServiceError:
            return replace(held, renew_at=now + LEAST)

    def _prolonged(self, held: _Held, now: float) -> _Held | None:
        """The same token with at least half of the life it had; a maximum that comes near shortens it."""
        if not held.grant.renewable:
            return None
        try:
            answer = self.connection.call("POST", "/v1/auth/token/renew-self", held.grant.token, {})
        except (PermissionRefused, RequestRefused):
            return None
        auth = answer.get("auth")
        longer = grant(self.connection, auth if isinstance(auth, dict) else {})
        return _held(longer, now) if longer.seconds * 2 >= held.grant.seconds else None

    def _forget(self, token: Secret) -> None:
        with self._lock:  # unless another thread has replaced it already
            if self._held is not None and self._held.grant.token == token:
                self._held = None


def _held(given: Grant, now: float) -> _Held:
    if given.seconds == 0:
        return _Held(given, float("inf"), float("inf"))
    return _Held(given, now + given.seconds * RENEW_AT, now + given.seconds)
