"""Throw-away certificate authorities of regions, and certificates good and bad; for tests alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keymgmt.transit.tls import spki_pin

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as files, and the pin of its public key."""

    certificate: Path
    key: Path
    pin: str


class Authority:
    """One region's CA."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._count = folder, 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        draft = _draft(self._name, self._name, self._key.public_key(), (-DAY, DAY))
        draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        draft = draft.add_extension(_usage(signs=True), critical=True)
        draft = draft.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self.bundle = folder / "ca.crt"
        self.bundle.write_bytes(draft.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def serve(
        self,
        uris: Sequence[str],
        *,
        address: str = "127.0.0.1",
        life: tuple[timedelta, timedelta] = (-DAY, DAY),
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Pair:
        """A server's certificate for an address, with these URIs."""
        names: list[x509.GeneralName] = [x509.IPAddress(IPv4Address(address))]
        names += [x509.UniformResourceIdentifier(uri) for uri in uris]
        return self._issue(names, ExtendedKeyUsageOID.SERVER_AUTH, life, key)

    def client(self, name: str) -> Pair:
        """A client's certificate."""
        return self._issue([x509.DNSName(name)], ExtendedKeyUsageOID.CLIENT_AUTH, (-DAY, DAY), None)

    def _issue(
        self,
        names: Sequence[x509.GeneralName],
        use: x509.ObjectIdentifier,
        life: tuple[timedelta, timedelta],
        key: ec.EllipticCurvePrivateKey | None,
    ) -> Pair:
        self._count += 1
        key = key or ec.generate_private_key(ec.SECP256R1())
        draft = _draft(_name(f"leaf {self._count}"), self._name, key.public_key(), life)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        extensions = (
            x509.SubjectAlternativeName(names),
            x509.ExtendedKeyUsage([use]),
            issuer,
            _usage(signs=False),
            x509.BasicConstraints(ca=False, path_length=None),
        )
        for extension in extensions:
            draft = draft.add_extension(extension, critical=False)
        certificate = draft.sign(self._key, hashes.SHA256())
        path = self._folder / f"leaf-{self._count}"
        pair = Pair(path.with_suffix(".crt"), path.with_suffix(".key"), spki_pin(certificate))
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: tuple[timedelta, timedelta]
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + life[0])
        .not_valid_after(now + life[1])
    )
