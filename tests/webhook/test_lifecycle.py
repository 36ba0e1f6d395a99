"""What isn't a decision has its record too: settings, rules, keys, and that the guard was set aside."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from audit.errors import LogUnavailable
from audit.leaves.record import Input, Record
from audit.leaves.shapes import check_leaf
from audit.ports import Envelope, Position
from audit.sealed.inputs import Origin
from policies.engine import RuleEngine
from policies.facts.law import MACHINERY
from policies.gathering import engine_of, parsed
from webhook.log.lifecycle import FromThreads, Lifecycle

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Kept:
    """What is archived and appended, in order; `broken` refuses."""

    def __init__(self) -> None:
        self.leaves: list[dict[str, Any]] = []
        self.archived: list[Input] = []
        self.broken = False

    async def append(self, record: Record, sealed: Sequence[Envelope] = ()) -> Position:
        if self.broken:
            raise LogUnavailable("as asked")
        leaf = orjson.loads(record.body)
        assert check_leaf(leaf)
        self.leaves.append(leaf)
        return Position("log", len(self.leaves) - 1, bytes(32))

    async def archive(self, inputs: Sequence[Input]) -> None:
        self.archived += inputs

    def told(self, schema: str) -> list[dict[str, Any]]:
        return [leaf for leaf in self.leaves if leaf["schema"].startswith(f"bailiwick.{schema}/")]


def lifecycle(kept: Kept, remembered: Path | None = None) -> Lifecycle:
    origin = Origin("prod-7", "eu-de", "0.1.0")
    return Lifecycle(kept, origin, lambda: NOON, lambda law: Input(law.rulebook.digest, "", dict), remembered)


def rules(exempt: Sequence[str], **actions: Sequence[str]) -> RuleEngine:
    match = {"resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]}
    found = [_kind("ClusterProfile", "cluster", {"cluster": "prod-7", "infrastructureNamespaces": list(exempt)})]
    for name, does in actions.items():
        spec = {"matchConstraints": match, "validationActions": list(does)}
        found.append(_kind("SovereigntyPolicy", name, {**spec, "validations": [{"expression": "true"}]}))
    return engine_of((parsed(found),), "0.1.0", packs=False)


def _kind(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "bailiwick.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


async def test_rules_are_archived_and_recorded_when_they_come_into_force() -> None:
    """The record names every policy, the digests, and the namespaces that nothing is enforced in."""
    kept = Kept()
    engine = rules(["network"], placement=["Deny"], other=["Warn"])
    await lifecycle(kept).loaded(engine)
    (leaf,) = kept.leaves
    assert (leaf["outcome"], leaf["policies"], leaf["count"]) == ("loaded", ["other", "placement"], 2)
    assert (leaf["policies_digest"], leaf["exempt"]) == (engine.digest.hex(), [*MACHINERY, "network"])
    assert [one.digest for one in kept.archived] == [engine.digest]


async def test_setting_the_guard_aside_has_a_record() -> None:
    """A namespace exempted, a policy that only warns or is gone: opened; put back: closed. First rules open none."""
    kept = Kept()
    told = lifecycle(kept)
    await told.loaded(rules(["kube-system"], placement=["Deny"], keys=["Deny"]))
    assert not kept.told("break-glass")
    await told.loaded(rules(["kube-system", "clinic"], placement=["Warn"]))
    await told.loaded(rules(["kube-system", "clinic"], placement=["Warn"]))
    await told.loaded(rules(["kube-system"], placement=["Deny"], new=["Deny"]))
    assert [(leaf["what"], leaf["state"], leaf["names"]) for leaf in kept.told("break-glass")] == [
        ("exemption", "opened", ["clinic"]),
        ("enforcement", "opened", ["keys", "placement"]),
        ("exemption", "closed", ["clinic"]),
        ("enforcement", "closed", ["placement"]),
    ]


async def test_what_was_set_aside_while_it_was_down_has_a_record(tmp_path: Path) -> None:
    """Rules are changed between two runs: the next start tells, once, and not before it knows the cluster's rules."""
    kept, path = Kept(), tmp_path / "guarded.json"
    await lifecycle(kept, path).loaded(rules([], placement=["Deny"]))
    for _ in range(2):
        told = lifecycle(kept, path)
        await told.loaded(rules([]), whole=False)
        await told.loaded(rules(["clinic"], placement=["Warn"]))
    await lifecycle(kept, path).loaded(rules([], placement=["Deny"]))
    assert [(leaf["what"], leaf["state"], leaf["names"]) for leaf in kept.told("break-glass")] == [
        ("exemption", "opened", ["clinic"]),
        ("enforcement", "opened", ["placement"]),
        ("exemption", "closed", ["clinic"]),
        ("enforcement", "closed", ["placement"]),
    ]
    path.write_text("[]")
    await lifecycle(kept, path).loaded(rules(["clinic"]))
    assert len(kept.told("break-glass")) == 4


