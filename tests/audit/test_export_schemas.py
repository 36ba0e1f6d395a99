"""Exports against the definitions of others: OSCAL's JSON schemas, OCSF's class files, the API server's own Go type."""

import json
import os
import re
import subprocess
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from audit.exports.controls import TABLE, Tally, control_map, controls, kinds_of_evidence
from audit.exports.oscal import VERSION
from audit.exports.selection import Selection
from audit.leaves.record import decision_record
from audit.reading import read_records
from tests.audit import ocsf_schema
from tests.audit.exporting import HOSTILE, exported, hostile_log, json_lines, many_tenants, population
from tests.audit.worlds import CORPORA, fields, open_log

CLASS = "events/application/api_activity"
BED = Path(__file__).parents[1] / "cluster" / "bed" / "cel-oracle"  # a module that requires k8s.io/apiserver
OSCAL = CORPORA / "oscal"
DOCUMENTS = {"assessment-results": "assessment-results", "component-definition": "component"}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of three tenants."""
    return many_tenants(tmp_path_factory.mktemp("schemas") / "log")


def _errors(schema: dict[str, Any], value: Any) -> list[str]:
    validator = validator_for(schema, Draft202012Validator)(schema)
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in validator.iter_errors(value)
    ]


# — OSCAL —


@cache
def _oscal_schema(name: str) -> dict[str, Any]:
    path = OSCAL / f"oscal_{name}_schema.json"
    if not path.exists():
        pytest.skip("the OSCAL schemas are not there (../shared/corpora/oscal)")
    # \p{L} and \p{N} are of another dialect of patterns
    text = path.read_text().replace("\\\\p{L}", "[^\\\\W\\\\d_]").replace("\\\\p{N}", "\\\\d")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("chosen", ["everything", "one tenant", "nothing", "unverified"])
def test_oscal_has_no_schema_errors(document: str, chosen: str, log: Path, tmp_path: Path) -> None:
    """Both documents are valid, whatever was selected."""
    selections = {
        "one tenant": Selection(namespaces=frozenset({"canary-ns-1"})),
        "nothing": Selection(tenants=frozenset("x")),
    }
    if chosen == "unverified":
        log = many_tenants(tmp_path / "log", 5)
        (log / "head.json").write_text("{}")
    opened = population(log, selections.get(chosen), unverified=chosen == "unverified")
    made = exported(opened, ["oscal"], tmp_path / "out")[f"oscal/{document}.json"]
    assert _errors(_oscal_schema(DOCUMENTS[document]), json.loads(made)) == []
    assert json.loads(made)[document]["metadata"]["oscal-version"] == VERSION == "1.2.1"


def test_oscal_of_hostile_values(tmp_path: Path) -> None:
    """Hostile values in records and in what was asked for leave the documents valid."""
    chosen = Selection(namespaces=frozenset(value[:200] for value in HOSTILE.values()))
    opened = population(hostile_log(tmp_path / "log", *HOSTILE.values()), chosen)
    made = exported(opened, ["oscal"], tmp_path / "out")
    for document, schema in DOCUMENTS.items():
        assert _errors(_oscal_schema(schema), json.loads(made[f"oscal/{document}.json"])) == []


def test_oscal_claims_nothing(log: Path, tmp_path: Path) -> None:
    """There are observations for every control and not one finding or status; identifiers refer to what is there."""
    made = exported(population(log), ["oscal"], tmp_path)
    results = json.loads(made["oscal/assessment-results.json"])["assessment-results"]
    [result] = results["results"]
    assert "findings" not in result
    assert "satisfied" not in made["oscal/assessment-results.json"].decode()
    named = [one["props"][0]["value"] for one in result["observations"]]
    selected = result["reviewed-controls"]["control-selections"][0]["include-controls"]
    assert named == [one["control-id"] for one in selected] == [one.id for one in controls()]
    known = {one["uuid"] for one in results["back-matter"]["resources"]}
    text = json.dumps(results)
    assert set(re.findall(r'"#([0-9a-f-]{36})"', text)) <= known
    definition = json.loads(made["oscal/component-definition.json"])["component-definition"]
    required = [
        one["control-id"]
        for part in definition["components"][0]["control-implementations"]
        for one in part["implemented-requirements"]
    ]
    assert sorted(required) == sorted(named)
    uuids = re.findall(r'"uuid": "([0-9a-f-]+)"', made["oscal/component-definition.json"].decode())
    assert len(uuids) == len(set(uuids))


# — controls —


def test_the_map_is_of_about_25_controls_of_seven_sources() -> None:
    """GDPR, AI Act, NIS 2, DORA, CRA, C5:2026, Kubernetes AI Conformance: each control with evidence and its limits."""
    assert 25 <= len(controls()) <= 30
    assert {one.source.name.partition("-")[0] for one in controls()} == {
        "gdpr",
        "aia",
        "nis2",
        "dora",
        "cra",
        "c5",
        "k8s",
    }
    assert len({one.id for one in controls()}) == len(controls())
    for control in controls():
        assert re.fullmatch(r"[a-z][a-z0-9._-]*", control.id), control.id
        assert control.evidence, control.id
        assert min(len(control.asks), len(control.shows), len(control.limits)) > 20, control.id
    used = {one.name for control in controls() for one in control.evidence}
    assert used == {one.name for one in kinds_of_evidence()}


def test_the_map_never_claims_compliance() -> None:
    """No word in it says that a control is met."""
    text = re.sub(r"#.*", "", TABLE.read_text()).lower().replace("cloud computing compliance criteria catalogue", "")
    assert not re.findall(r"\b(complian\w*|compl(?:y|ies)|satisf\w*|certif\w*|guarante\w*|fulfil\w*|conforms)\b", text)


def test_evidence_is_counted(log: Path) -> None:
    """The counts are those of the records."""
    tally = Tally()
    for record in read_records(log):
        tally.add(record)
    decided = [one.fields for one in read_records(log) if "verdict" in one.fields]
    assert tally.counts["decisions"] == len(decided) == 90
    assert tally.counts["refusals"] == sum(one["verdict"] == "denied" for one in decided) == 23
    assert tally.counts["waivers"] == 9
    assert tally.counts["sealed"] == 45
    assert (tally.counts["policy-loads"], tally.counts["runs"], tally.counts["break-glass"]) == (1, 2, 1)
    assert (tally.counts["erasures"], tally.counts["data-keys"]) == (0, 0)
    mapped = {one["id"]: one for one in control_map(tally, verified=True)}
    assert mapped["gdpr-44"]["evidence"]["refusals"] == 23
    assert mapped["c5-2026.ops-14"]["evidenceOfTheWholeLog"] == ["checkpoint", "counters"]
    assert control_map(tally, verified=False)[0]["evidenceOfTheWholeLog"] == []


# — OCSF —


@cache
def _event_schema() -> dict[str, Any]:
    if not ocsf_schema.ROOT.exists():
        pytest.skip("the OCSF definitions are not there (../shared/corpora/ocsf)")
    return ocsf_schema.class_schema(CLASS, {"security_control"})


def _ids(event: dict[str, Any]) -> bool:
    return (event["class_uid"], event["category_uid"]) == (6003, 6) and event["type_uid"] == 600300 + event[
        "activity_id"
    ]


def test_ocsf_has_no_schema_errors(log: Path, tmp_path: Path) -> None:
    """Every event is one of API Activity: attributes, types, codes and constraints of the dictionary."""
    schema = {**_event_schema(), "$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema["properties"] |= {"class_uid": {"const": 6003}, "category_uid": {"const": 6}}
    events = json_lines(exported(population(log), ["ocsf"], tmp_path)["ocsf"])
    assert len(events) == 90
    for event in events:
        assert _errors(schema, event) == []
        assert _ids(event)
        assert event["metadata"]["version"].startswith("1.")


def test_the_ocsf_check_finds_mistakes(log: Path, tmp_path: Path) -> None:
    """The schema made of the dictionary refuses what OCSF's own would."""
    event = json_lines(exported(population(log), ["ocsf"], tmp_path)["ocsf"])[0]
    schema = _event_schema()
    wrong = (
        event | {"made_up": 1},
        event | {"severity_id": 42},
        event | {"time": "noon"},
        event | {"actor": {}},
        event | {"api": {}},
        event | {"resources": {"name": "not a list"}},
        {name: value for name, value in event.items() if name != "metadata"},
        event | {"src_endpoint": {"hostnme": "x"}},
    )
    for one in wrong:
        assert _errors(schema, one), one


