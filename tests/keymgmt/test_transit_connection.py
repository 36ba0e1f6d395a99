"""A connection reaches one region's server or nothing: not a byte of token or plaintext goes anywhere else."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from keymgmt.errors import KeyServiceError
from keymgmt.secret import Secret
from keymgmt.transit.connection import VaultConnection
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
from keymgmt.transit.tls import PinnedTransport
from tests.keymgmt.authority import Authority, Pair
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.vault_double import (
    Answer,
    Fault,
    VaultDouble,
    answering,
    data,
    dripping,
    echoing,
    errors,
    hanging_up,
    redirect,
    stalling,
)

DE = "urn:bailiwick:region:eu-de"
FR = "urn:bailiwick:region:eu-fr"


@dataclass
class Scene:
    """A region's CA, its servers, and secrets that must not reach a wrong one."""

    folder: Path
    canaries: Canaries
    stack: ExitStack
    ca: Authority
    token: Secret = field(init=False)
    plaintext: str = field(init=False)

    def __post_init__(self) -> None:
        self.token = Secret(self.canaries.text("token").encode())
        self.plaintext = self.canaries.text("plaintext")

    def server(self, pair: Pair, **options: Any) -> VaultDouble:
        """A running server."""
        return self.stack.enter_context(VaultDouble(pair, **options).running())

    def site(self, server: VaultDouble, **changes: Any) -> TransitSite:
        """Settings that lead to a server."""
        settings = {"deadline": 1.5, "connecting": 1.0, "attempts": 1} | changes
        return TransitSite("eu-de", server.url, self.ca.bundle, {"audit-archive": "seal"}, **settings)

    def ask(self, site: TransitSite) -> dict[str, Any]:
        """Send token and plaintext to a site."""
        connection = VaultConnection(site)
        try:
            return connection.call("POST", "/v1/transit/encrypt/seal", self.token, {"plaintext": self.plaintext})
        finally:
            connection.close()

    def refused(self, site: TransitSite) -> KeyServiceError:
        """The error that asking a site ends with, which shows none of the secrets."""
        with pytest.raises(KeyServiceError) as failure:
            self.ask(site)
        assert self.canaries.seen_with(failure.value) == []
        assert "\n" not in str(failure.value)
        assert failure.value.__context__ is None
        return failure.value


@pytest.fixture
def scene(tmp_path: Path, canaries: Canaries) -> Iterator[Scene]:
    """A fresh scene, whose servers end with the test."""
    with ExitStack() as stack:
        yield Scene(tmp_path, canaries, stack, Authority(tmp_path / "de", "eu-de authority"))


def test_the_right_server(scene: Scene) -> None:
    """The region's own server is asked, and receives token and body."""
    pair = scene.ca.serve([DE])
    server = scene.server(pair)
    server.always = answering(data(ciphertext="vault:v1:x"))
    assert scene.ask(scene.site(server, pins=frozenset({pair.pin, "sha256:" + "0" * 64})))["data"] == {
        "ciphertext": "vault:v1:x"
    }
    assert scene.canaries.seen_in(server.everything()) == ["token", "plaintext"]


def wrong_servers(scene: Scene) -> dict[str, tuple[TransitSite, VaultDouble]]:
    """Servers at the right address that are not the region's, each in its own way."""
    day = timedelta(days=1)
    good = scene.ca.serve([DE])
    foreign_ca = Authority(scene.folder / "fr", "eu-fr authority")
    servers = {
        "same CA, foreign region": scene.ca.serve([FR]),
        "same CA, no region": scene.ca.serve([]),
        "same CA, both regions": scene.ca.serve([DE, FR]),
        "region in another case": scene.ca.serve([DE.upper()]),
        "foreign CA, claims the region": foreign_ca.serve([DE]),
        "expired": scene.ca.serve([DE], life=(-2 * day, -day / 24)),
        "not valid yet": scene.ca.serve([DE], life=(day / 24, day)),
        "another address": scene.ca.serve([DE], address="127.0.0.2"),
    }
    found = {name: (server := scene.server(pair), scene.site(server)) for name, pair in servers.items()}
    swapped = scene.server(scene.ca.serve([DE]))
    found["key not pinned"] = (swapped, scene.site(swapped, pins=frozenset({good.pin})))
    old = scene.server(good, newest=ssl.TLSVersion.TLSv1_2)
    found["TLS 1.2"] = (old, scene.site(old))
    return {name: (site, server) for name, (server, site) in found.items()}


