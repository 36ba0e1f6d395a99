"""Rules as machine code: they say of every object what the same rules say as Python.

`make test-compiled` runs this, and all tests of the rules, on a wheel whose modules are compiled.
"""

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
import yaml

from policies.version import is_compiled
from policies.workloads import extract, whole
from tests.policies.workloads.specs.test_malformed import WRONG, holding, steps_of_kinds

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT.parent / "shared" / "corpora" / "workload-samples"
BYPASSES = ROOT / "tests" / "webhook" / "bypasses"


def written(folder: Path) -> Iterator[object]:
    for path in sorted(folder.rglob("*.y*ml")):
        for document in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader):
            yield document.get("object", document) if isinstance(document, dict) else document


def mistaken() -> Iterator[object]:
    """Each path of the catalogue with each type that doesn't fit."""
    for group, version, kind, paths in steps_of_kinds():
        head = {"apiVersion": f"{group}/{version}" if group else version, "kind": kind}
        for steps, wanted in sorted(paths):
            for value in WRONG[wanted]:
                yield {**holding(steps, value), **head}


def told() -> list[str]:
    """A digest of the facts of each object: what other people wrote, what attackers would, and what nobody should."""
    objects = (one for source in (written(SAMPLES), written(BYPASSES), mistaken()) for one in source)
    return [sha256(orjson.dumps(whole(extract(one)), default=str)).hexdigest() for one in objects]


@pytest.mark.skipif(not is_compiled(), reason="compares compiled rules with these: `make test-compiled` runs it")
def test_both_say_the_same():
    """Facts of 15,000 objects are, byte for byte and in their order, those that interpreted rules find."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ask = (
        "from tests.policies.workloads.test_compiled import is_compiled, told; assert not is_compiled(); print(*told())"
    )
    asked = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, '.'); {ask}"],
        cwd=ROOT,
        env=environment | {"BAILIWICK_COMPILED": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    ours = told()
    assert len(ours) > 15_000
    assert asked.stdout.split() == ours


def test_no_compiled_module_defines_a_dataclass():
    """The compiler would compare its instances by identity, and two equal sets of places would differ."""
    hook = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]
    patterns = [{one.lstrip("/") for one in hook["mypyc"][which]} for which in ("include", "exclude")]
    taken, left = ({path for pattern in each for path in ROOT.glob(pattern)} for each in patterns)
    assert len(taken - left) > 40
    assert all(any(ROOT.glob(pattern)) for pattern in patterns[1])
    for path in sorted(taken - left):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert "dataclass" not in {ast.unparse(one).partition("(")[0] for one in node.decorator_list}, path
