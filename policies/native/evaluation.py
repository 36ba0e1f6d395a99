"""Running a policy's expressions over one request, with the API server's budgets and in its words.

Guarantees: an expression gives its value or a `Failed`; `OutOfBudget` is the only exception. Variables are computed
when first named and once a `Run`, errors included; what they cost is added to the run, not to the expression.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.cel import Budget, CostExceeded, EvaluationError, Program, Value
from policies.cel.maps import LazyMap
from policies.facts.unknown import Undetermined
from policies.native.matching import Matched
from policies.native.surroundings import Surroundings
from policies.request import GroupKind, Request, Resource

PER_BINDING = 10_000_000
PER_MATCH_CONDITIONS = 2_500_000
_CANCELLED = "operation cancelled: actual cost limit exceeded"


class OutOfBudget(Exception):
    """No further expression is evaluated."""

    def __init__(self) -> None:
        super().__init__("validation failed due to running out of cost budget, no further validation rules will be run")


@dataclass(frozen=True, slots=True)
class Failed:
    """An expression without a value. `unknown` is set where that is because something isn't known."""

    message: str
    cause: str  # without the expression that failed
    unknown: Undetermined | None = None


class Run:
    """The expressions of one step (match conditions, validations, messages, ...) under one budget."""

    __slots__ = ("_names", "_variables", "left")

    def __init__(self, names: Mapping[str, object], variables: Mapping[str, Program], budget: int) -> None:
        self.left = budget
        self._names = Names(names)
        self._variables = Variables(self._names, variables)
        self._names["variables"] = self._variables

    def evaluate(self, program: Program) -> Value | Failed:
        """The value, constructed objects as such. Raises OutOfBudget."""
        budget = Budget()
        value: Value
        try:
            value = program.exact(self._names, budget)
        except CostExceeded:
            value = _failed(program, _CANCELLED)
        except EvaluationError as error:
            value = _failed(program, str(error), error if isinstance(error, Undetermined) else None)
        for spent in (self._variables.settled(), budget.spent):
            if spent > self.left:
                raise OutOfBudget
            self.left -= spent
        return value


def _failed(program: Program, cause: str, unknown: Undetermined | None = None) -> Failed:
    return Failed(f"expression '{program.source}' resulted in error: {cause}", cause, unknown)


class Names(dict[str, object]):
    """Names over others, each computed when it is first touched."""

    __slots__ = ("_below", "_computed")

    def __init__(
        self,
        below: Mapping[str, object],
        own: Mapping[str, object] | None = None,
        computed: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        super().__init__(own or {})
        self._below, self._computed = below, computed or {}

    def __missing__(self, name: str) -> object:
        compute = self._computed.get(name)
        value = self[name] = compute() if compute is not None else self._below[name]
        return value

    def touched(self) -> Iterator[object]:
        """The values that have been looked at."""
        yield from self.values()
        yield from self._below.touched() if isinstance(self._below, Names) else self._below.values()


class Variables(LazyMap):
    """`variables`: each evaluated when it is first named, with a budget of its own."""

    __slots__ = ("_failed", "_names", "_programs", "_spent")

    def __init__(self, names: Mapping[str, object], programs: Mapping[str, Program]) -> None:
        super().__init__()
        self._names, self._programs, self._spent = names, programs, 0
        self._failed: dict[str, EvaluationError] = {}

    def settled(self) -> int:
        """What was spent since the last time."""
        spent, self._spent = self._spent, 0
        return spent

    def names(self) -> list[str]:
        return list(self._programs)

    def __len__(self) -> int:
        return len(self._programs)

    def __contains__(self, name: object) -> bool:
        return name in self._programs

    def __missing__(self, name: str) -> object:
        if name in self._failed:
            raise self._failed[name]
        program = self._programs[name]
        budget = Budget()
        try:
            value: Any = program.exact(self._names, budget)
        except CostExceeded:
            raise self._remember(name, _CANCELLED) from None
        except Undetermined as unknown:
            self._failed[name] = unknown
            raise
        except EvaluationError as error:
            raise self._remember(name, str(error)) from error
        finally:
            self._spent += budget.spent
        self[name] = value
        return value

    def _remember(self, name: str, message: str) -> EvaluationError:
        error = EvaluationError(f'composited variable "{name}" fails to evaluate: {message}')
        self._failed[name] = error
        return error


def names_of(request: Request, found: Matched, params: object, around: Surroundings) -> Names:
    """What all expressions of a policy may name but variables and authorizer. `request` has the converted objects.

    Raises NamespaceMissing.
    """
    around.require_namespace()
    return Names(
        {},
        {"object": request.object, "oldObject": request.old_object, "params": params},
        {"namespaceObject": lambda: around.namespace, "request": lambda: request_value(around.request, found)},
    )


def request_value(request: Request, found: Matched) -> dict[str, Any]:
    """`request`, without what is empty, as the API server has it."""
    user = {name: request.user[name] for name in ("username", "uid", "groups", "extra") if request.user.get(name)}
    value = {
        "uid": "",
        "kind": _kind(found.kind),
        "resource": _resource(found.resource),
        "subResource": request.subresource,
        "requestKind": _kind(request.kind),
        "requestResource": _resource(request.resource),
        "requestSubResource": request.subresource,
        "name": request.name,
        "namespace": request.namespace,
        "operation": str(request.operation),
        "userInfo": user,
        "object": None,
        "oldObject": None,
        "dryRun": request.dry_run,
        "options": request.options,
    }
    omitted = ("subResource", "requestSubResource", "name", "namespace")
    return {name: held for name, held in value.items() if held != "" or name not in omitted}


def _kind(kind: GroupKind) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _resource(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}
