"""Ways to get a token: Kubernetes and JWT service-account tokens, client certificates, AppRole, or a token as given.

Credentials are read from their files at every login, because projected tokens and certificates are replaced there.
One login is configured, and no other is ever tried in its place.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from keymgmt.errors import KeyManagementError
from keymgmt.regular import open_regular
from keymgmt.secret import Secret
from keymgmt.transit.connection import Answer, VaultConnection
from keymgmt.transit.errors import (
    AnswerInvalid,
    LoginRefused,
    MountMissing,
    PermissionRefused,
    RequestRefused,
)

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
PRINTABLE = re.compile(rb"[!-~]{1,16384}")


@dataclass(frozen=True, slots=True)
class Grant:
    """A token, how long it lives from the moment it was asked for, and whether that can be prolonged."""

    token: Secret
    seconds: int  # 0: without end
    renewable: bool


class Login(Protocol):
    """One way to get a token."""

    def login(self, connection: VaultConnection) -> Grant:
        """Raises LoginRefused, or whatever the connection fails with."""
        ...


class LoginAdapter:
    """What hvac's auth classes call. It sends no token and repeats nothing: a credential may count its uses."""

    def __init__(self, connection: VaultConnection) -> None:
        self._connection = connection

    def login(self, url: str, use_token: bool, json: Mapping[str, Any]) -> Answer:  # noqa: ARG002  # hvac's signature
        """Post a credential."""
        return self._connection.call("POST", url, None, json, once=True)


@dataclass(frozen=True, slots=True)
class KubernetesLogin:
    """The `kubernetes` method: the server asks the cluster's API server about a service-account token."""

    role: str
    jwt: Path = SERVICE_ACCOUNT_TOKEN
    mount: str = "kubernetes"

    def login(self, connection: VaultConnection) -> Grant:
        """Log in. Raises LoginRefused."""
        from hvac.api.auth_methods import Kubernetes  # type: ignore[import-untyped]  # half a second

        jwt, method = read_credential(self.jwt), Kubernetes(LoginAdapter(connection))
        return _granted(
            connection, lambda: method.login(self.role, _text(jwt), use_token=False, mount_point=self.mount), self.mount
        )


@dataclass(frozen=True, slots=True)
class JwtLogin:
    """The `jwt` method: the server checks a signed token by itself, so it needs no cluster that needs it."""

    role: str
    jwt: Path = SERVICE_ACCOUNT_TOKEN
    mount: str = "jwt"

    def login(self, connection: VaultConnection) -> Grant:
        """Log in. Raises LoginRefused."""
        from hvac.api.auth_methods import JWT  # half a second

        jwt, method = read_credential(self.jwt), JWT(LoginAdapter(connection))
        return _granted(
            connection, lambda: method.jwt_login(self.role, _text(jwt), use_token=False, path=self.mount), self.mount
        )


@dataclass(frozen=True, slots=True)
class AppRoleLogin:
    """The `approle` method: a role id that is known and a secret id in a file."""

    role_id: str
    secret_id: Path
    mount: str = "approle"

    def login(self, connection: VaultConnection) -> Grant:
        """Log in. Raises LoginRefused."""
        from hvac.api.auth_methods import AppRole  # half a second

        secret_id, method = read_credential(self.secret_id), AppRole(LoginAdapter(connection))
        return _granted(
            connection,
            lambda: method.login(self.role_id, _text(secret_id), use_token=False, mount_point=self.mount),
            self.mount,
        )


@dataclass(frozen=True, slots=True)
class CertificateLogin:
    """The `cert` method: the site's client certificate is the credential."""

    role: str
    mount: str = "cert"

    def login(self, connection: VaultConnection) -> Grant:
        """Log in. Raises LoginRefused."""
        if connection.site.client is None:
            raise LoginRefused(f"region `{connection.site.region}` has no client certificate; give the site one")
        path = f"/v1/auth/{self.mount}/login"  # hvac insists on a certificate of its own here
        return _granted(
            connection, lambda: connection.call("POST", path, None, {"name": self.role}, once=True), self.mount
        )


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """A token that somebody else keeps fresh, in a file: an agent's sink, or a person's for an hour."""

    path: Path

    def login(self, connection: VaultConnection) -> Grant:
        """Read the token and ask what it is worth. Raises LoginRefused."""
        token = read_credential(self.path)
        try:
            data = connection.call("GET", "/v1/auth/token/lookup-self", token).get("data")
        except PermissionRefused:
            data = None
        if not isinstance(data, dict):
            raise LoginRefused(f"`{connection.site.url}` does not accept the token in `{self.path}`; replace it")
        found = {
            "client_token": _text(token),
            "lease_duration": data.get("ttl"),
            "renewable": data.get("renewable", False),
        }
        return grant(connection, found)  # a root token does not say whether it is renewable


def read_credential(path: Path) -> Secret:
    """One line of printable ASCII from a file. Raises LoginRefused."""
    try:
        file = open_regular(path, follow=True)  # projected volumes are made of links
    except OSError as error:
        raise LoginRefused(f"cannot read the credential `{path}`: {error.strerror}; check the mount") from error
    with file:
        credential = Secret(file.read(65536).strip())
    if not PRINTABLE.fullmatch(credential.reveal()):
        raise LoginRefused(f"the credential `{path}` is empty or not a single line of text")
    return credential


def grant(connection: VaultConnection, auth: Mapping[str, Any]) -> Grant:
    """The `auth` part of an answer. Raises AnswerInvalid."""
    token, seconds, renewable = (auth.get(name) for name in ("client_token", "lease_duration", "renewable"))
    if (
        not isinstance(token, str)
        or not PRINTABLE.fullmatch(token.encode())  # it goes into a header
        or not isinstance(seconds, int)
        or seconds < 0
        or not isinstance(renewable, bool)
    ):
        raise AnswerInvalid(f"`{connection.site.url}` answered a login with something that is no token")
    return Grant(Secret(token.encode()), seconds, renewable)


def _text(secret: Secret) -> str:
    return secret.reveal().decode("ascii")


def _granted(connection: VaultConnection, ask: Callable[[], Answer], mount: str) -> Grant:
    site = connection.site
    refused: KeyManagementError
    try:
        answer = ask()
    except MountMissing:
        refused = MountMissing(f"`{site.url}` has no auth method at `{mount}`; enable it or correct the mount")
    except (PermissionRefused, RequestRefused):
        refused = LoginRefused(
            f"`{site.url}` refuses the login at `{mount}`; check role, audience, the credential's age and the clocks"
        )
    except KeyManagementError as error:
        refused = error
    else:
        auth = answer.get("auth")
        return grant(connection, auth if isinstance(auth, dict) else {})
    # raised here and without its traceback: hvac's frames hold the credential
    raise refused.with_traceback(None)
