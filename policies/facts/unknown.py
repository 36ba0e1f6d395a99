"""What isn't known, as CEL sees it: an evaluation error that says what is missing.

An error is absorbed by `||` and `&&` only where the other side decides alone, so an unknown can never turn a denial
into an admission.
"""

from typing import TypeVar

from policies.cel import EvaluationError
from policies.json import Json
from policies.snapshot import Absent, Lookup, Pending, Question, Ref, Snapshot, Unknown, lookup


class Undetermined(EvaluationError):
    """Nobody can tell: in the command line a finding of its own kind, in the webhook a denial."""

    def __init__(self, missing: str) -> None:
        super().__init__(f"not known: {missing}")
        self.missing = missing


class Awaiting(Undetermined):
    """I/O can still tell: the rim resolves the question and asks again."""

    def __init__(self, question: Question) -> None:
        super().__init__(str(question.ref) if isinstance(question, Lookup) else str(question))
        self.question = question


T = TypeVar("T")


def decided(value: T | Unknown | Pending) -> T:
    """The value, or an evaluation error that says what is missing."""
    if isinstance(value, Pending):
        raise Awaiting(value.question)
    if isinstance(value, Unknown):
        raise Undetermined(value.missing)
    return value


def fetch(snapshot: Snapshot, ref: Ref) -> Json | None:
    """The object, None when it surely doesn't exist; raises Undetermined or Awaiting."""
    found = decided(lookup(snapshot, ref))
    return None if isinstance(found, Absent) else found
