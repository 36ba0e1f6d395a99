"""Mutation: policies by name, two passes at most. What still changes after the second is refused, not guessed."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.compiled import CompiledPolicy, Mutation
from policies.concerned import concerned
from policies.evaluation import Failure, Names, run
from policies.facts.context import Situation
from policies.findings import Findings
from policies.json import Json
from policies.matching import Match
from policies.patch import PatchRefused, apply, same

PASSES = 2


@dataclass
class Corrected:
    """The object as the mutations left it, and the RFC 6902 operations that lead there."""

    object: Json
    operations: list[Json]


def correct(
    found: Sequence[tuple[Match, CompiledPolicy]], situation: Situation, document: Json, findings: Findings
) -> Corrected:
    """Carry out the mutations of all policies concerned. Failures go to `findings`; the object is then incomplete."""
    corrected = Corrected(document, [])
    mutating = [entry for entry in found if entry[1].mutations]
    settled: dict[str, Json] = {}  # policy -> the version that it left alone: asked again, it would leave it again
    for _ in range(PASSES):
        if not _one_pass(mutating, situation, corrected, findings, settled):
            return corrected
    if mutating and _one_pass(mutating, situation, Corrected(corrected.object, []), findings, settled):
        message = f"still changing after {PASSES} passes"
        for _match, policy in mutating:
            findings.failed(policy, Failure("mutation-unstable", message))
    return corrected


def _one_pass(
    mutating: Sequence[tuple[Match, CompiledPolicy]],
    situation: Situation,
    corrected: Corrected,
    findings: Findings,
    settled: dict[str, Json],
) -> bool:
    """Whether anything changed. Each policy sees what the ones before it did."""
    before = corrected.object
    for entry in mutating:
        version = corrected.object
        if settled.get(entry[1].name) is version:
            continue
        for policy, names in concerned((entry,), situation.facts(corrected.object), findings):
            for mutation in policy.mutations:
                seen = (
                    names
                    if names.facts["object"] is corrected.object
                    else names.over(situation.facts(corrected.object))
                )
                _carry_out(policy, mutation, seen, corrected, findings)
        if corrected.object is version:
            settled[entry[1].name] = version
    return corrected.object is not before


def _carry_out(
    policy: CompiledPolicy, mutation: Mutation, names: Names, corrected: Corrected, findings: Findings
) -> None:
    operations = run(mutation.expression, names, names.budget)
    if isinstance(operations, Failure):
        findings.failed(
            policy, Failure(operations.code, f"`{mutation.name}`: {operations.message}", operations.question)
        )
        return
    try:
        after = apply(corrected.object, operations)  # type: ignore[arg-type]  # checked when the policy was loaded
    except PatchRefused as refused:
        findings.failed(policy, Failure("mutation-failed", f"`{mutation.name}`: {refused}"))
        return
    if not same(after, corrected.object):
        corrected.object = after
        corrected.operations.extend(operations)  # type: ignore[arg-type]
