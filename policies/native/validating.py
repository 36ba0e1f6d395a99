"""ValidatingAdmissionPolicies over one request, as the API server of 1.36 evaluates them.

Every binding is evaluated with each of its params: match conditions, then validations, messages and audit annotations,
each with variables of their own. A configuration that can't be evaluated denies under `failurePolicy: Fail`, whatever
the binding's actions are.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.cel.values import Value
from policies.facts.unknown import Undetermined
from policies.json import Json
from policies.native.evaluation import PER_BINDING, PER_MATCH_CONDITIONS, Failed, Names, OutOfBudget, Run, names_of
from policies.native.findings import Findings, header_texts
from policies.native.matching import Matched, converted, is_exempt, matched
from policies.native.messages import SPACE, forbidden, message_of
from policies.native.model import AUDIT, DENY, WARN, Binding, Policy, ValidatingPolicy, Validation
from policies.native.outcome import Denial, Outcome, Status, code_of
from policies.native.parameters import ParamsRefused, params_of, unknown_kind
from policies.native.surroundings import NamespaceMissing, Surroundings
from policies.request import Request
from policies.snapshot import Snapshot

_FAILURE_KEY = "validation.policy.admission.k8s.io/validation_failure"
_LONGEST_ANNOTATION = 10 * 1024  # bytes


def validate(policies: Sequence[ValidatingPolicy], request: Request, snapshot: Snapshot) -> Outcome:
    """What all policies together make of the request. Pure; never raises."""
    findings, around = Findings(), Surroundings(request, snapshot)
    status = None
    if not is_exempt(request):
        try:
            for policy in policies:
                _Dispatch(policy, request, around, findings).run()
        except NamespaceMissing as missing:
            status = Status(404, "NotFound", str(missing))
    return Outcome(
        denials=tuple(findings.denials),
        status=status or _status(request, findings.denials),
        warnings=header_texts(findings.warnings),
        annotations=findings.annotations,
        undetermined=tuple(findings.undetermined),
        questions=tuple(findings.questions),
        policies=tuple(findings.policies),
        object=request.object,
    )


def _status(request: Request, denials: Sequence[Denial]) -> Status | None:
    """The API server's words for the first denial."""
    if not denials:
        return None
    first = denials[0]
    binding = f" with binding '{first.binding}'" if first.binding else ""
    message = f"ValidatingAdmissionPolicy '{first.policy}'{binding} denied request: {first.message}"
    return Status(code_of(first.reason), first.reason, forbidden(request, message), (message,))


class _Dispatch:
    """One policy and its bindings."""

    def __init__(self, policy: ValidatingPolicy, request: Request, around: Surroundings, findings: Findings) -> None:
        self._policy, self._request, self._around, self._findings = policy, request, around, findings
        self._collected: list[tuple[str, str]] = []

    def run(self) -> None:
        try:
            found = matched(self._policy.constraints, self._request, self._around)
            if found is not None and self._configured():
                for binding in self._policy.bindings:
                    self._bound(binding, found)
        except Undetermined as unknown:
            self._findings.unknown(unknown)
        self._findings.publish(self._policy.name, self._collected)

    def _configured(self) -> bool:
        kind = self._policy.params
        if kind is None or self._around.is_namespaced(kind) is not None:
            return True
        self._refuse("", f"failed to configure policy: {unknown_kind(kind)}")
        return False

    def _refuse(self, binding: str, message: str) -> None:
        if self._policy.fail_closed:
            self._findings.denials.append(Denial(self._policy.name, binding, message))

    def _bound(self, binding: Binding, found: Matched) -> None:
        try:
            if binding.constraints is not None and matched(binding.constraints, self._request, self._around) is None:
                return
            try:
                params = params_of(self._policy.params, binding.param_ref, self._around)
            except ParamsRefused as refused:
                self._refuse(binding.name, f"failed to configure binding: {refused}")
                return
            self._findings.matched(self._policy.name)
            for one in params:
                self._evaluated(binding, Evaluation(self._policy, self._request, self._around, found, one).result())
        except Undetermined as unknown:
            self._findings.unknown(unknown)

    def _evaluated(self, binding: Binding, result: "Result") -> None:
        for index, decision in enumerate(result.decisions):
            if isinstance(decision, Denied):
                self._denied(binding, index, decision)
        for error in result.unknown:
            self._findings.unknown(error)
        self._collected += result.annotations
        for message in result.annotation_errors:
            self._findings.denials.append(Denial(self._policy.name, binding.name, message))

    def _denied(self, binding: Binding, index: int, denied: "Denied") -> None:
        name, findings = self._policy.name, self._findings
        for action in binding.actions:
            if action == DENY:
                findings.denials.append(Denial(name, binding.name, denied.message, denied.reason, index))
            elif action == WARN:
                head = f"Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{binding.name}'"
                findings.warnings.append(f"{head}: {denied.message}")
            elif action == AUDIT:
                findings.annotate(_FAILURE_KEY, _failure(name, binding, index, denied.message))


