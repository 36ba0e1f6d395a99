"""Tokens: fetched when needed, prolonged before they end, replaced once when refused, shown to nobody else."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keymgmt.errors import KeyServiceError
from keymgmt.transit.connection import VaultConnection
from keymgmt.transit.errors import AnswerInvalid, Busy, LoginRefused, PermissionRefused, Sealed
from keymgmt.transit.login import (
    AppRoleLogin,
    CertificateLogin,
    JwtLogin,
    KubernetesLogin,
    Login,
    TokenLogin,
)
from keymgmt.transit.session import VaultSession
from keymgmt.transit.site import ClientCertificate, TransitSite
from tests.keymgmt.authority import Authority
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.regions import Clock, Region, World
from tests.keymgmt.vault_double import Answer, Request, Token, VaultDouble, answering, errors, where


def session_of(region: Region) -> VaultSession:
    connection = VaultConnection(region.site, clock=region.clock, sleep=region.clock.sleep)
    return VaultSession(connection, region.login, clock=region.clock)


def read(session: VaultSession) -> Any:
    return session.ask(lambda transit: transit.read_key("archive"))["data"]["name"]


def logins(server: VaultDouble) -> list[Request]:
    return [request for request in server.requests if request.path.endswith("/login")]


def renewals(server: VaultDouble) -> list[Request]:
    return [request for request in server.requests if request.path.endswith("/renew-self")]


def test_one_login_serves_many_calls(region: Region) -> None:
    """The token is fetched at the first call and used for the rest of its life."""
    session = session_of(region)
    assert [read(session) for _ in range(5)] == ["archive"] * 5
    assert len(logins(region.server)) == 1


def test_renewal_comes_before_the_end(region: Region) -> None:
    """At two thirds of its life a token is prolonged, again and again, and no call ever sees an expired one."""
    session = session_of(region)
    for _ in range(100):
        read(session)
        region.clock.now += 600
    assert len(logins(region.server)) == 1
    assert len(renewals(region.server)) == 24
    assert all(token.ends > region.clock.now - 600 for token in region.server.tokens.values())


def test_tokens_that_cannot_be_prolonged_are_replaced(region: Region) -> None:
    """Without renewal a new login comes at two thirds of the life."""
    region.server.grant_renewable = False
    session = session_of(region)
    for _ in range(10):
        read(session)
        region.clock.now += 600
    assert len(logins(region.server)) == 3
    assert renewals(region.server) == []


def test_a_maximum_life_ends_in_a_new_login(region: Region) -> None:
    """When the server prolongs by less and less, a fresh token is fetched instead."""
    session = session_of(region)
    read(session)
    region.clock.now += 2500
    region.server.grant_ttl = 100
    read(session)
    assert (len(renewals(region.server)), len(logins(region.server))) == (1, 2)


def test_past_the_maximum_life(region: Region) -> None:
    """A token that is past its maximum, which the server says with a 500, is replaced at once."""
    region.server.grant_maximum = 3600
    session = session_of(region)
    for _ in range(40):
        read(session)
        region.clock.now += 900
    assert len(logins(region.server)) >= 9
    assert sum(request.path.endswith("/renew-self") for request in region.server.requests) < 20


@pytest.mark.parametrize("answer", [errors(500), errors(503, "Vault is sealed"), Answer(200, b"<html>")])
def test_failing_renewals_do_no_harm_while_the_token_lives(region: Region, answer: Answer) -> None:
    """A renewal that fails is tried again every few seconds; calls go on with the old token until its last moment."""
    session = session_of(region)
    read(session)
    region.server.always = where("/auth/", answering(answer))
    region.clock.now += 2401
    ends = min(token.ends for token in region.server.tokens.values())
    while region.clock.now < ends - 2:
        assert read(session) == "archive"
        region.clock.now += 1
    assert len(renewals(region.server)) > 200
    region.clock.now = ends
    with pytest.raises(KeyServiceError):
        read(session)
    region.server.always = None
    assert read(session) == "archive"


def test_a_failing_server_is_not_asked_at_every_call(region: Region) -> None:
    """Between two attempts to renew lie five seconds at least."""
    session = session_of(region)
    read(session)
    region.clock.now += 2401
    region.server.always = where("/auth/", answering(errors(503, "Vault is sealed")))
    for _ in range(50):
        read(session)
    assert len(renewals(region.server)) == 1


def test_a_refused_token_is_replaced_once(region: Region) -> None:
    """A token revoked early is replaced by one new login; a second refusal is final."""
    session = session_of(region)
    read(session)
    region.server.tokens.clear()
    assert read(session) == "archive"
    assert len(logins(region.server)) == 2
    region.server.always = where("/keys/", answering(errors(403, "permission denied")))
    with pytest.raises(PermissionRefused):
        read(session)
    assert len(logins(region.server)) == 3
    assert sum("/keys/" in request.path for request in region.server.requests) == 5


def test_threads_log_in_once(region: Region) -> None:
    """Many threads that need a token at the same moment cause one login."""
    session = session_of(region)
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(read(session))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (names, len(logins(region.server))) == (["archive"] * 10, 1)


def test_root_tokens_never_end(region: Region) -> None:
    """A token without an end is neither renewed nor replaced."""
    region.server.grant_ttl = 0
    session = session_of(region)
    for _ in range(3):
        read(session)
        region.clock.now += 1e7
    assert len(region.server.requests) == 4


def service_account(folder: Path, canaries: Canaries) -> tuple[Path, str]:
    path = folder / "jwt"
    text = canaries.text("jwt")
    path.write_text(text + "\n")
    return path, text


METHODS: dict[str, tuple[str, Callable[[Path], Login], Callable[[str], dict[str, str]]]] = {
    "kubernetes": (
        "kubernetes",
        lambda path: KubernetesLogin("bailiwick", path),
        lambda text: {"role": "bailiwick", "jwt": text},
    ),
    "kubernetes at another mount": (
        "clusters/prod",
        lambda path: KubernetesLogin("bailiwick", path, "clusters/prod"),
        lambda text: {"role": "bailiwick", "jwt": text},
    ),
    "jwt": ("jwt", lambda path: JwtLogin("bailiwick", path), lambda text: {"role": "bailiwick", "jwt": text}),
    "approle": (
        "approle",
        lambda path: AppRoleLogin("bailiwick", path),
        lambda text: {"role_id": "bailiwick", "secret_id": text},
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods(region: Region, canaries: Canaries, tmp_path: Path, name: str) -> None:
    """Each method posts its credential to its own mount, without a token, and reads it anew at every login."""
    mount, method, body = METHODS[name]
    path, first = service_account(tmp_path, canaries)
    region.server.credentials = {mount: body(first)}
    session = session_of(replace(region, login=method(path)))
    assert read(session) == "archive"
    path.write_text(second := canaries.text("jwt"))
    region.server.credentials = {mount: body(second)}
    region.server.tokens.clear()
    assert read(session) == "archive"
    assert [request.path for request in logins(region.server)] == [f"/v1/auth/{mount}/login"] * 2
    assert [request.json() for request in logins(region.server)] == [body(first), body(second)]
    assert not any("x-vault-token" in request.headers for request in logins(region.server))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("status", [400, 403])
def test_refused_logins(region: Region, canaries: Canaries, tmp_path: Path, name: str, status: int) -> None:
    """A refused login is one error, asked once, that shows no credential, and no other method is tried."""
    mount, method, _ = METHODS[name]
    path, _ = service_account(tmp_path, canaries)
    region.server.always = lambda double, line, request: errors(status, request.body.decode())
    with pytest.raises(LoginRefused, match=f"refuses the login at `{mount}`") as failure:
        read(session_of(replace(region, login=method(path))))
    assert canaries.seen_with(failure.value) == []
    assert len(region.server.requests) == 1


def test_certificate_login(tmp_path: Path) -> None:
    """The client certificate of the connection is the credential, and without one nothing is asked."""
    authority = Authority(tmp_path, "eu-de authority")
    client = authority.client("bailiwick")
    pair = authority.serve(["urn:bailiwick:region:eu-de"])
    with VaultDouble(pair, clients=authority.bundle).running() as server:
        shown = x509.load_pem_x509_certificate(client.certificate.read_bytes()).public_bytes(Encoding.DER)
        server.credentials["cert"] = {"certificate": shown}
        site = TransitSite("eu-de", server.url, authority.bundle, {}, attempts=1)
        with pytest.raises(LoginRefused, match="has no client certificate"):
            VaultSession(VaultConnection(site), CertificateLogin("bailiwick")).token()
        assert server.received == []
        site = replace(site, client=ClientCertificate(client.certificate, client.key))
        connection = VaultConnection(site)
        assert len(VaultSession(connection, CertificateLogin("bailiwick")).token()) > 0
        assert server.requests[0].json() == {"name": "bailiwick"}
        connection.close()


def test_token_login(region: Region, canaries: Canaries, tmp_path: Path) -> None:
    """A token from a file is looked up first, prolonged as it allows, and read anew when it is refused."""
    path, text = service_account(tmp_path, canaries)
    region.server.tokens[text] = Token(region.clock.now + 60, 60)
    session = session_of(replace(region, login=TokenLogin(path)))
    read(session)
    region.clock.now += 41
    read(session)
    assert len(renewals(region.server)) == 1
    region.server.tokens.clear()
    with pytest.raises(LoginRefused, match="does not accept the token") as failure:
        read(session)
    assert canaries.seen_with(failure.value) == []
    path.write_text(fresh := canaries.text("token"))
    region.server.tokens[fresh] = Token(float("inf"), 0)
    assert read(session) == "archive"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"t\x00ken", b"t\xc3\xb6ken", b"a b", b"x" * 20000])
def test_credentials_that_are_none(region: Region, tmp_path: Path, content: bytes) -> None:
    """A credential that is empty, binary or several lines is refused before anything is sent."""
    path = tmp_path / "jwt"
    path.write_bytes(content)
    for login in (JwtLogin("r", path), KubernetesLogin("r", path), AppRoleLogin("r", path), TokenLogin(path)):
        with pytest.raises(LoginRefused, match="not a single line of text"):
            session_of(replace(region, login=login)).token()
    assert region.server.received == []


def test_credentials_that_are_not_there(region: Region, tmp_path: Path) -> None:
    """A missing credential, or a directory in its place, is named."""
    for path, says in ((tmp_path / "nothing", "No such file"), (tmp_path, "not a regular file")):
        with pytest.raises(LoginRefused, match=says):
            session_of(replace(region, login=JwtLogin("r", path))).token()


@pytest.mark.parametrize(
    "auth",
    [
        b"null",
        b"{}",
        b'{"client_token":"","lease_duration":1,"renewable":true}',
        b'{"client_token":"a\\r\\nX-Evil: 1","lease_duration":1,"renewable":true}',
        b'{"client_token":7,"lease_duration":1,"renewable":true}',
        b'{"client_token":"a","lease_duration":"1","renewable":true}',
        b'{"client_token":"a","lease_duration":-1,"renewable":true}',
        b'{"client_token":"a","lease_duration":1,"renewable":"yes"}',
        b'{"client_token":"\xc3\xb6","lease_duration":1,"renewable":true}',
    ],
)
def test_grants_are_type_checked(region: Region, auth: bytes) -> None:
    """What a login answers must be a token that fits into a header, a life and a yes or no."""
    region.server.always = answering(Answer(200, b'{"auth":' + auth + b"}"))
    with pytest.raises(AnswerInvalid, match="something that is no token"):
        session_of(region).token()


def test_a_passing_trouble_is_not_a_refusal(region: Region) -> None:
    """A login that fails because the server is sealed or busy says so."""
    region.server.sealed = True
    with pytest.raises(Sealed):
        session_of(region).token()
    region.server.sealed, region.server.always = False, answering(errors(500))
    with pytest.raises(Busy):
        session_of(region).token()
    assert len(logins(region.server)) == 2  # a credential may count its uses: not repeated


def test_tokens_stay_in_their_region(world: World, canaries: Canaries) -> None:
    """No region's server ever receives the token or the credential of another."""
    names = ("eu-de", "eu-fr", "us-east")
    regions = [world.region(name, secret_id=canaries.text(name)) for name in names]
    for region in regions:
        region.server.new_token = lambda name=region.name: canaries.text(name)  # type: ignore[misc]
        region.connect().signer("audit-checkpoint", "n").sign(b"x")
    for region in regions:
        assert set(canaries.seen_in(region.server.everything())) == {region.name}
    assert isinstance(regions[0].clock, Clock)
