"""The region's private keyring as commands find it: a directory, a key service, or an error that says what to give."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import rsa

from audit.leaves.tags import Tagger
from audit.sealed.inputs import Origin, SharedInputs
from bailiwick import command
from keymgmt.errors import ForeignRegion, UnlockFailed
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.ports import Binding
from keymgmt.verbs.ring import Mistake
from policies.gathering import engine_of, load_rules, objects_of
from policies.request import Phase
from policies.snapshot import MemorySnapshot
from policies.version import version
from tests.audit.wired import wired
from tests.audit.worlds import TagKey, open_log
from tests.keymgmt.regions import Region, World
from tests.webhook.decided import CLUSTER, RULES
from tests.webhook.fakes import ScriptedResolver
from tests.webhook.reviews import encoded
from webhook.keys.regional import KeyringUnknown, Where, jurisdiction_of, keyring_for
from webhook.log.whereabouts import Whereabouts, sealing_to
from webhook.reviews.archiving import Archiving
from webhook.reviews.ids import DecisionIds
from webhook.reviews.judge import Call, Judge
from webhook.reviews.recording import DecisionRecording, emptied
from webhook.reviews.review import parse_review
from webhook.serving.metrics import Metrics

BOUND = Binding("eu-de", "DE", "audit-archive", "prod", "clinic")


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    """A region whose keys lie in a key service."""
    with ExitStack() as stack:
        key = rsa.generate_private_key(public_exponent=65537, key_size=4096)
        (tmp_path / "eu-de").mkdir()
        yield World(tmp_path, stack, lambda: key).region("eu-de")


def settings_of(region: Region, folder: Path) -> Path:
    """A file as an operator writes it."""
    secret = folder / "eu-de" / "secret-id"
    secret.chmod(0o600)
    login = {"appRole": {"roleId": "bailiwick", "secretIdFile": str(secret)}}
    vault = {"url": region.site.url, "ca": str(region.site.ca), "pins": sorted(region.site.pins), "login": login}
    path = folder / "vault.yaml"
    path.write_text(yaml.safe_dump({"archiveKey": "archive", "vault": vault}))
    return path


def test_a_file_keyring_beside_the_log(tmp_path: Path) -> None:
    """Without a word of the command, the keyring in the log's state directory opens what it sealed."""
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    unlock = KeyFile.create(keys / "unlock.key")
    made = FileKeyring.create(keys, "eu-de", unlock=unlock, now=datetime.now(UTC), jurisdiction="DE")
    envelope = made.sealer().seal(b"x", BOUND).to_bytes()
    found = keyring_for(Where(None, None), tmp_path / "log", "eu-de")
    assert found.opener().open(envelope, BOUND) == b"x"
    assert jurisdiction_of(found) == "DE"
    other = KeyFile.create(tmp_path / "other.key")
    with pytest.raises(UnlockFailed):
        keyring_for(Where(keys, other.path), tmp_path / "log", "eu-de")


def test_a_key_service_by_its_settings(region: Region, tmp_path: Path) -> None:
    """Settings of Vault or OpenBao open what was sealed to the region's Transit key; another region's is refused."""
    envelope = region.connect().sealer().seal(b"x", region.bound()).to_bytes()
    found = keyring_for(Where(settings_of(region, tmp_path), None), tmp_path / "log", "eu-de")
    assert found.opener().open(envelope, region.bound()) == b"x"
    with pytest.raises(ForeignRegion):
        found.opener().open(envelope.replace(b"eu-de", b"eu-fr"), region.bound())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no settings"),
        ("archiveKey: x", "`vault` is missing"),
        ("vault: {}\narchiveKey: x", "`url`"),
        ("[", "Err"),
    ],
)
def test_settings_that_are_none(tmp_path: Path, content: str, message: str) -> None:
    """A file that holds something else is told with what it should hold, and never with what it holds."""
    path = tmp_path / "vault.yaml"
    path.write_text(content)
    with pytest.raises(KeyringUnknown, match=message) as refused:
        keyring_for(Where(path, None), tmp_path / "log", "eu-de")
    assert "archiveKey" in refused.value.hint


def test_no_keyring(tmp_path: Path) -> None:
    """Nothing there: the hint names the option."""
    with pytest.raises(KeyringUnknown, match="no keyring of region `eu-de`") as refused:
        keyring_for(Where(None, None), tmp_path / "log", "eu-de")
    assert "--keyring" in refused.value.hint


async def test_a_log_sealed_to_a_key_service_is_replayed(region: Region, tmp_path: Path) -> None:
    """Decisions sealed to a Transit key, with no call to it, are made again by a command that opens through it."""
    state = tmp_path / "state"
    state.mkdir()
    where = Whereabouts("prod", "eu-de", "")
    seal = sealing_to(where, region.connect().sealer())
    calls = len(region.server.requests)
    log = open_log(state / "log", seal=seal)
    tagger, origin = Tagger(TagKey()), Origin("prod", "eu-de", version())
    async with wired(log) as remote:
        shared = SharedInputs(remote, seal, tagger, origin, lambda: datetime.now(UTC))
        archiving = Archiving(shared, withheld=emptied)
        engine = engine_of((load_rules([RULES]),), version())
        archiving.in_force(engine.law)
        recording = DecisionRecording(where, tagger, os.urandom, archiving)
        judge = Judge(
            engine=lambda: engine,
            snapshot=lambda: MemorySnapshot.of(objects_of([CLUSTER])),
            resolver=ScriptedResolver(),
            log=shared,
            recording=recording,
            ids=DecisionIds(),
            clock=lambda: datetime.now(UTC),
            observer=Metrics(),
        )
        for number in range(3):
            body = encoded(f"u-{number}", namespace="clinic")
            now = time.monotonic()
            await judge.rule(Call(parse_review(body), Phase.FAIL, body, now, now + 20))
    log.close_now()
    assert len(region.server.requests) == calls
    path = settings_of(region, tmp_path)
    shown = CliRunner().invoke(command, ["audit", "replay", str(state), "--keyring", str(path)], standalone_mode=False)
    assert shown.output.startswith("3 decisions: 3 same under the rules of then"), f"{shown.output}{shown.exception!r}"
    region.server.sealed = True
    down = CliRunner().invoke(command, ["audit", "replay", str(state), "--keyring", str(path)], standalone_mode=False)
    assert isinstance(down.exception, Mistake), down.output
    assert "unseal" in f"{down.exception} {down.exception.hint}"
