"""Calls to one region's key service, in the shape that hvac's API classes ask of their adapter.

Guarantees: a call ends within the site's deadline; its answer is a JSON object of bounded size or an error of this
package; a redirect is an error; what is safe to repeat is repeated a bounded number of times. No error carries or
chains to an object that holds a token or a body.
"""

import json as jsonlib
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

from keymgmt.errors import KeyManagementError
from keymgmt.secret import Secret
from keymgmt.transit.errors import (
    AnswerInvalid,
    Busy,
    KeyMissing,
    MountMissing,
    PermissionRefused,
    Redirected,
    Refusal,
    RequestRefused,
    Sealed,
    Standby,
    TooSlow,
    Uninitialized,
    Unreachable,
    WrongServer,
)
from keymgmt.transit.site import TransitSite
from keymgmt.transit.tls import PinnedTransport, Watch

Answer = dict[str, Any]
AGAIN = (Busy, Unreachable)  # nothing but these is worth another attempt
PAUSES = (0.05, 0.2, 0.8)  # seconds between attempts


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and a bounded body."""

    status: int
    kind: str
    body: bytes

    def json(self) -> Answer | None:
        """The body as a JSON object, if it is one and says so."""
        if self.kind.partition(";")[0].strip().lower() != "application/json":
            return None
        try:
            value = jsonlib.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def says(self, *phrases: str) -> bool:
        """Whether one of its errors contains a phrase."""
        errors = (self.json() or {}).get("errors")
        texts = [text.lower() for text in errors if isinstance(text, str)] if isinstance(errors, list) else []
        return any(phrase in text for phrase in phrases for text in texts)


class VaultConnection:
    """Speaks HTTP to one site. Every call takes the token as an argument, so none is kept here."""

    def __init__(
        self,
        site: TransitSite,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.site = site
        self._transport = PinnedTransport(site)
        self._clock = clock
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"VaultConnection({self.site.url})"

    def close(self) -> None:
        """Drop idle connections."""
        self._transport.close()

    def call(
        self, method: str, path: str, token: Secret | None, body: Mapping[str, Any] | None = None, *, once: bool = False
    ) -> Answer:
        """The answer to `/v1/...`; `once` for what must not be repeated. Raises KeyServiceError, by kind."""
        outcome = self._outcome(method, path, token, body, attempts=1 if once else self.site.attempts)
        del body  # no frame of an error shall hold it
        if isinstance(outcome, KeyManagementError):
            raise outcome
        return outcome

    def health(self) -> tuple[int, Answer]:
        """Status and body of `sys/health`, which needs no token. Raises Unreachable, WrongServer, AnswerInvalid."""
        reply = self._reply("GET", "/v1/sys/health", None, None, self._clock() + self.site.deadline)
        if isinstance(reply, KeyManagementError):
            raise reply
        answer = reply.json()
        if answer is None or 300 <= reply.status < 400:
            raise _no_answer(self.site, reply)
        return reply.status, answer

    def _outcome(
        self, method: str, path: str, token: Secret | None, body: Mapping[str, Any] | None, *, attempts: int
    ) -> Answer | KeyManagementError:
        # errors are returned here and raised above: raised inside, they would chain to objects that hold the body
        ends = self._clock() + self.site.deadline
        for attempt in range(1, attempts + 1):
            outcome = self._attempt(method, path, token, body, ends)
            pause = PAUSES[min(attempt, len(PAUSES)) - 1]
            if attempt == attempts or not isinstance(outcome, AGAIN) or self._clock() + pause >= ends:
                break
            self._sleep(pause)
        return outcome

    def _attempt(
        self, method: str, path: str, token: Secret | None, body: Mapping[str, Any] | None, ends: float
    ) -> Answer | KeyManagementError:
        reply = self._reply(method, path, token, body, ends)
        if isinstance(reply, KeyManagementError):
            return reply
        if reply.status == 204:
            return {}
        answer = reply.json()
        if reply.status == 200:
            return _no_answer(self.site, reply) if answer is None else answer
        return refusal(self.site, path, reply)

    def _reply(
        self, method: str, path: str, token: Secret | None, body: Mapping[str, Any] | None, ends: float
    ) -> Reply | KeyManagementError:
        left = max(ends - self._clock(), 0.001)
        watch = Watch(left)
        failure: Exception
        try:
            with watch.running():
                reply = self._exchange(self._request(method, path, token, body), left)
            if not watch.has_cut:  # a head that was cut looks like a short one
                return reply
            failure = TimeoutError()
        except KeyManagementError as error:
            failure = error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            failure = error
        return translated(self.site, failure, watch.has_cut)

    def _request(
        self, method: str, path: str, token: Secret | None, body: Mapping[str, Any] | None
    ) -> requests.PreparedRequest:
        if not path.startswith("/v1/"):
            raise WrongServer(f"`{path}` is no path of a key service")
        headers = {"X-Vault-Request": "true", "Accept": "application/json", "Accept-Encoding": "identity"}
        if self.site.namespace:
            headers["X-Vault-Namespace"] = self.site.namespace
        if token is not None:
            headers["X-Vault-Token"] = token.reveal().decode("ascii")
        return requests.Request(method, self.site.url + path, headers=headers, json=body).prepare()

    def _exchange(self, request: requests.PreparedRequest, left: float) -> Reply | KeyManagementError:
        timeout = (min(self.site.connecting, left), left)
        response = self._transport.send(request, stream=True, timeout=timeout)
        try:
            body = bytearray()  # read up to the end: only there a body that was cut short is noticed
            while len(body) <= self.site.largest and (chunk := response.raw.read(65536, decode_content=False)):
                body += chunk
            if len(body) > self.site.largest:
                return AnswerInvalid(f"`{self.site.url}` answered with more than {self.site.largest} bytes")
            if "Content-Encoding" in response.headers:
                return AnswerInvalid(f"`{self.site.url}` answered in an encoding that was not asked for")
            return Reply(response.status_code, response.headers.get("Content-Type", ""), bytes(body))
        finally:
            response.close()


def translated(site: TransitSite, failure: Exception, has_cut: bool) -> KeyManagementError:
    """A transport's failure in our words, without the objects it holds."""
    ours = _found(failure, WrongServer)
    if ours is not None:
        return WrongServer(str(ours))
    if has_cut or isinstance(failure, requests.Timeout) or _found(failure, TimeoutError):
        return TooSlow(f"`{site.url}` gave no whole answer within {site.deadline:g} s; check its load and the network")

    refused = _found(failure, ssl.SSLCertVerificationError)
    if isinstance(refused, ssl.SSLCertVerificationError):
        return WrongServer(f"`{site.url}` is not trusted for `{site.region}`: {refused.verify_message}")
    if _found(failure, ssl.SSLError):
        return WrongServer(f"`{site.url}` does not speak TLS 1.3 as region `{site.region}` asks; check its listener")
    cause = _found(failure, OSError)
    why = getattr(cause, "strerror", None) or "the connection broke"
    return Unreachable(f"cannot reach `{site.url}`: {str(why).lower()}; check address, network and server")


