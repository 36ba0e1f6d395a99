"""A throw-away certificate authority for the bed's servers, and the service account key; not for production."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate (or public key) and its private key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs server certificates; its own certificate is the bundle that clients are given."""

    def __init__(self, folder: Path, name: str = "bed authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        draft = _draft(self._name, self._name, self._key).add_extension(constraints, critical=True)
        draft = draft.add_extension(_authority_usage(), critical=True)
        draft = draft.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        signed = draft.sign(self._key, hashes.SHA256())
        self.bundle = folder / "ca.crt"
        self.bundle.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def serve(self, name: str, hosts: Sequence[str]) -> Pair:
        """Make a server's key and a certificate for these addresses and host names."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        alternatives = x509.SubjectAlternativeName([_host(h) for h in hosts])
        draft = _draft(_name(name), self._name, key).add_extension(alternatives, critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        draft = draft.add_extension(usage, critical=False).add_extension(issuer, critical=False)
        signed = draft.sign(self._key, hashes.SHA256())
        pair = Pair(self._folder / f"{name}.crt", write_key(self._folder / f"{name}.key", key))
        pair.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return pair


def service_account_keys(folder: Path) -> Pair:
    """The key pair that signs service account tokens and checks them."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    pair = Pair(folder / "service-accounts.pub", write_key(folder / "service-accounts.key", key))
    pair.certificate.write_bytes(public)
    return pair


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    """Write a private key for its owner's eyes only."""
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.touch(mode=0o600)
    path.write_bytes(text)
    return path


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _draft(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # clocks differ
        .not_valid_after(now + LIFETIME)
    )


def _authority_usage() -> x509.KeyUsage:
    others = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    return x509.KeyUsage(
        key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False, **dict.fromkeys(others, False)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
