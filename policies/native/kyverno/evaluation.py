"""Kyverno's policies over one request, by Kyverno's rules: a policy stops at its first validation that doesn't hold.

Which request a policy concerns is asked exactly, see `reading`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from policies.cel.values import Value
from policies.facts.unknown import Awaiting, Undetermined
from policies.json import Json
from policies.native.evaluation import Failed, Names, Run, names_of
from policies.native.json_patch import ExpectationFailed, PatchFailed, difference, patched
from policies.native.kyverno.model import (
    KyvernoMutatingPolicy,
    KyvernoPolicy,
    KyvernoValidatingPolicy,
    Mutated,
    Result,
    Template,
    Verdict,
)
from policies.native.kyverno.templates import pod_of
from policies.native.matching import Matched, matched
from policies.native.merging import MergeRefused, merged
from policies.native.model import Constraints, Mutation, Validation
from policies.native.patches import Mistyped, Steps, Unsendable, configuration, nested, operations
from policies.native.surroundings import NamespaceMissing, Surroundings
from policies.request import Request
from policies.snapshot import Snapshot

_UNBOUND = 2**62  # Kyverno limits each expression, not a policy


class _Stop(Exception):
    """The policy's verdict is found."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        super().__init__(verdict.message)


def judge(policies: Iterable[KyvernoPolicy], request: Request, snapshot: Snapshot) -> tuple[Verdict, ...]:
    """The verdicts of all validating policies that concern the request. Pure; never raises."""
    view = _View(request, Surroundings(request, snapshot))
    found = (_verdict(one, view) for one in policies if isinstance(one, KyvernoValidatingPolicy))
    return tuple(verdict for verdict in found if verdict is not None)


def mutate(policies: Iterable[KyvernoPolicy], request: Request, snapshot: Snapshot) -> Mutated:
    """The object after all mutating policies that concern the request, in their order. Pure; never raises."""
    verdicts: list[Verdict] = []
    current = request
    for policy in policies:
        if isinstance(policy, KyvernoMutatingPolicy):
            verdict, made = _mutated(policy, current, snapshot)
            if verdict is not None:
                verdicts.append(verdict)
                current = replace(current, object=made)
    return Mutated(current.object, tuple(difference(request.object, current.object)), tuple(verdicts))


class _View:
    """What policies see of one request: by itself, or as the pod of a controller's template. Made once for all."""

    def __init__(self, request: Request, around: Surroundings) -> None:
        self.request, self.around = request, around
        self._names: dict[Steps | None, Names] = {}

    def names(self, template: Template | None) -> Names:
        """Raises NamespaceMissing."""
        steps = template.steps if template else None
        if steps not in self._names:
            self._names[steps] = _names(_seen(self.request, template), self.around)
        return self._names[steps]


def _verdict(policy: KyvernoValidatingPolicy, view: _View) -> Verdict | None:
    blank = Verdict(policy.name, Result.PASS, actions=policy.actions, fail_closed=policy.fail_closed)
    try:
        for template in _concerned(policy, view.request, view.around):
            return _Validation(policy, view.names(template), blank).verdict()
    except _Stop as stop:
        return stop.verdict
    except Undetermined as unknown:
        return _unknown(blank, unknown)
    except NamespaceMissing as missing:
        return replace(blank, result=Result.ERROR, message=str(missing))
    return None


def _unknown(blank: Verdict, error: Undetermined) -> Verdict:
    questions = (error.question,) if isinstance(error, Awaiting) else ()
    return replace(blank, result=Result.UNDETERMINED, message=f"not known: {error.missing}", questions=questions)


def _concerned(policy: KyvernoPolicy, request: Request, around: Surroundings) -> Iterator[Template | None]:
    """The template by which the request concerns the policy, None for the object itself; nothing if it doesn't."""
    if policy.namespace and policy.namespace != request.namespace:
        return
    if _matches(policy.constraints, request, around):
        yield None
        return
    for template in policy.templates:
        if _matches(template.constraints, request, around):
            yield template
            return


def _matches(constraints: Constraints, request: Request, around: Surroundings) -> bool:
    if matched(constraints, request, around) is not None:
        return True
    return not request.name and _by_generated_name(constraints, request, around)


def _by_generated_name(constraints: Constraints, request: Request, around: Surroundings) -> bool:
    """An object that gets its name later is known by what that begins with."""
    metadata = request.object.get("metadata") if isinstance(request.object, Mapping) else None
    prefix = str((metadata or {}).get("generateName") or "")
    named = tuple(rule for rule in constraints.rules if any(prefix.startswith(name) for name in rule.names))
    bare = tuple(replace(rule, names=frozenset()) for rule in named)
    return bool(bare) and matched(replace(constraints, rules=bare), request, around) is not None


def _seen(request: Request, template: Template | None) -> Request:
    if template is None:
        return request
    steps = template.steps
    return replace(request, object=pod_of(request.object, steps), old_object=pod_of(request.old_object, steps))


def _names(request: Request, around: Surroundings) -> Names:
    names = names_of(request, Matched(request.resource, request.kind), None, around)
    asked = around.request
    whole = {"object": asked.object, "oldObject": asked.old_object}
    return Names(names, {}, {"request": lambda: {**_mapping(names["request"]), **whole}})


