"""SoftHSM with tokens of its own: a module of the real interface whose keys lie in files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from keymgmt.hardware.token import TokenSite

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
KEYS = {"etcd": "etcd", "audit-checkpoint": "checkpoint"}
# made before the module is loaded: it doesn't see later ones
TOKENS = ("eu-de", "eu-fr", "bad-keys", "short-keys", "pin-trouble", "process", "device", "contract-de", "contract-fr")


@dataclass(frozen=True)
class SoftHsm:
    """All tokens."""

    folder: Path

    @property
    def configuration(self) -> Path:
        return self.folder / "softhsm2.conf"

    def site(
        self,
        token: str,
        *,
        region: str | None = None,
        pin: str = "987654",
        module: Path = MODULE,
        keys: Mapping[str, str] = KEYS,
    ) -> TokenSite:
        """One of them."""
        path = self.folder / f"{token}-{len(list(self.folder.glob('*.pin')))}.pin"
        path.touch(mode=0o600)
        path.write_text(pin + "\n")
        return TokenSite(region or token, module, token, path, keys)


@pytest.fixture(scope="session")
def device(softhsm: SoftHsm) -> Path:
    """A module over SoftHSM that says of its slots that they are devices."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (cc)")
    library = softhsm.folder / "device.so"
    source = Path(__file__).with_name("device.c")
    words = ["-shared", "-fPIC", "-O1", f'-DBEHIND="{MODULE}"', "-o", library, source, "-ldl"]
    subprocess.run([compiler, *words], check=True)
    return library


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """Fresh tokens, found through SoftHSM's own variable."""
    if not MODULE.is_file() or not shutil.which("softhsm2-util"):
        pytest.skip("needs SoftHSM (softhsm2)")
    found = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    (found.folder / "tokens").mkdir()
    found.configuration.write_text(f"directories.tokendir = {found.folder / 'tokens'}\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(found.configuration)  # read when the module is loaded
    for token in TOKENS:
        words = ["--init-token", "--free", "--label", token, "--so-pin", "12345678", "--pin", "987654"]
        subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
    yield found
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before
