"""`bailiwick keys`: a keyring from the command line, through its whole life."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bailiwick import command
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.verbs.group import VERBS


class Folder:
    """A folder in which verbs are called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("alice", "bob", "mallory"):
            key = Ed25519PrivateKey.generate()
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (path / f"{name}.key").write_bytes(pem)
            public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            (path / f"{name}.pub").write_bytes(public)

    def call(self, *words: object) -> Result:
        """Call a verb."""
        return CliRunner().invoke(command, ["keys", *map(str, words)])

    def ring(self, verb: str, *words: object) -> Result:
        """Call a verb on the keyring."""
        unlocked = ("--region", "eu-de", "--key-file", self.path / "kek")
        return self.call(verb, self.path / "keys", *unlocked, *words)

    def init(self, *words: object) -> None:
        """Make the keyring."""
        done = self.ring("init", "--new-key-file", *words)
        assert done.exit_code == 0, done.output

    def listed(self) -> list[dict[str, Any]]:
        """What `list` shows."""
        done = self.call("list", self.path / "keys", "-o", "json")
        assert done.exit_code == 0, done.output
        return list(json.loads(done.output))

    def etcd(self) -> dict[int, tuple[str, str]]:
        """Versions of the etcd key: id and state."""
        return {key["version"]: (key["keyId"], key["state"]) for key in self.listed() if key["purpose"] == "etcd"}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty one, with approvers' keys."""
    return Folder(tmp_path)


def test_every_verb_has_help() -> None:
    """Each verb of the group can be imported and explains itself."""
    for name in VERBS:
        done = CliRunner().invoke(command, ["keys", name, "--help"])
        assert done.exit_code == 0, done.output
        assert "Usage" in done.output
    assert all(name in CliRunner().invoke(command, ["keys", "--help"]).output for name in VERBS)


def test_rotation(folder: Folder) -> None:
    """A rotation, and a staged version made active, each retire the one before."""
    folder.init("--jurisdiction", "DE")
    assert folder.ring("rotate", "etcd").exit_code == 0
    assert folder.ring("stage", "etcd").exit_code == 0
    assert [state for _, state in folder.etcd().values()] == ["retired", "active", "staged"]
    assert folder.ring("activate", folder.etcd()[3][0]).exit_code == 0
    assert [state for _, state in folder.etcd().values()] == ["retired", "retired", "active"]
    assert folder.ring("rotate", "nothing").exit_code != 0


def test_lists_for_people_and_programs(folder: Folder) -> None:
    """A table and YAML say the same as JSON, and none of them needs the key file."""
    folder.init()
    (folder.path / "kek").unlink()
    table = folder.call("list", folder.path / "keys").output
    assert all(key["keyId"] in table for key in folder.listed())
    shown = folder.call("list", folder.path / "keys", "-o", "yaml", "--region", "eu-de").output
    assert yaml.safe_load(shown) == folder.listed()
    assert folder.call("list", folder.path / "keys", "--region", "eu-fr").exit_code == 2


def test_g7_destroying_takes_approvals(folder: Folder) -> None:
    """Two of two approvers, for exactly this action; a stranger's vote or another action's counts for nothing."""
    approvers = [word for name in ("alice", "bob") for word in ("--approver", f"{name}={folder.path / name}.pub")]
    folder.init(*approvers, "--needed", "2")
    assert folder.ring("rotate", "etcd").exit_code == 0
    old, new = folder.etcd()[1][0], folder.etcd()[2][0]
    asked = folder.path / "request.json"
    assert folder.ring("request", "destroy", old, "--out", asked).exit_code == 0

    def vote(name: str, key: str, request: Path = asked) -> Path:
        out = folder.path / f"{name}-{key}-{request.stem}.vote"
        words = ("--as", name, "--key", folder.path / f"{key}.key", "--out", out)
        done = folder.call("approve", request, *words)
        assert done.exit_code == 0, done.output
        assert "destroy" in done.output or "revoke" in done.output  # what is signed is shown
        return out

    alice, bob, forged = vote("alice", "alice"), vote("bob", "bob"), vote("bob", "mallory")
    other = folder.path / "other.json"
    assert folder.ring("request", "revoke", new, "--out", other).exit_code == 0
    for votes in ([], [alice], [alice, forged], [alice, vote("bob", "bob", other)]):
        words = [word for one in votes for word in ("--vote", one)]
        assert folder.ring("destroy", old, *words).exit_code == 2
        assert folder.etcd()[1][1] == "retired"
    done = folder.ring("destroy", old, "--vote", alice, "--vote", bob)
    assert done.exit_code == 0, done.output
    assert "alice, bob" in done.output
    assert folder.etcd()[1][1] == "destroyed"


