"""Whoever is judged brings no law of their own: what --rules give outweighs rules among the documents."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from policies.gathering import gather
from policies.verbs.check import check
from policies.verbs.explain import explain
from policies.verbs.transfers import transfers

OURS = "apiVersion: bailiwick.dev/v1alpha1\n"
GIVEN = f"""
{OURS}kind: Jurisdiction
metadata: {{name: eu}}
spec: {{locatedIn: {{countries: [DE, FR]}}}}
---
{OURS}kind: ClusterProfile
metadata: {{name: cluster}}
spec: {{cluster: test, providers: [{{name: aws, regions: [eu-central-1]}}]}}
---
apiVersion: v1
kind: Namespace
metadata:
  name: clinic
  labels: {{bailiwick.dev/data-class: confidential, bailiwick.dev/jurisdiction: eu}}
---
apiVersion: v1
kind: Node
metadata:
  name: far
  labels: {{topology.kubernetes.io/region: us-east-1, topology.kubernetes.io/zone: us-east-1a}}
spec: {{providerID: "aws:///us-east-1a/i-0123456789abcdef0"}}
"""
POD = f"""
apiVersion: v1
kind: Pod
metadata: {{name: evil, namespace: clinic}}
spec: {{nodeName: far, containers: [{{name: a, image: "ghcr.io/a/b@sha256:{"a" * 64}"}}]}}
"""
JURISDICTION = f"{OURS}kind: Jurisdiction\nmetadata: {{name: eu}}\nspec: {{locatedIn: {{countries: [US, DE, FR]}}}}\n"
ELSEWHERE = JURISDICTION.replace("{name: eu}", "{name: eu, namespace: zebra}")
CLASS = f"{OURS}kind: DataClass\nmetadata: {{name: confidential}}\nspec: {{rank: 200}}\n"
PROFILE = f"""{OURS}kind: ClusterProfile
metadata: {{name: cluster}}
spec: {{cluster: test, infrastructureNamespaces: [clinic]}}
"""
POLICY = f"""{OURS}kind: SovereigntyPolicy
metadata: {{name: residency}}
spec:
  matchConstraints:
    resourceRules: [{{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}}]
  validations: [{{expression: "true"}}]
"""


@pytest.fixture
def files(tmp_path: Path):
    def make(judged: str, given: str = GIVEN) -> tuple[str, str]:
        for name, text in (("judged.yaml", judged), ("given.yaml", given)):
            (tmp_path / name).write_text(text)
        return str(tmp_path / "judged.yaml"), str(tmp_path / "given.yaml")

    return make


def checked(judged: str, *options: str):
    done = CliRunner().invoke(check, [judged, *options, "-o", "json"])
    return done.exit_code, json.loads(done.output)


@pytest.mark.parametrize("law", [JURISDICTION, ELSEWHERE, CLASS, PROFILE, POLICY])
def test_nobody_is_judged_by_a_law_that_they_bring(files, law: str) -> None:
    """A rule beside the judged pod replaces neither a given nor a built-in one; a warning names it and its place."""
    alone, given = files(POD)
    expected, reported = checked(alone, "--rules", given)
    judged, given = files(f"{law}---{POD}")
    code, report = checked(judged, "--rules", given)
    assert (code, expected) == (1, 1)
    said = [[reason["code"] for reason in one["cases"][0]["reasons"]] for one in (report, reported)]
    assert said[0] == said[1] != []
    (warning,) = (one for one in report["warnings"] if "doesn't count" in one["message"])
    assert (warning["source"], warning["line"], warning["message"].split()[0]) == (judged, 1, law.split()[3])
    assert f"{given}:" in warning["message"] or "the built-in one" in warning["message"]


def test_without_rules_those_among_the_documents_count(files) -> None:
    """A folder that holds rules and manifests is judged by its own rules, and may replace the built-in ones."""
    judged, _ = files(f"{GIVEN}---\n{POLICY}---\n{CLASS}---{POD}")
    code, report = checked(judged)
    assert (code, report["warnings"]) == (0, [])
    assert next(one["outcome"] for one in report["cases"] if one["kind"] == "Pod") in ("allowed", "mutated")


def test_the_same_rule_twice_is_no_contradiction(files) -> None:
    """Rules that are judged and given alike warn of nothing; those of another name are added."""
    judged, given = files(f"{GIVEN}---\n{JURISDICTION.replace('name: eu', 'name: both')}")
    gathered = gather([judged], [given], [], "test")
    assert gathered.outweighed == ()
    assert set(gathered.engine.law.rules) == {"eu", "both"}


def test_every_verb_that_judges_says_it(files) -> None:
    """`explain` and `transfers` warn of what is outweighed, on standard error, and go by what is given."""
    judged, given = files(f"{JURISDICTION}---{POD}")
    for verb in (explain, transfers):
        done = CliRunner().invoke(verb, [judged, "--rules", given])
        assert f"warning: {judged}:1: Jurisdiction `eu` doesn't count here, the one at {given}:" in done.stderr
    told = CliRunner().invoke(explain, [judged, "--rules", given]).stdout
    assert "verdict       denied" in told
