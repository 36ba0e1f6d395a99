"""Running compiled expressions: names that are computed when touched, `variables` that are computed once, one budget.

Outcomes are values: an expression gives its result or a `Failure`; nothing escapes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from policies.cel import Budget, CostExceeded, EvaluationError, Program
from policies.facts.unknown import Awaiting, Undetermined
from policies.snapshot import Question

PER_EXPRESSION = 1_000_000  # cost units, as in the API server
POLICY_BUDGET = 10_000_000  # for one policy and one request: the API server's limit per binding
MATCH_BUDGET = 2_500_000  # for all match conditions of one policy together


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an expression has no value."""

    code: str  # a reason code
    message: str
    question: Question | None = None  # I/O could still tell


class Shared(Protocol):
    """The facts that all policies of a decision share, and `answers`: value and cost of expressions in common."""

    answers: dict[Program, tuple[object, int]]

    def __getitem__(self, name: str, /) -> object: ...


class PolicyBudget(Budget):
    """One purse for all expressions of a policy, from which each may take `PER_EXPRESSION` at most."""

    __slots__ = ()

    @property
    def left(self) -> int:
        left = self.limit - self.spent
        return left if left < PER_EXPRESSION else PER_EXPRESSION

    def spend(self, cost: int) -> None:
        self.spent += cost

    def check(self) -> None:
        raise CostExceeded(f"costs more than an expression may ({PER_EXPRESSION}), or than is left of {self.limit}")


class Names(dict[str, object]):
    """The names one policy sees: its own `variables` and `item`, and behind them the shared facts."""

    def __init__(self, facts: Shared, variables: Mapping[str, Program], budget: Budget) -> None:
        super().__init__()
        self.facts = facts
        self.budget = budget
        self._variables = variables
        if variables:
            self["variables"] = Variables(self, variables)

    def over(self, facts: Shared) -> "Names":
        """The same policy's names over the facts of an object that was changed meanwhile, with the same budget."""
        return Names(facts, self._variables, self.budget)

    def __missing__(self, name: str) -> object:
        value = self[name] = self.facts[name]
        return value


class Variables(dict[str, object]):
    """`variables.x`: evaluated at first use, then remembered; an error is remembered too."""

    def __init__(self, names: Names, programs: Mapping[str, Program]) -> None:
        super().__init__()
        self._names, self._programs = names, programs
        self._failed: dict[str, EvaluationError] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._programs

    def __missing__(self, name: str) -> object:
        if name in self._failed:
            raise self._failed[name]
        try:
            value = self._programs[name].evaluate(self._names, self._names.budget)
        except EvaluationError as error:
            self._failed[name] = error
            raise
        self[name] = value
        return value


def run(program: Program, names: Mapping[str, object], budget: Budget) -> object | Failure:
    """The expression's value, or why there is none."""
    try:
        value: object = program.evaluate(names, budget)
    except EvaluationError as error:
        return failure_of(error)
    except CostExceeded as error:
        return Failure("too-complex", str(error))
    except RecursionError:
        return Failure("too-complex", "the object is nested too deeply to be judged")
    return value


def run_common(program: Program, names: "Names", budget: Budget) -> object | Failure:
    """As `run`, for an expression over facts alone: computed once for all policies, paid for by each of them."""
    known = names.facts.answers.get(program)
    if known is None:
        before = budget.spent
        value = run(program, names, budget)
        if not isinstance(value, Failure) or value.code != "too-complex":  # another's budget may be larger
            names.facts.answers[program] = (value, budget.spent - before)
        return value
    if known[1] > budget.left:
        return run(program, names, budget)  # to fail as if nobody had asked before
    budget.spend(known[1])
    return known[0]


def failure_of(error: EvaluationError) -> Failure:
    if isinstance(error, Awaiting):
        return Failure("undetermined", str(error), error.question)
    return Failure("undetermined" if isinstance(error, Undetermined) else "evaluation-error", str(error))
