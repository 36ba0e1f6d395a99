"""MutatingAdmissionPolicies over one request, as the API server of 1.36 carries them out.

Which policies match is asked of the object as it came; each then sees what the ones before it made. When something has
changed, policies with `reinvocationPolicy: IfNeeded` are called once more. The API server fills in a kind's defaults
after every patch; that is left to it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from policies.cel.values import Value
from policies.facts.unknown import Undetermined
from policies.json import Json
from policies.native import shapes
from policies.native.evaluation import PER_BINDING, Failed, Names, OutOfBudget, Run, names_of
from policies.native.findings import Findings
from policies.native.json_patch import ExpectationFailed, PatchFailed, difference, patched
from policies.native.matching import Matched, converted, is_exempt, matched
from policies.native.merging import MergeRefused, merged, mistyped, undeclared
from policies.native.model import Binding, MutatingPolicy, Mutation
from policies.native.outcome import Denial, Outcome, Status
from policies.native.parameters import ParamsRefused, params_of, unknown_kind
from policies.native.patches import Mistyped, Unsendable, configuration, operations, settled
from policies.native.surroundings import NamespaceMissing, Surroundings
from policies.native.validating import condition_names, conditions_hold
from policies.patch import same
from policies.request import Operation, Request
from policies.snapshot import Snapshot

_MUTATED = (Operation.CREATE, Operation.UPDATE, Operation.CONNECT)
Key = tuple[str, str, str, str]  # policy, binding, namespace and name of the param


class _Broken(Exception):
    """The API server answers at once, whatever the failurePolicy."""

    def __init__(self, status: Status) -> None:
        self.status = status
        super().__init__(status.message)


@dataclass(frozen=True, slots=True)
class _Invocation:
    policy: MutatingPolicy
    binding: Binding
    found: Matched
    params: Json

    @property
    def key(self) -> Key:
        metadata = (self.params or {}).get("metadata") or {}
        return self.policy.name, self.binding.name, metadata.get("namespace") or "", metadata.get("name") or ""


@dataclass
class _Reinvocation:
    """Which policies are called again."""

    invoked: set[Key] = field(default_factory=set)
    again: set[Key] = field(default_factory=set)
    wanted: bool = False

    def changed(self) -> None:
        self.again |= self.invoked
        self.invoked = set()
        self.wanted = True


def mutate(policies: Sequence[MutatingPolicy], request: Request, snapshot: Snapshot) -> Outcome:
    """The object after all policies, or why the request is refused. Pure; never raises."""
    findings, reinvocation = Findings(), _Reinvocation()
    found, status = request.object, None
    if request.operation in _MUTATED and not is_exempt(request):
        try:
            found = _Pass(policies, request, snapshot, findings, reinvocation).run()
            if reinvocation.wanted and not findings.denials and not findings.undetermined:
                again = replace(request, object=found)
                found = _Pass(policies, again, snapshot, findings, reinvocation, second=True).run()
        except _Broken as broken:
            status = broken.status
        except NamespaceMissing as missing:
            status = Status(404, "NotFound", str(missing))
    status = status or _status(findings.denials)
    return Outcome(
        denials=tuple(findings.denials),
        status=status,
        undetermined=tuple(findings.undetermined),
        questions=tuple(findings.questions),
        policies=tuple(findings.policies),
        object=found,
        patch=() if status else tuple(difference(request.object, found)),
    )


def _status(denials: Sequence[Denial]) -> Status | None:
    if not denials:
        return None
    causes = tuple(
        f"policy '{one.policy}' with binding '{one.binding}' denied request: {one.message}"
        if one.binding
        else f'policy "{one.policy}" denied request: {one.message}'
        for one in denials
    )
    return Status(403, denials[0].reason, causes[0], causes)


class _Pass:
    """All policies once, in their order."""

    def __init__(
        self,
        policies: Sequence[MutatingPolicy],
        request: Request,
        snapshot: Snapshot,
        findings: Findings,
        reinvocation: _Reinvocation,
        *,
        second: bool = False,
    ) -> None:
        self._policies, self._request, self._findings = policies, request, findings
        self._around = Surroundings(request, snapshot)
        self._reinvocation, self._second = reinvocation, second
        self._object = request.object
        self._patched = False

    def run(self) -> Json:
        """The object afterwards. Raises _Broken and NamespaceMissing."""
        for invocation in list(self._invocations()):
            try:
                self._invoke(invocation)
            except Undetermined as unknown:
                self._findings.unknown(unknown)
        if self._patched:
            self._reinvocation.changed()
        return self._object

    def _invocations(self) -> Iterator[_Invocation]:
        for policy in self._policies:
            try:
                found = matched(policy.constraints, self._request, self._around)
                if found is None:
                    continue
                if policy.params is not None and self._around.is_namespaced(policy.params) is None:
                    message = f"failed to configure policy: {unknown_kind(policy.params)}"
                    self._refuse(policy, "", message, "Forbidden")
                    continue
            except Undetermined as unknown:
                self._findings.unknown(unknown)
                continue
            for binding in policy.bindings:
                yield from self._bound(policy, binding, found)

    def _bound(self, policy: MutatingPolicy, binding: Binding, found: Matched) -> Iterator[_Invocation]:
        try:
            if binding.constraints is not None and matched(binding.constraints, self._request, self._around) is None:
                return
            params = params_of(policy.params, binding.param_ref, self._around)
        except ParamsRefused as refused:
            self._refuse(policy, binding.name, f"failed to configure binding: {refused}", "Forbidden")
            return
        except Undetermined as unknown:
            self._findings.unknown(unknown)
            return
        self._findings.matched(policy.name)
        for one in params:
            yield _Invocation(policy, binding, found, one)

    def _refuse(
        self, policy: MutatingPolicy, binding: str, message: str, reason: str = "Invalid", index: int | None = None
    ) -> None:
        if policy.fail_closed:
            self._findings.denials.append(Denial(policy.name, binding, message, reason, index))

    def _invoke(self, invocation: _Invocation) -> None:
        policy, unknown = invocation.policy, list[Undetermined]()
        names = self._names(invocation)
        held = conditions_hold(policy, condition_names(names, self._around.authorizer()), unknown)
        for error in unknown:
            self._findings.unknown(error)
        if isinstance(held, str):
            self._refuse(policy, invocation.binding.name, held)
        if held is not True or (self._second and invocation.key not in self._reinvocation.again):
            return
        before = self._object
        for index, mutation in enumerate(policy.mutations):
            self._mutated(invocation, mutation, index)
        if not same(before, self._object):
            self._reinvocation.changed()
        if policy.reinvoked:
            self._reinvocation.invoked.add(invocation.key)

    def _names(self, invocation: _Invocation) -> Names:
        """The names over the object as it is by now."""
        current = replace(self._request, object=self._object)
        seen = converted(current, invocation.found, self._around)
        return names_of(seen, invocation.found, invocation.params, self._around)

    def _mutated(self, invocation: _Invocation, mutation: Mutation, index: int) -> None:
        if self._object is None:
            return
        names = Names(self._names(invocation), self._around.authorizer())
        policy, binding = invocation.policy, invocation.binding.name
        try:
            value = Run(names, policy.variables, PER_BINDING).evaluate(mutation.expression)
        except OutOfBudget as error:
            self._refuse(policy, binding, str(error), index=index)
            return
        if isinstance(value, Failed):
            if value.unknown is not None:
                raise value.unknown
            self._refuse(policy, binding, value.message, index=index)
            return
        try:
            after = self._applied(invocation, mutation, names, value)
        except (Mistyped, MergeRefused, PatchFailed) as error:
            self._refuse(policy, binding, str(error), index=index)
            return
        except Unsendable as error:
            raise _Broken(Status(500, "InternalError", str(error))) from error
        self._object, self._patched = self._returned(invocation.found, after), True

    def _applied(self, invocation: _Invocation, mutation: Mutation, names: Names, value: Value) -> Json:
        document: Json = names["object"]
        known = shapes.built_in(invocation.found.kind)
        if not mutation.json_patch:
            patch = {
                **configuration(value, names.touched()),
                **{name: document[name] for name in ("apiVersion", "kind")},
            }
            shape = self._around.shape(invocation.found.kind)
            try:
                after = merged(shape, document, patch)
            except MergeRefused as refused:
                raise MergeRefused(f"error applying patch: {refused}") from refused
            return after if known is None else settled(known, document, after)
        try:
            after = patched(document, operations(value))
        except ExpectationFailed:
            return document
        except PatchFailed as failed:
            raise PatchFailed(f"JSON Patch: {failed}") from failed
        return after if known is None else _decoded(known, document, after)

    def _returned(self, found: Matched, after: Json) -> Json:
        """The object in the version in which the request has it."""
        if found.resource == self._request.resource:
            return after
        return self._around.converted(after, self._request.resource)


def _decoded(shape: shapes.Shape, before: Json, after: Json) -> Json:
    """What the strict decoder of a built-in kind makes of a patched object. Raises _Broken where it refuses it."""
    settled_after = settled(shape, before, after)
    held = set(undeclared(shape, before))
    unknown = [f'unknown field "{field}"' for field in undeclared(shape, settled_after) if field not in held]
    wrong = [] if unknown else mistyped(shape, settled_after)
    if unknown or wrong:
        message = f"strict decoding error: {', '.join(unknown)}" if unknown else f"json: cannot unmarshal: {wrong[0]}"
        raise _Broken(Status(500, "InternalError", f"Internal error occurred: {message}", (message,)))
    return settled_after
