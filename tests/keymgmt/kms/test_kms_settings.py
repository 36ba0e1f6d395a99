"""The settings file: what it says is what is run, and every mistake names its field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from keymgmt.kms.running import AssuranceTooLow, backend_of, watch_of
from keymgmt.kms.settings import SettingsInvalid, load_settings, parse_settings
from keymgmt.transit.login import AppRoleLogin, CertificateLogin, JwtLogin, KubernetesLogin, Login, TokenLogin

PIN = "sha256:" + "0" * 64
FILE = {"file": {"directory": "/var/lib/keys", "keyFile": "/etc/keys/kek"}}
TRANSIT = {"url": "https://vault.eu-de.example:8200", "ca": "/etc/ca.pem", "pins": [PIN]}


def text(**changes: Any) -> str:
    """A good file with changes; None removes."""
    whole: dict[str, Any] = {
        "apiVersion": "bailiwick.dev/v1alpha1",
        "kind": "KmsPlugin",
        "region": "eu-de",
        "cluster": "prod",
        "keyring": FILE,
    } | changes
    return yaml.safe_dump({name: value for name, value in whole.items() if value is not None})


def refused(written: str) -> str:
    """Why it is refused."""
    with pytest.raises(SettingsInvalid) as failure:
        parse_settings(written, "kms.yaml")
    return str(failure.value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"region": None}, "region"),
        ({"region": "../x"}, "region"),
        ({"cluster": ""}, "cluster"),
        ({"kind": "Pod"}, "kind"),
        ({"sokcet": {}}, "sokcet"),
        ({"socket": {"path": "kms.sock"}}, "socket.path"),
        ({"keyring": {}}, "keyring"),
        ({"keyring": FILE | {"transit": None, "pkcs11": {}}}, "keyring.pkcs11"),
        ({"keyring": {"file": {"directory": "/keys"}}}, "keyring.file"),
        ({"keyring": {"transit": TRANSIT}}, "keyring.transit.login"),
        ({"keyring": {"transit": TRANSIT | {"login": {}}}}, "keyring.transit.login"),
        ({"keyring": {"transit": TRANSIT | {"login": {"token": {"file": "/t"}}, "deadline": 5}}}, "deadline"),
        ({"rotation": {"delay": 10}}, "document"),  # others look every ten seconds only
        ({"interval": 0}, "interval"),
        ({"probes": "9443"}, "probes"),
    ],
)
def test_mistakes_name_their_field(changes: dict[str, Any], field: str) -> None:
    """Missing, unknown, contradicting and impossible values."""
    assert field in refused(text(**changes))


def test_what_is_no_yaml() -> None:
    """A file that is something else does not show its content."""
    assert "line" in refused("a: [hvs.secret")
    assert "hvs" not in refused("hvs.secret-token")
    assert "hvs" not in refused(text(region="hvs/secret"))


def test_a_missing_file(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(SettingsInvalid, match="No such file"):
        load_settings(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("login", "wanted"),
    [
        ({"jwt": {"role": "kms", "tokenFile": "/t"}}, JwtLogin("kms", Path("/t"))),
        ({"kubernetes": {"role": "kms", "mount": "k8s"}}, KubernetesLogin("kms", mount="k8s")),
        ({"certificate": {"role": "kms"}}, CertificateLogin("kms")),
        ({"appRole": {"roleId": "r", "secretIdFile": "/s"}}, AppRoleLogin("r", Path("/s"))),
        ({"token": {"file": "/t"}}, TokenLogin(Path("/t"))),
    ],
)
def test_every_login(login: dict[str, Any], wanted: Login) -> None:
    """Each way to log in is what the key service's client takes."""
    settings = parse_settings(text(keyring={"transit": TRANSIT | {"login": login}}), "kms.yaml")
    assert settings.keyring.transit is not None
    assert settings.keyring.transit.login.login() == wanted
    assert backend_of(settings).assurance == "service"


def test_a_site_that_could_be_elsewhere_is_refused() -> None:
    """What the client itself refuses is refused when the plugin starts."""
    wrong = TRANSIT | {"url": "http://vault.example", "login": {"token": {"file": "/t"}}}
    with pytest.raises(SettingsInvalid, match="https"):
        backend_of(parse_settings(text(keyring={"transit": wrong}), "kms.yaml"))


def test_software_is_refused_where_more_is_asked_for() -> None:
    """A file keyring declares `software`, and a region may ask for more."""
    with pytest.raises(AssuranceTooLow):
        backend_of(parse_settings(text(leastAssurance="service"), "kms.yaml"))


def test_a_watch_from_settings(tmp_path: Path) -> None:
    """Seconds arrive as they were written."""
    written = text(state=str(tmp_path / "state"), rotation={"delay": 90}, interval=20, jurisdiction="DE")
    settings = parse_settings(written, "kms.yaml")
    watch = watch_of(settings, backend_of(settings))
    assert watch.rhythm.interval == 20
    assert watch.ripening.delay.total_seconds() == 90
    assert (watch.bound.region, watch.bound.jurisdiction, watch.bound.cluster) == ("eu-de", "DE", "prod")
    assert watch.look().reason.value == "keyring"  # there is none at that path, and that is a standing
