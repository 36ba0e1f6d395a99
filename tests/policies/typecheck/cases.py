"""The policies of `policies.yaml`, what an API server says of them, and what we say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from policies.typecheck import Schemas, warnings_of

HERE = Path(__file__).parent
ANSWERS = HERE / "answers.json"
DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all((HERE / "policies.yaml").read_text()))
DEFINITIONS = [one for one in DOCUMENTS if one["kind"] == "CustomResourceDefinition"]
POLICIES = {one["metadata"]["name"]: one for one in DOCUMENTS if one["kind"] == "ValidatingAdmissionPolicy"}

Answers = dict[str, str]  # what is said of each expression, by its field


def recorded() -> dict[str, Answers]:
    read: dict[str, Answers] = json.loads(ANSWERS.read_text())
    return read


def ours(name: str, schemas: Schemas) -> Answers:
    return checked(POLICIES[name], schemas)


def checked(policy: dict[str, Any], schemas: Schemas) -> Answers:
    """What we say of a policy."""
    return {one.field: _plain(one.text) for one in warnings_of(policy, schemas)}


def theirs(policy: dict[str, Any]) -> Answers:
    """What a stored policy's status says."""
    found = policy["status"].get("typeChecking", {}).get("expressionWarnings", [])
    return {one["fieldRef"]: _plain(one["warning"]) for one in found}


def _plain(text: str) -> str:
    """Without what tells types of one kind apart: there a nanosecond, here whose type it is."""
    return re.sub(r"\bParams([A-Z])", r"\1", re.sub(r"\b([A-Z]\w*?)\d{3,9}\b", r"\1", text))
