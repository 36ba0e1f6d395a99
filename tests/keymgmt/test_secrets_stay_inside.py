"""No secret is seen in an error, a traceback with its variables, a repr, a log line or a file in clear."""

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from keymgmt.canonical import to_base64url
from keymgmt.errors import KeyManagementError
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import Credential, KeyFile, Passphrase
from keymgmt.ports import Binding
from keymgmt.public import PublicKeyring
from keymgmt.secret import Secret
from tests.keymgmt.canaries import Canaries


@pytest.fixture
def unlock(tmp_path: Path, canaries: Canaries) -> KeyFile:
    """A key file whose content must not be seen."""
    return KeyFile.create(tmp_path / "canary.kek", entropy=lambda size: canaries.draw("kek", size))


@pytest.fixture
def ring(tmp_path: Path, unlock: KeyFile, canaries: Canaries, now: datetime) -> FileKeyring:
    """A keyring none of whose secret bytes must be seen."""

    def entropy(size: int) -> bytes:
        return canaries.draw("secret key", size) if size == 32 else b"public bytes".ljust(size)[:size]

    return FileKeyring.create(tmp_path / "canary", "eu-de", unlock=unlock, now=now, entropy=entropy)


def broken_entry(path: Path, index: int) -> Callable[[], None]:
    """Exchange the wrapped keys of two entries."""

    def apply() -> None:
        document = json.loads(path.read_text())
        document["keys"][index]["wrapped"] = document["keys"][0]["wrapped"]
        path.write_text(json.dumps(document))

    return apply


def failures(
    ring: FileKeyring, unlock: KeyFile, canaries: Canaries, bound: Binding, now: datetime
) -> list[Callable[[], Any]]:
    """Everything that can go wrong with a keyring while it holds secrets."""
    folder = ring.public_path.parent
    opener, envelope = ring.opener(), ring.sealer().seal(b"x", bound).to_bytes()
    retired = ring.signer("audit-checkpoint", "n"), ring.tagger("audit-tags")
    ring.rotate("audit-checkpoint", now)
    ring.rotate("audit-tags", now)

    def opening(unlocked_by: Any) -> FileKeyring:
        return FileKeyring.open(folder, "eu-de", unlock=unlocked_by)

    def key_file(name: str, content: bytes) -> KeyFile:
        path = folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        return KeyFile(path)

    def short_secret() -> FileKeyring:
        def entropy(size: int) -> bytes:
            return canaries.draw("short secret", size - 1) if size == 32 else b"p" * size

        return FileKeyring.create(folder, "eu-fr", unlock=unlock, now=now, entropy=entropy)

    def changed(edit: Callable[[], None], then: Callable[[], Any]) -> Any:
        path = folder / "eu-de.keyring.json"
        original = path.read_bytes()
        try:
            edit()
            return then()
        finally:
            path.write_bytes(original)

    return [
        lambda: opening(key_file("wrong.kek", canaries.draw("wrong kek", 32))),
        lambda: opening(key_file("short.kek", canaries.draw("short kek", 31))),
        lambda: opening(key_file("long.kek", canaries.draw("long kek", 33))),
        lambda: opening(Passphrase(Secret(canaries.draw("passphrase", 20)))),
        lambda: opening(Credential("x", {"VAULT_TOKEN": canaries.text("environment")})),
        lambda: changed(broken_entry(folder / "eu-de.keyring.json", 1), lambda: opening(unlock)),
        lambda: changed(broken_entry(folder / "eu-de.keyring.json", 1), ring.refresh),
        lambda: changed(broken_entry(folder / "eu-de.keyring.json", 1), lambda: ring.rotate("audit-tags", now)),
        lambda: opener.open(envelope[:-1] + b"\0", bound),
        lambda: opener.open(envelope[:40] + b"\0" + envelope[41:], bound),
        lambda: opener.open(envelope, replace(bound, tenant="other")),
        lambda: ring.signer("audit-tags", "n"),
        lambda: ring.tagger("audit-archive"),
        lambda: retired[0].sign(b"x"),
        lambda: retired[1](b"x"),
        lambda: ring.revoke(ring.keys()[0].key_id, [], now),
        lambda: FileKeyring.create(folder, "eu-de", unlock=unlock, now=now),
        lambda: FileKeyring.create(folder, "eu-fr", unlock=unlock, now=now, purposes={}),
        lambda: KeyFile.create(unlock.path, entropy=lambda size: canaries.draw("unused", size)),
        short_secret,
    ]


