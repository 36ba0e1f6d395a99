"""Rows of a deployer's catalogue: what can't be read at run time is told when the file is read."""

import json
from typing import Any

import pytest

from policies.workloads import extract, whole
from policies.workloads.catalogue.compile import CatalogueMalformed, overridden
from policies.workloads.catalogue.kinds import builtin
from policies.workloads.catalogue.row_forms import FACTS

HEAD = "- group: farms.example\n  kind: Farm\n  versions: [v1]\n"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("imges: [a]", "own.yaml:1: Farm: `imges` is no field of an entry: did you mean `images`"),
        ("pods: [spec]", "own.yaml:1: .*`pods` holds `spec`: write an object with `template`"),
        ("pods:\n  - {template: spec, metadata: besides}", "own.yaml:5: .*`metadata` of `pods` can't be `besides`"),
        ("pods:\n  - {template: spec, planned: true}", "own.yaml:5: .*`planned` of `pods` must be text"),
        ("pods:\n  - {template: spec, flat: .engine}", "own.yaml:5: .*`flat` of `pods` must be a list of texts"),
        ("containers:\n  - {at: spec.c}", "`containers` holds .*: write a path"),
        ("devices: [spec.gpu]", "a row of `devices` needs `level`"),
        ("destinations:\n  - {at: spec.x, kind: host, hots: .h}", "own.yaml:5: .*`hots` .*: did you mean `host`"),
        ("destinations:\n  - {at: spec.x, kind: host}", "a row of `destinations` needs `what`: add"),
        ("destinations:\n  - {at: spec.x, read: zone-filter, what: data}", "needs `provider`: add"),
        ("volumes:\n  - {at: spec.x, kind: disk}", "`kind` of `volumes` can't be `disk`: use one of claim"),
        ("models:\n  - {at: spec.x, when: {.on: true}}", "`when` of `models` compares texts"),
        ("models:\n  - {at: spec.x, reference: .a..b}", "path `a..b` can't be read"),
        ("models:\n  - {at: spec.x, read: ry}", "`read` of `models` can't be `ry`: use one of words"),
        ("images:\n  - {at: [spec.x]}", "`at` of `images` must be text"),
        ("absent: [spec.x]", "`absent` must name paths by version"),
        ("replace: 'yes'", "`replace` must be true or false"),
        ("notes: 2026-13-45", "not readable as YAML"),
        ('notes: "\\x00\a"', "not readable as YAML"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_with_its_line(row: str, message: str) -> None:
    """File, line, kind, what is wrong and what to write instead; nothing of the file counts."""
    with pytest.raises(CatalogueMalformed, match=message):
        overridden(builtin(), f"{HEAD}  {row}\n", "own.yaml")


def test_every_mistake_is_told_at_once() -> None:
    """Nobody has to correct a file ten times."""
    text = f"{HEAD}  imges: [a]\n  images: [b..c]\n{HEAD.replace('Farm', 'Barn')}  pods: [x]\n"
    with pytest.raises(CatalogueMalformed) as refused:
        overridden(builtin(), text, "own.yaml")
    assert [line.split(" ")[0] for line in str(refused.value).splitlines()] == [
        "own.yaml:1:",
        "own.yaml:1:",
        "own.yaml:6:",
    ]


VALUES: list[Any] = [
    None,
    7,
    True,
    "text",
    "a: [",
    [],
    ["x", {"a": 1}],
    {},
    {"a": {"b": []}},
    {"name": "n", "image": "i"},
]


PLAIN: dict[str, list[Any]] = {fact: ["spec", "spec.name", "spec[]", "spec{}"] for fact in FACTS} | {
    "pods": [
        {"template": "spec"},
        {"template": "", "spec": ""},
        {"template": "spec", "flat": [".c[]"], "lacks": ["x"]},
    ],
    "devices": [{"at": "spec", "level": "shared", "mechanism": "x", "count": ".n|2"}, {"at": "spec", "read": "map"}],
    "volumes": [{"at": "spec", "kind": "claim"}, {"at": "spec", "kind": "class", "class": ".name"}],
    "destinations": [{"at": "spec", "kind": "host", "what": "data", "host": ".name", "when": {".name": "*"}}],
}


@pytest.mark.parametrize("fact", FACTS)
def test_a_row_that_passes_can_be_read_whatever_stands_there(fact: str) -> None:
    """Rows of every form that is used, in a kind of one's own, never fail while a decision is awaited."""
    for rows in (PLAIN[fact], *_used(fact)):
        ours = overridden(builtin(), f"{HEAD}  {fact}: {json.dumps(rows)}\n", "own.yaml")
        for value in VALUES:
            found = extract({"apiVersion": "farms.example/v1", "kind": "Farm", "spec": value}, catalogue=ours)
            assert found["known"]
            assert set(whole(found)) >= {"pods", "malformed", "images", "volumes"}


def _used(fact: str) -> list[list[Any]]:
    """The built-in rows of that fact, a kind of each set of fields."""
    rows = (row for shapes in builtin().kinds.values() for one in shapes for row in one.get(fact, ()))
    forms = {(*sorted(row), row.get("read")): row for row in rows if isinstance(row, dict)}
    return [[{**row, "at": "spec"} if "at" in row else {**row, "template": "spec"}] for row in forms.values()]
