"""Attestation, transfer and reconciliation on real Vaults: what is said of keys is what Vault says of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bailiwick import command
from keymgmt.attestation import AttestationForeign, AttestationStale, Expected, attester_name, verify_attestation
from keymgmt.attesting import attest, attester
from keymgmt.notes import VerifierKey
from keymgmt.transit.errors import KeyUnfit, Sealed
from tests.cluster.bed.processes import Household
from tests.keymgmt.test_real_vault import built
from tests.keymgmt.vault_server import KEYS, POLICY, RealVault

REGIONS = ("eu-de", "eu-fr")
NONCE = "asked-just-now-0001"
ATTESTING = {**KEYS, "attestation": "region-attest"}
pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def vaults(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RealVault]]:
    """Two running regions that can attest, and that keep an audit log."""
    program = built(request, "vault") / "vault"
    folder, plugins = tmp_path_factory.mktemp("proof"), tmp_path_factory.mktemp("plugins")
    household = Household(folder, remove=folder / "storage")
    try:
        yield {name: attesting(RealVault(name, folder / name, program, household, plugins).start()) for name in REGIONS}
    finally:
        household.stop_all()


def attesting(vault: RealVault) -> RealVault:
    """Give it an attestation key and a file audit device."""
    vault.api("POST", "transit/keys/region-attest", {"type": "ed25519"})
    more = 'path "transit/keys/region-attest" { capabilities = ["read"] }\n'
    more += 'path "transit/sign/region-attest" { capabilities = ["update"] }\n'
    vault.api("PUT", "sys/policies/acl/bailiwick", {"policy": POLICY + more})
    options = {"file_path": str(vault.folder / "audit.log")}
    vault.api("POST", "sys/audit/file", {"type": "file", "options": options})
    return vault


def key_of(vault: RealVault) -> VerifierKey:
    """Its verifier key, as pinned at onboarding."""
    signer = attester(vault.connect(keys=ATTESTING))
    assert signer.name == attester_name(vault.name)
    return VerifierKey(signer.name, signer.public_key)


def test_g2_a_real_vault_attests(vaults: dict[str, RealVault]) -> None:
    """The statement says what Vault says: unexportable keys, versions, cluster, and rights that could move no key."""
    vault = vaults["eu-de"]
    vault.api("POST", "transit/keys/archive/rotate", {})
    now = datetime.now(UTC)
    note = attest(vault.connect(keys=ATTESTING), nonce=NONCE, now=now, jurisdiction="DE")
    health = vault.api("GET", "sys/health")
    found = verify_attestation(note, key_of(vault), Expected("eu-de", NONCE, health["cluster_id"]), now)
    assert found.server is not None
    assert (found.assurance, found.server.version, found.server.pins) == ("service", health["version"], [vault.pin])
    assert not any(key.exportable or key.plaintext_backup or key.deletion_allowed for key in found.keys)
    archive = next(key for key in found.keys if key.purpose == "audit-archive")
    latest = vault.api("GET", "transit/keys/archive")["data"]["latest_version"]
    assert [one.version for one in archive.versions] == list(range(1, latest + 1))
    assert "bailiwick" in found.server.policies
    moving = {
        path: may for path, may in found.server.permissions.items() if "/keys/" not in path or path.count("/") > 2
    }
    assert all(may == ["deny"] for path, may in moving.items() if "sign" not in path and "decrypt" not in path)
    assert found.server.permissions["transit/keys/archive"] == ["read"]


def test_g2_replayed_and_foreign_statements_of_real_vaults(vaults: dict[str, RealVault]) -> None:
    """One region's statement is not another's, and yesterday's nonce is not today's."""
    notes, now = {}, datetime.now(UTC)
    for name, vault in vaults.items():
        notes[name] = attest(vault.connect(keys=ATTESTING), nonce=NONCE, now=now)
    keys = {name: key_of(vault) for name, vault in vaults.items()}
    for said in vaults:
        for asked in vaults:
            expected = Expected(region=asked, nonce=NONCE)
            if said == asked:
                verify_attestation(notes[said], keys[asked], expected, now)
                continue
            with pytest.raises(AttestationForeign):
                verify_attestation(notes[said], keys[said], expected, now)
    with pytest.raises(AttestationStale):
        verify_attestation(notes["eu-de"], keys["eu-de"], Expected(nonce="asked-just-now-0002"), now)


def test_nothing_unfit_or_unreachable_is_attested(vaults: dict[str, RealVault]) -> None:
    """A key that became deletable, and a sealed Vault, yield no statement."""
    vault = vaults["eu-fr"]
    ring = vault.connect(keys=ATTESTING)
    vault.api("POST", "transit/keys/archive/config", {"deletion_allowed": True})
    with pytest.raises(KeyUnfit):
        attest(ring, nonce=NONCE, now=datetime.now(UTC))
    vault.api("POST", "transit/keys/archive/config", {"deletion_allowed": False})
    vault.seal()
    with pytest.raises(Sealed):
        attest(ring, nonce=NONCE, now=datetime.now(UTC))
    vault.unseal()
    attest(ring, nonce=NONCE, now=datetime.now(UTC))


def settings_of(vault: RealVault, folder: Path) -> Path:
    """A settings file for the verbs."""
    login = vault.approle()
    path = folder / f"{vault.name}.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "bailiwick.dev/v1alpha1",
                "kind": "Keyring",
                "region": vault.name,
                "jurisdiction": "DE",
                "transit": {
                    "url": vault.url,
                    "ca": str(vault.authority.bundle),
                    "pins": [vault.pin],
                    "login": {"appRole": {"roleId": login.role_id, "secretIdFile": str(login.secret_id)}},
                    "keys": ATTESTING,
                },
            }
        )
    )
    return path


def test_attested_from_the_command_line(vaults: dict[str, RealVault], tmp_path: Path) -> None:
    """`attest --keyring FILE` asks the Vault, and `verify-attestation` asks nobody."""
    vault, out = vaults["eu-de"], tmp_path / "statement"
    words = ["keys", "attest", "--keyring", str(settings_of(vault, tmp_path)), "--nonce", NONCE, "--out", str(out)]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    words = [
        "keys",
        "verify-attestation",
        str(out),
        "--key",
        str(key_of(vault)),
        "--nonce",
        NONCE,
        "--least",
        "service",
    ]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    assert "assurance service" in done.output
