"""Who is let in, under which TLS, and what happens when certificates change."""

import os
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.webhook.parts import Parts, issue, running
from tests.webhook.reviews import encoded
from tests.webhook.wire import Connection, HungUp, client_context
from webhook.serving.certificates import Authority, Pair
from webhook.serving.metrics import Metrics
from webhook.serving.settings import Tls
from webhook.serving.tls import LiveTls, TlsUnusable

NOW = datetime.now(UTC)


def served_serial(parts: Parts) -> int:
    with parts.connect() as connection:
        der = connection.tls.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der).serial_number


def serial(pair: Pair) -> int:
    return x509.load_pem_x509_certificate(pair.certificate).serial_number


def wait_for_serial(parts: Parts, expected: int) -> None:
    until = time.monotonic() + 10
    while served_serial(parts) != expected:
        assert time.monotonic() < until, "the new certificate was not served"
        time.sleep(0.05)


def counted(parts: Parts, outcome: str) -> int:
    line = f'certificate_reloads_total{{outcome="{outcome}"}} '
    found = [row for row in parts.metrics.exposition().decode().splitlines() if line in row]
    return int(float(found[0].rpartition(" ")[2])) if found else 0


def test_tls_1_3(webhook: Parts) -> None:
    """TLS 1.3 is what is spoken."""
    with webhook.connect() as connection:
        assert connection.tls.version() == "TLSv1.3"
        assert connection.tls.selected_alpn_protocol() is None


def test_alpn(webhook: Parts) -> None:
    """A client that would speak HTTP/2 is told to speak HTTP/1.1."""
    context = client_context(webhook.directory / "ca.crt")
    context.set_alpn_protocols(["h2", "http/1.1"])
    assert webhook.server is not None
    with Connection(webhook.server.port, context) as connection:
        assert connection.tls.selected_alpn_protocol() == "http/1.1"
        assert connection.post("/mutate", encoded()).answer["allowed"]


def old_client(parts: Parts) -> ssl.SSLContext:
    context = client_context(parts.directory / "ca.crt")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def test_tls_1_2_is_refused(webhook: Parts) -> None:
    """A client that knows only TLS 1.2 is refused by default."""
    assert webhook.server is not None
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        Connection(webhook.server.port, old_client(webhook))


def test_tls_1_2_by_setting(tmp_path: Path) -> None:
    """A setting lets TLS 1.2 in."""
    with running(tmp_path, tls={"allow_tls_1_2": True}) as parts:
        assert parts.server is not None
        with Connection(parts.server.port, old_client(parts)) as connection:
            assert connection.tls.version() == "TLSv1.2"
            assert connection.post("/mutate", encoded()).answer["allowed"]


def test_by_address(webhook: Parts) -> None:
    """A client that reaches us by address and so names no server gets the certificate too."""
    assert webhook.server is not None
    with Connection(webhook.server.port, client_context(webhook.directory / "ca.crt"), "127.0.0.1") as connection:
        assert connection.post("/mutate", encoded()).answer["allowed"]


def test_client_certificates(tmp_path: Path) -> None:
    """Where a client authority is set, only its clients are served; nobody else gets as far as a request."""
    clients, strangers = Authority("clients", NOW), Authority("clients", NOW)
    authority = tmp_path / "clients.crt"
    authority.write_bytes(clients.certificate)
    good = clients.client("kube-apiserver", NOW).write(tmp_path, "good")
    wrong = strangers.client("kube-apiserver", NOW).write(tmp_path, "wrong")
    expired = clients.client("kube-apiserver", NOW - timedelta(days=9), lifetime=timedelta(days=1))
    with running(tmp_path, tls={"client_ca": authority}) as parts:
        with parts.connect(good) as connection:
            assert connection.post("/validate/fail", encoded()).answer["allowed"]
        server_pair = parts.directory / "tls.crt", parts.directory / "tls.key"
        for pair, alert in (
            (None, "CERTIFICATE_REQUIRED"),
            (wrong, "UNKNOWN_CA|DECRYPT_ERROR|BAD_CERTIFICATE"),
            (expired.write(tmp_path, "expired"), "CERTIFICATE_EXPIRED"),
            (server_pair, "UNKNOWN_CA"),
        ):
            with pytest.raises((ssl.SSLError, HungUp), match=alert), parts.connect(pair) as refused:
                refused.post("/validate/fail", encoded())
        with parts.connect(good) as connection:
            assert connection.post("/validate/fail", encoded()).answer["allowed"]
        assert len(parts.log.records) == 2


