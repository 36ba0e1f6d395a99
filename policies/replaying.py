"""Old decisions made again: bit for bit under the rules of then, and compared with what other rules would say.

Pure. A case is what a record and its archive hold of one decision. Under the rules of then, equality is of canonical
bytes, by the digest that the record's leaf commits to. Under other rules what counts is what the person who asked would
have noticed: verdict, reasons and patch.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from policies.consulted import Excerpt
from policies.decision import Decision, Inputs, Needs, Reason, Verdict
from policies.ports import Engine
from policies.request import Phase, Request


class Outcome(StrEnum):
    """What a replay of one record gave."""

    SAME = "same"
    DIFFERS = "differs"
    UNKNOWN = "unknown"  # other rules ask for what the decision of then never read
    WITHHELD = "withheld"  # the same, as far as it can be told without the data of a Secret
    UNDECIDED = "undecided"  # nothing to replay: no rule decided, a fault or a deadline did
    ERASED = "erased"  # declared by an erasure record
    TAMPERED = "tampered"  # what is archived isn't what the leaf names, or doesn't open
    MISSING = "missing"  # what the leaf names isn't there, and nobody declared it erased
    UNREADABLE = "unreadable"  # archived rules that this release can't put in force, or a record of an older form


FAILURES = frozenset({Outcome.DIFFERS, Outcome.TAMPERED, Outcome.MISSING, Outcome.UNREADABLE})


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded decision. `withheld`: the request stands there without the data of a Secret."""

    request: Request
    phase: Phase
    now: datetime
    excerpt: Excerpt
    inputs: Inputs
    is_of: Callable[[bytes], bool]  # does the leaf name a decision with this SHA-256?
    verdict: str
    reasons: tuple[tuple[str, str], ...]  # code and policy, as the leaf has them
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcome, and what differs in words."""

    outcome: Outcome
    detail: str = ""
    decision: Decision | None = None


def replay(case: Case, engine: Engine) -> Replayed:
    """Decide again under the rules of then."""
    decided = engine.decide(case.request, case.phase, case.excerpt, case.now)
    if isinstance(decided, Needs):
        return Replayed(Outcome.DIFFERS, "now asks the cluster, which it didn't then")
    if case.withheld:
        decided = replace(decided, inputs=replace(decided.inputs, request=case.inputs.request))
    if case.is_of(sha256(decided.to_bytes()).digest()):
        return Replayed(Outcome.WITHHELD if case.withheld else Outcome.SAME, "", decided)
    if case.withheld:
        return Replayed(Outcome.WITHHELD, "not shown: its rules looked at the data of a Secret", decided)
    return Replayed(Outcome.DIFFERS, _difference(case, decided), decided)


def compare(case: Case, engine: Engine) -> Replayed:
    """Decide again under other rules, and say whether the person who asked would have noticed."""
    decided = engine.decide(case.request, case.phase, case.excerpt, case.now)
    if isinstance(decided, Needs):
        return Replayed(Outcome.UNKNOWN, f"needs {decided.questions[0]}, which was not read then")
    if decided.verdict is Verdict.UNDETERMINED and case.verdict != Verdict.UNDETERMINED:
        missing = next((reason.message for reason in decided.reasons if reason.undetermined), "")
        return Replayed(Outcome.UNKNOWN, missing, decided)
    if (decided.verdict, _pairs(decided.reasons)) == (case.verdict, tuple(sorted(case.reasons))):
        return Replayed(Outcome.SAME, "", decided)
    return Replayed(Outcome.DIFFERS, _difference(case, decided), decided)


def _difference(case: Case, decided: Decision) -> str:
    if decided.verdict != case.verdict:
        return f"was {case.verdict}, now {decided.verdict}{_because(decided.reasons)}"
    before, now = set(case.reasons), set(_pairs(decided.reasons))
    gone, new = sorted(before - now), sorted(now - before)
    if gone or new:
        told = [f"no longer {code} ({policy})" for code, policy in gone]
        told += [f"also {code} ({policy})" for code, policy in new]
        return f"still {case.verdict}: {', '.join(told)}"
    return f"same verdict and reasons, other bytes than release {case.inputs.engine} gave"


def _because(reasons: Iterable[Reason]) -> str:
    told = ", ".join(dict.fromkeys(f"{reason.code} ({reason.policy})" for reason in reasons))
    return f": {told}" if told else ""


def _pairs(reasons: Iterable[Reason]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((reason.code, reason.policy) for reason in reasons))
