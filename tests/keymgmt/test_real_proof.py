"""Attestation, transfer and reconciliation on real Vaults: what is said of keys is what Vault says of them."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checks.chain_check import verify_chain
from audit.leaves.record import Unsealed
from audit.published import PublishedFiles
from audit.reading import sealed_parts
from audit.tlog.notes import VerifierKey as NoteKey
from audit.web.reading import reading_app
from audit.web.running import served
from audit.whole import whole_log
from bailiwick import command
from keymgmt.approvals import ApprovalPolicy, approve
from keymgmt.attestation import AttestationForeign, AttestationStale, Expected, attester_name, verify_attestation
from keymgmt.attesting import attest, attester
from keymgmt.canonical import to_base64url
from keymgmt.envelopes.envelope import key_id_text, parse_envelope
from keymgmt.errors import EnvelopeInvalid, ForeignRegion, NotApproved, SignerUnavailable
from keymgmt.ledger import FileLedger
from keymgmt.notes import VerifierKey
from keymgmt.public import PublicKeyring
from keymgmt.states import State
from keymgmt.transfer import GrantRefused, TransferDesk, TransferGrant
from keymgmt.transit.errors import KeyUnfit, Sealed
from keymgmt.transit.keyring import TransitKeyring
from keymgmt.uses.book import waiting
from keymgmt.uses.use import FileUses, UseUnrecorded
from tests.audit.worlds import decision
from tests.cluster.bed.processes import Household
from tests.keymgmt.test_real_vault import built
from tests.keymgmt.vault_server import KEYS, POLICY, RealVault
from webhook.keys.regional import Where, jurisdiction_of, keyring_for
from webhook.log.process import LogProcess
from webhook.log.state import open_keyring, origin_of
from webhook.options import Options

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
    options = {"file_path": str(vault.folder / "audit.files.log")}
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


def reconciled(vault: RealVault, uses: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit code and findings of the verb."""
    words = [
        "--vault-audit",
        str(vault.folder / "audit.files.log"),
        "--uses",
        str(uses),
        "--region",
        vault.name,
        "-o",
        "json",
    ]
    done = CliRunner().invoke(command, ["keys", "reconcile", *words, "--skew", "0.2", *more])
    assert done.exit_code in (0, 1), done.output
    return done.exit_code, json.loads(done.stdout)


def test_g10_our_records_agree_with_a_real_vault_s_audit_log(vaults: dict[str, RealVault], tmp_path: Path) -> None:
    """Joined by request id; then every kind of lie about one record is found, and a use that was not ours."""
    vault, path = vaults["eu-de"], tmp_path / "uses"
    vault.api("POST", "sys/mounts/transit/tune", {"audit_non_hmac_request_keys": ["ciphertext"]})
    ring = TransitKeyring.connect(vault.site(keys=ATTESTING), vault.approle(), uses=FileUses(path))
    (vault.folder / "audit.files.log").write_text("")  # what other tests did is not of this record
    envelopes = [ring.sealer().seal(b"patient 4711", vault.bound(str(number))).to_bytes() for number in range(3)]
    for number, envelope in enumerate(envelopes):
        ring.opener().open(envelope, vault.bound(str(number)))
    ring.signer("audit-checkpoint", "log").sign(b"tree head")
    damaged = envelopes[0][:60] + b"\0\0\0" + envelopes[0][63:]
    with pytest.raises(EnvelopeInvalid):
        ring.opener().open(damaged, vault.bound("0"))
    time.sleep(0.5)
    ring.signer("audit-checkpoint", "log").sign(b"the last one")
    code, found = reconciled(vault, path)
    assert (code, found["differences"], found["matched"], found["unshown"]) == (0, [], 6, 0)
    lines = path.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert len({record["request_id"] for record in records}) >= 5  # Vault's own ids, one each

    def kinds(changed: Sequence[object]) -> set[str]:
        other = tmp_path / "other"
        other.write_text("".join(json.dumps(one) + "\n" for one in changed))
        code, found = reconciled(vault, other)
        assert code == 1
        return {one["kind"] for one in found["differences"]}

    first, rest = records[0], records[1:]
    assert kinds(rest) == {"unrecorded"}
    assert kinds([first | {"version": 7}, *rest]) == {"version"}
    assert kinds([first | {"key": "checkpoint"}, *rest]) == {"key"}
    assert kinds([first | {"region": "eu-fr"}, *rest]) == {"region"}
    assert kinds([first | {"operation": "sign"}, *rest]) == {"operation"}
    assert kinds([first | {"outcome": "Sealed"}, *rest]) == {"outcome"}
    assert kinds([first, first, *rest]) == {"twice"}
    middle = records[-2] | {"request_id": "00000000-0000-0000-0000-000000000000", "at": records[2]["at"]}
    moved = records[2]["at"][:-1] + "+00:00"
    later = (datetime.fromisoformat(moved) + timedelta(milliseconds=300)).isoformat()
    assert kinds([*records, middle | {"at": later, "outcome": "ok"}]) == {"unknown"}
    assert kinds([*records, {"nonsense": 1}]) == {"unreadable"}
    ciphertext = f"vault:v1:{base64.b64encode(parse_envelope(envelopes[0]).wrapped).decode()}"
    vault.raw("POST", "transit/decrypt/archive", {"ciphertext": ciphertext}, token=vault.root)
    vault.api("POST", "transit/sign/checkpoint", {"input": "AAAA"})
    code, found = reconciled(vault, path)
    assert code == 1
    assert {one["kind"] for one in found["differences"]} == {"unrecorded"}
    assert any("root" in one["message"] for one in found["differences"])


