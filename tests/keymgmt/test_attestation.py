"""A region's signed statement about its keys: nothing in it can be changed, replayed, or taken for another's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bailiwick import command
from keymgmt.attestation import (
    FORMAT,
    PURPOSE,
    AttestationForeign,
    AttestationInvalid,
    AttestationStale,
    Expected,
    KeyClaim,
    ServerClaim,
    Statement,
    attester_name,
    sign_statement,
    verify_attestation,
    version_claims,
)
from keymgmt.attesting import attest, attester
from keymgmt.canonical import json_bytes, stamp, to_base64url
from keymgmt.errors import NoSuchKey
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.notes import NoteInvalid, VerifierKey, open_note, parse_verifier_key, sign_note
from keymgmt.states import State
from keymgmt.transit.facts import lineage_of
from keymgmt.transit.site import TransitSite

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
NONCE = "asked-just-now-0001"


class Fixed:
    """Signs with a key in memory, as a key service would with its own."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.name = name
        self._key = key
        self.public_key = key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def service(region: str = "eu-de") -> tuple[Statement, Fixed]:
    """A statement as a key service's keyring makes it, and its signer."""
    signer = Fixed(attester_name(region), Ed25519PrivateKey.generate())
    site = TransitSite(region, "https://vault.eu-de:8200", Path("ca"), {PURPOSE: "region-attest"})
    lineage = lineage_of(site, "cluster-1")
    keys = [
        KeyFacts(lineage, region, PURPOSE, Algorithm.ED25519, number, NOW, state, public)
        for number, state, public in ((1, State.RETIRED, b"r" * 32), (2, State.ACTIVE, signer.public_key))
    ]
    claim = KeyClaim(
        purpose=PURPOSE,
        name="region-attest",
        algorithm=Algorithm.ED25519,
        exportable=False,
        plaintext_backup=False,
        deletion_allowed=False,
        imported=False,
        oldest_opening=1,
        versions=version_claims(keys),
    )
    server = ServerClaim(
        url=site.url,
        urn=site.urn,
        pins=["sha256:" + "0" * 64],
        cluster_id="cluster-1",
        version="1.21.0",
        mount="transit",
        namespace="",
        replicates=False,
        local_mount=False,
        policies=["bailiwick"],
        permissions={"transit/keys/region-attest": ["read"]},
    )
    statement = Statement(
        region=region,
        jurisdiction="DE",
        assurance="service",
        lineage=to_base64url(lineage),
        generation=2,
        keys=[claim],
        approvals=None,
        server=server,
        module=None,
        nonce=NONCE,
        issued=stamp(NOW),
    )
    return statement, signer


def keyring(folder: Path, region: str = "eu-de") -> FileKeyring:
    """A file keyring that can attest."""
    unlock = KeyFile(folder / "kek") if (folder / "kek").exists() else KeyFile.create(folder / "kek")
    purposes = {PURPOSE: Algorithm.ED25519, "audit-archive": Algorithm.X25519}
    return FileKeyring.create(folder / region, region, unlock=unlock, now=NOW, purposes=purposes, jurisdiction="DE")


def key_of(signer: Any) -> VerifierKey:
    return VerifierKey(signer.name, signer.public_key)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value that is no container, and of every empty container."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for name, one in inner for leaf in leaves(one, (*path, name))]
    yield from found or [path]


