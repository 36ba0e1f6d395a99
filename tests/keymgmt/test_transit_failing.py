"""What a key service refuses, lacks or garbles fails closed, each under its own name, and shows no secret."""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from keymgmt.errors import (
    EnvelopeInvalid,
    KeyManagementError,
    KeyServiceError,
    NoSuchKey,
)
from keymgmt.transit.errors import (
    AnswerInvalid,
    Busy,
    KeyMissing,
    MountMissing,
    PermissionRefused,
    Sealed,
)
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.regions import Region, World
from tests.keymgmt.vault_double import Answer, Fault, answering, data, errors, hanging_up, where


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        (answering(errors(503, "Vault is sealed")), Sealed),
        (answering(errors(403, "permission denied")), PermissionRefused),
        (answering(errors(429)), Busy),
        (answering(errors(404, "no handler for route")), MountMissing),
        (answering(errors(400, "encryption key not found")), KeyMissing),
        (answering(errors(400, "invalid ciphertext: version is too new")), KeyServiceError),
        (answering(data()), AnswerInvalid),
        (answering(data(plaintext="")), AnswerInvalid),
        (answering(data(plaintext="!")), AnswerInvalid),
        (answering(data(plaintext=7)), AnswerInvalid),
        (answering(data(plaintext=base64.b64encode(b"k" * 31).decode())), AnswerInvalid),
        (answering(data(plaintext=base64.b64encode(b"k" * 32).decode())), EnvelopeInvalid),
    ],
)
def test_opening_fails_closed(region: Region, fault: Fault, wanted: type[KeyManagementError]) -> None:
    """Whatever goes wrong there, nothing is opened, and the error says which thing it was."""
    keyring = region.connect()
    envelope = keyring.sealer().seal(b"x", region.bound()).to_bytes()
    region.server.always = where("/decrypt/", fault)
    with pytest.raises(wanted):
        keyring.opener().open(envelope, region.bound())


def test_missing_things_are_named(region: Region) -> None:
    """A missing key, a missing mount and a missing purpose are three different errors."""
    with pytest.raises(KeyMissing, match="/v1/transit/keys/nothing"):
        replace(region, site=replace(region.site, keys={"audit-archive": "nothing"})).connect()
    with pytest.raises(MountMissing, match="/v1/other/keys/"):
        replace(region, site=replace(region.site, mount="other")).connect()
    keyring = region.connect()
    with pytest.raises(NoSuchKey, match="it has keys for: audit-archive, audit-checkpoint"):
        keyring.signer("nothing", "n")
    with pytest.raises(NoSuchKey, match="signing needs ed25519"):
        keyring.signer("audit-archive", "n")
    with pytest.raises(NoSuchKey, match="sealing needs rsa-4096"):
        keyring.sealer().seal(b"x", replace(region.bound(), purpose="audit-checkpoint"))


def test_no_secret_in_any_failure(world: World, canaries: Canaries) -> None:
    """Tokens, credentials, data keys and plaintexts show in no error of any call that fails, nor in any repr."""
    region = world.region("eu-de", secret_id=canaries.text("secret-id"))
    region.server.new_token = lambda: canaries.text("token")
    keyring = region.connect()
    envelope = keyring.sealer().seal(canaries.draw("plaintext", 64), region.bound()).to_bytes()
    signer = keyring.signer("audit-checkpoint", "n")
    calls: list[Callable[[], object]] = [
        lambda: keyring.opener().open(envelope, region.bound()),
        lambda: signer.sign(b"tree head"),
        keyring.refresh,
        region.connect,
    ]
    answers: list[Fault] = [
        *(answering(errors(status)) for status in (400, 403, 404, 429, 500, 503)),
        *(answering(errors(status, "is sealed")) for status in (400, 403, 500, 503)),
        lambda double, line, request: errors(400, json.dumps(request.headers), request.body.decode()),
        lambda double, line, request: Answer(200, json.dumps([request.headers, request.body.decode()]).encode()),
        hanging_up,
    ]
    for answer in answers:
        region.server.always = answer
        for call in calls:
            with pytest.raises(KeyManagementError) as failure:
                call()
            assert canaries.seen_with(failure.value) == []
    leaking = base64.b64encode(canaries.draw("data key", 31)).decode()
    region.server.always = where("/decrypt/", answering(data(plaintext=leaking)))
    with pytest.raises(AnswerInvalid) as failed:
        calls[0]()
    assert canaries.seen_with(failed.value) == []
    for thing in (keyring, signer, keyring._session, keyring._session.connection, region.login, keyring.opener()):
        assert canaries.seen_in(f"{thing!r} {thing}") == []
    assert canaries.seen_in(keyring.public_document()) == []


def test_deleted_credentials(region: Region) -> None:
    """A keyring cannot be connected once its credential is gone, and says which file it missed."""
    shutil.rmtree(region.site.ca.parent / "nothing", ignore_errors=True)
    (region.site.ca.parent / "secret-id").unlink()
    with pytest.raises(KeyServiceError, match="secret-id`: No such file"):
        region.connect()


def test_without_the_library() -> None:
    """Where hvac is not installed, the error says what to install, and everything else of the package works."""
    script = """
import sys
sys.modules["hvac"] = None
from pathlib import Path
import keymgmt.file.keyring
from keymgmt.transit.errors import ExtraMissing
from keymgmt.transit.keyring import TransitKeyring
from keymgmt.transit.login import TokenLogin
from keymgmt.transit.site import TransitSite
try:
    TransitKeyring.connect(TransitSite("eu-de", "https://vault", Path("ca"), {}), TokenLogin(Path("token")))
except ExtraMissing as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "key services need hvac; install `bailiwick[vault]`\n"
