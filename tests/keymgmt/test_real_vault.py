"""Real Vault servers as regions: what the double plays is what Vault does, and the guarantees hold on it."""

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keymgmt.canonical import to_base64url
from keymgmt.envelopes.envelope import parse_envelope
from keymgmt.envelopes.opening import Memory, RegionOpener
from keymgmt.errors import EnvelopeInvalid, ForeignRegion, KeyManagementError, KeyRevoked, SignerUnavailable
from keymgmt.transit.connection import VaultConnection
from keymgmt.transit.errors import (
    KeyMissing,
    KeyUnfit,
    LoginRefused,
    MountMissing,
    PermissionRefused,
    Sealed,
    Uninitialized,
    Unreachable,
    WrongServer,
)
from keymgmt.transit.keyring import TransitKeyring
from keymgmt.transit.login import CertificateLogin, JwtLogin, KubernetesLogin, TokenLogin
from keymgmt.transit.session import VaultSession
from keymgmt.transit.site import ClientCertificate
from tests.cluster.bed import build
from tests.cluster.bed.control_plane import Binaries, ControlPlane
from tests.cluster.bed.processes import Household
from tests.keymgmt.authority import Authority
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.vault_double import DoubleKey, Token, VaultDouble
from tests.keymgmt.vault_server import RealVault

REGIONS = ("eu-de", "eu-fr", "ch-zurich")
pytestmark = pytest.mark.cluster


def built(request: pytest.FixtureRequest, program: str) -> Path:
    """A program of the bed, its progress shown although pytest captures output."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    try:
        with capture.global_and_fixture_disabled():
            return build.build(program)
    except build.GoMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def vaults(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RealVault]]:
    """Three running regions."""
    program, plugins = built(request, "vault") / "vault", built(request, "vault-auth-kubernetes")
    folder = tmp_path_factory.mktemp("vaults")
    household = Household(folder, remove=folder / "storage")
    try:
        yield {name: RealVault(name, folder / name, program, household, plugins).start() for name in REGIONS}
    finally:
        household.stop_all()


@pytest.fixture
def vault(vaults: dict[str, RealVault]) -> RealVault:
    """The region `eu-de`, unsealed."""
    return vaults["eu-de"]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends with the test."""
    with ExitStack() as found:
        yield found


def test_seal_here_open_there(vault: RealVault) -> None:
    """What is sealed to the public key without a call is opened by Vault, under its own binding only."""
    keyring = vault.connect()
    envelope = keyring.sealer().seal(b"patient 4711", vault.bound()).to_bytes()
    assert keyring.opener().open(envelope, vault.bound()) == b"patient 4711"
    for damaged in (envelope[:-1] + bytes([envelope[-1] ^ 1]), envelope[:100] + b"\0\0" + envelope[102:]):
        with pytest.raises(EnvelopeInvalid):
            keyring.opener().open(damaged, vault.bound())
    with pytest.raises(EnvelopeInvalid):
        keyring.opener().open(envelope, vault.bound("other"))


def test_signing(vault: RealVault) -> None:
    """Vault's signature is plain Ed25519 over the message."""
    signer = vault.connect().signer("audit-checkpoint", "log.example/eu-de")
    Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signer.sign(b"tree head"), b"tree head")


def test_only_the_diagonal_opens(vaults: dict[str, RealVault]) -> None:
    """Of all pairs of three Vaults only the same one opens, with forged region and key id too."""
    keyrings = {name: vault.connect() for name, vault in vaults.items()}
    for sealed_in, vault in vaults.items():
        envelope = keyrings[sealed_in].sealer().seal(b"patient 4711", vault.bound()).to_bytes()
        for name, keyring in keyrings.items():
            if name == sealed_in:
                assert keyring.opener().open(envelope, vault.bound()) == b"patient 4711"
                continue
            with pytest.raises(ForeignRegion):
                keyring.opener().open(envelope, vault.bound())
            stolen = keyring.recipient("audit-archive").key_id
            body = envelope[8 + len(sealed_in) + 16 :]
            forged = envelope[:7] + bytes([len(name)]) + name.encode() + stolen + body
            with pytest.raises(EnvelopeInvalid, match="does not open"):
                keyring.opener().open(forged, replace(vault.bound(), region=name))


