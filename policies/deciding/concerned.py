"""Which of the candidate policies really concern this request: selectors, data classes, match conditions."""

from collections.abc import Iterable, Iterator

from policies.cel import EvaluationError
from policies.deciding.compiled import CompiledPolicy
from policies.deciding.evaluation import (
    MATCH_BUDGET,
    POLICY_BUDGET,
    Failure,
    Names,
    PolicyBudget,
    failure_of,
    run_common,
)
from policies.deciding.findings import Findings
from policies.deciding.matching import Index, Key, Match
from policies.facts.context import Facts
from policies.request import Request, labels_of


def candidates(index: Index[CompiledPolicy], request: Request, key: Key) -> list[tuple[Match, CompiledPolicy]]:
    """By kind, operation, scope, names and object labels: what needs no look at the cluster."""
    return [
        (match, policy)
        for match, policy in index.candidates(key)
        if match.fits(request) and match.selects_object(request)
    ]


def concerned(
    found: Iterable[tuple[Match, CompiledPolicy]], facts: Facts, findings: Findings
) -> Iterator[tuple[CompiledPolicy, Names]]:
    """The policies to evaluate, each with the names it sees. One that can't tell is a failure, never a pass."""
    for match, policy in found:
        try:
            if not _selected(match, policy, facts):
                continue
        except EvaluationError as error:
            findings.failed(policy, failure_of(error))
            continue
        names = Names(facts, policy.variables, PolicyBudget(POLICY_BUDGET))
        holds = _conditions(policy, names)
        if isinstance(holds, Failure):
            findings.failed(policy, holds)
        elif holds:
            yield policy, names
            names.clear()  # variables know their names, and names their facts: nothing of a request shall outlive it


def _selected(match: Match, policy: CompiledPolicy, facts: Facts) -> bool:
    if not match.namespaces.trivial and not match.namespaces.matches(labels_of(facts.situation.labelled)):
        return False
    return not policy.classes or facts.situation.data_class["name"] in policy.classes


def _conditions(policy: CompiledPolicy, names: Names) -> bool | Failure:
    """As the API server does it: one false condition is enough, whatever the others say."""
    failure: Failure | None = None
    budget = PolicyBudget(MATCH_BUDGET)
    for condition, program in policy.conditions:
        value = run_common(program, names, budget)
        if value is False:
            return False
        if isinstance(value, Failure) and failure is None:
            failure = Failure(value.code, f"match condition `{condition}`: {value.message}", value.question)
    return failure or True