@pytest.mark.parametrize(
    "words",
    [
        ("rotate", "etcd"),  # no way to unlock
        ("rotate", "--key-file", "kek", "--passphrase", "etcd"),
        ("rotate", "--key-file", "nothing", "etcd"),
        ("rotate", "--key-file", "alice.key", "etcd"),
        ("activate", "--key-file", "kek", "bwk1.nothing"),
        ("destroy", "--key-file", "kek", "bwk1.nothing"),
        ("init", "--key-file", "kek"),  # there is one
        ("init", "--key-file", "kek", "--purpose", "x=rsa"),
        ("init", "--key-file", "kek", "--needed", "2"),
        ("init", "--key-file", "kek", "--approver", "alice=nowhere.pub"),
    ],
)
def test_mistakes(folder: Folder, words: tuple[str, ...]) -> None:
    """Each is one line that says what to do, and exit code 2."""
    folder.init()
    verb, *rest = words
    files = {"kek", "nothing", "alice.key"}
    rest = [str(folder.path / word) if word in files else word for word in rest]
    done = folder.call(verb, folder.path / "keys", "--region", "eu-de", *rest)
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)


def test_files_that_are_no_votes(folder: Folder) -> None:
    """A request given as a vote, rubbish given as either: refused by name."""
    folder.init("--approver", f"alice={folder.path / 'alice.pub'}")
    key_id = folder.etcd()[1][0]
    asked = folder.path / "request.json"
    assert folder.ring("request", "revoke", key_id, "--out", asked).exit_code == 0
    assert folder.ring("revoke", key_id, "--vote", asked).exit_code == 2
    words = ("--as", "alice", "--key", folder.path / "alice.pub", "--out", folder.path / "v")
    assert folder.call("approve", asked, *words).exit_code == 2
    asked.write_text("{")
    words = ("--as", "alice", "--key", folder.path / "alice.key", "--out", folder.path / "v")
    assert folder.call("approve", asked, *words).exit_code == 2


def test_the_plugin_from_the_command_line(folder: Folder) -> None:
    """`kms` checks its settings and says what kube-apiserver must be told."""
    folder.init()
    config = folder.path / "kms.yaml"
    settings = {
        "apiVersion": "bailiwick.dev/v1alpha1",
        "kind": "KmsPlugin",
        "region": "eu-de",
        "cluster": "prod",
        "keyring": {"file": {"directory": str(folder.path / "keys"), "keyFile": str(folder.path / "kek")}},
    }
    config.write_text(yaml.safe_dump(settings))
    done = folder.call("kms", "--config", config, "--check")
    assert (done.exit_code, "assurance software" in done.output) == (0, True)
    told = yaml.safe_load(folder.call("kms", "--config", config, "--encryption-configuration", "--migrating").output)
    providers = told["resources"][0]["providers"]
    assert providers[0]["kms"]["endpoint"] == "unix:///run/bailiwick-kms/kms.sock"
    assert [next(iter(one)) for one in providers] == ["kms", "identity"]  # never identity first
    config.write_text(yaml.safe_dump(settings | {"region": None}))
    assert folder.call("kms", "--config", config, "--check").exit_code == 2


def test_a_keyring_made_here_opens_there(folder: Folder) -> None:
    """What `init` made is what the plugin and the webhook open."""
    folder.init()
    ring = FileKeyring.open(folder.path / "keys", "eu-de", unlock=KeyFile(folder.path / "kek"))
    keys = ring.keys()
    wanted = {"audit-checkpoint", "audit-archive", "audit-tags", "etcd", "attestation"}
    assert {key.purpose for key in keys} == wanted