def test_wrong_region(vaults: dict[str, RealVault]) -> None:
    """Settings of one region with the address of another end before anything is sent."""
    ours, theirs = vaults["eu-de"], vaults["eu-fr"]
    with pytest.raises(WrongServer, match="is not trusted for `eu-de`"):
        TransitKeyring.connect(replace(ours.site(), url=theirs.url), theirs.approle())
    with pytest.raises(WrongServer, match="found `urn:bailiwick:region:eu-fr`"):
        TransitKeyring.connect(replace(theirs.site(), region="eu-de"), theirs.approle())


def test_rotation_and_withdrawal(vault: RealVault) -> None:
    """After a rotation both versions open; after raising the minimum the old one does not, and says why."""
    keyring = vault.connect()
    opener = RegionOpener(keyring, memory=Memory(uses=0))
    before, signer = keyring.sealer().seal(b"before", vault.bound()).to_bytes(), keyring.signer("audit-checkpoint", "n")
    vault.api("POST", "transit/keys/archive/rotate", {})
    vault.api("POST", "transit/keys/checkpoint/rotate", {})
    assert len(signer.sign(b"still this version")) == 64
    assert keyring.refresh()
    after = keyring.sealer().seal(b"after", vault.bound()).to_bytes()
    assert parse_envelope(after).key_id != parse_envelope(before).key_id
    assert [opener.open(one, vault.bound()) for one in (before, after)] == [b"before", b"after"]
    with pytest.raises(SignerUnavailable, match="no longer active"):
        signer.sign(b"tree head")
    latest = vault.api("GET", "transit/keys/archive")["data"]["latest_version"]
    vault.api("POST", "transit/keys/archive/config", {"min_decryption_version": latest})
    with pytest.raises(KeyRevoked, match="below the key's minimum"):
        opener.open(before, vault.bound())
    assert keyring.refresh()
    with pytest.raises(KeyRevoked, match="is revoked"):
        opener.open(before, vault.bound())
    assert opener.open(after, vault.bound()) == b"after"


@pytest.mark.parametrize(
    "changes", [{"exportable": True}, {"allow_plaintext_backup": True}, {"deletion_allowed": True}]
)
def test_keys_that_could_leave(vault: RealVault, changes: dict[str, bool]) -> None:
    """A key with a switch on that lets it leave is refused by the switch's name."""
    name = f"leaving-{next(iter(changes)).replace('_', '-')}"
    vault.api("POST", f"transit/keys/{name}", {"type": "ed25519"})
    vault.api("POST", f"transit/keys/{name}/config", changes)
    vault.api(
        "PUT", f"sys/policies/acl/{name}", {"policy": f'path "transit/keys/{name}" {{ capabilities = ["read"] }}'}
    )
    vault.api("POST", f"auth/approle/role/{name}", {"token_policies": [name]})
    with pytest.raises(KeyUnfit, match=next(iter(changes))):
        vault.connect(vault.approle(name), keys={"audit-checkpoint": name})


def test_least_rights(vault: RealVault) -> None:
    """A writer without `decrypt` signs and seals, and is refused when it opens; nobody's role reads nothing."""
    writer = vault.connect(vault.approle("writer"))
    envelope = writer.sealer().seal(b"x", vault.bound()).to_bytes()
    assert len(writer.signer("audit-checkpoint", "n").sign(b"x")) == 64
    with pytest.raises(PermissionRefused, match="/v1/transit/decrypt/archive"):
        writer.opener().open(envelope, vault.bound())
    with pytest.raises(PermissionRefused):
        vault.connect(vault.approle("nobody"))


def root_login(vault: RealVault) -> TokenLogin:
    path = vault.folder / "root-token"
    path.write_text(vault.root)
    return TokenLogin(path)


def test_missing_things(vault: RealVault) -> None:
    """A missing key, mount, role and secret id each have their own error."""
    root = root_login(vault)
    with pytest.raises(KeyMissing):
        vault.connect(root, keys={"audit-archive": "nothing"})
    with pytest.raises(MountMissing):
        vault.connect(root, mount="nothing")
    good = vault.approle()
    with pytest.raises(LoginRefused):
        vault.connect(replace(good, role_id="nobody-knows"))
    good.secret_id.write_text("wrong")
    with pytest.raises(LoginRefused):
        vault.connect(good)
    with pytest.raises((LoginRefused, MountMissing)):
        vault.connect(replace(vault.approle(), mount="nothing"))


def test_a_vanished_key(vault: RealVault) -> None:
    """A key that is deleted while in use is missing, not silently made anew."""
    vault.api("POST", "transit/keys/short", {"type": "rsa-4096"})
    keyring = vault.connect(root_login(vault), keys={"audit-archive": "short"})
    envelope = keyring.sealer().seal(b"x", vault.bound()).to_bytes()
    vault.api("POST", "transit/keys/short/config", {"deletion_allowed": True})
    vault.api("DELETE", "transit/keys/short")
    with pytest.raises(KeyMissing):
        keyring.opener().open(envelope, vault.bound())
    assert vault.raw("GET", "transit/keys/short", None, token=vault.root).status_code == 404


