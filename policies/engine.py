"""The decision: match, mutate, validate, enforce. Pure, total, deterministic.

Every matching rule is evaluated and every failure reported. What can't be evaluated is a failure; what isn't known is
asked for (`Needs`) or, where nobody can tell, undetermined; neither is ever allowed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from policies.cel import EvaluationError
from policies.consulted import Consulted
from policies.deciding.compiled import CompiledPolicy
from policies.deciding.concerned import candidates
from policies.deciding.correction import Correction
from policies.deciding.findings import Findings
from policies.deciding.judgement import judge
from policies.deciding.matching import Index, Match, key_of
from policies.deciding.recall import Key, Recall, question_of
from policies.deciding.templates import Templates
from policies.decision import Action, Decision, Inputs, Needs, Reason, Verdict
from policies.facts.context import Situation
from policies.facts.law import Law
from policies.facts.unknown import Awaiting, Undetermined
from policies.json import Json
from policies.reasons import ReasonCode
from policies.request import GroupKind, Operation, Phase, Request, Resource, request_digest
from policies.snapshot import Question, Snapshot

_POD, _PODS = GroupKind("", "v1", "Pod"), Resource("", "v1", "pods")


class RuleEngine:
    """`Engine` over one immutable set of rules. Build it with `policies.loading.engine_for`."""

    def __init__(
        self, policies: Sequence[tuple[Match, CompiledPolicy]], law: Law, codes: Mapping[str, ReasonCode], version: str
    ) -> None:
        self._compiled = sorted(policies, key=lambda entry: entry[1].name)
        self._index = Index(self._compiled)
        self._law = law
        self._codes = codes
        self._version = version
        self._templates = Templates()
        self._recall = Recall()

    @property
    def digest(self) -> bytes:
        """SHA-256 of the rules in force."""
        return self._law.rulebook.digest

    @property
    def law(self) -> Law:
        """The rules in force, as they were declared."""
        return self._law

    def under(self, law: Law) -> "RuleEngine":
        """The same policies under another law, remembering nothing."""
        return RuleEngine(self._compiled, law, self._codes, self._version)

    @property
    def policies(self) -> int:
        """How many policies are in force."""
        return len(self._index)

    def decide(self, request: Request, phase: Phase, snapshot: Snapshot, now: datetime) -> Decision | Needs:
        """What to answer. Never raises: a fault of ours is a denial that says so, unless the policies say Ignore."""
        try:
            key = (question_of(request), phase, now.date())
            known = self._recall.find(key, snapshot)
            return known if known is not None else self._decide(request, key, snapshot, now)
        except RecursionError:
            return self._unjudged("too-complex", "the object is nested too deeply to be judged", phase, snapshot)
        except Exception as fault:  # noqa: BLE001  # total: whatever goes wrong is answered, and answered with no
            return self._unjudged("internal-fault", f"{type(fault).__name__}: {fault}", phase, snapshot)

    def _decide(self, request: Request, key: Key, snapshot: Snapshot, now: datetime) -> Decision | Needs:
        phase = key[1]
        exempt = request.namespace in self._law.exempt
        concerned = candidates(self._index, request, key_of(request))
        judged = (entry for entry in concerned if entry[1].infrastructure or not exempt)
        found = [entry for entry in judged if _behind(phase, entry[1], request)]
        admitted = self._admitted if phase is not Phase.MUTATE else None
        findings, consulted = Findings(self._codes), Consulted(snapshot)
        with Situation(self._law, request, consulted, now, admitted) as situation:
            decision = self._judged(situation, phase, found, findings, self._inputs(request, snapshot))
        if findings.questions:
            return Needs(_distinct(findings.questions))
        if _repeatable(decision, situation, found):
            self._recall.keep(key, decision, consulted.notes)
        return decision

    def _judged(
        self,
        situation: Situation,
        phase: Phase,
        found: Sequence[tuple[Match, CompiledPolicy]],
        findings: Findings,
        inputs: Inputs,
    ) -> Decision:
        request = situation.request
        patch: Sequence[Json] = ()
        document = request.object
        if phase is Phase.MUTATE:
            correction = Correction(document, situation, findings)
            correction.run(found)
            document, patch = correction.object, tuple(correction.operations)
            evaluated = list(correction.policies.values())
        else:
            evaluated = judge(found, situation.facts(document), findings)
        reasons = tuple(findings.reasons)
        return Decision(
            verdict=_verdict(reasons, patch),
            reasons=reasons,
            warnings=tuple(_warning(reason) for reason in reasons if Action.WARN in reason.actions),
            patch=() if _denies(reasons) else tuple(patch),
            annotations=tuple(findings.annotations),
            policies=tuple(policy.name for policy in evaluated),
            fail_closed=any(policy.fail_closed for policy in evaluated) or phase is not Phase.IGNORE,
            summary=situation.facts(document).summary(brief=not found),
            inputs=inputs,
        )

    def _admitted(self, situation: Situation, pod: Json) -> Json:
        """A template's pod as our own mutations will make it. Raises EvaluationError where they can't."""
        return self._templates.corrected(situation, pod, lambda: self._corrected(situation, pod))

    def _corrected(self, outer: Situation, pod: Json) -> tuple[Json, Situation]:
        request = _pod_request(outer.request, pod)
        found = [entry for entry in candidates(self._index, request, key_of(request)) if entry[1].mutations]
        findings = Findings(self._codes)
        with outer.of_pod(request) as situation:
            correction = Correction(pod, situation, findings)
            correction.run(found)
        if findings.questions:
            raise Awaiting(findings.questions[0])
        for reason in findings.reasons:
            if Action.DENY in reason.actions:
                error = Undetermined if reason.undetermined else EvaluationError
                raise error(f"its pods can't be corrected: policy `{reason.policy}`: {reason.message}")
        return correction.object, situation

    def _inputs(self, request: Request, snapshot: Snapshot) -> Inputs:
        return Inputs(
            request=request_digest(request),
            snapshot=snapshot.digest,
            policies=self._law.rulebook.digest,
            data=self._law.data_digest,
            engine=self._version,
        )

    def _unjudged(self, code: str, message: str, phase: Phase, snapshot: Snapshot) -> Decision:
        """What can't be judged is denied, unless all policies behind the door say `failurePolicy: Ignore`."""
        known, ignoring = self._codes[code], phase is Phase.IGNORE
        reason = Reason(
            code,
            "bailiwick",
            message,
            fix=known.fix,
            controls=known.controls,
            actions=(Action.WARN if ignoring else Action.DENY,),
        )
        return Decision(
            verdict=Verdict.WARNED if ignoring else Verdict.DENIED,
            reasons=(reason,),
            warnings=(_warning(reason),) if ignoring else (),
            fail_closed=not ignoring,
            inputs=Inputs(snapshot=snapshot.digest, engine=self._version),
        )