def test_every_verdict_has_an_outcome(tmp_path: Path) -> None:
    """Captions are those of the codes, for each verdict and operation, with and without tags."""
    log = open_log(tmp_path / "log", segment_bytes=1 << 20)
    verdicts = ("allowed", "mutated", "warned", "denied", "undetermined")
    for verdict, operation in product(verdicts, ("CREATE", "UPDATE", "DELETE", "CONNECT")):
        given = fields(1, verdict=verdict, operation=operation)
        for tags in (given["tags"], {}):
            log.append_now(decision_record(given | {"tags": tags}))
    log.close_now()
    events = json_lines(exported(population(tmp_path / "log"), ["ocsf"], tmp_path / "out")["ocsf"])
    assert {event["status_code"] for event in events} == set(verdicts)
    for event in events:
        assert _errors(_event_schema(), event) == []
        for name in ("severity", "status", "action", "disposition"):
            codes = ocsf_schema.captions(CLASS, {"security_control"}, f"{name}_id")
            assert codes[str(event[f"{name}_id"])] == event[name]


# — audit.k8s.io —


@cache
def _go_types() -> dict[str, dict[str, str]]:
    """The API server's own structs: of each JSON name its Go type, and whether it may be left out."""
    try:
        shown = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("Go is not installed: the API server's own types can't be read")
    found = sorted(Path(shown.stdout.strip()).glob("k8s.io/apiserver@*/pkg/apis/audit/v1/types.go"))
    if not found:
        pytest.skip("k8s.io/apiserver is not in Go's module cache (the test bed's build puts it there)")
    types: dict[str, dict[str, str]] = {"": {}}
    for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", found[-1].read_text(), re.M | re.S):
        members = re.findall(r'^\s+\w+\s+(\S+) `json:"(\w+)(,omitempty)?"', body, re.M)
        types[name] = {json_name: f"{go}{'?' if optional else ''}" for go, json_name, optional in members}
    types["constants"] = dict(
        re.findall(r'^\s+((?:Level|Stage)\w+)\s+(?:Level|Stage)\s*=\s*"(\w+)"', found[-1].read_text(), re.M)
    )
    return types


