"""A keyring in a hardware module, on SoftHSM: keys that cannot leave, sealed to here and opened there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bailiwick import command
from keymgmt.errors import EnvelopeInvalid, ForeignRegion, KeyRevoked, KeyringRolledBack, NoSuchKey, SignerUnavailable
from keymgmt.hardware.errors import ModuleUnavailable, PinRefused, TokenMissing
from keymgmt.hardware.keyring import Pkcs11Keyring
from keymgmt.hardware.token import Token, id_bytes
from keymgmt.keys import Algorithm
from keymgmt.ports import Binding
from keymgmt.public import PublicKeyring
from keymgmt.states import State
from keymgmt.transit.errors import KeyUnfit
from tests.cluster.bed.processes import Household
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.hardware.conftest import MODULE, SoftHsm
from tests.keymgmt.kms.plugin import Plugin

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def bound(region: str = "eu-de") -> Binding:
    """What envelopes here are bound to."""
    return Binding(region, "DE", "etcd", "prod", "")


@pytest.fixture(scope="module")
def rings(softhsm: SoftHsm) -> dict[str, Pkcs11Keyring]:
    """Two regions with keys for everything; making an RSA key takes seconds."""
    made = {}
    for region in ("eu-de", "eu-fr"):
        ring = Pkcs11Keyring.connect(softhsm.site(region))
        ring.rotate("etcd", NOW, Algorithm.RSA_OAEP)
        ring.rotate("audit-checkpoint", NOW, Algorithm.ED25519)
        made[region] = ring
    return made


@pytest.fixture
def ring(rings: dict[str, Pkcs11Keyring]) -> Pkcs11Keyring:
    """The region `eu-de`."""
    return rings["eu-de"]


def test_seal_here_open_there(ring: Pkcs11Keyring, tmp_path: Path) -> None:
    """Sealed with the public part alone, opened in the module, for its binding only."""
    path = tmp_path / "eu-de.public.json"
    path.write_bytes(ring.public_document())
    public = PublicKeyring.load(path)
    assert public.assurance == ring.assurance == "hardware"
    envelope = public.sealer().seal(b"seed", bound()).to_bytes()
    assert ring.opener().open(envelope, bound()) == b"seed"
    with pytest.raises(EnvelopeInvalid):
        ring.opener().open(envelope, replace(bound(), cluster="other"))
    for at in (60, 300, len(envelope) - 1):
        with pytest.raises(EnvelopeInvalid):
            ring.opener().open(envelope[:at] + bytes([envelope[at] ^ 1]) + envelope[at + 1 :], bound())


def test_keys_cannot_leave(softhsm: SoftHsm, ring: Pkcs11Keyring) -> None:
    """The module hands out no private value, wraps no such key, and says that it never could."""
    pkcs11 = pytest.importorskip("pkcs11")
    attribute, exceptions = pkcs11.Attribute, pkcs11.exceptions
    with pkcs11.lib(str(MODULE)).get_token(token_label="eu-de").open() as own:  # logged in by the keyring
        keys = list(own.get_objects({attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))
        assert len(keys) >= 2
        for key in keys:
            secret = attribute.PRIVATE_EXPONENT if key[attribute.KEY_TYPE] is pkcs11.KeyType.RSA else attribute.VALUE
            with pytest.raises(exceptions.AttributeSensitive):
                assert key[secret]
            assert (key[attribute.NEVER_EXTRACTABLE], key[attribute.EXTRACTABLE]) == (True, False)


def test_signing(ring: Pkcs11Keyring) -> None:
    """A signature is plain Ed25519, and the signer ends with its version."""
    signer = ring.signer("audit-checkpoint", "log.example/eu-de")
    Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signer.sign(b"tree head"), b"tree head")
    ring.rotate("audit-checkpoint", NOW + timedelta(days=1))
    with pytest.raises(SignerUnavailable, match="no longer active"):
        signer.sign(b"tree head")
    assert ring.signer("audit-checkpoint", "log.example/eu-de").key.version == signer.key.version + 1


def test_only_the_diagonal_opens(rings: dict[str, Pkcs11Keyring]) -> None:
    """A region's token opens its own only, with forged region and key id too."""
    for sealed_in, sealer in rings.items():
        envelope = sealer.sealer().seal(b"seed", bound(sealed_in)).to_bytes()
        for name, ring in rings.items():
            if name == sealed_in:
                assert ring.opener().open(envelope, bound(name)) == b"seed"
                continue
            with pytest.raises(ForeignRegion):
                ring.opener().open(envelope, bound(sealed_in))
            stolen, at = ring.recipient("etcd").key_id, 8 + len(sealed_in) + 16
            forged = envelope[:7] + bytes([len(name)]) + name.encode() + stolen + envelope[at:]
            with pytest.raises(EnvelopeInvalid, match="does not open"):
                ring.opener().open(forged, bound(name))


