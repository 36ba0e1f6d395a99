import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from webhook.serving.certificates import Authority

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = ("bailiwick.bailiwick-system.svc", "localhost", "127.0.0.1", "::1")


def test_server_certificate() -> None:
    """A server's certificate is good for each of its names under the authority, by a second verifier's rules."""
    authority = Authority("bailiwick", NOW)
    pair = authority.server(NAMES, NOW)
    leaf = x509.load_pem_x509_certificate(pair.certificate)
    store = Store([x509.load_pem_x509_certificate(authority.certificate)])
    verifier = PolicyBuilder().store(store).time(NOW + timedelta(days=1))
    assert len(verifier.build_server_verifier(x509.DNSName(NAMES[0])).verify(leaf, [])) == 2
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == list(NAMES)


def test_client_certificate() -> None:
    """A client's certificate names a user and groups as Kubernetes reads them, and is good for nothing else."""
    pair = Authority("bailiwick", NOW).client("kube-apiserver", NOW, organizations=("system:masters",))
    leaf = x509.load_pem_x509_certificate(pair.certificate)
    assert leaf.subject.rfc4514_string() == "CN=kube-apiserver,O=system:masters"
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_validity() -> None:
    """A certificate is valid at once on machines whose clocks differ, and ends when it was said to end."""
    pair = Authority("bailiwick", NOW).server(("localhost",), NOW, timedelta(days=3))
    leaf = x509.load_pem_x509_certificate(pair.certificate)
    assert leaf.not_valid_before_utc < NOW - timedelta(minutes=1)
    assert leaf.not_valid_after_utc == NOW + timedelta(days=3)


def test_keys_are_for_the_owner(tmp_path: Path) -> None:
    """A written key is readable by its owner alone, and no key is shown when a pair is printed."""
    pair = Authority("bailiwick", NOW).server(("localhost",), NOW)
    (tmp_path / "tls.key").write_bytes(b"older, and open to all")
    _, key = pair.write(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_bytes() == pair.key
    assert "PRIVATE" not in repr(pair)