async def test_a_guard_set_aside_without_a_record_is_told_again(tmp_path: Path) -> None:
    """Where the log takes nothing the rules don't come into force, and the next try tells of what they set aside."""
    kept, path = Kept(), tmp_path / "guarded.json"
    await lifecycle(kept, path).loaded(rules([]))
    kept.broken = True
    with pytest.raises(LogUnavailable):
        await lifecycle(kept, path).loaded(rules(["clinic"]))
    kept.broken = False
    await lifecycle(kept, path).loaded(rules(["clinic"]))
    assert len(kept.told("break-glass")) == 1


async def test_refused_rules_have_a_record() -> None:
    """Why newer rules were refused stands there, cut to its bound."""
    kept = Kept()
    await lifecycle(kept).refused("x" * 1000)
    assert (kept.leaves[0]["outcome"], len(kept.leaves[0]["reason"])) == ("refused", 512)


async def test_another_key_than_before_has_a_record(tmp_path: Path) -> None:
    """The first run tells of no rotation; the next tells of each key that is another, once."""
    kept, path = Kept(), tmp_path / "in-use.json"
    for used in ({"a": "1", "b": "1"}, {"a": "1", "b": "1"}, {"a": "2", "b": "1"}, {"a": "2", "b": "1", "c": "9"}):
        await lifecycle(kept).keys_used(path, used)
    assert [(leaf["purpose"], leaf["old_key"], leaf["new_key"]) for leaf in kept.leaves] == [("a", "1", "2")]


async def test_a_rotation_without_a_record_is_told_again(tmp_path: Path) -> None:
    """What could not be recorded counts as not told."""
    kept, path = Kept(), tmp_path / "in-use.json"
    await lifecycle(kept).keys_used(path, {"a": "1"})
    kept.broken = True
    with pytest.raises(LogUnavailable):
        await lifecycle(kept).keys_used(path, {"a": "2"})
    kept.broken = False
    await lifecycle(kept).keys_used(path, {"a": "2"})
    assert len(kept.leaves) == 1


async def test_settings_are_recorded_by_their_digest() -> None:
    """Equal settings have equal digests; the settings themselves are not in the record."""
    kept = Kept()
    for port in (1, 1, 2):
        await lifecycle(kept).configured({"port": port, "path": "/srv/of-jane"})
    first, second, third = (leaf["now"] for leaf in kept.leaves)
    assert first == second != third
    assert "jane" not in str(kept.leaves)


async def test_a_thread_waits_for_its_record() -> None:
    """Rules are loaded in threads: they return once the record is durable, and raise when it isn't."""
    kept = Kept()
    told = FromThreads(lifecycle(kept), asyncio.get_running_loop())
    await asyncio.to_thread(partial(told.loaded, rules([]), whole=True))
    assert len(kept.leaves) == 1
    kept.broken = True
    with pytest.raises(LogUnavailable):
        await asyncio.to_thread(partial(told.loaded, rules([]), whole=True))
    await asyncio.to_thread(told.refused, "no")
    assert len(kept.leaves) == 1