def test_client_authority_is_exchanged(tmp_path: Path) -> None:
    """A client authority that is replaced counts at once for new connections, also against clients seen before."""
    first, second = Authority("clients", NOW), Authority("clients", NOW)
    authority = tmp_path / "clients.crt"
    authority.write_bytes(first.certificate)
    old = first.client("kube-apiserver", NOW).write(tmp_path, "old")
    new = second.client("kube-apiserver", NOW).write(tmp_path, "new")
    with running(tmp_path, tls={"client_ca": authority, "watch": 60.0}) as parts:
        with parts.connect(old) as connection:
            assert connection.post("/mutate", encoded()).answer["allowed"]
            authority.write_bytes(second.certificate)
            assert parts.tls.reload()
            assert connection.post("/mutate", encoded()).answer["allowed"]
        with pytest.raises((ssl.SSLError, HungUp), match="ALERT"), parts.connect(old) as refused:
            refused.post("/mutate", encoded())
        with parts.connect(new) as connection:
            assert connection.post("/mutate", encoded()).answer["allowed"]


def test_reload_under_load(tmp_path: Path) -> None:
    """Certificates are exchanged ten times while clients keep asking: no request fails, no connection is dropped."""
    authority = issue(tmp_path)
    done = threading.Event()
    answered: list[int] = []
    failures: list[Exception] = []

    def ask(parts: Parts) -> None:
        count = 0
        try:
            with parts.connect() as connection:
                while not done.is_set():
                    assert connection.post("/validate/fail", encoded()).answer["allowed"]
                    count += 1
        except Exception as failure:  # noqa: BLE001  # asserted on below, in the thread that may fail the test
            failures.append(failure)
        answered.append(count)

    with running(tmp_path) as parts:
        clients = [threading.Thread(target=ask, args=(parts,)) for _ in range(3)]
        for client in clients:
            client.start()
        for _ in range(10):
            pair = authority.server(("localhost", "127.0.0.1"), NOW)
            pair.write(tmp_path)
            wait_for_serial(parts, serial(pair))
        done.set()
        for client in clients:
            client.join()
        assert failures == []
        assert min(answered) > 10
        assert counted(parts, "loaded") >= 11


@pytest.mark.parametrize("damage", ["foreign-key", "no-certificate", "gone", "expired", "encrypted"])
def test_broken_pair(tmp_path: Path, damage: str) -> None:
    """A new pair that can't be used is reported, and the one that was loaded stays in force until a good one comes."""
    authority = issue(tmp_path)
    with running(tmp_path, tls={"watch": 60.0}) as parts:
        before = served_serial(parts)
        fresh = authority.server(("localhost",), NOW)
        match damage:
            case "foreign-key":
                (tmp_path / "tls.crt").write_bytes(fresh.certificate)
            case "no-certificate":
                (tmp_path / "tls.crt").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            case "gone":
                (tmp_path / "tls.key").unlink()
            case "expired":
                authority.server(("localhost",), NOW - timedelta(days=9), timedelta(days=1)).write(tmp_path)
            case "encrypted":
                (tmp_path / "tls.key").write_bytes(encrypted(fresh))
        assert not parts.tls.reload()
        assert served_serial(parts) == before
        assert counted(parts, "refused") == 1
        fresh.write(tmp_path)
        assert parts.tls.reload()
        assert served_serial(parts) == serial(fresh)


def encrypted(pair: Pair) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(pair.key, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))


def test_half_written_files_are_not_loaded(tmp_path: Path) -> None:
    """Files that still change are left alone until they stand still."""
    authority = issue(tmp_path)
    with running(tmp_path) as parts:
        fresh = authority.server(("localhost", "127.0.0.1"), NOW)
        for size in range(0, len(fresh.certificate), 200):
            (tmp_path / "tls.crt").write_bytes(fresh.certificate[:size])
            os.utime(tmp_path / "tls.crt", ns=(size, size))
            time.sleep(0.01)
        fresh.write(tmp_path)
        wait_for_serial(parts, serial(fresh))


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key"])
def test_no_start_without_a_certificate(tmp_path: Path, missing: str) -> None:
    """Nothing starts with half a pair, and the message names the file."""
    issue(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(TlsUnusable, match=missing) as refused:
        LiveTls(Tls(tmp_path / "tls.crt", tmp_path / "tls.key"), Metrics())
    assert "PEM" in refused.value.hint  # with a hint it is the operator's to mend, and no fault of ours