def said(vault: RealVault, *words: object) -> tuple[int, dict[str, Any]]:
    """Exit code and findings of the verb with these books; every use counts at once."""
    given = ["--vault-audit", vault.folder / "audit.files.log", "--region", vault.name, "--grace", 0, "-o", "json"]
    done = CliRunner().invoke(command, ["keys", "reconcile", *map(str, [*given, *words])])
    return done.exit_code, json.loads(done.stdout) if done.stdout else {"stderr": done.stderr}


async def test_g10_what_commands_did_is_in_the_log_and_in_vault_s(vaults: dict[str, RealVault], tmp_path: Path) -> None:
    """Attesting and rewrapping leave lines in a book; a webhook's log takes them up; both books tell the same.

    Before and after; read in place and over HTTP; and a use in Vault that no command made is found.
    """
    vault, envelope, state = vaults["eu-de"], tmp_path / "envelope", tmp_path / "state"
    vault.api("POST", "sys/mounts/transit/tune", {"audit_non_hmac_request_keys": ["ciphertext"]})
    envelope.write_bytes(vault.connect().sealer().seal(b"patient 4711", vault.bound()).to_bytes())
    vault.api("POST", "transit/keys/archive/rotate", {})
    (vault.folder / "audit.files.log").write_text("")
    settings = str(settings_of(vault, tmp_path))
    bound = ["--purpose", "audit-archive", "--of", "DE/prod/clinic", str(envelope)]
    for words in (["attest", "--nonce", NONCE], ["rewrap", *bound]):
        done = CliRunner().invoke(command, ["keys", words[0], "--keyring", settings, *words[1:]])
        assert done.exit_code == 0, done.output
    book = tmp_path / "eu-de.uses"
    assert said(vault, "--uses", book)[0] == 0
    options = Options(version="test", state=str(state), key_uses=[str(book)])
    open_keyring(options)
    log = await LogProcess.start(options)
    await log.close()
    assert waiting(book) == []
    code, found = said(vault, "--log", state)
    assert (code, found["differences"]) == (0, [])
    assert found["events"] == found["matched"] == found["records"] == 3
    uses = [
        leaf.fields for _, leaf in whole_log(state / "log") if leaf.fields["schema"].startswith("bailiwick.key-use/")
    ]
    counted: Counter[tuple[str, str]] = Counter()
    for one in uses:
        counted[one["task"], one["key_operation"]] += one["count"]
    assert counted["attest", "sign"] == counted["rewrap", "encrypt"] == 1
    assert counted["rewrap", "decrypt"] == 2  # by the old version, and once more by the new one to see that it opens
    assert len({one["key"] for one in uses if one["task"] == "rewrap" and one["key_operation"] == "decrypt"}) == 2

    def of_far() -> tuple[int, dict[str, Any]]:
        with served(reading_app(PublishedFiles(state / "log"))) as port:
            return said(vault, "--log", f"http://127.0.0.1:{port}", "--log-key", state / "log.vkeys")

    assert of_far()[0] == 0
    vault.api("POST", "transit/sign/region-attest", {"input": "AAAA"})
    for code, found in (said(vault, "--log", state), of_far()):
        assert (code, [one["kind"] for one in found["differences"]]) == (1, ["unrecorded"])
        assert "`sign` with `region-attest`" in found["differences"][0]["message"]
    other = tmp_path / "other"
    open_keyring(Options(version="test", state=str(other)))
    await (await LogProcess.start(Options(version="test", state=str(other)))).close()
    code, found = said(vault, "--log", state, "--log-key", other / "log.vkeys")
    assert code == 1 and "does not verify" in found["stderr"]


