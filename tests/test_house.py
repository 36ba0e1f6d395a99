"""The house: whose the import names are, what the lock file holds, and that no file names a machine."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = ("webhook", "policies", "keymgmt", "audit", "bailiwick")


def test_the_import_names_belong_to_this_distribution_alone():
    """No other distribution of this environment brings a module of the same name, and ours are the ones imported."""
    for name in NAMES:
        spec = find_spec(name)
        assert spec is not None
        assert Path(str(spec.origin)).is_relative_to(ROOT)
    for distribution in distributions():
        if distribution.metadata["Name"].lower() == "bailiwick":
            continue
        tops = {str(file).split("/")[0].removesuffix(".py") for file in distribution.files or ()}
        assert not tops & set(NAMES), distribution.metadata["Name"]


def test_packages_import_in_one_direction():
    """The layers of the house hold."""
    linter = Path(sys.executable).with_name("lint-imports")
    shown = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout


def test_every_dependency_says_why():
    """Each requirement in pyproject.toml has a sentence beside it."""
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)
    named = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    named += [one for extra in project["project"].get("optional-dependencies", {}).values() for one in extra]
    for requirement in named:
        assert re.search(rf'"{re.escape(requirement)}"[,\]]*\s*# \w', text), requirement


def test_the_lock_file_has_hashes_and_no_index():
    """Everything is pinned by hash, and where it comes from is the installer's business."""
    text = (ROOT / "requirements.lock").read_text()
    pinned = re.findall(r"^([a-z0-9][\w.-]*)==", text, re.MULTILINE)
    assert len(pinned) > 20
    assert len(re.findall(r"^[a-z0-9][\w.-]*==.*\\\n\s+--hash=sha256:", text, re.MULTILINE)) == len(pinned)
    assert "://" not in text
    assert "--index" not in text


def test_no_file_names_a_machine_or_a_registry():
    """Paths of a machine and hosts of package registries stand nowhere in the tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    hosts = (("proxy", "golang"), ("pypi", "org"), ("registry", "npmjs"), ("deb", "debian"))
    words = [f"/{folder}/" for folder in ("work", "farm", "root")] + [".".join(host) for host in hosts]
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix in (".sum", ".png") or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        assert not [word for word in words if word in text], name


def test_modules_that_docstrings_name_exist():
    """A docstring that says where something lies, or who is meant by a port, leads there."""
    named = re.compile(r"`((?:webhook|policies|keymgmt|audit)(?:\.[a-z_]+)+)(?:\.[A-Z]\w*)?(?:\.\w+)?`")
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if name.startswith("tests/") or not (ROOT / name).is_file():
            continue
        for found in named.findall((ROOT / name).read_text()):
            path = Path(*found.split("."))
            places = (path.with_suffix(".py"), path / "__init__.py", path.parent.with_suffix(".py"))
            assert found.endswith(".io") or any((ROOT / place).exists() for place in places), f"{name}: `{found}`"


def test_what_comes_from_outside_is_not_remembered_without_end():
    """No function of the rules or the doors that takes texts, bytes or JSON has a cache that counts its answers only.

    `policies.remembered` is for those: it bounds the size of what they are asked by, too.
    """
    texts = ("str", "bytes", "Json", "JsonObject", "object", "Any", "Ref")
    for path in sorted(path for folder in ("policies", "webhook") for path in (ROOT / folder).rglob("*.py")):
        for one in ast.walk(ast.parse(path.read_text())):
            if isinstance(one, ast.FunctionDef) and any(
                "lru_cache" in ast.unparse(each) for each in one.decorator_list
            ):
                taken = [each for each in one.args.args if ast.unparse(each.annotation or ast.Name("Any")) in texts]
                assert not taken, f"{path.relative_to(ROOT)}: {one.name}"
