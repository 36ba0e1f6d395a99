"""Attempts to get around the built-in rules, over HTTP against a webhook process; and that each rule is needed.

One file an attempt: in `bypasses/refused` with the reason code that it must be refused with, in `bypasses/inside` what
must be admitted, corrected where that says so. Then, for each rule of the packs, a process without it is asked the same
attempts: at least one must come out otherwise, or the rule guards nothing.
"""

import copy
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.checking import creation, with_object
from policies.reasons import reason_codes
from policies.request import Operation, Request, Resource
from webhook.demo.client import Asker, Told
from webhook.demo.process import Process

PACKS = Path(__file__).parents[2] / "policies" / "packs"
BYPASSES = Path(__file__).with_name("bypasses")
GIVEN = BYPASSES / "given"


@dataclass(frozen=True)
class Attempt:
    """One try, in a sentence, and the reason code that it must be refused with; empty when it must be admitted."""

    name: str
    attempt: str
    object: dict[str, Any]
    refused: str = ""
    corrected: bool = False
    before: dict[str, Any] | None = None  # it changes this object
    resource: str = ""  # other than the kind's own; with its subresource, for example `pods/exec`
    subresource: str = ""
    operation: str = ""  # other than CREATE, or UPDATE where there is a `before`
    namespace: str = "clinic"  # of what is named and has no metadata: a connection, a token
    named: str = ""
    actor: dict[str, Any] | None = None  # userInfo, where it is somebody else's than the engineer's of the clinic

    def __str__(self) -> str:
        return self.name

    def made(self, webhook: Asker) -> Told:
        return webhook.ask(self.request())

    def request(self) -> Request:
        """What the API server would ask."""
        made = creation(self.object, "default", str(uuid.uuid4()))
        plural, _, below = self.resource.partition("/")
        if self.subresource:
            plural, below = "pods", self.subresource
        if plural == made.resource.plural:  # its own, with a subresource
            made = replace(made, subresource=below)
        elif plural:
            made = replace(made, resource=Resource("", "v1", plural), subresource=below)
        if self.before is not None:
            made = replace(made, operation=Operation.UPDATE, old_object=self.before)
        if self.operation:
            made = replace(made, operation=Operation(self.operation))
        if self.named:
            made = replace(made, name=self.named, namespace=self.namespace)
        return with_object(replace(made, user=self.actor or {}), self.object)


def _attempts() -> Iterator[Attempt]:
    for folder in ("refused", "inside"):
        for path in sorted((BYPASSES / folder).glob("*.yaml")):
            yield Attempt(path.stem, **yaml.safe_load(path.read_text()))


ATTEMPTS = tuple(_attempts())
REFUSED = [attempt for attempt in ATTEMPTS if attempt.refused]


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """A webhook process with all built-in packs."""
    process = _process(tmp_path_factory.mktemp("state"), [])
    yield process.ready()
    assert process.stop() == 0


def _process(state: Path, more: list[str]) -> Process:
    law = state / "law.yaml"
    law.write_text((GIVEN / "law.yaml").read_text().replace("NOW", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
    rules = ["--rules", str(law), "--snapshot", str(GIVEN / "cluster.yaml"), "--linger", "0"]
    return Process(state, [*rules, *more])


def test_the_catalogue_is_one() -> None:
    """Forty refused attempts at least, each with a sentence of its own and a reason code that exists."""
    assert len(REFUSED) >= 40
    assert len({attempt.attempt for attempt in ATTEMPTS}) == len(ATTEMPTS)
    assert {attempt.refused for attempt in REFUSED} <= reason_codes().keys()
    for attempt in ATTEMPTS:
        assert len(attempt.attempt.split()) > 2, attempt
        folder = "refused" if attempt.refused else "inside"
        assert (BYPASSES / folder / f"{attempt}.yaml").exists()


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=str)
def test_the_attempt_comes_out_as_it_must(webhook: Asker, attempt: Attempt) -> None:
    """Refused with its reason, corrected, or admitted, as the attempt's file says."""
    told = attempt.made(webhook)
    assert (_code(told, attempt), told.allowed) == (attempt.refused, not attempt.refused)
    if not attempt.refused:
        assert bool(told.patch) is attempt.corrected


def _code(told: Told, attempt: Attempt) -> str:
    """The expected code where it is among the reasons, else whatever was said."""
    text = "\n".join(told.messages)
    return attempt.refused if attempt.refused in text else text


def _rules() -> Iterator[tuple[str, str, int]]:
    for path in sorted(PACKS.glob("*.yaml")):
        for found in yaml.safe_load_all(path.read_text()):
            for kind in ("validations", "mutations"):
                for index, _ in enumerate(found["spec"].get(kind, ())):
                    yield found["metadata"]["name"], kind, index


@pytest.mark.parametrize(("policy", "kind", "index"), list(_rules()))
def test_without_the_rule_an_attempt_comes_out_otherwise(tmp_path: Path, policy: str, kind: str, index: int) -> None:
    """Every rule of every pack is needed: deleting it lets something through, or refuses what it would have mended."""
    packs = [
        copy.deepcopy(found) for path in sorted(PACKS.glob("*.yaml")) for found in yaml.safe_load_all(path.read_text())
    ]
    code = ""
    for found in packs:
        if found["metadata"]["name"] == policy:
            code = found["spec"][kind].pop(index).get("code", "")
    kept = [
        found
        for found in packs
        if found["kind"] == "DataClass" or found["spec"].get("validations") or found["spec"].get("mutations")
    ]
    (tmp_path / "packs.yaml").write_text(yaml.safe_dump_all(kept))
    process = _process(tmp_path, ["--no-packs", "--rules", str(tmp_path / "packs.yaml")])
    try:
        webhook = process.ready()
        likely_first = sorted(ATTEMPTS, key=lambda attempt: attempt.refused != code)
        assert any(_outcome(attempt.made(webhook)) != _expected(attempt) for attempt in likely_first)
    finally:
        process.stop()


def _expected(attempt: Attempt) -> tuple[bool, bool]:
    return not attempt.refused, attempt.corrected


def _outcome(told: Told) -> tuple[bool, bool]:
    return told.allowed, bool(told.patch and told.allowed)
