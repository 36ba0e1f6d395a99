"""The region's private keyring as commands find it: a directory, a key service, or an error that says what to give."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa

from keymgmt.errors import ForeignRegion, UnlockFailed
from keymgmt.keyring import FileKeyring
from keymgmt.ports import Binding
from keymgmt.unlock import KeyFile
from tests.keymgmt.regions import Region, World
from webhook.regional import KeyringUnknown, Where, jurisdiction_of, keyring_for

BOUND = Binding("eu-de", "DE", "audit-archive", "prod", "clinic")


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Region]:
    """A region whose keys lie in a key service."""
    with ExitStack() as stack:
        key = rsa.generate_private_key(public_exponent=65537, key_size=4096)
        (tmp_path / "eu-de").mkdir()
        yield World(tmp_path, stack, lambda: key).region("eu-de")


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
    path = tmp_path / "vault.yaml"
    secret = tmp_path / "eu-de" / "secret-id"
    secret.chmod(0o600)
    login = {"appRole": {"roleId": "bailiwick", "secretIdFile": str(secret)}}
    vault = {"url": region.site.url, "ca": str(region.site.ca), "pins": sorted(region.site.pins), "login": login}
    path.write_text(yaml.safe_dump({"archiveKey": "archive", "vault": vault}))
    found = keyring_for(Where(path, None), tmp_path / "log", "eu-de")
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
