"""What `bailiwick doctor` says when nobody has declared where people act from."""

from __future__ import annotations

from typing import Any

import pytest

from policies.engine import RuleEngine
from policies.kinds import parse
from policies.loading import engine_for, rulebook_of
from webhook.doctor import Health, rules

HEAD = {"apiVersion": "bailiwick.dev/v1alpha1"}
EU = {**HEAD, "kind": "Jurisdiction", "metadata": {"name": "eu"}, "spec": {"locatedIn": {"sets": ["EU"]}}}
PLACE = "aws.eu-central-1"


def engine(declared: dict[str, Any]) -> RuleEngine:
    profile = {**HEAD, "kind": "ClusterProfile", "metadata": {"name": "c"}, "spec": {"cluster": "c", **declared}}
    return engine_for(rulebook_of((), [parse(EU), parse(profile)], []), "test")


@pytest.mark.parametrize(
    ("declared", "warned"),
    [
        ({}, True),
        ({"actorGroups": [{"group": "ops", "place": PLACE}]}, False),
        ({"actors": [{"name": "ada", "users": ["ada"], "place": PLACE}]}, False),
    ],
)
def test_nobody_gets_in_where_nobody_is_declared(declared: dict[str, Any], warned: bool) -> None:
    """Said before somebody stands before a locked door, with what to declare."""
    found = [one for one in rules(lambda: engine(declared)) if one.subject == "actors"]
    assert [one.health for one in found] == ([Health.WARNING] if warned else [])
    assert all("actorGroups" in one.hint for one in found)
