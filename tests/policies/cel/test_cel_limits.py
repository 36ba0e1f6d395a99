"""Limits of our own, each with the expression that just fits."""

from __future__ import annotations

import pytest

from policies.cel import Budget, CheckError, Compiler, Environment, EvaluationError, ParseError
from policies.cel.budget import Patience
from policies.cel.conformance import difference
from policies.cel.lexer import MAX_TOKENS
from policies.cel.sizes import MAX_PATTERN
from policies.cel.tagged import same, tagged

ENVIRONMENT = Environment.admission()


def test_as_many_tokens_as_there_may_be() -> None:
    """3,000 tokens are an expression, one more is too long, and commas don't count."""
    fitting = " && ".join(["true"] * (MAX_TOKENS // 2))
    program = Compiler().compile(f"!{fitting}", ENVIRONMENT)
    assert program.evaluate({}) is False
    with pytest.raises(ParseError, match="more than 3000 tokens"):
        Compiler().compile(f"!!{fitting}", ENVIRONMENT)
    numbers = ", ".join(["1"] * (MAX_TOKENS - 6))
    assert Compiler().compile(f"1 in [{numbers}]", ENVIRONMENT).evaluate({}) is True


def test_as_long_as_a_pattern_may_be() -> None:
    """A pattern of 10,000 characters is searched for; a longer one is refused at load, or fails when computed."""
    assert Compiler().compile(f"'a'.matches('{'b' * MAX_PATTERN}')", ENVIRONMENT).evaluate({}) is False
    with pytest.raises(CheckError, match="pattern too long"):
        Compiler().compile(f"'a'.matches('{'b' * (MAX_PATTERN + 1)}')", ENVIRONMENT)
    longer = Compiler().compile(f"'a'.matches(object + '{'b' * MAX_PATTERN}')", ENVIRONMENT)
    with pytest.raises(EvaluationError, match="pattern too long"):
        longer.evaluate({"object": "b"})


def test_patience_that_has_waited_is_less() -> None:
    """What loading took, evaluation hasn't; but some patience is always left."""
    assert Patience(seconds=0.08).less(0.03).seconds == pytest.approx(0.05)
    assert Patience(seconds=0.08).less(1.0).seconds == pytest.approx(0.02)


def test_map_keys_that_nobody_finds_again() -> None:
    """Each text that is computed is found again as a key, a list that is computed isn't: as in cel-go."""
    made = Compiler().compile("[1, 1].transformMapEntry(i, v, {dyn([v]): i})", ENVIRONMENT).exact({}, Budget())
    assert len(made) == 2
    with pytest.raises(EvaluationError, match="already exists"):
        Compiler().compile("[1, 1].transformMapEntry(i, v, {dyn([1]): i})", ENVIRONMENT).exact({}, Budget())


def test_recorded_answers_of_long_texts_are_their_sizes() -> None:
    """Of a text over a megabyte, a record has the size alone."""
    assert same(tagged("é" * 10), {"t": "long string", "v": "20"})
    assert not same(tagged("é" * 10), {"t": "long string", "v": "10"})
    assert same(tagged(b"abc"), {"t": "long bytes", "v": "3"})


def test_what_was_stopped_agrees_wherever_it_was() -> None:
    """How far beyond its limit an evaluation got is nobody's promise, but it must be beyond it."""
    theirs = {"type": "bool", "err": "operation cancelled: actual cost limit exceeded", "cost": 1_000_002}
    assert difference({"type": "bool", "err": "operation cancelled: x", "cost": 1_000_900}, theirs) == ""
    assert difference({"type": "bool", "err": "no such key: x", "cost": 12}, theirs) == "cost"
