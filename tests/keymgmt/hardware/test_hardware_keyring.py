"""A keyring in a hardware module, on SoftHSM: keys that cannot leave, sealed to here and opened there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bailiwick import command
from keymgmt.attestation import FORMAT, AttestationInvalid, Expected, verify_attestation
from keymgmt.attesting import attest, attester
from keymgmt.canonical import json_bytes
from keymgmt.errors import EnvelopeInvalid, ForeignRegion, KeyRevoked, KeyringRolledBack, NoSuchKey, SignerUnavailable
from keymgmt.hardware.errors import ModuleUnavailable, PinRefused, TokenMissing
from keymgmt.hardware.keyring import Pkcs11Keyring
from keymgmt.hardware.objects import id_bytes
from keymgmt.hardware.register import label_of
from keymgmt.hardware.token import Token
from keymgmt.keys import Algorithm
from keymgmt.notes import VerifierKey, open_note, sign_note
from keymgmt.ports import Binding
from keymgmt.public import PublicKeyring
from keymgmt.states import State
from keymgmt.transit.errors import KeyUnfit
from tests.cluster.bed.processes import Household, wait_until
from tests.keymgmt.approvers import NOW, PEOPLE, POLICY
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.hardware.conftest import MODULE, SoftHsm
from tests.keymgmt.kms.plugin import Plugin


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
    assert public.assurance == ring.assurance == "software"  # as SoftHSM is, and says by what it does not say
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


def test_the_plugin_on_a_token(softhsm: SoftHsm, device: Path, tmp_path: Path, household: Household) -> None:
    """A key made by the command line serves the plugin's process; where hardware is asked for, a device must say so."""
    site = softhsm.site("process")
    words = ["--region", "eu-de", "--module", MODULE, "--token", "process", "--pin-file", site.pin_file]
    made = CliRunner().invoke(command, ["keys", "hardware", "rotate", *map(str, words)])
    assert made.exit_code == 0, made.output
    written = b"".join(path.read_bytes() for path in (site.pin_file.parent / "eu-de.uses").iterdir() if path.is_file())
    assert b'"rotate"' in written
    assert made.output.split()[0].encode() in written
    shown = CliRunner().invoke(command, ["keys", "hardware", "list", *map(str, words)])
    assert made.output.split()[0] in shown.output
    assert "software" in shown.output
    home = tmp_path / ".config" / "softhsm2"
    home.mkdir(parents=True)
    (home / "softhsm2.conf").write_text(softhsm.configuration.read_text())
    keyring = {"pkcs11": {"module": str(MODULE), "token": "process", "pinFile": str(site.pin_file)}}
    plugin = Plugin("kms", tmp_path / "kms", household, keyring).start()
    assert made.output.split()[0] in plugin.log()
    assert "987654" not in plugin.log()
    plugin.stop()
    asking = Plugin("asking", tmp_path / "kms", household, keyring, more={"leastAssurance": "hardware"}).start(ok=False)
    wait_until(lambda: "no device" in asking.log(), seconds=20, what="a refusal", check=household["asking"].check)
    assert "is in order" not in asking.log()
    asking.stop()
    keyring = {"pkcs11": {**keyring["pkcs11"], "module": str(device)}}
    Plugin("device", tmp_path / "kms", household, keyring, more={"leastAssurance": "hardware"}).start()


@pytest.fixture(scope="module")
def stood(softhsm: SoftHsm, device: Path) -> Pkcs11Keyring:
    """A token of a module that says that it is a device, with a key to attest with."""
    site = softhsm.site("device", region="eu-de", module=device, keys={"attestation": "attest"})
    ring = Pkcs11Keyring.connect(site, approvals=POLICY)
    ring.rotate("attestation", NOW, Algorithm.ED25519)
    return ring


def statement_of(ring: Pkcs11Keyring) -> tuple[dict[str, Any], Any, VerifierKey]:
    """What it says, its signer, and the key to verify with."""
    signer = attester(ring)
    key = VerifierKey(signer.name, signer.public_key)
    text = open_note(attest(ring, nonce="asked-just-now", now=NOW), key)
    return json.loads(text.split("\n")[1]), signer, key


def test_g2_a_device_attests(stood: Pkcs11Keyring) -> None:
    """A module that says it is a device attests hardware, with PKCS#11's own words about each key."""
    content, _, key = statement_of(stood)
    found = verify_attestation(attest(stood, nonce="n" * 8, now=NOW), key, Expected(least_assurance="hardware"), NOW)
    assert found.assurance == stood.assurance == "hardware"
    assert found.module is not None
    assert (found.module.manufacturer, found.module.token) == ("SoftHSM project", "device")
    assert [said.stayed for said in found.module.keys.values()] == [True]
    assert not found.keys[0].exportable
    assert found.approvals is not None
    assert content["module"]["hardware_slot"] is True


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("module.hardware_slot", False),
        ("module.serial", "00"),
        ("module.token", "other"),
        ("module.keys.*.sensitive", False),
        ("module.keys.*.always_sensitive", False),
        ("module.keys.*.never_extractable", False),
        ("module.keys.*.extractable", True),
        ("module.keys.*.local", False),
        ("module.keys", {}),
        ("module", None),
        ("assurance", "software"),
        ("assurance", "service"),
        ("keys.0.exportable", True),
        ("keys.0.imported", True),
        ("lineage", "AAAAAAAAAAAAAAAAAAAAAA"),
    ],
)
def test_g2_a_module_cannot_contradict_itself(stood: Pkcs11Keyring, path: str, value: object) -> None:
    """Signed by the right key, and yet: not a device, a key that could leave or came from elsewhere, another token."""
    content, signer, key = statement_of(stood)
    *way, last = path.split(".")
    holder: Any = content
    for name in way:
        holder = holder[int(name)] if name.isdigit() else next(iter(holder.values())) if name == "*" else holder[name]
    holder[last] = value
    forged = sign_note(f"{FORMAT}\n{json_bytes(content).decode()}\n", signer)
    with pytest.raises(AttestationInvalid):
        verify_attestation(forged, key, Expected(least_assurance="hardware"), NOW)