def test_revoked_tokens_are_replaced(vault: RealVault) -> None:
    """A token that an operator revokes is replaced by a new login, and the call succeeds."""
    keyring = vault.connect()
    envelope = keyring.sealer().seal(b"x", vault.bound()).to_bytes()
    vault.api("POST", "auth/token/revoke", {"token": keyring._session.token().reveal().decode()})
    assert keyring.opener().open(envelope, vault.bound()) == b"x"


def test_short_lives(vault: RealVault) -> None:
    """With tokens that live two seconds and may be prolonged to four, calls go on for eight without a failure."""
    settings = {"token_policies": ["bailiwick"], "token_ttl": "2s", "token_max_ttl": "4s"}
    vault.api("POST", "auth/approle/role/short", settings)
    keyring = vault.connect(vault.approle("short"))
    signer, ends, signed = keyring.signer("audit-checkpoint", "n"), time.monotonic() + 8, 0
    while time.monotonic() < ends:
        signer.sign(b"tree head")
        signed += 1
        time.sleep(0.1)
    assert signed > 20


def test_loss_and_return(vault: RealVault) -> None:
    """Sealed, stopped and back: sealing never stops, opening says what is wrong and recovers by itself."""
    keyring = vault.connect(deadline=2.0, attempts=2)
    sealer, opener = keyring.sealer(), RegionOpener(keyring, memory=Memory(uses=0))
    envelopes = [sealer.seal(b"0", vault.bound()).to_bytes()]
    steps: list[tuple[Callable[[], None], type[KeyManagementError] | None]] = [
        (vault.seal, Sealed),
        (vault.unseal, None),
        (vault.stop, Unreachable),
        (vault.run, Sealed),
        (vault.unseal, None),
    ]
    for number, (step, wanted) in enumerate(steps, 1):
        step()
        envelopes.append(sealer.seal(str(number).encode(), vault.bound(f"tenant-{number}")).to_bytes())
        if wanted is None:
            assert opener.open(envelopes[0], vault.bound()) == b"0"
        else:
            with pytest.raises(wanted):
                opener.open(envelopes[0], vault.bound())
    for number, envelope in enumerate(envelopes[1:], 1):
        assert opener.open(envelope, vault.bound(f"tenant-{number}")) == str(number).encode()


def test_never_initialised(vault: RealVault, tmp_path: Path) -> None:
    """A server that was never initialised is called so."""
    fresh = RealVault("us-east", tmp_path / "us-east", vault.program, vault.household, vault.plugins)
    fresh.prepare()
    fresh.run()
    try:
        (tmp_path / "secret").write_text("x")
        with pytest.raises(Uninitialized):
            TransitKeyring.connect(fresh.site(), TokenLogin(tmp_path / "secret"))
    finally:
        fresh.stop()


def signed_jwt(key: ec.EllipticCurvePrivateKey, claims: dict[str, Any]) -> str:
    parts = [to_base64url(json.dumps(part).encode()) for part in ({"alg": "ES256", "typ": "JWT"}, claims)]
    signature = decode_dss_signature(key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256())))
    return ".".join([*parts, to_base64url(b"".join(number.to_bytes(32, "big") for number in signature))])