def test_wrong_servers_receive_nothing(scene: Scene) -> None:
    """A server that cannot prove region, CA, key, time, address or TLS 1.3 receives not one byte of HTTP."""
    for name, (site, server) in wrong_servers(scene).items():
        assert type(scene.refused(site)) is WrongServer, name
        assert server.everything() == b"", name
        assert len(server.received) == 1, name  # it was reached, and once: a wrong server is not tried again


def test_health_checks_the_server_too(scene: Scene) -> None:
    """The unauthenticated call trusts nobody either."""
    server = scene.server(scene.ca.serve([FR]))
    with pytest.raises(WrongServer, match=f"want `{DE}`, found `{FR}`"):
        VaultConnection(scene.site(server)).health()
    assert server.everything() == b""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(scene: Scene, status: int) -> None:
    """Whatever the redirect and wherever it leads, its target is not even connected to."""
    target, server = scene.server(scene.ca.serve([DE])), scene.server(scene.ca.serve([DE]))
    for location in (f"{target.url}/v1/transit/encrypt/seal", "/elsewhere", "http://[", ""):
        server.always = redirect(status, location)
        assert type(scene.refused(scene.site(server))) is Redirected
    assert target.received == []
    assert len(server.requests) == 4


def test_redirects_that_look_like_answers(scene: Scene) -> None:
    """A redirect with a proper JSON body is still a redirect."""
    server = scene.server(scene.ca.serve([DE]))
    server.always = answering(replace(data(ok=True), status=307))
    assert type(scene.refused(scene.site(server))) is Redirected


def test_no_proxy_is_used(scene: Scene) -> None:
    """Proxy settings in the environment, and credentials in a netrc, change nothing."""
    server, proxy = scene.server(scene.ca.serve([DE])), scene.server(scene.ca.serve([DE]))
    server.always = answering(data())
    netrc = scene.folder / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login x password {scene.canaries.text('netrc')}\n")
    wanted = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"), proxy.url)
    wanted |= {
        "NETRC": str(netrc),
        "NO_PROXY": "",
        "REQUESTS_CA_BUNDLE": str(netrc),
        "SSL_CERT_FILE": str(netrc),
        "SSLKEYLOGFILE": str(scene.folder / "keylog"),
        "VAULT_ADDR": proxy.url,
        "VAULT_TOKEN": scene.canaries.text("environment"),
    }
    before = dict(os.environ)
    os.environ.update(wanted)
    try:
        scene.ask(scene.site(server))
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert proxy.received == []
    assert scene.canaries.seen_in(server.everything()) == ["token", "plaintext"]
    assert not (scene.folder / "keylog").exists()


def test_public_authorities_are_not_trusted(scene: Scene) -> None:
    """A connection trusts the region's CA and no other, neither the system's nor the bundled ones."""
    server = scene.server(scene.ca.serve([DE]))
    connection = VaultConnection(scene.site(server))
    server.always = answering(data())
    connection.call("GET", "/v1/transit/keys/seal", scene.token)
    trusted = connection._transport._context.get_ca_certs()
    assert [dict(part[0] for part in ca["subject"])["commonName"] for ca in trusted] == ["eu-de authority"]  # type: ignore[misc]
    connection.close()


def test_cookies_are_not_kept(scene: Scene) -> None:
    """What a server would have a browser remember is not sent back."""
    server = scene.server(scene.ca.serve([DE]))
    server.always = answering(replace(data(), headers={"Content-Type": "application/json", "Set-Cookie": "a=b"}))
    connection = VaultConnection(scene.site(server))
    for _ in range(2):
        connection.call("GET", "/v1/transit/keys/seal", scene.token)
    connection.close()
    assert "cookie" not in server.requests[1].headers


def test_connections_are_kept(scene: Scene) -> None:
    """Calls share a connection, and one that the server dropped meanwhile is replaced without an error."""
    server = scene.server(scene.ca.serve([DE]))
    server.always = answering(data())
    connection = VaultConnection(scene.site(server, attempts=2), sleep=lambda _: None)
    for _ in range(5):
        connection.call("GET", "/v1/transit/keys/seal", scene.token)
    assert len(server.received) == 1
    for line in list(server._open):
        line.shutdown(socket.SHUT_RDWR)
    connection.call("GET", "/v1/transit/keys/seal", scene.token)
    assert len(server.received) == 2
    connection.close()


