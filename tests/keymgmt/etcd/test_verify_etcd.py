"""`bailiwick keys verify-etcd` on a real kube-apiserver's etcd: plain, sealed, under an old key, and the past."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from keymgmt.verbs.group import keys
from tests.cluster.bed.control_plane import Binaries, ControlPlane
from tests.cluster.bed.shown import shown

pytestmark = pytest.mark.cluster
Secret = Callable[[str], None]


def configuration(path: Path, *names: str) -> Path:
    """An EncryptionConfiguration with local keys of these names, the first of which writes; none means plain."""
    local = {"aescbc": {"keys": [{"name": name, "secret": "MDEyMzQ1Njc4OWFiY2RlZg=="} for name in names]}}
    providers = [local, {"identity": {}}] if names else [{"identity": {}}]
    found = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": providers}],
    }
    path.write_text(yaml.safe_dump(found))
    return path


class Etcd:
    """A control plane that goes from plain to one local key to another, with a secret of each time."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self.config = folder / "encryption.yaml"
        self.secret("plain")
        for name, keys_ in (("first", ("k1",)), ("second", ("k2", "k1"))):
            configuration(self.config, *keys_)
            plane.restart_apiserver(f"--encryption-provider-config={self.config}")
            self.secret(name)

    def secret(self, name: str, method: str = "POST") -> None:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"a": "b"}}
        path = "/api/v1/namespaces/default/secrets" + (f"/{name}" if method == "PUT" else "")
        self.plane.request(method, path, body).ok()

    def verify(self, *arguments: str) -> tuple[Result, dict[str, Any]]:
        asked = ["verify-etcd", "--endpoints", self.plane.etcd_url, "--config", str(self.config), "-o", "json"]
        done = CliRunner().invoke(keys, [*asked, *arguments])
        return done, json.loads(done.stdout)


@pytest.fixture(scope="module")
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    binaries = shown(request, Binaries.built)
    folder = tmp_path_factory.mktemp("verified")
    bed = folder / "bed"
    bed.mkdir()
    plane = ControlPlane.start(bed, binaries)
    yield Etcd(plane, folder)
    plane.close()


def problems(report: dict[str, Any]) -> dict[str, str]:
    return {found["where"].partition("/")[2].rstrip("`"): found["code"] for found in report["problems"]}


def test_each_time_is_told(stored: Etcd) -> None:
    """What was written before encryption is plaintext, what lies under the key of before is stale; exit 1."""
    done, report = stored.verify()
    assert done.exit_code == 1
    assert problems(report) == {"plain": "plaintext", "first": "stale"}
    sealed = {
        (group["key"], group["objects"]) for group in report["groups"] if group["resource"] == "secrets" if group["key"]
    }
    assert {key for key, _ in sealed} == {"k1", "k2"}
    assert report["objects"] > 50  # a control plane has much else


def test_a_region_that_nobody_names(stored: Etcd) -> None:
    """A local key says nothing of a region: asked for one, that is a problem of its own."""
    _, report = stored.verify("--region", "eu-de")
    assert "no-region" in {found["code"] for found in report["problems"]}


def test_rewritten_and_compacted(stored: Etcd, tmp_path: Path) -> None:
    """Written anew all is well at present; the snapshot still shows the past, and after compaction nothing."""
    for name in ("plain", "first"):
        stored.secret(name, "PUT")
    done, report = stored.verify()
    assert (done.exit_code, report["problems"]) == (0, [])
    from tests.keymgmt.etcd.servers import compacted, saved

    snapshot = saved(stored.plane.etcd_url, tmp_path / "before.db")
    before = CliRunner().invoke(keys, ["verify-etcd", str(snapshot), "--config", str(stored.config), "-o", "json"])
    assert problems(json.loads(before.stdout)) == {"plain": "plaintext-in-history"}
    compacted(stored.plane.etcd_url)
    snapshot = saved(stored.plane.etcd_url, tmp_path / "after.db")
    after = CliRunner().invoke(keys, ["verify-etcd", str(snapshot), "--config", str(stored.config)])
    assert after.exit_code == 0, after.stdout
    assert "everything that must be encrypted is" in after.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "either a snapshot or --endpoints"),
        (["--endpoints", "http://127.0.0.1:1", "--resource", "a", "--config", __file__], "leave --resource out"),
        (["--endpoints", "http://127.0.0.1:1"], "does not answer"),
        ([__file__], "no meta page"),
        (["--endpoints", "http://127.0.0.1:1", "--config", __file__], "is no YAML"),
    ],
)
def test_mistakes(arguments: list[str], says: str) -> None:
    """A user's mistake is said in a line, with exit code 2."""
    done = CliRunner().invoke(keys, ["verify-etcd", *arguments])
    assert done.exit_code == 2
    assert says in done.output
