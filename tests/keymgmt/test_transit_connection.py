"""A connection reaches one region's server or nothing: not a byte of token or plaintext goes anywhere else."""

import os
import socket
import ssl
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from keymgmt.transit.connection import VaultConnection
from keymgmt.transit.errors import Redirected, Unreachable, WrongServer
from keymgmt.transit.site import TransitSite
from keymgmt.transit.tls import PinnedTransport
from tests.keymgmt.authority import Authority
from tests.keymgmt.vault_double import VaultDouble, answering, data, redirect
from tests.keymgmt.vault_scene import DE, FR, Scene


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
