"""The files of examples/kms are what they say: read by the plugin, by systemd, by the tools that will read them."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bailiwick import command
from keymgmt.kms.settings import load_settings
from keymgmt.verbs.group import keys

EXAMPLES = Path(__file__).parents[3] / "examples" / "kms"
SETTINGS = sorted(EXAMPLES.glob("kms*.yaml"))


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: path.name)
def test_settings_hold_together(path: Path) -> None:
    """Each settings file passes the plugin's own check."""
    done = CliRunner().invoke(command, ["keys", "kms", "--config", str(path), "--check"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: path.name)
def test_the_encryption_configuration_is_what_the_plugin_prints(path: Path) -> None:
    """So the one that is tried on a real API server is the one that is written down."""
    done = CliRunner().invoke(command, ["keys", "kms", "--config", str(path), "--encryption-configuration"])
    assert done.output == (EXAMPLES / "encryption-configuration.yaml").read_text()


def unit() -> configparser.SectionProxy:
    """The unit's service section."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(EXAMPLES / "bailiwick-kms.service")
    return parser["Service"]


def test_the_unit_fits_the_settings() -> None:
    """Directories, credential and command of the unit are those the settings name."""
    service, settings = unit(), load_settings(EXAMPLES / "kms.yaml")
    assert settings.socket.path.parent == Path("/run") / service["RuntimeDirectory"]
    assert settings.state == Path("/var/lib") / service["StateDirectory"]
    assert (service["RuntimeDirectoryMode"], service["StateDirectoryMode"]) == ("0700", "0700")
    assert settings.keyring.transit is not None
    login = settings.keyring.transit.login.app_role
    assert login is not None
    name = service["LoadCredential"].split(":")[0]
    assert login.secret_id_file == Path("/run/credentials/bailiwick-kms.service") / name
    words = service["ExecStart"].split()
    assert words[1:3] == ["keys", "kms"]
    keys.make_context("keys", [*words[2:3], "--help"], resilient_parsing=True)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """systemd finds nothing wrong with it, and calls its exposure low."""
    path = tmp_path / "bailiwick-kms.service"
    path.write_text((EXAMPLES / path.name).read_text().replace("/usr/bin/bailiwick", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_static_pod_fits_the_settings() -> None:
    """Every path the settings name is mounted, and nothing is asked of a cluster that isn't there yet."""
    pod = yaml.safe_load((EXAMPLES / "static-pod.yaml").read_text())
    settings = load_settings(EXAMPLES / "kms.yaml")
    container = pod["spec"]["containers"][0]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {str(settings.socket.path.parent), str(settings.state), "/etc/bailiwick-kms"} <= mounted
    assert {volume["name"] for volume in pod["spec"]["volumes"] if "hostPath" in volume} == {
        mount["name"] for mount in container["volumeMounts"]
    }
    assert settings.address == ("127.0.0.1", container["livenessProbe"]["httpGet"]["port"])
    made = [line.split()[1] for line in (EXAMPLES / "tmpfiles.conf").read_text().splitlines() if line.startswith("d ")]
    assert made == [str(settings.socket.path.parent), str(settings.state)]
