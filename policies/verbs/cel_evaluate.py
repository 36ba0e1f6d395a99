"""One expression over what somebody has at hand: its value, type and cost, and on request a second opinion."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from policies.cel import Budget, Compiler, CostExceeded, Environment, EvaluationError
from policies.cel.functions import Version
from policies.cel.tagged import same, tagged
from policies.cel.values import Value
from policies.verbs.cel_second import Opinion, second_opinion

INPUTS = ("object", "oldObject", "params", "request", "namespaceObject")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """`error` says why there is no value, `hint` what might help. The cost counts either way."""

    type: str
    cost: int
    value: Value = None
    error: str = ""
    hint: str = ""
    second: Opinion | None = None

    @property
    def agreed(self) -> bool | None:
        """Whether both engines say the same: the same value, or that there is none. None without a second one."""
        if self.second is None:
            return None
        if self.error or self.second.error:
            return bool(self.error) and bool(self.second.error)
        return same(tagged(self.second.value), tagged(self.value))


def evaluate(
    expression: str, inputs: Mapping[str, Any], kubernetes: Version, *, patches: bool = False, second: bool = False
) -> Evaluated:
    """What the API server's CEL of this version gives. `inputs` are plain values; what isn't given is null.

    Raises CompileError, and Unavailable where a second opinion is asked for in vain.
    """
    ask = second_opinion() if second else None
    names = {name: inputs.get(name) for name in INPUTS}
    program = Compiler().compile(expression, _environment(kubernetes, patches))
    budget = Budget()
    opinion = ask(expression, names) if ask else None
    kind = str(program.type)
    try:
        value = program.evaluate(names, budget)
        return Evaluated(kind, budget.spent, value, second=opinion)
    except (EvaluationError, CostExceeded) as error:
        return Evaluated(kind, budget.spent, error=str(error), hint=_hint(expression, inputs), second=opinion)


def _environment(kubernetes: Version, patches: bool) -> Environment:
    known = Environment.admission(kubernetes).variables
    variables = {name: known[name] for name in (*INPUTS, "authorizer", "authorizer.requestResource")}
    return Environment(MappingProxyType(variables), kubernetes=kubernetes, patches=patches)


def _hint(expression: str, inputs: Mapping[str, Any]) -> str:
    """Which input the expression names and nobody gave."""
    missing = [name for name in INPUTS if name in expression and name not in inputs]
    missing = [name for name in missing if name != "object" or "Object" not in expression.replace("oldObject", "")]
    if "authorizer" in expression:
        return "there is nobody here to ask for authorization"
    flags = {"object": "--object", "oldObject": "--old-object", "params": "--params", "request": "--request"}
    flags["namespaceObject"] = "--namespace-object"
    given = ", ".join(f"`{name}` with {flags[name]} FILE" for name in missing)
    return f"give {given}" if given else ""