def test_errors_show_nothing(
    ring: FileKeyring,
    unlock: KeyFile,
    canaries: Canaries,
    bound: Binding,
    now: datetime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every way to fail is an error of this package that shows no secret, not even in its frames' variables."""
    caplog.set_level(logging.DEBUG)
    for attempt in failures(ring, unlock, canaries, bound, now):
        with pytest.raises(KeyManagementError) as failure:
            attempt()
        assert canaries.seen_with(failure.value) == []
        assert "\n" not in str(failure.value)
        logging.getLogger("test").exception("failed", exc_info=failure.value)
    assert canaries.seen_in(caplog.text) == []
    assert len(canaries.names) > 10


def test_wrong_files(tmp_path: Path, unlock: KeyFile, canaries: Canaries) -> None:
    """A file that holds somebody's secrets under a keyring's name is refused without quoting it."""
    tmp_path.chmod(0o700)
    for name in ("eu-de.keyring.json", "eu-de.public.json"):
        content = {field: canaries.text("wrong file") for field in ("schema", "generation", "keys", "token")}
        (tmp_path / name).write_text(json.dumps(content))
        (tmp_path / name).chmod(0o600)
    attempts: list[Callable[[], Any]] = [
        lambda: FileKeyring.open(tmp_path, "eu-de", unlock=unlock),
        lambda: PublicKeyring.load(tmp_path / "eu-de.public.json"),
    ]
    for attempt in attempts:
        with pytest.raises(KeyManagementError) as failure:
            attempt()
        assert canaries.seen_in("".join(traceback.format_exception(failure.value))) == []


def test_plaintext_is_not_in_errors(ring: FileKeyring, canaries: Canaries, bound: Binding) -> None:
    """An error about sealing or opening does not quote what was to be sealed."""
    plaintext = canaries.draw("plaintext", 40)
    envelope = ring.sealer().seal(plaintext, bound).to_bytes()
    attempts: list[Callable[[], Any]] = [
        lambda: ring.sealer().seal(plaintext, replace(bound, purpose="none")),
        lambda: ring.sealer().seal(plaintext, replace(bound, region="eu-fr")),
        lambda: ring.opener().open(envelope[:-1] + bytes([envelope[-1] ^ 1]), bound),
        lambda: ring.opener().open(plaintext, bound),
    ]
    for attempt in attempts:
        with pytest.raises(KeyManagementError) as failure:
            attempt()
        assert canaries.seen_in(str(failure.value) + repr(failure.value)) == []


def test_reprs(ring: FileKeyring, unlock: KeyFile, canaries: Canaries, bound: Binding) -> None:
    """No object shows a secret when printed, formatted or put into a message."""
    passphrase = Passphrase(Secret(canaries.draw("passphrase", 20)))
    sealer, opener = ring.sealer(), ring.opener()
    opener.open(sealer.seal(b"x", bound).to_bytes(), bound)
    signer, tagger = ring.signer("audit-checkpoint", "n"), ring.tagger("audit-tags")
    credential = Credential("x", {"VAULT_TOKEN": canaries.text("environment")})
    for thing in (
        ring,
        unlock,
        passphrase,
        sealer,
        opener,
        signer,
        tagger,
        credential,
        ring._held.locksmith,
        *ring.keys(),
    ):
        assert canaries.seen_in(f"{thing!r} {thing} {vars(thing) if hasattr(thing, '__dict__') else ''}") == []


def test_files(ring: FileKeyring, canaries: Canaries, now: datetime) -> None:
    """No secret lies in clear in the keyring's directory."""
    ring.rotate("audit-archive", now)
    written = [path.read_bytes() for path in ring.public_path.parent.iterdir()]
    assert len(written) == 3
    assert [canaries.seen_in(content) for content in written] == [[], [], []]


def test_secrets_do_not_travel(canaries: Canaries) -> None:
    """A secret cannot be pickled, copied or hashed, and is equal to the same secret only."""
    value = canaries.draw("secret", 32)
    secret = Secret(value)
    for attempt in (lambda: pickle.dumps(secret), lambda: copy.deepcopy(secret), lambda: hash(secret)):
        with pytest.raises(TypeError):
            attempt()
    assert secret == Secret(value)
    assert secret not in (Secret(b"other"), value)
    assert len(secret) == 32


def reveals(secret: bytes) -> None:
    """Fail in a frame that holds a secret in a variable."""
    raise KeyManagementError(f"{len(secret)} bytes")


def test_the_search_finds_what_is_there(canaries: Canaries) -> None:
    """The canary search itself is not blind: it finds a secret in each form."""
    value = canaries.draw("secret", 32)
    for form in (value, repr(value), value.hex(), json.dumps({"x": value.hex()}), repr([value]), to_base64url(value)):
        assert canaries.seen_in(form) == ["secret"]
    with pytest.raises(KeyManagementError) as failure:
        reveals(value)
    assert canaries.seen_with(KeyManagementError(value)) == ["secret"]
    assert canaries.seen_with(failure.value) == []  # a frame of the tests, not of the package
