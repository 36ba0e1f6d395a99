"""What a law says and hardly means is told before a workload meets it, by file and line."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from bailiwick import command
from policies.kinds import parse
from policies.loading import engine_for, rulebook_of
from policies.misgivings import WHAT, misgivings
from policies.packs import builtin

HEAD = {"apiVersion": "bailiwick.dev/v1alpha1"}
TODAY = date(2026, 11, 22)
ROOT = Path(__file__).parents[2]
POD = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)))


def told(jurisdiction: dict[str, Any], *sites: dict[str, Any], policy: str = "") -> list[str]:
    """What is odd about a law, each with its field."""
    law = {"locatedIn": {"sets": ["EU"]}, **jurisdiction}
    kinds = [
        {**HEAD, "kind": "Jurisdiction", "metadata": {"name": "eu"}, "spec": law},
        {**HEAD, "kind": "ClusterProfile", "metadata": {"name": "c"}, "spec": {"cluster": "c", "sites": list(sites)}},
    ]
    if policy:
        spec = {
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                ]
            },
            "validations": [{"expression": policy}],
        }
        kinds.append({**HEAD, "kind": "SovereigntyPolicy", "metadata": {"name": "own"}, "spec": spec})
    engine = engine_for(rulebook_of(builtin(), map(parse, kinds)), "test")
    return [f"{one.field}: {one.message}: {one.hint}" for one in misgivings(engine.law, {}, TODAY)]


def transfer(**more: Any) -> dict[str, Any]:
    return {"transfers": [{"name": "t", "to": {"countries": ["CH"]}, "what": ["backups"], "basis": "GDPR 45", **more}]}


def site(name: str, **match: Any) -> dict[str, Any]:
    return {"name": name, "country": "DE", **({"match": match} if match else {})}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("eu-central-2", "is the name of a region, not of a place: write `aws.eu-central-2`"),
        ("aws.eu-central-9", "did you mean `aws.eu-central-1` or `aws.eu-central-2`"),
        ("awss.eu-central-1", "no provider `awss`: did you mean `aws`?"),
        ("frankfrt", "no site `frankfrt` in the ClusterProfile: did you mean `frankfurt`?"),
    ],
)
def test_a_place_that_nobody_knows(code: str, says: str) -> None:
    """A misspelt place admits nothing, wherever it stands, and is told with what was probably meant."""
    (found,) = told({"locatedIn": {"sets": ["EU"], "places": [code]}}, site("frankfurt"))
    assert found.startswith("spec.locatedIn.places[0]: ") and says in found
    (found,) = told(transfer(to={"places": ["aws.us-east-1", code]}), site("frankfurt"))
    assert found.startswith("spec.transfers[0].to.places[1]: ") and says in found


@pytest.mark.parametrize("code", ["aws.eu-central-1", "dc1", "dc2", "elsewhere"])
def test_a_site_of_another_cluster_is_no_mistake(code: str) -> None:
    """One law serves clusters that declare different sites."""
    assert told({"locatedIn": {"places": [code]}}, site("dc1")) == []


@pytest.mark.parametrize(
    ("what", "says"), [("backup", "did you mean `backups`?"), ("ledgers", "there are: access, backups")]
)
def test_a_kind_of_data_that_no_policy_asks_for(what: str, says: str) -> None:
    """A transfer of it opens nothing; a policy of the deployer's own may ask for it."""
    (found,) = told(transfer(what=["telemetry", what]))
    assert found.startswith(f"spec.transfers[0].what[1]: no policy asks for a transfer of `{what}`") and says in found
    asks = f"jurisdiction.transfers(actor.places, '{what}')"
    assert told(transfer(what=["telemetry", what]), policy=asks) == []


def test_the_kinds_of_data_are_those_that_are_asked_for() -> None:
    """Each kind that the catalogue gives to a destination can be transferred by its name."""
    catalogue = yaml.load((ROOT / "policies/workloads/catalogue/catalogue.yaml").read_text(), yaml.CSafeLoader)
    assert said(catalogue) <= set(WHAT)
    assert told(transfer(what=list(WHAT))) == told(transfer(what=["*"])) == []


def said(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(said, value))
    if not isinstance(value, dict):
        return set()
    own = {value["what"]} if isinstance(value.get("what"), str) and value["what"] else set()
    return own.union(*map(said, value.values()))


@pytest.mark.parametrize(
    ("expires", "says"),
    [
        ("2026-11-21", "lapsed after 2026-11-21"),
        ("2026-11-22", "ends on 2026-11-22, in 0 days"),
        ("2026-12-22", "in 30 days"),
    ],
)
def test_a_transfer_that_ends(expires: str, says: str) -> None:
    """It is spoken of from thirty days before its last."""
    (found,) = told(transfer(expires=expires))
    assert found.startswith("spec.transfers[0].expires: transfer `t` ") and says in found
    assert told(transfer(expires="2026-12-23")) == told(transfer()) == []