def _behind(phase: Phase, policy: CompiledPolicy, request: Request) -> bool:
    """Each policy is evaluated behind exactly one of the two validating doors. What is connected to is never changed:
    a patch of the options could put another command into somebody's mouth.
    """
    if phase is Phase.MUTATE:
        return bool(policy.mutations) and request.operation is not Operation.CONNECT
    return bool(policy.checks or policy.annotations) and policy.fail_closed is (phase is Phase.FAIL)


def _repeatable(decision: Decision, situation: Situation, found: Sequence[tuple[Match, CompiledPolicy]]) -> bool:
    """Whether an equal request must get an equal decision: nobody looked at the clock or at the request's uid."""
    if "now" in situation.touched or any(reason.code == "too-complex" for reason in decision.reasons):
        return False
    return not any(policy.sees_uid for _, policy in found)


def _denies(reasons: Sequence[Reason]) -> bool:
    return any(Action.DENY in reason.actions for reason in reasons)


def _verdict(reasons: Sequence[Reason], patch: Sequence[Json]) -> Verdict:
    denying = [reason for reason in reasons if Action.DENY in reason.actions]
    if denying:
        return Verdict.UNDETERMINED if all(reason.undetermined for reason in denying) else Verdict.DENIED
    if any(Action.WARN in reason.actions for reason in reasons):
        return Verdict.WARNED
    return Verdict.MUTATED if patch else Verdict.ALLOWED


def _warning(reason: Reason) -> str:
    where = f" at {reason.path}" if reason.path else ""
    return f"policy `{reason.policy}`{where}: {reason.message}"


def _distinct(questions: Sequence[Question]) -> tuple[Question, ...]:
    return tuple(sorted(set(questions), key=repr))


def _pod_request(request: Request, pod: Json) -> Request:
    gvk = {"group": "", "version": "v1", "kind": "Pod"}
    gvr = {"group": "", "version": "v1", "resource": "pods"}
    review = {**request.review, "kind": gvk, "resource": gvr, "operation": "CREATE", "subResource": "", "name": ""}
    return replace(
        request,
        operation=Operation.CREATE,
        kind=_POD,
        resource=_PODS,
        subresource="",
        name="",
        object=pod,
        old_object=None,
        review=review,
    )
