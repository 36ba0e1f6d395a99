"""OSCAL 1.2.1: assessment results with an observation for each control of the map, and a component definition.

Observations only: there is no finding and no status `satisfied` in them, since a log is evidence and assesses nothing.
All identifiers are derived from the log's checkpoint and the selection, so that the same export has the same bytes.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID, uuid5

from audit.exports.controls import Control, Source, Tally, controls
from audit.exports.population import Population
from audit.exports.safe_json import safe_json
from audit.exports.sinks import Writes
from audit.exports.text import shown
from audit.reading import LoggedRecord

VERSION = "1.2.1"
NAMESPACE = "https://bailiwick.dev/ns/oscal"
RESULTS_FILE = "assessment-results.json"
COMPONENT_FILE = "component-definition.json"
_ROOT = UUID("6f0a5a5e-5a8e-5d0a-9c55-1d0f4f6e3b21")  # where the names of our identifiers begin
_MOST_UNREAD = 1_000  # listed; the sentence has their count
_EPOCH = "1970-01-01T00:00:00Z"
_COMPONENT = str(uuid5(_ROOT, "component"))
_REMARKS = "Evidence from an audit trail. No control was assessed, and nothing here says that one is met."


class OscalExport:
    """Counts what bears on each control, and writes both documents at the end."""

    def __init__(self, population: Population, results_at: Writes, component_at: Writes) -> None:
        self._population = population
        self._results_at = results_at
        self._component_at = component_at
        self._tally = Tally()

    def add(self, record: LoggedRecord) -> None:
        self._tally.add(record)

    def finish(self) -> None:
        self._results_at.write(safe_json(assessment_results(self._population, self._tally), indented=True) + b"\n")
        self._component_at.write(safe_json(component_definition(self._tally.end), indented=True) + b"\n")


def assessment_results(population: Population, tally: Tally) -> dict[str, Any]:
    """The document of what was counted."""
    root = population.checkpoint.root.hex() if population.checkpoint else "none"
    base = uuid5(_ROOT, f"{population.origin}\n{root}\n{population.selection.said()}\n{population.is_verified}")
    when = tally.end or _EPOCH
    plan, note = _resources(population, base)
    result: dict[str, Any] = {
        "uuid": str(uuid5(base, "result")),
        "title": "Records of admission decisions",
        "description": _scope(population, tally),
        "start": tally.begin or _EPOCH,
        "end": when,
        "props": _props(_facts(population, tally)),
        "local-definitions": {"components": [_system_component()]},
        "reviewed-controls": {
            "description": _REMARKS,
            "control-selections": [{"include-controls": [{"control-id": one.id} for one in controls()]}],
        },
        "observations": [_observation(one, population, tally, base, note["uuid"]) for one in controls()],
        "remarks": _REMARKS,
    }
    return {
        "assessment-results": {
            "uuid": str(uuid5(base, "assessment-results")),
            "metadata": _metadata("Evidence from the audit trail of Bailiwick", when, _said(population)),
            "import-ap": {"href": f"#{plan['uuid']}"},
            "results": [result],
            "back-matter": {"resources": [plan, note]},
        }
    }


def component_definition(when: str) -> dict[str, Any]:
    """What evidence the product leaves for which control, whatever the log."""
    by_source: dict[Source, list[Control]] = {}
    for control in controls():
        by_source.setdefault(control.source, []).append(control)
    resources = [
        {
            "uuid": _source_id(source),
            "title": source.title,
            "rlinks": [{"href": source.href}],
        }
        for source in by_source
    ]
    component = {
        "uuid": _COMPONENT,
        "type": "software",
        "title": "Bailiwick",
        "description": "Admission framework for Kubernetes with a tamper-evident audit trail.",
        "purpose": "Decides at admission where a workload may run, and proves each decision afterwards.",
        "control-implementations": [_implementation(source, found) for source, found in by_source.items()],
    }
    return {
        "component-definition": {
            "uuid": str(uuid5(_ROOT, "component-definition")),
            "metadata": _metadata("Bailiwick: evidence by control", when or _EPOCH),
            "components": [component],
            "back-matter": {"resources": resources},
        }
    }


def _implementation(source: Source, found: Iterable[Control]) -> dict[str, Any]:
    return {
        "uuid": str(uuid5(_ROOT, f"implementation\n{source.name}")),
        "source": f"#{_source_id(source)}",
        "description": f"Evidence that supports an assessment under {source.title}. {_REMARKS}",
        "implemented-requirements": [
            {
                "uuid": str(uuid5(_ROOT, f"requirement\n{control.id}")),
                "control-id": control.id,
                "description": f"{control.reference}: {control.asks} Evidence: {control.shows}",
                "props": _props([("reference", control.reference)]),
                "remarks": f"Not shown: {control.limits}",
            }
            for control in found
        ],
    }


def _observation(control: Control, population: Population, tally: Tally, base: UUID, note: str) -> dict[str, Any]:
    counts = [(one.name, f"{tally.counts[one.name]}") for one in control.evidence if not one.whole]
    said = "; ".join(tally.found(control, verified=population.is_verified))
    made: dict[str, Any] = {
        "uuid": str(uuid5(base, f"observation\n{control.id}")),
        "title": f"{control.source.title}, {control.reference}",
        "description": f"{control.shows} Found: {said or 'nothing in this selection'}.",
        "props": _props([("control-id", control.id), *counts]),
        "methods": ["TEST-AUTOMATED"],
        "types": ["historic"],
        "subjects": [{"subject-uuid": _COMPONENT, "type": "component"}],
        "collected": tally.end or _EPOCH,
        "remarks": f"Not shown: {control.limits} {_said(population)}".strip(),
    }
    if population.checkpoint is not None:
        made["relevant-evidence"] = [
            {"href": f"#{note}", "description": "The signed checkpoint under which the counted records lie."}
        ]
    return made


def _resources(population: Population, base: UUID) -> tuple[dict[str, Any], dict[str, Any]]:
    plan = {
        "uuid": str(uuid5(base, "plan")),
        "title": "No assessment plan",
        "description": "The records were exported without a plan; whoever assesses has one.",
    }
    note: dict[str, Any] = {
        "uuid": str(uuid5(base, "checkpoint")),
        "title": "Checkpoint of the log",
        "description": "A signed note (C2SP tlog-checkpoint): origin, number of records, root, signatures.",
    }
    if population.note:
        encoded = base64.b64encode(population.note).decode()
        note["base64"] = {"filename": "checkpoint", "media-type": "text/plain", "value": encoded}
    return plan, note


def _facts(population: Population, tally: Tally) -> list[tuple[str, str]]:
    facts = [
        ("verified", "true" if population.is_verified else "false"),
        ("log", population.origin),
        ("selected-records", f"{tally.records}"),
    ]
    if population.checkpoint is not None:
        facts.append(("checkpoint-size", f"{population.checkpoint.size}"))
        facts.append(("checkpoint-root", population.checkpoint.root.hex()))
    facts += [("unreadable-record", _unread(one)) for one in population.unread()[:_MOST_UNREAD]]
    facts += [("verifier-key", str(key)) for key in population.keys]
    return facts


def _said(population: Population) -> str:
    """What must not be overlooked, in a sentence without its full stop."""
    return ". ".join(filter(None, (population.warning(), population.remark())))


def _unread(one: Mapping[str, Any]) -> str:
    return f"{one['record']}: {one['why']}" if "why" in one else str(one["record"])


def _scope(population: Population, tally: Tally) -> str:
    chosen = shown(population.selection.said(), 2000) or "the whole log"
    warning = f" {_said(population)}." if _said(population) else ""
    return f"{tally.records:,} records of the log {shown(population.origin)}: {chosen}.{warning}"


def _system_component() -> dict[str, Any]:
    return {
        "uuid": _COMPONENT,
        "type": "software",
        "title": "Bailiwick",
        "description": "The admission webhook whose decisions the records are.",
        "status": {"state": "operational"},
    }


def _metadata(title: str, when: str, warning: str = "") -> dict[str, Any]:
    remarks = f"{warning}. {_REMARKS}" if warning else _REMARKS
    return {"title": title, "last-modified": when, "version": "1", "oscal-version": VERSION, "remarks": remarks}


def _props(values: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "ns": NAMESPACE, "value": shown(value, 2000).strip() or "none"} for name, value in values]


def _source_id(source: Source) -> str:
    return str(uuid5(_ROOT, f"source\n{source.name}"))
