"""What comes to light while a request is judged: failed rules, open questions, annotations; all of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.deciding.compiled import CompiledPolicy
from policies.deciding.evaluation import Failure
from policies.decision import Action, Reason
from policies.reasons import ReasonCode
from policies.snapshot import Question

DENY, WARN = (Action.DENY,), (Action.WARN,)


@dataclass
class Findings:
    """Collects reasons and questions; `codes` is the table that supplies each reason's remedy and controls."""

    codes: Mapping[str, ReasonCode]
    reasons: dict[Reason, None] = field(default_factory=dict)  # in order, each once
    questions: list[Question] = field(default_factory=list)
    annotations: list[tuple[str, str]] = field(default_factory=list)

    def violated(self, policy: CompiledPolicy, code: str, message: str, path: str = "", fix: str = "") -> None:
        """A rule of the policy doesn't hold: what happens is the policy's validationActions."""
        self._add(policy, code, message, path, fix=fix, actions=policy.actions)

    def failed(self, policy: CompiledPolicy, failure: Failure, path: str = "") -> None:
        """A rule couldn't be evaluated: a denial under `failurePolicy: Fail`, a warning under `Ignore`."""
        if failure.question is not None:
            self.questions.append(failure.question)
        actions = DENY if policy.fail_closed else WARN
        self._add(policy, failure.code, failure.message, path, fix="", actions=actions)

    def _add(
        self, policy: CompiledPolicy, code: str, message: str, path: str, *, fix: str, actions: tuple[Action, ...]
    ) -> None:
        known = self.codes.get(code)
        reason = Reason(
            code=code,
            policy=policy.name,
            message=message,
            path=path,
            fix=fix or (known.fix if known else ""),
            controls=tuple(dict.fromkeys((*policy.controls, *(known.controls if known else ())))),
            actions=actions,
            undetermined=code == "undetermined",
        )
        self.reasons[reason] = None  # a second mutation pass meets the same failure again
