"""Mutation: policies by name, two passes at most. What still changes after the second is refused, not guessed."""

from collections.abc import Sequence

from policies.deciding.compiled import CompiledPolicy, Mutation
from policies.deciding.concerned import concerned
from policies.deciding.evaluation import Failure, Names, run
from policies.deciding.findings import Findings
from policies.deciding.matching import Match
from policies.facts.context import Situation
from policies.json import Json
from policies.patch import PatchRefused, apply, same

PASSES = 2


class Correction:
    """One object on its way through the mutations: as they left it, and the RFC 6902 operations that lead there."""

    def __init__(self, document: Json, situation: Situation, findings: Findings) -> None:
        self.object = document
        self.operations: list[Json] = []
        self.policies: dict[str, CompiledPolicy] = {}  # those that really concerned it
        self._situation = situation
        self._findings = findings
        self._settled: dict[str, Json] = {}  # policy -> the version it left alone: asked again, it would leave it again

    def run(self, found: Sequence[tuple[Match, CompiledPolicy]]) -> None:
        """Carry out the mutations of all policies concerned. Failures go to the findings."""
        mutating = [entry for entry in found if entry[1].mutations]
        for _ in range(PASSES):
            if not self._pass(mutating):
                return
        finished, operations = self.object, list(self.operations)
        if self._pass(mutating):
            self.object, self.operations = finished, operations
            failure = Failure("mutation-unstable", f"still changing after {PASSES} passes")
            for policy in self.policies.values():
                self._findings.failed(policy, failure)

    def _pass(self, mutating: Sequence[tuple[Match, CompiledPolicy]]) -> bool:
        """Whether anything changed. Each policy sees what the ones before it did."""
        before = self.object
        for entry in mutating:
            version, name = self.object, entry[1].name
            if name in self._settled and self._settled[name] is version:
                continue
            for policy, names in concerned((entry,), self._situation.facts(version), self._findings):
                self.policies[name] = policy
                self._carry_out_all(policy, names)
            if self.object is version:
                self._settled[name] = version
        return self.object is not before

    def _carry_out_all(self, policy: CompiledPolicy, names: Names) -> None:
        for mutation in policy.mutations:
            if names.facts["object"] is not self.object:
                names.clear()
                names = names.over(self._situation.facts(self.object))
            self._carry_out(policy, mutation, names)
        names.clear()

    def _carry_out(self, policy: CompiledPolicy, mutation: Mutation, names: Names) -> None:
        operations = run(mutation.expression, names, names.budget)
        if isinstance(operations, Failure):
            message = f"`{mutation.name}`: {operations.message}"
            self._findings.failed(policy, Failure(operations.code, message, operations.question))
        elif operations:
            self._apply(policy, mutation, operations)

    def _apply(self, policy: CompiledPolicy, mutation: Mutation, operations: object) -> None:
        assert isinstance(operations, list)  # its type was checked when the policy was loaded
        try:
            after = apply(self.object, operations)
        except PatchRefused as refused:
            self._findings.failed(policy, Failure("mutation-failed", f"`{mutation.name}`: {refused}"))
            return
        if not same(after, self.object):
            self.object = after
            self.operations.extend(operations)
