"""How well keys are kept: keyrings, profiles and classes speak of it with the same words, in the same order."""

from datetime import UTC, datetime
from itertools import product
from typing import get_args

import pytest

from keymgmt.kms.settings import STRENGTH
from keymgmt.public import Assurance as Declared
from policies.checking import creation
from policies.decision import Decision
from policies.kinds.words import Assurance
from policies.request import Phase
from policies.snapshot import MemorySnapshot
from tests.policies.law import EU, engine_under, namespace, ours, profile

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NAMESPACE = namespace("clinic", "kept")
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "clinic", "annotations": {"bailiwick.dev/key": "vault:eu/x"}},
}
ORDER = ("", *get_args(Assurance))


def decided(asked: str, declared: str) -> Decision:
    """About a Secret of a class that asks for an assurance, under a key that has one; empty where nothing is said."""
    key = {"match": "vault:eu/*", "place": "aws.eu-central-1", **({"assurance": declared} if declared else {})}
    wanted = {"region": True, **({"assurance": asked} if asked else {})}
    kept = ours("DataClass", "kept", {"rank": 1, "requires": {"keys": wanted}})
    engine = engine_under(EU, kept, profile(keys=[key]))
    found = engine.decide(creation(SECRET, "default", "u"), Phase.FAIL, MemorySnapshot.of([NAMESPACE]), NOW)
    assert isinstance(found, Decision)
    return found


def test_one_vocabulary() -> None:
    """What a keyring declares can be declared of its keys and asked for by a class, in the order of its strength."""
    assert get_args(Assurance) == get_args(Declared) == tuple(sorted(STRENGTH, key=lambda word: STRENGTH[word]))


@pytest.mark.parametrize(("asked", "declared"), [*product(ORDER, ORDER)])
def test_a_key_is_kept_at_least_as_well_as_its_class_asks(asked: str, declared: str) -> None:
    """Software < service < hardware; what isn't declared is as software; the refusal names both words."""
    decision = decided(asked, declared)
    weaker = max(ORDER.index(declared), 1) < ORDER.index(asked)
    assert [reason.code for reason in decision.reasons] == ["key-assurance-too-low"] * weaker
    for reason in decision.reasons:
        assert reason.message.endswith(f"class `kept` asks for `{asked}`")
        assert (f"declared `{declared}`" if declared else "not declared") in reason.message