def other(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str() if value.endswith("Z") and value[:2] == "20":
            return value.replace("2026", "2025")
        case str():
            return (value[:-1] + ("A" if value[-1] != "A" else "B")) if value else "x"
        case list():
            return ["x"]
        case _:
            return "x"


def changed(content: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """A copy with one leaf changed."""
    copy = json.loads(json.dumps(content))
    holder = copy
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = other(holder[path[-1]])
    assert copy != content
    return dict(copy)


def test_a_file_keyring_says_that_it_is_software(tmp_path: Path) -> None:
    """Its statement verifies, names every version and state, and says that its keys can be copied."""
    ring = keyring(tmp_path)
    ring.rotate("audit-archive", NOW)
    found = verify_attestation(
        attest(ring, nonce=NONCE, now=NOW), key_of(attester(ring)), Expected("eu-de", NONCE), NOW
    )
    assert (found.region, found.assurance, found.server, found.jurisdiction) == ("eu-de", "software", None, "DE")
    assert all(key.exportable and key.plaintext_backup for key in found.keys)
    assert sorted((key.purpose, key.version, key.state.value) for key in found.facts()) == [
        ("attestation", 1, "active"),
        ("audit-archive", 1, "retired"),
        ("audit-archive", 2, "active"),
    ]
    assert set(found.facts()) == set(ring.keys())


def test_without_a_key_to_attest_with(tmp_path: Path) -> None:
    """A keyring without such a key says how to make one."""
    unlock = KeyFile.create(tmp_path / "kek")
    ring = FileKeyring.create(tmp_path / "ring", "eu-de", unlock=unlock, now=NOW)
    with pytest.raises(NoSuchKey, match="to attest with; make one"):
        attest(ring, nonce=NONCE, now=NOW)


@pytest.mark.parametrize("kind", ["file", "service"])
def test_g2_no_field_can_be_changed(tmp_path: Path, kind: str) -> None:
    """Whatever field is changed in a signed statement, it is refused; so is one that a stranger signed again."""
    if kind == "file":
        ring = keyring(tmp_path)
        signer: Any = attester(ring)
        note = attest(ring, nonce=NONCE, now=NOW)
    else:
        statement, signer = service()
        note = sign_statement(statement, signer)
    text = open_note(note, key_of(signer))
    content = json.loads(text.split("\n")[1])
    stranger = Fixed(signer.name, Ed25519PrivateKey.generate())
    for path in leaves(content):
        forged = f"{FORMAT}\n{json_bytes(changed(content, path)).decode()}\n"
        for attempt in (note.replace(text.encode(), forged.encode()), sign_note(forged, stranger)):
            assert attempt != note
            with pytest.raises(AttestationInvalid):
                verify_attestation(attempt, key_of(signer), Expected(), NOW)


FREE = {  # what the region's own key may say without contradicting itself: the reader judges it
    "jurisdiction", "generation", "keys.0.name", "keys.0.oldest_opening", "server.url", "server.pins.0",
    "server.version", "server.policies.0", "server.permissions.transit/keys/region-attest.0", "server.local_mount",
    "nonce",
}  # fmt: skip


def test_g2_the_signer_cannot_contradict_itself() -> None:
    """Signed by the right key: each changed field that others depend on is refused, and the free ones are these."""
    statement, signer = service()
    content = statement.model_dump(mode="json")
    passed = set()
    for path in leaves(content):
        forged = f"{FORMAT}\n{json_bytes(changed(content, path)).decode()}\n"
        try:
            verify_attestation(sign_note(forged, signer), key_of(signer), Expected(), NOW)
        except AttestationInvalid:
            continue
        passed.add(".".join(map(str, path)))
    assert passed == FREE


def test_g2_replayed_nonce() -> None:
    """A statement made for another nonce answers nobody else's question."""
    statement, signer = service()
    note = sign_statement(statement, signer)
    assert verify_attestation(note, key_of(signer), Expected(nonce=NONCE), NOW).nonce == NONCE
    with pytest.raises(AttestationStale, match="replayed"):
        verify_attestation(note, key_of(signer), Expected(nonce="asked-just-now-0002"), NOW)


def test_g2_foreign_region() -> None:
    """Another region's statement, cluster or key is refused, also when its own key signs our name."""
    statement, signer = service()
    note = sign_statement(statement, signer)
    for expected in (Expected(region="eu-fr"), Expected(cluster_id="cluster-2"), Expected(lineage="other")):
        with pytest.raises(AttestationForeign):
            verify_attestation(note, key_of(signer), expected, NOW)
    ours = Expected(region="eu-de", cluster_id="cluster-1", lineage=statement.lineage)
    assert verify_attestation(note, key_of(signer), ours, NOW) == statement
    theirs, stranger = service("eu-fr")
    with pytest.raises(AttestationInvalid):
        verify_attestation(sign_statement(theirs, stranger), key_of(signer), Expected(), NOW)
    text = f"{FORMAT}\n{json_bytes(statement.model_dump(mode='json')).decode()}\n"
    with pytest.raises(AttestationForeign, match="trust neither"):
        verify_attestation(sign_note(text, stranger), key_of(stranger), Expected(), NOW)


def test_g2_stale() -> None:
    """Too old and from the future are refused, to the second."""
    statement, signer = service()
    note = sign_statement(statement, signer)
    day, five, second = timedelta(hours=24), timedelta(minutes=5), timedelta(seconds=1)
    for now in (NOW + day, NOW - five):
        verify_attestation(note, key_of(signer), Expected(), now)
    for now in (NOW + day + second, NOW - five - second):
        with pytest.raises(AttestationStale):
            verify_attestation(note, key_of(signer), Expected(), now)


def test_a_retired_key_attests_no_more() -> None:
    """After the rotation of the attestation key, the pinned old key is refused, and the new one is in the statement."""
    statement, signer = service()
    claim = statement.keys[0]
    retired = [one.model_copy(update={"state": State.RETIRED}) for one in claim.versions]
    keys = [claim.model_copy(update={"versions": retired})]
    with pytest.raises(AttestationInvalid, match="active `attestation` key"):
        sign_statement(statement.model_copy(update={"keys": keys}), signer)


def test_assurance_that_is_asked_for(tmp_path: Path) -> None:
    """Software is refused where a service is asked for, and a service where hardware is."""
    ring = keyring(tmp_path)
    note = attest(ring, nonce=NONCE, now=NOW)
    with pytest.raises(AttestationInvalid, match="`service` is asked for"):
        verify_attestation(note, key_of(attester(ring)), Expected(least_assurance="service"), NOW)
    statement, signer = service()
    with pytest.raises(AttestationInvalid, match="`hardware` is asked for"):
        verify_attestation(sign_statement(statement, signer), key_of(signer), Expected(least_assurance="hardware"), NOW)


def test_a_replicating_service_needs_a_local_mount() -> None:
    """Keys that replication could carry away are attested only under a mount that is declared local."""
    statement, signer = service()
    assert statement.server is not None
    server = statement.server.model_copy(update={"replicates": True})
    with pytest.raises(AttestationInvalid, match="replicates"):
        sign_statement(statement.model_copy(update={"server": server}), signer)
    local = server.model_copy(update={"local_mount": True})
    sign_statement(statement.model_copy(update={"server": local}), signer)


def test_notes_of_something_else() -> None:
    """A checkpoint signed with the same key, two signatures, rubbish: none is a statement."""
    _, signer = service()
    notes = [
        sign_note("log.example\n1\nAAAA\n", signer),
        sign_note(f"{FORMAT}\nnot json\n", signer),
        sign_note(f"{FORMAT}\n{{}}\n", signer),
        b"",
        b"\xff\xfe",
        b"\n\n",
    ]
    for note in notes:
        with pytest.raises(AttestationInvalid):
            verify_attestation(note, key_of(signer), Expected(), NOW)


def test_verifier_keys() -> None:
    """A key reads back; any other spelling of it, and other keys' hashes, are refused."""
    key = VerifierKey("keys.bailiwick.dev/eu-de", b"k" * 32)
    assert parse_verifier_key(str(key)) == key
    for text in ("", "x", str(key)[:-2], str(key).replace("eu-de", "eu-fr"), "a b+" + str(key).partition("+")[2]):
        with pytest.raises(NoteInvalid):
            parse_verifier_key(text)


def test_from_the_command_line(tmp_path: Path) -> None:
    """`attest` and `verify-attestation` agree; a wrong nonce, region or age exits with 1, a wrong key with 2."""
    words = ["--region", "eu-de", "--key-file", str(tmp_path / "kek")]
    run, place = CliRunner(), str(tmp_path / "keys")
    assert run.invoke(command, ["keys", "init", place, *words, "--new-key-file"]).exit_code == 0
    words += ["--directory", place]
    path = tmp_path / "statement"
    done = run.invoke(command, ["keys", "attest", *words, "--nonce", NONCE, "--out", str(path)])
    assert done.exit_code == 0, done.output
    key = done.stderr.removeprefix("key: ").strip()

    def verify(*more: str, key: str = key) -> Any:
        return run.invoke(command, ["keys", "verify-attestation", str(path), "--key", key, *more])

    held = verify("--nonce", NONCE, "--region", "eu-de")
    assert held.exit_code == 0, held.output
    assert "holds: eu-de, assurance software, in a file" in held.stdout
    assert json.loads(verify("-o", "json").stdout)["nonce"] == NONCE
    for more in (("--nonce", "another-nonce"), ("--region", "eu-fr"), ("--max-age", "0"), ("--least", "service")):
        refused = verify(*more)
        assert (refused.exit_code, refused.stderr[:8]) == (1, "refused:"), more
    path.write_bytes(path.read_bytes().replace(b'"jurisdiction":""', b'"jurisdiction":"DE"'))
    assert verify().exit_code == 1
    assert verify(key="nonsense").exit_code == 2
    assert run.invoke(command, ["keys", "attest", *words, "--nonce", "short"]).exit_code == 2
    assert run.invoke(command, ["keys", "attest", "--nonce", NONCE]).exit_code == 2


def test_from_a_settings_file(tmp_path: Path) -> None:
    """`--keyring FILE` names the same keyring; unknown fields and two keyrings are refused."""
    ring = keyring(tmp_path)
    settings = tmp_path / "keyring.yaml"
    place = f"{{directory: {tmp_path / 'eu-de'}, keyFile: {tmp_path / 'kek'}}}"
    head = "apiVersion: bailiwick.dev/v1alpha1\nkind: Keyring\nregion: eu-de\n"
    settings.write_text(f"{head}file: {place}\n")
    run = CliRunner()
    done = run.invoke(command, ["keys", "attest", "--keyring", str(settings), "--nonce", NONCE])
    assert done.exit_code == 0, done.output
    verify_attestation(done.stdout.encode(), key_of(attester(ring)), Expected("eu-de", NONCE), datetime.now(UTC))
    for wrong in (f"{head}file: {place}\nmore: 1\n", head, f"{head}file: {place}\ntransit: {{}}\n", "["):
        settings.write_text(wrong)
        assert run.invoke(command, ["keys", "attest", "--keyring", str(settings), "--nonce", NONCE]).exit_code == 2