async def test_g10_checkpoints_are_signed_in_vault_and_counted(vaults: dict[str, RealVault], tmp_path: Path) -> None:
    """A log whose keys lie in Vault: signed and sealed by them, through a sealed Vault too; both books tell the same.

    While Vault is sealed records are durable, and signed when it is back; every signature stands in the log with
    Vault's own id, and one that somebody else had made is found.
    """
    vault, state = vaults["eu-de"], tmp_path / "state"
    (vault.folder / "audit.files.log").write_text("")
    options = Options(version="test", state=str(state), region="eu-de", keyring=str(settings_of(vault, tmp_path)))
    open_keyring(options)
    log = await LogProcess.start(options)
    await log.append(decision(1), [Unsealed(b'{"patient": 4711}', "clinic")])
    await until(lambda: log.status().signed == log.status().size)
    await log.close()
    lines = (state / "log.vkeys").read_text().split()
    assert verify_chain(state / "log", [NoteKey.parse(line) for line in lines]).ok
    ring = vault.connect()
    known = ring.keys()
    active = next(key for key in known if key.purpose == "audit-checkpoint" and key.state is State.ACTIVE)
    assert lines == [str(NoteKey.ed25519(origin_of(options), active.public))]
    ((_, part),) = sealed_parts(state / "log")
    bound = replace(vault.bound(), cluster=options.cluster_name)
    assert b"4711" in zlib.decompress(ring.opener().open(part, bound))
    declared = keyring_for(Where(Path(str(options.keyring)), None), state / "log", "eu-de")
    assert (declared.region, jurisdiction_of(declared)) == ("eu-de", "DE")

    vault.seal()
    log = await LogProcess.start(options)  # what it showed before is enough to begin with
    position = await log.append(decision(2), [Unsealed(b"{}", "clinic")])
    await until(lambda: "away" in log.status().trouble)
    assert log.healthy() and log.status().signed <= position.index
    vault.unseal()
    await until(lambda: log.status().signed > position.index)
    await log.close()
    await (await LogProcess.start(options)).close()  # counts what signed the run before
    book = state / "keys" / "eu-de.uses"
    code, found = said(vault, "--log", state, "--uses", book, "--key", "checkpoint")
    assert (code, found["differences"]) == (0, [])
    assert found["events"] == found["matched"] >= 4
    uses = [leaf.fields for _, leaf in whole_log(state / "log") if "service_key" in leaf.fields]
    signed = [one for one in uses if one["key_operation"] == "sign" and one["outcome"] == "ok"]
    assert all(len(one["request_ids"]) == one["count"] for one in signed)
    assert {(one["task"], one["key"]) for one in signed} == {("checkpoint", active.key_id)}
    vault.api("POST", "transit/sign/checkpoint", {"input": "AAAA"})
    code, found = said(vault, "--log", state, "--uses", book, "--key", "checkpoint")
    assert (code, [one["kind"] for one in found["differences"]]) == (1, ["unrecorded"])


async def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


def test_g10_without_ids_records_are_joined_by_time(vaults: dict[str, RealVault], tmp_path: Path) -> None:
    """The plugin's lines, and uses whose answer was lost, are joined by operation, key and time."""
    vault, path = vaults["eu-fr"], tmp_path / "uses"
    ring = TransitKeyring.connect(vault.site(keys=ATTESTING), vault.approle(), uses=FileUses(path))
    (vault.folder / "audit.files.log").write_text("")
    envelope = ring.sealer().seal(b"patient 4711", vault.bound()).to_bytes()
    ring.opener().open(envelope, vault.bound())
    record = json.loads(path.read_text())
    line = {name: record[name] for name in ("region", "key_id", "version", "at", "seconds", "outcome")}
    plugin = line | {"operation": "decrypt", "bound": "00", "uid": "u", "asked": True}
    asked_nobody = plugin | {"asked": False}
    path.write_text(f"2026 INFO x: {json.dumps(plugin)}\nstarted\n{json.dumps(asked_nobody)}\n")
    code, found = reconciled(vault, path, "--plugin-key", "archive")
    assert (code, found["matched"], found["records"], found["unshown"]) == (0, 1, 1, 1)
    code, found = reconciled(vault, path, "--plugin-key", "etcd")
    assert (code, [one["kind"] for one in found["differences"]]) == (1, ["unrecorded"])