def test_kube_audit_events_are_of_the_api_servers_own_type(log: Path, tmp_path: Path) -> None:
    """Every field is one of the Go type `audit/v1.Event`, of its type; none that it requires is missing."""
    types = _go_types()
    event_type, object_type = types["Event"], types["ObjectReference"]
    levels = {value for name, value in types["constants"].items() if name.startswith("Level")}
    stages = {value for name, value in types["constants"].items() if name.startswith("Stage")}
    assert levels >= {"Metadata", "None"}
    assert stages >= {"ResponseComplete", "Panic"}
    for event in json_lines(exported(population(log), ["kube-audit"], tmp_path)["kube-audit"]):
        assert (event.pop("kind"), event.pop("apiVersion")) == ("Event", "audit.k8s.io/v1")
        assert set(event) <= set(event_type)
        assert {name for name, go in event_type.items() if not go.endswith("?")} <= set(event)
        assert (event["level"] in levels, event["stage"] in stages) == (True, True)
        assert set(event["objectRef"]) <= set(object_type)
        assert set(event["user"]) <= {"username", "uid", "groups", "extra"}
        assert all(isinstance(value, str) for value in [*event["annotations"].values(), *event["objectRef"].values()])
        for time in ("requestReceivedTimestamp", "stageTimestamp"):  # metav1.MicroTime: RFC 3339 with six digits
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event[time])
        if event["annotations"]["bailiwick.dev/verdict"] == "denied":
            assert (event["responseStatus"]["code"], event["responseStatus"]["status"]) == (403, "Failure")
        else:
            assert "responseStatus" not in event


_DECODER = """package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	for lines.Scan() {
		var event auditv1.Event
		decoder := json.NewDecoder(strings.NewReader(lines.Text()))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&event); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(event.AuditID, event.Stage, event.RequestReceivedTimestamp.UnixMicro())
	}
}
"""


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of the API server's own package that decodes events strictly, built from Go's module cache."""
    folder = tmp_path_factory.mktemp("decoder")
    for name in ("go.mod", "go.sum"):
        (folder / name).write_bytes((BED / name).read_bytes())
    (folder / "main.go").write_text(_DECODER)
    environment = {**os.environ, "GOPROXY": "off", "GOFLAGS": "-mod=mod"}
    command = ["go", "build", "-o", "decode", "."]
    try:
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("Go, or k8s.io/apiserver in its module cache, is not there (the test bed's build puts it there)")
    return folder / "decode"


@pytest.mark.parametrize("of", ["tenants", "hostile"])
def test_the_api_servers_own_code_decodes_the_events(of: str, log: Path, tmp_path: Path, decoder: Path) -> None:
    """Strictly, without an unknown field, into the type that the API server itself writes."""
    hostile = {name: HOSTILE[name] for name in ("ansi", "json", "wide", "surrogate") if of == "hostile"}
    logs = [hostile_log(tmp_path / name, value) for name, value in hostile.items()] or [log]
    for number, one in enumerate(logs):
        data = exported(population(one), ["kube-audit"], tmp_path / f"out-{number}")["kube-audit"]
        shown = subprocess.run([decoder], input=data, capture_output=True, timeout=60, check=False)
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.count(b"ResponseComplete 179") == len(json_lines(data))
