"""Compiling and evaluating: the two doors of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from policies.cel.budget import Budget
from policies.cel.environment import Environment
from policies.cel.errors import CelError, CostExceeded, EvaluationError
from policies.cel.library.patch import Made, plain
from policies.cel.plan.frame import BUSY, LIMIT, SPENT, STARTED, Frame, frame
from policies.cel.quick.draft import Draft, Quick, Stopped
from policies.cel.types import CelType
from policies.cel.values import Value

if TYPE_CHECKING:
    from policies.cel.plan.planner import Plan

_CANCELLED = "operation cancelled: actual cost limit exceeded"
_TRIAL = 5_000  # what a first evaluation may cost before it is worth compiling


class Program:
    """A compiled expression, the same to every evaluation; may be evaluated by many threads at once.

    Its first evaluation goes step by step. Those that come after it try a generated function first, where the
    expression has one: that is several times as quick, but knows nothing of failures, and leaves them to the steps.
    """

    __slots__ = (
        "_asked",
        "_constructs",
        "_depth",
        "_draft",
        "_loading",
        "_owed",
        "_padding",
        "_quick",
        "_run",
        "source",
        "type",
    )

    def __init__(
        self, source: str, type_: CelType, planned: Plan, depth: int, draft: Draft | None, loading: float = 0.0
    ) -> None:
        self.source = source
        self.type = type_
        self._run = planned.step.run
        self._owed = planned.step.owed
        self._padding = [None] * planned.slots
        self._depth = depth
        self._loading = loading  # seconds that it took where it is large: its evaluation has as much less
        self._constructs = "{" in source or "transformMap" in source
        self._draft = draft
        self._quick: Quick | None = None
        self._asked = False

    def __repr__(self) -> str:
        return f"Program({self.source!r}, {self.type})"

    @property
    def is_quick(self) -> bool:
        """Whether evaluations try a generated function first, from the second one on."""
        return self._draft is not None or self._quick is not None

    def evaluate(self, names: Mapping[str, object], budget: Budget | None = None) -> Value:
        """The value for these names: constructed objects and maps of text keys as plain dicts.

        A map with other keys than text is a Mapping that knows 1, 1u and true apart.
        A name that the evaluation doesn't touch is never looked up. Raises EvaluationError, or CostExceeded; nothing
        else. `budget.spent` has grown by the cost either way.
        """
        value = self.exact(names, budget)
        if not self._constructs or not isinstance(value, (list, Mapping, Made)):
            return value
        try:
            return plain(value)
        except RecursionError as error:
            raise EvaluationError("nested too deeply to be written out") from error

    def exact(self, names: Mapping[str, object], budget: Budget | None = None) -> Value:
        """As `evaluate`, but constructed objects are `library.patch.Made`, which know their type."""
        if budget is None:
            budget = Budget()
        clocks: Frame = [names, 0, 0, budget.left, budget.patience, 0.0, 0.0]
        draft = self._draft  # read once, before the function: another thread may be putting that in its place
        quick = self._quick
        if quick is not None:
            return self._quickly(quick, names, budget, clocks)
        if draft is None:
            return self._exactly(names, budget, clocks)
        if self._asked:
            return self._quickly(self._compiled(draft), names, budget, clocks)
        self._asked = True
        return self._first(draft, names, budget, clocks)

    def _quickly(self, quick: Quick, names: Mapping[str, object], budget: Budget, clocks: Frame) -> Value:
        """The generated function's value; where it has none, that of the exact way."""
        left = clocks[LIMIT]
        try:
            value, cost = quick(names, clocks)
        except Stopped:
            budget.spend(clocks[SPENT])
            raise CostExceeded(_CANCELLED) from None
        except Exception:  # noqa: BLE001, S110 - whatever it is, the exact way finds out
            pass
        else:
            if cost <= left:
                budget.spend(cost)
                return value
        return self._exactly(names, budget, clocks)

    def _first(self, draft: Draft, names: Mapping[str, object], budget: Budget, clocks: Frame) -> Value:
        """The first evaluation goes the exact way, unless it turns out to be a long one."""
        trial = Budget(min(clocks[LIMIT], _TRIAL), patience=budget.patience)
        try:
            value = self._exactly(names, trial, clocks)
        except CostExceeded:
            if trial.spent > _TRIAL:
                return self._quickly(self._compiled(draft), names, budget, clocks)
            budget.spend(trial.spent)
            raise
        except EvaluationError:
            budget.spend(trial.spent)
            raise
        budget.spend(trial.spent)
        return value

    def _compiled(self, draft: Draft) -> Quick:
        """The generated function. Threads that come at the same time make one each, and any will do."""
        self._quick = quick = draft.compiled()
        self._draft = None
        return quick

    def _exactly(self, names: Mapping[str, object], budget: Budget, clocks: Frame) -> Value:
        """The value, or why there is none, one step after another. The clocks may have been started before."""
        patience = budget.patience.less(self._loading) if self._loading else budget.patience
        f = frame(names, budget.left, patience, self._padding)
        f[STARTED], f[BUSY] = clocks[STARTED], clocks[BUSY]
        if self._depth:
            from policies.cel.depth import room_for

            room_for(self._depth)
        stopped = False
        try:
            value = self._run(f)
            f[SPENT] += self._owed
        except CostExceeded:
            stopped = True
            raise
        except CelError:
            raise
        except RecursionError as error:
            raise EvaluationError("nested too deeply to be evaluated") from error
        except Exception as error:
            raise EvaluationError(f"internal error: {error}") from error
        finally:
            clocks[STARTED], clocks[BUSY] = f[STARTED], f[BUSY]
            budget.spend(f[SPENT] % 2**64)
            if not stopped and not 0 <= f[SPENT] <= f[LIMIT]:
                raise CostExceeded(_CANCELLED)
        return value


class Compiler:
    """Source to programs. Has no state; one can serve everybody. What compiles is loaded with the first expression."""

    def compile(self, source: str, environment: Environment, expect: CelType | None = None) -> Program:
        """Raises ParseError or CheckError. `expect` is the type the expression must have, exactly as the API server
        asks.
        """
        from policies.cel.compilation import compiled

        return compiled(source, environment, expect)