def test_rotation_and_what_went_missing(softhsm: SoftHsm, rings: dict[str, Pkcs11Keyring]) -> None:
    """Old versions open until they are destroyed; a token that forgot the newest was restored, and is refused."""
    ring = rings["eu-fr"]
    old = ring.sealer().seal(b"seed", bound("eu-fr")).to_bytes()
    new = ring.rotate("etcd", NOW + timedelta(days=1))
    assert ring.opener().open(old, bound("eu-fr")) == b"seed"
    known = ring.keys()
    again = Pkcs11Keyring.connect(softhsm.site("eu-fr"), known=known)
    assert again.keys() == known
    Token(softhsm.site("eu-fr")).destroy("etcd", 1)
    assert again.refresh()
    now = again.keys()
    assert {key.version: key.state for key in now if key.purpose == "etcd"} == {
        1: State.REVOKED,
        2: State.ACTIVE,
    }
    with pytest.raises(KeyRevoked):
        again.opener().open(old, bound("eu-fr"))
    Token(softhsm.site("eu-fr")).destroy("etcd", new.version)
    with pytest.raises(KeyringRolledBack):
        again.refresh()
    with pytest.raises(KeyringRolledBack):
        Pkcs11Keyring.connect(softhsm.site("eu-fr"), known=known)


def _bad(session: Any, **template: bool) -> None:
    pkcs11 = pytest.importorskip("pkcs11")
    private = {getattr(pkcs11.Attribute, name): value for name, value in template.items()}
    name = id_bytes(1, NOW)
    session.generate_keypair(pkcs11.KeyType.RSA, 2048, id=name, label="etcd", store=True, private_template=private)


@pytest.mark.parametrize(
    ("token", "template", "why"),
    [
        ("bad-keys", {"EXTRACTABLE": True, "SENSITIVE": False}, "extractable"),
        ("short-keys", {"EXTRACTABLE": False}, "RSA-4096"),
    ],
)
def test_unfit_keys_are_refused(softhsm: SoftHsm, token: str, template: dict[str, bool], why: str) -> None:
    """A key that could leave, or that is too short, is not used; objects that aren't ours are not looked at."""
    pkcs11 = pytest.importorskip("pkcs11")
    site = softhsm.site(token)
    with pkcs11.lib(str(MODULE)).get_token(token_label=token).open(rw=True, user_pin="987654") as session:
        session.generate_keypair(pkcs11.KeyType.RSA, 2048, id=b"other", label="etcd", store=True)
        _bad(session, **template)
        try:
            with pytest.raises(KeyUnfit, match=why):
                Pkcs11Keyring.connect(site)
        finally:
            for one in list(session.get_objects({pkcs11.Attribute.LABEL: "etcd"})):
                one.destroy()
    with pytest.raises(NoSuchKey):
        Pkcs11Keyring.connect(site).recipient("etcd")


def test_a_refused_pin_is_not_tried_again(softhsm: SoftHsm) -> None:
    """Tokens lock after a few wrong PINs: one attempt is made for what a file holds, and a corrected file works."""
    site = softhsm.site("pin-trouble", pin="111111")
    token = Token(site)
    canaries = Canaries({b"111111": "pin"})
    for attempt in range(20):
        with pytest.raises(PinRefused, match="refuses" if attempt == 0 else "not tried again") as refused:
            token.find()
        assert canaries.seen_with(refused.value) == []
    site.pin_file.write_text("987654")
    assert token.find() == ()


def test_what_is_not_there(softhsm: SoftHsm, tmp_path: Path) -> None:
    """No such token, no such module, no PIN: distinct errors."""
    site = softhsm.site("eu-de")
    with pytest.raises(TokenMissing):
        Token(replace(site, token="nobody")).find()
    with pytest.raises(ModuleUnavailable):
        Token(replace(site, module=tmp_path / "no.so")).find()
    with pytest.raises(PinRefused, match="cannot read"):
        Token(replace(site, pin_file=tmp_path / "no.pin")).find()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library's iterator outlives it
def test_a_broken_session_is_opened_again(ring: Pkcs11Keyring) -> None:
    """When the session is gone, the next call opens another."""
    envelope = ring.sealer().seal(b"seed", bound()).to_bytes()
    ring._token._session.close()
    assert ring.opener().open(envelope, bound()) == b"seed"


@pytest.fixture
def household(tmp_path: Path) -> Iterator[Household]:
    """Processes that end with the test."""
    found = Household(tmp_path, remove=tmp_path / "nothing")
    yield found
    found.stop_all()


def test_the_plugin_on_a_token(softhsm: SoftHsm, tmp_path: Path, household: Household) -> None:
    """A key made by the command line, the plugin's process on it: the probe is opened in the module, Status is ok."""
    site = softhsm.site("process")
    words = ["--region", "eu-de", "--module", MODULE, "--token", "process", "--pin-file", site.pin_file]
    made = CliRunner().invoke(command, ["keys", "hardware", "rotate", *map(str, words)])
    assert made.exit_code == 0, made.output
    shown = CliRunner().invoke(command, ["keys", "hardware", "list", *map(str, words)])
    assert made.output.split()[0] in shown.output
    assert "hardware" in shown.output
    home = tmp_path / ".config" / "softhsm2"
    home.mkdir(parents=True)
    (home / "softhsm2.conf").write_text(softhsm.configuration.read_text())
    keyring = {"pkcs11": {"module": str(MODULE), "token": "process", "pinFile": str(site.pin_file)}}
    plugin = Plugin("kms", tmp_path / "kms", household, keyring, more={"leastAssurance": "hardware"}).start()
    assert made.output.split()[0] in plugin.log()
    assert "987654" not in plugin.log()