def _found(failure: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """The first of a kind among an exception, its causes and what it wraps in its arguments."""
    seen: set[int] = set()
    waiting: list[object] = [failure]
    while waiting:
        error = waiting.pop(0)
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        if isinstance(error, kind) and not (kind is OSError and isinstance(error, requests.RequestException)):
            return error
        waiting += [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    return None


def refusal(site: TransitSite, path: str, reply: Reply) -> KeyManagementError:
    """What a status and its errors mean."""
    url, status = site.url, reply.status
    if 300 <= status < 400:
        return Redirected(f"`{url}` redirects elsewhere, which is never followed; give the active node's own address")
    if status == 501 or reply.says("not initialized", "not yet initialized"):
        return Uninitialized(f"`{url}` was never initialised; initialise and unseal it")
    if reply.says("is sealed"):
        return Sealed(f"`{url}` is sealed; unseal it")
    if status in {472, 473} or reply.says(
        "active cluster node not found", "node not active", "cannot write to readonly"
    ):
        return Standby(f"`{url}` is a standby without an active node to ask; wait for the election")
    if status in {400, 500} and (why := _why(reply)) is not Refusal.OTHER:
        return _request_refused(site, path, reply, why)  # Vault says some of these with 500
    if status in {412, 429, 500, 502, 503, 504}:
        return Busy(f"`{url}` cannot serve now (status {status}); try again later")
    if reply.json() is None:
        return _no_answer(site, reply)
    if status == 403:
        return PermissionRefused(f"`{url}` refuses `{path}`; check the token's role and policy")
    if reply.says("no handler for route", "unsupported path"):
        return MountMissing(f"`{url}` has nothing mounted for `{path}`; enable the engine or correct the mount")
    if status == 404 or reply.says("encryption key not found", "signing key not found", "key not found"):
        return KeyMissing(f"`{url}` has no key at `{path}`; create it with the type that its purpose needs")
    return _request_refused(site, path, reply, Refusal.OTHER)


REFUSALS = {
    "too old": Refusal.TOO_OLD,
    "too new": Refusal.TOO_NEW,
    "unable to decrypt": Refusal.NOT_DECRYPTED,
    "decryption error": Refusal.NOT_DECRYPTED,
    "message authentication failed": Refusal.NOT_DECRYPTED,
    "cannot renew": Refusal.NOT_PROLONGED,
    "not renewable": Refusal.NOT_PROLONGED,
}


def _why(reply: Reply) -> Refusal:
    return next((ours for phrase, ours in REFUSALS.items() if reply.says(phrase)), Refusal.OTHER)


def _request_refused(site: TransitSite, path: str, reply: Reply, why: Refusal) -> RequestRefused:
    return RequestRefused(f"`{site.url}` refuses the request to `{path}` with status {reply.status}: {why}", why)


def _no_answer(site: TransitSite, reply: Reply) -> KeyManagementError:
    if 300 <= reply.status < 400:
        return Redirected(f"`{site.url}` redirects elsewhere, which is never followed; give the active node's address")
    kind = reply.kind.partition(";")[0][:40] or "nothing"
    kind = kind if kind.isascii() and kind.isprintable() else "rubbish"
    return AnswerInvalid(f"`{site.url}` answered {kind} with status {reply.status}, not a key service's JSON")