HEAD = b"HTTP/1.1 200 x\r\nContent-Length: 9999\r\n\r\n"
JSON = {"Content-Type": "application/json"}
HTML = Answer(200, b"<html>please log in</html>", {"Content-Type": "text/html"})
MISBEHAVIOUR: dict[str, tuple[Fault, type[KeyServiceError]]] = {
    "HTML with 200": (answering(HTML), AnswerInvalid),
    "HTML with 403": (answering(replace(HTML, status=403)), AnswerInvalid),
    "HTML with 503, as a load balancer": (answering(replace(HTML, status=503)), Busy),
    "JSON under another type": (answering(replace(data(), headers={"Content-Type": "text/plain"})), AnswerInvalid),
    "a JSON list": (answering(Answer(200, b"[]", JSON)), AnswerInvalid),
    "broken JSON": (answering(Answer(200, b'{"data":', JSON)), AnswerInvalid),
    "not Unicode": (answering(Answer(200, b'{"data":"\xff"}', JSON)), AnswerInvalid),
    "nested 100,000 deep": (answering(Answer(200, b'{"a":' * 100_000, JSON)), AnswerInvalid),
    "2 MiB": (answering(Answer(200, b'{"data":"' + b"x" * (2 << 20) + b'"}', JSON)), AnswerInvalid),
    "gzip unasked": (answering(replace(data(), headers={**JSON, "Content-Encoding": "gzip"})), AnswerInvalid),
    "no type at all": (answering(Answer(200, b"", {})), AnswerInvalid),
    "permission denied": (answering(errors(403, "permission denied")), PermissionRefused),
    "403 without a reason": (answering(errors(403)), PermissionRefused),
    "sealed": (answering(errors(503, "Vault is sealed")), Sealed),
    "not initialised": (answering(errors(501)), Uninitialized),
    "rate limited": (answering(errors(429, "rate limit quota exceeded")), Busy),
    "500": (answering(errors(500, "internal error")), Busy),
    "502": (answering(errors(502)), Busy),
    "no active node": (
        answering(errors(500, "local node not active but active cluster node not found")),
        Standby,
    ),
    "performance standby": (answering(errors(473)), Standby),
    "disaster recovery secondary": (answering(errors(472)), Standby),
    "no engine": (
        answering(errors(404, 'no handler for route "transit/encrypt/seal". route entry not found.')),
        MountMissing,
    ),
    "no key": (answering(errors(404)), KeyMissing),
    "no key, as decrypt says it": (answering(errors(400, "encryption key not found")), KeyMissing),
    "refused": (answering(errors(400, "what?")), RequestRefused),
    "errors that are no texts": (answering(Answer(400, b'{"errors":[{"a":1},null]}', JSON)), RequestRefused),
    "errors that are no list": (answering(Answer(400, b'{"errors":"is sealed"}', JSON)), RequestRefused),
    "echoes the secrets with 400": (echoing(400), RequestRefused),
    "echoes the secrets with 403": (echoing(403), PermissionRefused),
    "echoes the secrets with 500": (echoing(500), Busy),
    "hangs up": (hanging_up, Unreachable),
    "says nothing": (stalling, TooSlow),
    "one byte of the head at a time": (dripping(data().encoded()), TooSlow),
    "one byte of the body at a time": (
        dripping(b"HTTP/1.1 200 x\r\nContent-Length: 9999\r\n\r\n" + b"{" * 9999),
        TooSlow,
    ),
    "not HTTP": (dripping(b"SSH-2.0-OpenSSH\r\n"), Unreachable),
    "cut short": (
        lambda double, line, request: line.sendall(HEAD + b"{"),
        Unreachable,
    ),
}


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_misbehaviour(scene: Scene, name: str) -> None:
    """Each misbehaviour is one error of its own kind, in bounded time, that shows no secret."""
    fault, wanted = MISBEHAVIOUR[name]
    server = scene.server(scene.ca.serve([DE]))
    server.always = fault
    started = time.monotonic()
    refusal = scene.refused(scene.site(server))
    assert type(refusal) is wanted, str(refusal)
    assert time.monotonic() - started < 10  # the deadline is 1.5; a stuck call would take 30


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ciphertext or signature version is disallowed by policy (too old)", Refusal.TOO_OLD),
        ("invalid ciphertext: version is too new", Refusal.TOO_NEW),
        ("failed to RSA decrypt the ciphertext: crypto/rsa: decryption error", Refusal.NOT_DECRYPTED),
        ("cipher: message authentication failed", Refusal.NOT_DECRYPTED),
        ("something else", Refusal.OTHER),
    ],
)
def test_refusals_say_why(scene: Scene, text: str, why: Refusal) -> None:
    """The reasons that callers act upon are told apart."""
    server = scene.server(scene.ca.serve([DE]))
    server.always = answering(errors(400, text))
    refusal = scene.refused(scene.site(server))
    assert isinstance(refusal, RequestRefused)
    assert refusal.why is why