def _mapping(value: object) -> dict[str, Any]:
    assert isinstance(value, dict)
    return value


def _cause(failed: Failed) -> str:
    if failed.unknown is not None:
        raise failed.unknown
    return failed.cause


def _hold(policy: KyvernoPolicy, run: Run, blank: Verdict) -> None:
    """Raises _Stop where the match conditions don't hold, or can't be evaluated."""
    errors = []
    for condition in policy.conditions:
        value = run.evaluate(condition.expression)
        if isinstance(value, Failed):
            errors.append(_cause(value))
        elif value is not True:
            raise _Stop(replace(blank, result=Result.SKIP))
    if errors and isinstance(policy, KyvernoValidatingPolicy) and not policy.fail_closed:
        raise _Stop(replace(blank, result=Result.SKIP))
    if errors:
        raise _Stop(replace(blank, result=Result.ERROR, message="; ".join(errors)))


class _Validation:
    """One validating policy over one object."""

    def __init__(self, policy: KyvernoValidatingPolicy, names: Names, blank: Verdict) -> None:
        self._policy, self._blank = policy, blank
        self._conditions = Run(names, {}, _UNBOUND)
        self._run = Run(names, policy.variables, _UNBOUND)

    def verdict(self) -> Verdict:
        _hold(self._policy, self._conditions, self._blank)
        for index, validation in enumerate(self._policy.validations):
            value = self._run.evaluate(validation.expression)
            if isinstance(value, Failed):
                return replace(self._blank, result=Result.ERROR, message=_cause(value), index=index)
            if value is not True:
                message = self._message(validation, index)
                failed = replace(self._blank, result=Result.FAIL, message=message, index=index)
                return self._annotated(failed)
        return self._annotated(self._blank)

    def _message(self, validation: Validation, index: int) -> str:
        if validation.message_expression is None:
            return validation.message or f"CEL expression validation failed at index {index}"
        told = self._run.evaluate(validation.message_expression)
        if isinstance(told, Failed):
            return f"failed to evaluate message expression: {_cause(told)}"
        return str(told) or f"CEL expression validation failed at index {index}"

    def _annotated(self, verdict: Verdict) -> Verdict:
        found = []
        for annotation in self._policy.annotations:
            value = self._run.evaluate(annotation.expression)
            if isinstance(value, Failed):
                message = f"failed to evaluate auditAnnotation '{annotation.key}': {_cause(value)}"
                return replace(self._blank, result=Result.ERROR, message=message)
            if isinstance(value, str) and value:
                found.append((annotation.key, value))
        return replace(verdict, annotations=tuple(found)) if found else verdict


def _mutated(policy: KyvernoMutatingPolicy, request: Request, snapshot: Snapshot) -> tuple[Verdict | None, Json]:
    """The verdict, None where the request doesn't concern the policy, and the object afterwards."""
    blank = Verdict(policy.name, Result.PASS, fail_closed=policy.fail_closed)
    around = Surroundings(request, snapshot)
    try:
        for template in _concerned(policy, request, around):
            return blank, _Mutation(policy, request, around, template).object(blank)
    except _Stop as stop:
        return stop.verdict, request.object
    except Undetermined as unknown:
        return _unknown(blank, unknown), request.object
    except (Mistyped, MergeRefused, PatchFailed, Unsendable, NamespaceMissing) as error:
        return replace(blank, result=Result.ERROR, message=str(error)), request.object
    return None, request.object


class _Mutation:
    """One mutating policy over one object. Under autogen an ApplyConfiguration is merged into the pod template; a JSON
    Patch has paths of its own and sees the controller as it is.
    """

    def __init__(
        self, policy: KyvernoMutatingPolicy, request: Request, around: Surroundings, template: Template | None
    ) -> None:
        self._policy, self._request, self._around, self._template = policy, request, around, template

    def object(self, blank: Verdict) -> Json:
        found = self._request.object
        _hold(self._policy, Run(self._seen(found, json_patch=False), self._policy.variables, _UNBOUND), blank)
        for mutation in self._policy.mutations:
            found = self._applied(found, mutation, blank)
        return found

    def _seen(self, found: Json, *, json_patch: bool) -> Names:
        request = replace(self._request, object=found)
        return _names(request if json_patch else _seen(request, self._template), self._around)

    def _applied(self, found: Json, mutation: Mutation, blank: Verdict) -> Json:
        names = self._seen(found, json_patch=mutation.json_patch)
        value: Value = Run(names, self._policy.variables, _UNBOUND).evaluate(mutation.expression)
        if isinstance(value, Failed):
            raise _Stop(replace(blank, result=Result.ERROR, message=_cause(value)))
        if mutation.json_patch:
            try:
                return patched(found, operations(value))
            except ExpectationFailed:
                return found
        patch = nested(configuration(value, names.touched()), self._template.steps if self._template else ())
        head = {name: found[name] for name in ("apiVersion", "kind") if name in found}
        return merged(self._around.shape(self._request.kind), found, {**patch, **head})