def test_sites_that_no_node_or_two_could_be_at() -> None:
    """Labels that a kubelet sets prove nothing; a machine is at one site. An office has no nodes and is no mistake."""
    (found,) = told({}, site("one", serials=["A1"]), site("two", serials=["B1", "a1"]))
    assert found.startswith("spec.sites[1].match.serials[1]: `a1` is a machine of site `one` too")
    (found,) = told({}, site("one", labels={"pool": "gpu"}))
    assert found.startswith("spec.sites[0].match: no node is ever at `one`: a kubelet may set `pool` by itself")
    guarded = {"pool": "gpu", "node-restriction.kubernetes.io/pool": "gpu"}
    assert told({}, site("office"), site("one", labels=guarded)) == []


@pytest.mark.parametrize(
    ("label", "name", "says"),
    [
        ("bailiwick.dev/data-class", "confidental", "`confidental` is not defined"),
        ("bailiwick.dev/data-class", "ledgers", "`ledgers` is not defined"),
        ("bailiwick.dev/jurisdiction", "ue", "`ue` is not defined"),
        ("bailiwick.dev/dataclass", "internal", "a label that says nothing"),
    ],
)
def test_labels_that_bind_a_namespace_to_nothing(label: str, name: str, says: str, tmp_path: Path) -> None:
    """By the line of the label, in the cluster's files as among those that are judged; right ones are passed over."""
    right = (
        "{bailiwick.dev/data-class: internal, bailiwick.dev/jurisdiction: eu, bailiwick.dev/infrastructure: x, a: b}"
    )
    namespaces = tmp_path / "ns.yaml"
    namespaces.write_text(
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: right, labels: {right}}}\n---\n"
        f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: wrong\n  labels:\n    {label}: {name}\n"
    )
    rules = ROOT / "examples/quickstart/rules"
    for words in ((namespaces,), (rules, "--cluster", namespaces)):
        report = json.loads(run("check", *words, "--rules", rules, "-o", "json").stdout)
        assert [(one["line"], one["field"], one["message"]) for one in report["warnings"]] == [
            (10, f"metadata.labels[{label}]", says)
        ]


def test_a_check_and_the_doctor_tell(tmp_path: Path) -> None:
    """By file and line, as a warning that changes no exit code; the doctor names what runs nowhere, too."""
    law = tmp_path / "law.yaml"
    parts = [
        {**HEAD, "kind": "Jurisdiction", "metadata": {"name": "eu"}, "spec": {"locatedIn": {"countries": ["FR"]}}},
        {
            **HEAD,
            "kind": "ClusterProfile",
            "metadata": {"name": "c"},
            "spec": {"cluster": "c", "sites": [site("one", nodeNames=["*"])]},
        },
    ]
    parts[0]["spec"].update(transfer(expires="2020-01-01"))  # type: ignore[attr-defined]
    law.write_text(yaml.safe_dump_all(parts))
    (tmp_path / "ns.yaml").write_text(POD)
    line = law.read_text().split("expires")[0].count("\n") + 1
    shown = run("check", tmp_path / "ns.yaml", "--rules", law)
    assert (shown.exit_code, f"{law}:{line}: `spec.transfers[0].expires`: transfer `t` lapsed" in shown.stdout) == (
        0,
        True,
    )
    findings = json.loads(run("doctor", "--rules", law, "--state", tmp_path, "-o", "json").stdout)
    warned = {one["subject"]: one["detail"] for one in findings if one["health"] == "warning"}
    assert f"{law}:{line}" in warned["law"]
    assert warned["jurisdiction"] == "`eu` admits no place of this cluster: its workloads run nowhere here"


@pytest.mark.parametrize("verb", ["check", "explain"])
def test_rules_that_hold_no_rules_are_a_mistake(verb: str, tmp_path: Path) -> None:
    """A wrong path after --rules lets nobody bring a law of their own: it is refused before anything is judged."""
    (tmp_path / "ns.yaml").write_text(POD)
    (tmp_path / "empty").mkdir()
    for path in ("ns.yaml", "empty"):
        shown = run(verb, tmp_path / "ns.yaml", "--rules", tmp_path / path)
        assert shown.exit_code != 0
        assert "no rules there" in str(shown.exception)


def test_what_does_not_fit_together_is_told_by_file_and_line(tmp_path: Path) -> None:
    """A provider and a set of countries that don't exist: each by the line that names it."""
    law = tmp_path / "law.yaml"
    law.write_text(
        "apiVersion: bailiwick.dev/v1alpha1\nkind: Jurisdiction\nmetadata: {name: eu}\nspec:\n  locatedIn:\n"
        "    sets: [EUROPE]\n---\napiVersion: bailiwick.dev/v1alpha1\nkind: ClusterProfile\nmetadata: {name: c}\n"
        "spec:\n  cluster: one\n  providers:\n  - {name: aws}\n  - {name: amazon}\n"
    )
    refused = str(run("regions", "--rules", law).exception)
    assert f"{law}:15: `spec.providers[1]`: no provider `amazon`" in refused
    assert f"{law}:5: `spec.locatedIn`: `EUROPE` is neither" in refused
