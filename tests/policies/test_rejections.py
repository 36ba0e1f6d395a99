"""What a policy can't be loaded with: every sort of mistake, through a file, with file, line, caret and hint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.cel.types import ObjectType
from policies.facts import types
from policies.gathering import engine_of, load_rules
from policies.manifests import Document, read_documents
from policies.native import PoliciesInvalid, read
from policies.rulebook import RulesInvalid

Row = dict[str, Any]
TABLE: dict[str, list[Row]] = yaml.safe_load(Path(__file__).with_name("rejections.yaml").read_text())
ROWS = [pytest.param(row, id=f"{sort}: {row['write'][:50]}") for sort, rows in TABLE.items() for row in rows]
PATHS = {
    "expression": "validations[0].expression",
    "messageExpression": "validations[0].messageExpression",
    "forEach": "validations[0].forEach",
    "matchCondition": "matchConditions[0].expression",
    "auditAnnotation": "auditAnnotations[0].valueExpression",
    "mutation": "mutations[0].jsonPatch.expression",
}
MATCHED = {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}]}


def written(row: Row, *, ours: bool = True) -> str:
    """A policy with the expression in its place, and everything else right."""
    where, source = row.get("in", "expression"), row["write"]
    spec: Row = {"matchConstraints": MATCHED, "variables": [{"name": "own", "expression": "1"}]}
    validation: Row = {"expression": "true"} | ({"message": "m"} if ours else {})
    if where in ("expression", "messageExpression", "forEach"):
        validation[where] = source
    spec["validations"] = [validation]
    if where == "matchCondition":
        spec["matchConditions"] = [{"name": "c", "expression": source}]
    if where == "auditAnnotation":
        spec["auditAnnotations"] = [{"key": "k", "valueExpression": source}]
    if where == "mutation":
        spec["mutations"] = [{"name": "m", "patchType": "JSONPatch", "jsonPatch": {"expression": source}}]
    version = "bailiwick.dev/v1alpha1" if ours else "admissionregistration.k8s.io/v1"
    kind = "SovereigntyPolicy" if ours else "ValidatingAdmissionPolicy"
    policy = {"apiVersion": version, "kind": kind, "metadata": {"name": "p"}, "spec": spec}
    return yaml.safe_dump(policy, sort_keys=False, width=1000, default_style="|" if "\n" in source else None)


def line_of(text: str, row: Row) -> int:
    """Where the expression's field is written."""
    name = PATHS[row.get("in", "expression")].rpartition(".")[2]
    last = [number for number, line in enumerate(text.splitlines(), 1) if re.search(rf'(^|[ "-]){name}"?:', line)]
    return last[-1]


def shown(row: Row) -> list[str]:
    """The line of the expression, and a caret at the place."""
    line, column = map(int, row["at"].split(":"))
    return [f" | {row['write'].split(chr(10))[line - 1]}", f" | {'.' * (column - 1)}^"]


@pytest.mark.parametrize("row", ROWS)
def test_it_is_refused_with_its_place(tmp_path: Path, row: Row) -> None:
    """The message names the file, the line of the field, the place in the expression, with a caret, and says what to
    do.
    """
    path = tmp_path / "policy.yaml"
    path.write_text(written(row))
    with pytest.raises(RulesInvalid) as refused:
        engine_of((load_rules([str(path)]),), "test", packs=False)
    problem = next(one for one in refused.value.problems if row["says"] in one)
    head, *rest = problem.split("\n")
    at = f"{row['at']}: " if "at" in row else ""
    field = PATHS[row.get("in", "expression")]
    line = line_of(path.read_text(), row)
    assert head.startswith(f"{path}:{line}: SovereigntyPolicy `p`: spec.{field}: {at}{row['says']}")
    if "at" in row:
        assert rest[:2] == shown(row)
        assert rest[2].startswith("hint: ") and row["hint"] in rest[2]


NATIVE = [
    row
    for row in ROWS
    if row.values[0].get("in", "expression") in ("expression", "messageExpression", "matchCondition", "auditAnnotation")
    and not re.search("workload|isolation|jurisdiction|place|cluster|dataClass|actor", row.values[0]["write"])
]


@pytest.mark.parametrize("row", NATIVE)
def test_native_policies_are_refused_alike(row: Row) -> None:
    """A ValidatingAdmissionPolicy with the same mistake is refused at the same place, with the same hint."""
    text = written(row, ours=False)
    document = next(one for one in read_documents(text, "native.yaml") if isinstance(one, Document))
    with pytest.raises(PoliciesInvalid) as refused:
        read([document])
    problem = next(one for one in refused.value.problems if row["says"] in one.message)
    assert problem.source == "native.yaml"
    assert problem.line == line_of(text, row)
    assert problem.field == f"spec.{PATHS[row.get('in', 'expression')]}"
    head, *rest = problem.message.split("\n")
    assert head.startswith(f"{row['at']}: {row['says']}")
    assert rest == shown(row)
    assert row["hint"].partition("`a")[0] in problem.hint


def test_every_fact_has_a_row() -> None:
    """Each typed fact that has fields is misspelt somewhere in the table."""
    seen = " ".join(row["write"] for row in TABLE["misspelt fields of facts"])
    facts = [one.name for one in vars(types).values() if isinstance(one, ObjectType) and one.fields]
    words = {"Workload": "workload", "Pod": "p.", "Image": "i.", "Model": "m.", "Device": "d.", "Destination": "d."}
    words |= {"Key": "k.", "Whereabouts": "whereIsKey", "Identity": "i.", "Placement": "c.", "DataClass": "dataClass"}
    words |= {
        "Jurisdiction": "jurisdiction",
        "Place": "place(",
        "Actor": "actor.",
        "Debugger": "debuggers(",
        "Volume": "v.",
        "Malformed": "w.",
    }
    assert {name.removeprefix("bailiwick.") for name in facts} == set(words)
    assert all(word in seen for word in words.values())


def test_all_sorts_are_there() -> None:
    """The table has every sort of mistake, several of each."""
    assert all(len(rows) >= 4 for rows in TABLE.values())
    assert len(TABLE) == 7


def test_one_mistake_is_told_once(tmp_path: Path) -> None:
    """A variable that can't be compiled is one problem, and whoever names it isn't another."""
    path = tmp_path / "policy.yaml"
    row = {"write": "variables.own == 1 && variables.own.size() > 0"}
    path.write_text(written(row).replace("expression: '1'", "expression: objct.spec"))
    with pytest.raises(RulesInvalid) as refused:
        engine_of((load_rules([str(path)]),), "test", packs=False)
    assert len(refused.value.problems) == 1
    assert "variables[0].expression" in refused.value.problems[0]
