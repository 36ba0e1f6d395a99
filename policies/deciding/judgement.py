"""Validation: every check of every policy concerned, every failure reported with the place in the object."""

from collections.abc import Sequence

from policies.deciding.compiled import Check, CompiledPolicy
from policies.deciding.concerned import concerned
from policies.deciding.evaluation import Failure, Names, run, run_common
from policies.deciding.findings import Findings
from policies.deciding.matching import Match
from policies.facts.context import Facts

_WHOLE = object()  # a check without `forEach` looks at the object as a whole


def judge(found: Sequence[tuple[Match, CompiledPolicy]], facts: Facts, findings: Findings) -> list[CompiledPolicy]:
    """The policies that were really evaluated. What they found is in `findings`."""
    evaluated = []
    for policy, names in concerned(found, facts, findings):
        evaluated.append(policy)
        for check in policy.checks:
            _check(policy, check, names, findings)
        for key, program in policy.annotations:
            _annotate(policy, key, run(program, names, names.budget), findings)
    return evaluated


def _check(policy: CompiledPolicy, check: Check, names: Names, findings: Findings) -> None:
    items = _items(check, names)
    if isinstance(items, Failure):
        findings.failed(policy, items)
        return
    for item in items:  # type: ignore[attr-defined]  # a list: checked when the policy was loaded
        if item is not _WHOLE:
            names["item"] = item
        holds = run(check.expression, names, names.budget)
        if isinstance(holds, Failure):
            findings.failed(policy, holds, _path(item))
        elif holds is not True:
            findings.violated(policy, check.code, _message(check, names), _path(item), check.fix)


def _items(check: Check, names: Names) -> object | Failure:
    """What `forEach` gives. A list that depends on facts alone is made once for all policies."""
    if check.each is None:
        return [_WHOLE]
    return (run_common if check.common else run)(check.each, names, names.budget)


def _path(item: object) -> str:
    path = item.get("path") if isinstance(item, dict) else None
    return path if isinstance(path, str) else ""


def _message(check: Check, names: Names) -> str:
    """messageExpression, else message, else the expression itself; as the API server falls back."""
    if check.message_expression is not None:
        text = run(check.message_expression, names, names.budget)
        if isinstance(text, str) and text.strip() and "\n" not in text.strip():
            return text.strip()
    return check.message or f"failed expression: {check.expression.source.strip()}"


def _annotate(policy: CompiledPolicy, key: str, value: object, findings: Findings) -> None:
    if isinstance(value, Failure):
        findings.failed(policy, value)
    elif isinstance(value, str) and value.strip():
        findings.annotations.append((f"{policy.name}/{key}", value))