def test_nobody_there(scene: Scene) -> None:
    """A closed port is unreachable, and the message says where nobody was."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    site = TransitSite("eu-de", f"https://127.0.0.1:{port}", scene.ca.bundle, {}, attempts=1)
    refusal = scene.refused(site)
    assert type(refusal) is Unreachable
    assert f"cannot reach `https://127.0.0.1:{port}`: connection refused" in str(refusal)


def test_a_handshake_that_never_ends(scene: Scene) -> None:
    """A listener that accepts and stays silent is cut at the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []
        acceptor = threading.Thread(target=lambda: held.append(listener.accept()[0]))
        acceptor.start()
        site = TransitSite(
            "eu-de",
            f"https://127.0.0.1:{listener.getsockname()[1]}",
            scene.ca.bundle,
            {},
            connecting=0.5,
            deadline=0.5,
            attempts=1,
        )
        assert type(scene.refused(site)) is TooSlow
        acceptor.join()
        held[0].close()


def test_a_handshake_that_drips(scene: Scene) -> None:
    """A listener that sends a handshake one byte at a time is cut at the deadline too."""
    sent: list[int] = []
    record = b"\x16\x03\x03\x3f\xff" + bytes(100)

    def drip(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with suppress(OSError), line:
            for byte in record:
                line.sendall(bytes([byte]))
                sent.append(byte)
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripper = threading.Thread(target=drip, args=(listener,))
        dripper.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        site = TransitSite("eu-de", url, scene.ca.bundle, {}, connecting=0.5, deadline=0.5, attempts=1)
        assert type(scene.refused(site)) is TooSlow
        dripper.join()
    assert len(sent) < len(record)  # the line was cut while the server still had to say


def test_a_kept_connection_that_drips(scene: Scene) -> None:
    """The deadline holds on a connection that served well before."""
    server = scene.server(scene.ca.serve([DE]))
    server.faults.extend([answering(data()), dripping(HEAD + b"{" * 99)])
    connection = VaultConnection(scene.site(server, deadline=0.5, connecting=0.5))
    connection.call("GET", "/v1/transit/keys/seal", scene.token)
    with pytest.raises(TooSlow):
        connection.call("GET", "/v1/transit/keys/seal", scene.token)
    assert len(server.received) == 1
    assert server.dripped < 99  # the line was cut while the server still had to say
    connection.close()


def test_answers_are_bounded(scene: Scene) -> None:
    """An answer one byte over the bound is refused, however well-formed; one at the bound is read."""
    server = scene.server(scene.ca.serve([DE]))
    for size, fits in ((2000, True), (2001, False)):
        body = b'{"data":"' + b"x" * (size - 11) + b'"}'
        assert len(body) == size
        server.always = answering(Answer(200, body, JSON))
        if fits:
            assert len(scene.ask(scene.site(server, largest=2000))["data"]) == size - 11
        else:
            assert "more than 2000 bytes" in str(scene.refused(scene.site(server, largest=2000)))


@pytest.mark.parametrize("fault", [answering(errors(500)), answering(errors(429)), hanging_up, answering(errors(412))])
def test_what_may_pass_is_tried_again(scene: Scene, fault: Fault) -> None:
    """A passing trouble is waited out, with growing pauses."""
    server = scene.server(scene.ca.serve([DE]))
    server.faults.extend([fault, fault, answering(data(ok=True))])
    pauses: list[float] = []
    connection = VaultConnection(scene.site(server, attempts=3), sleep=pauses.append)
    assert connection.call("GET", "/v1/transit/keys/seal", scene.token)["data"] == {"ok": True}
    assert pauses == [0.05, 0.2]
    connection.close()


def test_attempts_are_counted(scene: Scene) -> None:
    """After the last attempt the error is the answer, and what must not be repeated is not."""
    server = scene.server(scene.ca.serve([DE]))
    server.always = answering(errors(500))
    connection = VaultConnection(scene.site(server, attempts=3), sleep=lambda _: None)
    with pytest.raises(Busy):
        connection.call("GET", "/v1/transit/keys/seal", scene.token)
    assert len(server.requests) == 3
    with pytest.raises(Busy):
        connection.call("POST", "/v1/auth/jwt/login", None, {}, once=True)
    assert len(server.requests) == 4
    connection.close()


@pytest.mark.parametrize("answer", [errors(403), errors(400), errors(503, "Vault is sealed"), errors(404), HTML])
def test_what_will_not_pass_is_not_tried_again(scene: Scene, answer: Answer) -> None:
    """A refusal stays a refusal: it is asked once."""
    server = scene.server(scene.ca.serve([DE]))
    server.always = answering(answer)
    scene.refused(scene.site(server, attempts=3))
    assert len(server.requests) == 1


def test_all_attempts_share_one_deadline(scene: Scene) -> None:
    """However many attempts there may be, a call ends when its time is over."""
    server = scene.server(scene.ca.serve([DE]))
    server.always = stalling
    started = time.monotonic()
    assert type(scene.refused(scene.site(server, attempts=10, deadline=1.0))) is TooSlow
    assert time.monotonic() - started < 8  # ten attempts of a second each would take longer


@pytest.mark.parametrize(
    "url",
    [
        "http://vault",
        "https://",
        "https://u:p@vault",
        "https://vault/",
        "https://vault/v1",
        "https://vault?x",
        "https://vault#x",
        "HTTPS://vault",
        "vault:8200",
    ],
)
def test_addresses(tmp_path: Path, url: str) -> None:
    """An address is https, a host and a port, and nothing else."""
    with pytest.raises(ValueError, match="must be https"):
        TransitSite("eu-de", url, tmp_path / "ca", {})


@pytest.mark.parametrize(
    "changes",
    [
        {"region": "../x"},
        {"mount": "a/../b"},
        {"mount": "/a"},
        {"keys": {"p": "a/b"}},
        {"keys": {"p": ".."}},
        {"pins": frozenset({"abc"})},
        {"namespace": "a b"},
        {"connecting": 0},
        {"deadline": 0.1},
        {"attempts": 0},
    ],
)
def test_settings(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Settings that could lead elsewhere or never end are refused when they are made."""
    good: dict[str, Any] = {"region": "eu-de", "url": "https://vault:8200", "ca": tmp_path, "keys": {}}
    TransitSite(**good)
    with pytest.raises(ValueError, match=r"no region|mount|pin|namespace|positive"):
        TransitSite(**good | changes)


def test_no_other_address_is_sent_to(scene: Scene) -> None:
    """The transport itself refuses any address that does not begin with the site's."""
    server, other = scene.server(scene.ca.serve([DE])), scene.server(scene.ca.serve([DE]))
    site = scene.site(server)
    connection = VaultConnection(site)
    for path in ("@" + other.url.removeprefix("https://") + "/v1/x", ".evil/x", "0/v1/x"):
        with pytest.raises(WrongServer):
            connection.call("GET", path, scene.token)
    assert other.received == []
    assert server.everything() == b""


def test_the_transport_knows_one_address(scene: Scene) -> None:
    """Even a request that was made for another address is not sent there."""
    server, other = scene.server(scene.ca.serve([DE])), scene.server(scene.ca.serve([DE]))
    transport = PinnedTransport(scene.site(server))
    for url in (other.url + "/v1/x", "http" + server.url[5:] + "/v1/x"):
        with pytest.raises(WrongServer, match="refused to send"):
            transport.send(requests.Request("GET", url).prepare())
    assert other.received == server.received == []


def test_missing_tls_files(scene: Scene) -> None:
    """A CA file that is missing or none is an error about our files, not about the server."""
    server = scene.server(scene.ca.serve([DE]))
    (scene.folder / "rubbish").write_text("rubbish")
    for name in ("missing", "rubbish"):
        with pytest.raises(Unreachable, match="check CA, certificate and key"):
            VaultConnection(replace(scene.site(server), ca=scene.folder / name))
