"""Lists, maps and objects that an expression writes down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from policies.cel.cost import LIST, MAP, OBJECT
from policies.cel.errors import EvaluationError, Fatal
from policies.cel.maps import KeyedMap
from policies.cel.plan.frame import SPENT, Frame, Step
from policies.cel.values import MISSING, Optional, Value


class EntryStep(NamedTuple):
    key: Step
    value: Step
    optional: bool


def list_step(elements: Sequence[Step], optional: frozenset[int]) -> Step:
    """A list costs 10, also when an element fails."""
    runs = [element.run for element in elements]
    owed = sum(element.owed for element in elements)
    if optional:
        return Step(_sparse_list(elements, optional))

    def run(f: Frame) -> Value:
        values: list[Value] = []
        try:
            for element in runs:
                values.append(element(f))  # noqa: PERF401 - what was done before a failure must be known
        except EvaluationError:
            f[SPENT] += LIST + sum(element.owed for element in elements[: len(values)])
            raise
        except Fatal:
            f[SPENT] += sum(element.owed for element in elements[: len(values)])
            raise
        return values

    return Step(run, owed + LIST)


def _sparse_list(elements: Sequence[Step], optional: frozenset[int]) -> Callable[[Frame], Value]:
    steps = [(element.run, element.owed, position in optional) for position, element in enumerate(elements)]

    def run(f: Frame) -> Value:
        values: list[Value] = []
        try:
            for element, owed, sparse in steps:
                value = element(f)
                f[SPENT] += owed
                if not sparse:
                    values.append(value)
                elif held(value, "list element").present:
                    values.append(value.value)
        except EvaluationError:
            f[SPENT] += LIST
            raise
        f[SPENT] += LIST
        return values

    return run


def held(value: Value, what: str) -> Optional:
    """The value as the optional that it must be."""
    if type(value) is Optional:
        return value
    raise EvaluationError(f"cannot initialize optional {what} from non-optional value {value}")


def map_step(entries: Sequence[EntryStep]) -> Step:
    """A map costs 30, also when an entry fails; a later entry replaces an earlier one of the same key."""

    def run(f: Frame) -> Value:
        found = KeyedMap()
        try:
            for key_step, value_step, optional in entries:
                key = key_step.run(f)
                f[SPENT] += key_step.owed
                value = value_step.run(f)
                f[SPENT] += value_step.owed
                if optional:
                    if not held(value, f"entry '{key}'").present:
                        found.drop(key)
                        continue
                    value = value.value
                put = found.put if key_step.constant is MISSING else found.put_constant
                put(key, value)
        except EvaluationError:
            f[SPENT] += MAP
            raise
        f[SPENT] += MAP
        return found.settled()

    return Step(run)


def object_step(fields: Sequence[tuple[str, Step, bool]], construct: Callable[[dict[str, Value]], Value]) -> Step:
    """An object costs 40, also when a field fails."""

    def run(f: Frame) -> Value:
        found: dict[str, Value] = {}
        try:
            for name, step, optional in fields:
                value = step.run(f)
                f[SPENT] += step.owed
                if optional:
                    if not held(value, f"entry '{name}'").present:
                        found.pop(name, None)
                        continue
                    value = value.value
                found[name] = value
            made = construct(found)
        except EvaluationError:
            f[SPENT] += OBJECT
            raise
        f[SPENT] += OBJECT
        return made

    return Step(run)