def test_g10_a_key_that_was_carried_off_is_found(vaults: dict[str, RealVault], tmp_path: Path) -> None:
    """Somebody makes an exportable key and exports it: a difference, whatever our records say."""
    vault, path = vaults["eu-fr"], tmp_path / "uses"
    path.write_text("")
    vault.api("POST", "transit/keys/loose", {"type": "rsa-4096", "exportable": True})
    vault.api("GET", "transit/export/encryption-key/loose")
    code, found = reconciled(vault, path, "--key", "loose")
    assert (code, [one["kind"] for one in found["differences"]]) == (1, ["moved"])
    assert any("change" in note for note in found["notes"])


def test_g10_no_record_no_result(vaults: dict[str, RealVault], tmp_path: Path) -> None:
    """What Vault did and we could not record is not handed out."""
    vault = vaults["eu-de"]
    uses = FileUses(tmp_path / "nowhere" / "uses")
    ring = TransitKeyring.connect(vault.site(keys=ATTESTING), vault.approle(), uses=uses)
    envelope = ring.sealer().seal(b"patient 4711", vault.bound()).to_bytes()
    with pytest.raises(UseUnrecorded):
        ring.opener().open(envelope, vault.bound())
    with pytest.raises(SignerUnavailable):
        ring.signer("audit-checkpoint", "log").sign(b"x")


def public_of(vault: RealVault, folder: Path) -> PublicKeyring:
    """The region's public part, as whoever seals for it has it."""
    path = folder / f"{vault.name}.public.json"
    path.write_bytes(vault.connect().public_document())
    return PublicKeyring.load(path)


def test_g4_a_granted_transfer_between_real_vaults(vaults: dict[str, RealVault], tmp_path: Path) -> None:
    """Under a grant one Vault's data opens in the other, once; without one in neither direction."""
    ours, theirs = vaults["eu-de"], vaults["eu-fr"]
    people = {name: Ed25519PrivateKey.generate() for name in ("alice", "bob")}
    policy = ApprovalPolicy({name: key.public_key().public_bytes_raw() for name, key in people.items()}, needed=2)
    source, destination = ours.connect(), public_of(theirs, tmp_path)
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(hours=1)
    target = key_id_text(destination.recipient("audit-archive").key_id)
    lineage = to_base64url(source.keys()[0].lineage)
    grant = TransferGrant(ours.bound(), lineage, theirs.bound(), target, "moved", "GDPR Art. 20", 1, now, until)
    votes = [
        approve(grant.action(), name, key, nonce=b"n" * 16, issued=now, expires=until) for name, key in people.items()
    ]
    envelope = source.sealer().seal(b"patient 4711", ours.bound()).to_bytes()
    with pytest.raises(ForeignRegion):
        theirs.connect().opener().open(envelope, theirs.bound())
    desk = TransferDesk(source, policy, FileLedger(tmp_path / "ledger"))
    with pytest.raises(NotApproved):
        desk.transfer(envelope, ours.bound(), grant, votes[:1], destination, now)
    sealed = desk.transfer(envelope, ours.bound(), grant, votes, destination, now).to_bytes()
    assert theirs.connect().opener().open(sealed, theirs.bound()) == b"patient 4711"
    with pytest.raises(ForeignRegion):
        source.opener().open(sealed, ours.bound())
    with pytest.raises(GrantRefused, match="are spent"):
        desk.transfer(envelope, ours.bound(), grant, votes, destination, now)


def test_rewrapped_on_a_real_vault(vaults: dict[str, RealVault], tmp_path: Path) -> None:
    """After rewrapping, the old version can be withdrawn in Vault and everything still opens."""
    vault, path = vaults["eu-fr"], tmp_path / "envelope"
    ring = vault.connect()
    path.write_bytes(ring.sealer().seal(b"patient 4711", vault.bound()).to_bytes())
    old = path.read_bytes()
    vault.api("POST", "transit/keys/archive/rotate", {})
    latest = vault.api("GET", "transit/keys/archive")["data"]["latest_version"]
    words = ["--keyring", str(settings_of(vault, tmp_path)), "--purpose", "audit-archive", "--of", "DE/prod/clinic"]
    done = CliRunner().invoke(command, ["keys", "rewrap", *words, str(path)])
    assert done.exit_code == 0, done.output
    vault.api("POST", "transit/keys/archive/config", {"min_decryption_version": latest})
    assert vault.connect().opener().open(path.read_bytes(), vault.bound()) == b"patient 4711"
    with pytest.raises(EnvelopeInvalid):
        vault.connect().opener().open(old, vault.bound())