def test_jwt_login(vault: RealVault, tmp_path: Path, canaries: Canaries) -> None:
    """A signed service-account token logs in; an expired one, another audience's or a forged one does not."""
    key, stranger = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    vault.api("POST", "sys/auth/jwt", {"type": "jwt"})
    vault.api("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [public]})
    role = {"role_type": "jwt", "bound_audiences": ["vault"], "user_claim": "sub", "token_policies": ["bailiwick"]}
    vault.api("POST", "auth/jwt/role/bailiwick", role)
    now = int(time.time())
    good = {"sub": "system:serviceaccount:bailiwick:webhook", "aud": "vault", "iat": now, "nbf": now, "exp": now + 600}
    path = tmp_path / "jwt"
    path.write_text(signed_jwt(key, good))
    assert vault.connect(JwtLogin("bailiwick", path)).region == "eu-de"
    expired, foreign = good | {"nbf": now - 900, "exp": now - 600}, good | {"aud": "somebody"}
    for text in (signed_jwt(key, expired), signed_jwt(key, foreign), signed_jwt(stranger, good)):
        path.write_text(text)
        canaries.names[text.encode()] = "jwt"
        with pytest.raises(LoginRefused) as failure:
            vault.connect(JwtLogin("bailiwick", path))
        assert canaries.seen_with(failure.value) == []


def test_certificate_login(vault: RealVault, tmp_path: Path) -> None:
    """A client certificate logs in; a stranger's, and none at all, do not."""
    pair, stranger = vault.authority.client("bailiwick"), Authority(tmp_path, "stranger").client("bailiwick")
    vault.api("POST", "sys/auth/cert", {"type": "cert"})
    settings = {"certificate": vault.authority.bundle.read_text(), "token_policies": ["bailiwick"]}
    vault.api("POST", "auth/cert/certs/bailiwick", settings)
    login = CertificateLogin("bailiwick")
    assert vault.connect(login, client=ClientCertificate(pair.certificate, pair.key)).region == "eu-de"
    with pytest.raises((LoginRefused, WrongServer, Unreachable)):
        vault.connect(login, client=ClientCertificate(stranger.certificate, stranger.key))
    with pytest.raises(LoginRefused):
        vault.connect(login)


def test_token_login(vault: RealVault, tmp_path: Path) -> None:
    """A token from a file is used and prolonged; a revoked one is refused with the file's name."""
    token = vault.api("POST", "auth/token/create", {"policies": ["bailiwick"], "ttl": "1h"})["auth"]["client_token"]
    path = tmp_path / "token"
    path.write_text(token)
    assert vault.connect(TokenLogin(path)).region == "eu-de"
    vault.api("POST", "auth/token/revoke", {"token": token})
    with pytest.raises(LoginRefused, match="does not accept the token"):
        vault.connect(TokenLogin(path))


def shape(value: Any) -> Any:
    """A JSON value with its leaves replaced by their types."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else type(value).__name__


def contains(whole: Any, part: Any) -> bool:
    """Whether everything in `part` is in `whole` too."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and contains(whole[name], part[name]) for name in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)


def test_the_double_answers_as_vault_does(vault: RealVault, stack: ExitStack, rsa_keys: list[RSAPrivateKey]) -> None:
    """Asked the same things, the double of the other tests gives Vault's statuses, fields, types and errors."""
    pair = vault.authority.serve(["urn:bailiwick:region:eu-de"])
    double = stack.enter_context(VaultDouble(pair).running())
    double.keys = {
        "checkpoint": DoubleKey([Ed25519PrivateKey.generate()]),
        "archive": DoubleKey([rsa_keys[0], rsa_keys[1]], minimum=2),
    }
    double.tokens[vault.root] = Token(float("inf"), 0)
    for name in ("checkpoint", "archive"):
        vault.api("POST", f"transit/keys/{name}", {"type": "ed25519" if name == "checkpoint" else "rsa-4096"})
    latest = vault.api("GET", "transit/keys/archive")["data"]["latest_version"]
    if latest == 1:
        vault.api("POST", "transit/keys/archive/rotate", {})
    vault.api("POST", "transit/keys/archive/config", {"min_decryption_version": max(latest, 2)})
    rubbish = base64.b64encode(bytes(512)).decode()
    message = base64.b64encode(b"tree head").decode()
    asked: list[tuple[str, str, dict[str, Any] | None, str]] = [
        ("GET", "sys/health", None, ""),
        ("GET", "transit/keys/checkpoint", None, vault.root),
        ("GET", "transit/keys/archive", None, vault.root),
        ("GET", "transit/keys/nothing", None, vault.root),
        ("GET", "nowhere/keys/archive", None, vault.root),
        ("GET", "transit/keys/archive", None, "hvs.wrong"),
        ("GET", "transit/keys/archive", None, ""),
        ("POST", "transit/sign/checkpoint", {"input": message, "key_version": 1}, vault.root),
        ("POST", "transit/sign/nothing", {"input": message}, vault.root),
        ("POST", "transit/decrypt/nothing", {"ciphertext": f"vault:v1:{rubbish}"}, vault.root),
        ("POST", "transit/decrypt/archive", {"ciphertext": f"vault:v1:{rubbish}"}, vault.root),
        ("POST", "transit/decrypt/archive", {"ciphertext": f"vault:v{max(latest, 2)}:{rubbish}"}, vault.root),
        ("POST", "transit/decrypt/archive", {"ciphertext": f"vault:v99:{rubbish}"}, vault.root),
    ]
    for method, path, body, token in asked:
        real = vault.raw(method, path, body, token=token)
        headers = {"X-Vault-Token": token} if token else {}
        bundle = str(vault.authority.bundle)
        played = requests.request(
            method, f"{double.url}/v1/{path}", json=body, headers=headers, verify=bundle, timeout=9
        )
        assert played.status_code == real.status_code, (path, real.text)
        assert played.headers["Content-Type"] == real.headers["Content-Type"], path
        ours, theirs = played.json(), real.json()
        if "errors" in theirs:
            for text in ours["errors"]:
                assert any(text in said for said in theirs["errors"]), (path, theirs)
        for value in (ours, theirs):
            if isinstance(value.get("data"), dict) and "keys" in value["data"]:
                value["data"]["keys"] = list(value["data"]["keys"].values())[:1]  # the versions' numbers differ
        assert contains(shape(theirs), shape(ours)), (path, theirs)


def test_health_of_a_sealed_double(vault: RealVault, stack: ExitStack) -> None:
    """A sealed double answers as a sealed Vault does."""
    double = stack.enter_context(VaultDouble(vault.authority.serve(["urn:bailiwick:region:eu-de"])).running())
    double.sealed = True
    vault.seal()
    try:
        for path in ("sys/health", "transit/keys/archive"):
            real = vault.raw("GET", path, None, token=vault.root)
            bundle = str(vault.authority.bundle)
            played = requests.get(f"{double.url}/v1/{path}", headers={"X-Vault-Token": "x"}, verify=bundle, timeout=9)
            assert (played.status_code, played.json().get("errors")) == (real.status_code, real.json().get("errors"))
    finally:
        vault.unseal()


def test_no_secret_is_written(vaults: dict[str, RealVault], canaries: Canaries) -> None:
    """Neither a token nor a plaintext of these tests is in any Vault's log or storage of another region."""
    plaintext = canaries.draw("plaintext", 48)
    keyring = vaults["eu-de"].connect()
    token = keyring._session.token().reveal()
    canaries.names[token] = "token"
    envelope = keyring.sealer().seal(plaintext, vaults["eu-de"].bound()).to_bytes()
    assert keyring.opener().open(envelope, vaults["eu-de"].bound()) == plaintext
    written = [path for vault in vaults.values() for path in vault.folder.parent.rglob("*") if path.is_file()]
    assert len(written) > 30
    assert [path.name for path in written if canaries.seen_in(path.read_bytes())] == []


def test_kubernetes_login(request: pytest.FixtureRequest, vault: RealVault, tmp_path: Path) -> None:
    """A service-account token of a real API server logs in, as the account that the role names, and no other."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        binaries = Binaries.built()
    plane = ControlPlane.start(tmp_path / "bed", binaries)
    try:
        tokens = {}
        for account in ("webhook", "stranger", "reviewer"):
            plane.kubectl("create", "serviceaccount", account, "-n", "default")
            tokens[account] = plane.kubectl("create", "token", account, "-n", "default").stdout.strip()
        binding = ("create", "clusterrolebinding", "reviewer", "--clusterrole=system:auth-delegator")
        plane.kubectl(*binding, "--serviceaccount=default:reviewer")
        assert plane.ca_bundle is not None
        _enable_kubernetes(vault, plane.url, plane.ca_bundle.read_text(), tokens["reviewer"])
        path = tmp_path / "token"
        path.write_text(tokens["webhook"])
        session = VaultSession(VaultConnection(vault.site()), KubernetesLogin("bailiwick", path))
        assert len(session.token()) > 20
        path.write_text(tokens["stranger"])
        with pytest.raises(LoginRefused):
            VaultSession(VaultConnection(vault.site()), KubernetesLogin("bailiwick", path)).token()
    finally:
        plane.close()


def _enable_kubernetes(vault: RealVault, host: str, ca: str, reviewer: str) -> None:
    program = vault.plugins / "vault-plugin-auth-kubernetes"
    plugin = {"sha256": hashlib.sha256(program.read_bytes()).hexdigest(), "command": program.name}
    vault.api("PUT", "sys/plugins/catalog/auth/kubernetes", plugin)
    vault.api("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
    settings = {"kubernetes_host": host, "kubernetes_ca_cert": ca, "token_reviewer_jwt": reviewer}
    vault.api("POST", "auth/kubernetes/config", settings)
    role = {
        "bound_service_account_names": ["webhook"],
        "bound_service_account_namespaces": ["default"],
        "token_policies": ["bailiwick"],
    }
    vault.api("POST", "auth/kubernetes/role/bailiwick", role)
