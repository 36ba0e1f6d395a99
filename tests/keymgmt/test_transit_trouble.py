"""What a server may do wrong, or the way to it: each is an error of its own, in time, and shows no secret."""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from keymgmt.errors import KeyServiceError
from keymgmt.transit.connection import VaultConnection
from keymgmt.transit.errors import (
    AnswerInvalid,
    Busy,
    KeyMissing,
    MountMissing,
    PermissionRefused,
    Refusal,
    RequestRefused,
    Sealed,
    Standby,
    TooSlow,
    Uninitialized,
    Unreachable,
)
from keymgmt.transit.site import TransitSite
from tests.keymgmt.vault_double import Answer, Fault, answering, data, dripping, echoing, errors, hanging_up, stalling
from tests.keymgmt.vault_scene import DE, Scene

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