def test_a_register_that_went_back_is_refused(softhsm: SoftHsm, rings: dict[str, Pkcs11Keyring]) -> None:
    """An older register put back, two histories, or none where there was one: whoever remembers the head refuses."""
    ring = rings["eu-de"]
    site, label = softhsm.site("eu-de"), label_of("eu-de")
    token, head = Token(site), ring.head
    (before,) = token.notes(label)
    ring.rotate("audit-checkpoint", NOW + timedelta(days=2))
    (after,) = token.notes(label)
    assert head is not None
    assert Pkcs11Keyring.connect(site, seen=head).keys() == ring.keys()
    token.note(label, before)
    with pytest.raises(KeyringRolledBack):
        ring.refresh()
    with pytest.raises(KeyringRolledBack):
        Pkcs11Keyring.connect(site, seen=ring.head)
    token.note(label, after)
    assert not ring.refresh()


def test_a_crash_between_key_and_register(softhsm: SoftHsm, rings: dict[str, Pkcs11Keyring]) -> None:
    """A key that the register never got is not used, and its number is not given again."""
    ring = rings["eu-de"]
    before = ring.keys()
    last = max(key.version for key in before if key.purpose == "audit-checkpoint")
    Token(softhsm.site("eu-de")).generate("checkpoint", Algorithm.ED25519, last + 1, NOW)
    assert not ring.refresh()
    assert Pkcs11Keyring.connect(softhsm.site("eu-de")).keys() == before
    assert ring.rotate("audit-checkpoint", NOW + timedelta(days=3)).version == last + 2


def test_the_life_of_a_key_from_the_command_line(softhsm: SoftHsm, tmp_path: Path) -> None:
    """Settings name the token; staged, activated, revoked and destroyed by verbs with votes; attested and published."""
    site = softhsm.site("eu-fr", region="eu-fr")
    settings = tmp_path / "keyring.yaml"
    approvers = {}
    for name, person in PEOPLE.items():
        pem = person.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.pem").write_bytes(pem)
        shown = person.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pub").write_bytes(shown)
        approvers[name] = str(tmp_path / f"{name}.pub")
    keys = {"attestation": "attest"}
    module = {"module": str(MODULE), "token": "eu-fr", "pinFile": str(site.pin_file), "keys": keys}
    about = {"apiVersion": "bailiwick.dev/v1alpha1", "kind": "Keyring", "region": "eu-fr", "jurisdiction": "FR"}
    settings.write_text(yaml.safe_dump({**about, "pkcs11": module, "approvals": {"needed": 2, "approvers": approvers}}))

    def run(*words: object, code: int = 0) -> str:
        done = CliRunner().invoke(command, ["keys", *map(str, words)])
        assert done.exit_code == code, done.output
        return done.output

    chosen = ["--keyring", settings, "--purpose", "attestation"]
    first = run("hardware", "rotate", *chosen, "--signing").split()[0]
    second = run("hardware", "stage", *chosen).split()[0]
    run("hardware", "activate", *chosen, second)

    def approved(change: str, key_id: str) -> list[object]:
        request = tmp_path / f"{change}.json"
        run("hardware", "request", *chosen, change, key_id, "--out", request)
        votes: list[object] = []
        for name in PEOPLE:
            vote = tmp_path / f"{change}.{name}"
            run("approve", request, "--as", name, "--key", tmp_path / f"{name}.pem", "--out", vote)
            votes += ["--vote", vote]
        return votes

    votes = approved("revoke", first)
    assert "1 of 2 needed" in run("hardware", "revoke", *chosen, first, *votes[:2], code=2)
    assert "approved by alice, bob" in run("hardware", "revoke", *chosen, first, *votes)
    run("hardware", "destroy", *chosen, first, *approved("destroy", first))
    shown = json.loads(run("hardware", "list", *chosen, "-o", "json"))
    assert {row["keyId"]: row["state"] for row in shown} == {first: "destroyed", second: "active"}
    statement = tmp_path / "statement"
    key = run("attest", "--keyring", settings, "--nonce", "asked-just-now", "--out", statement)
    vkey = key.split("key: ")[1].strip()
    told = run("verify-attestation", statement, "--key", vkey, "--nonce", "asked-just-now", "--region", "eu-fr")
    assert "assurance software" in told
    assert "no device" in told
    run("verify-attestation", statement, "--key", vkey, "--least", "hardware", code=1)
    run("publish", "--keyring", settings, "--out", tmp_path / "eu-fr.public.json")
    known = PublicKeyring.load(tmp_path / "eu-fr.public.json").keys()
    assert {key.key_id: key.state.value for key in known} == {first: "destroyed", second: "active"}