def _failure(policy: str, binding: Binding, index: int, message: str) -> str:
    """The value of the failure's audit annotation, written as Go writes JSON."""
    value = {
        "message": message,
        "policy": policy,
        "binding": binding.name,
        "expressionIndex": index,
        "validationActions": list(binding.actions),
    }
    text = json.dumps([value], separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@dataclass(frozen=True, slots=True)
class Denied:
    """A validation that doesn't hold, or can't be evaluated."""

    message: str
    reason: str = "Invalid"


@dataclass(frozen=True, slots=True)
class Result:
    """One policy, binding and param over the request: a decision for each validation, None where it holds."""

    decisions: tuple[Denied | None, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    annotation_errors: tuple[str, ...] = ()
    unknown: tuple[Undetermined, ...] = ()


def condition_names(names: Names, authorizer: Mapping[str, object]) -> Names:
    """What match conditions see: no namespace, and the resource of the request itself."""
    return Names(names, {**authorizer, "namespaceObject": None}, {"request": lambda: _with_resource(names["request"])})


def conditions_hold(policy: Policy, names: Names, unknown: list[Undetermined]) -> bool | str:
    """Whether match conditions let the policy run; the message of what went wrong under `failurePolicy: Fail`.

    What isn't known is put into `unknown`; then the answer is False.
    """
    run = Run(names, policy.variables, PER_MATCH_CONDITIONS)
    try:
        values = [run.evaluate(condition.expression) for condition in policy.conditions]
    except OutOfBudget as error:
        return str(error) if policy.fail_closed else False
    if any(value is False for value in values):
        return False
    failed = [value for value in values if isinstance(value, Failed)]
    unknown += [one.unknown for one in failed if one.unknown is not None]
    if not failed:
        return True
    if unknown or not policy.fail_closed:
        return False
    messages = tuple(dict.fromkeys(one.message for one in failed))
    return messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"


class Evaluation:
    """The evaluation of one policy with one param."""

    def __init__(
        self, policy: ValidatingPolicy, request: Request, around: Surroundings, found: Matched, params: Json
    ) -> None:
        self._policy = policy
        self._unknown: list[Undetermined] = []
        self._names = names_of(converted(request, found, around), found, params, around)
        self._authorizer = around.authorizer()

    def result(self) -> Result:
        held = self._conditions()
        if held is not True:
            decisions = self._failure(held) if isinstance(held, str) else ()
            return Result(decisions, unknown=tuple(self._unknown))
        try:
            return self._validated()
        except OutOfBudget as error:
            return Result(self._failure(str(error)), unknown=tuple(self._unknown))

    def _failure(self, message: str) -> tuple[Denied | None, ...]:
        return (Denied(message) if self._policy.fail_closed else None,)

    def _conditions(self) -> bool | str:
        if not self._policy.conditions:
            return True
        return conditions_hold(self._policy, condition_names(self._names, self._authorizer), self._unknown)

    def _validated(self) -> Result:
        validations = self._policy.validations
        run = Run(Names(self._names, self._authorizer), self._policy.variables, PER_BINDING)
        values = [run.evaluate(validation.expression) for validation in validations]
        messages, broken = self._messages(run.left)
        told = zip(validations, values, messages, strict=True)
        decisions = [self._decided(validation, value, message, broken) for validation, value, message in told]
        annotations, errors = self._annotated()
        return Result(tuple(decisions), tuple(annotations), tuple(errors), tuple(self._unknown))

    def _messages(self, budget: int) -> tuple[Sequence[Value], str]:
        """What the message expressions give, and what broke their evaluation off. They have no authorizer.

        They are evaluated even where all validations hold: what they cost may exceed the budget, and that denies.
        """
        run = Run(self._names, self._policy.variables, budget)
        expressions = [validation.message_expression for validation in self._policy.validations]
        try:
            return [None if one is None else run.evaluate(one) for one in expressions], ""
        except OutOfBudget as error:
            return [None] * len(expressions), str(error)

    def _decided(self, validation: Validation, value: Value, message: Value, broken: str) -> Denied | None:
        if isinstance(value, Failed):
            if value.unknown is not None:
                self._unknown.append(value.unknown)
                return None
            return self._failure(value.message)[0]
        if broken:
            return self._failure(f"failed messageExpression: {broken}")[0]
        if value is True:
            return None
        return Denied(message_of(validation, message), validation.reason)

    def _annotated(self) -> tuple[list[tuple[str, str]], list[str]]:
        """The policy's audit annotations, and the errors that deny. Raises OutOfBudget."""
        run = Run(self._names, self._policy.variables, PER_BINDING)
        found: list[tuple[str, str]] = []
        errors: list[str] = []
        for annotation in self._policy.annotations:
            value = run.evaluate(annotation.expression)
            if isinstance(value, Failed):
                if value.unknown is not None:
                    self._unknown.append(value.unknown)
                elif self._policy.fail_closed:
                    errors.append(value.message)
            elif isinstance(value, str) and value.strip(SPACE):
                found.append((annotation.key, _cut(value.strip(SPACE))))
        return found, errors


def _with_resource(request: object) -> Json:
    """`request` as match conditions see it."""
    assert isinstance(request, dict)
    return {**request, "resource": request["requestResource"]}


def _cut(text: str) -> str:
    data = text.encode()
    return text if len(data) <= _LONGEST_ANNOTATION else data[:_LONGEST_ANNOTATION].decode(errors="replace")
