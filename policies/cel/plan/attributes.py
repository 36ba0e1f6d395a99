"""Attributes: a variable, a computed operand or a ternary, and the selections and indexes that follow it.

cel-go resolves such a chain as one thing, and its oddities live here: a presence test or an optional selection on a
scalar is false or none, an optional is only unwrapped where a chain begins, a qualifier costs 1 and the chain 1 more,
unless it is a ternary, a branch of one, an index, or a presence test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from policies.cel.errors import CelError, CostExceeded, EvaluationError, Fatal
from policies.cel.native import as_native
from policies.cel.plan.chains import name_chain, slot_chain
from policies.cel.plan.frame import NAMES, SPENT, Frame, Run, Step, no_such_overload
from policies.cel.plan.qualify import present, qualify, valid_key
from policies.cel.values import MISSING, NONE, Optional, Value


@dataclass(frozen=True, slots=True)
class Variable:
    """A name that is looked up in the evaluation's names when it is first needed."""

    name: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A variable of a comprehension."""

    index: int


@dataclass(frozen=True, slots=True)
class Lazy:
    """The variable of `optMap`: computed when first read, then kept in its slot."""

    index: int
    step: Step


@dataclass(frozen=True, slots=True)
class Operand:
    """Any other expression that is selected from."""

    step: Step


@dataclass(frozen=True, slots=True)
class Branch:
    """A ternary; selections on it are selections on both its arms."""

    condition: Step
    then: Attribute
    otherwise: Attribute


Root: TypeAlias = Variable | Slot | Lazy | Operand | Branch


@dataclass(frozen=True, slots=True)
class Qualifier:
    """One selection or index: a constant key, or a step that yields one."""

    key: Value = MISSING
    step: Step | None = None
    optional: bool = False
    tested: bool = False


@dataclass(frozen=True, slots=True)
class Attribute:
    root: Root
    qualifiers: tuple[Qualifier, ...] = field(default=())

    def qualified(self, qualifier: Qualifier) -> Attribute:
        if isinstance(self.root, Branch):
            then, otherwise = self.root.then.qualified(qualifier), self.root.otherwise.qualified(qualifier)
            return Attribute(replace(self.root, then=then, otherwise=otherwise), self.qualifiers)
        return Attribute(self.root, (*self.qualifiers, qualifier))


def step_of(attribute: Attribute, native: bool, tested: bool = False) -> Step:
    """The attribute as an expression of its own: it costs 1 more, unless it is a ternary or a presence test.

    `native` is cel-go's habit before 0.27 of passing what an optional holds through Go's own types.
    """
    extra = (0 if isinstance(attribute.root, Branch) else 1) - (1 if tested else 0)
    if tested:
        return _presence(attribute, extra, native)
    return resolved(attribute, native, extra)


def resolved(attribute: Attribute, native: bool, extra: int = 0) -> Step:
    """The attribute's value. `extra` is charged whether it succeeds or fails."""
    root = attribute.root
    if isinstance(root, Branch):
        return Step(_branch(root, extra, native), 0)
    if isinstance(root, Operand) and not attribute.qualifiers and not extra and not native:
        return root.step
    simple = isinstance(root, (Variable, Slot)) and all(_plain(qualifier) for qualifier in attribute.qualifiers)
    if simple and (attribute.qualifiers or not native):
        assert isinstance(root, (Variable, Slot))
        keys = tuple(qualifier.key for qualifier in attribute.qualifiers)
        return Step(_chain(root, keys, extra, native), len(keys) + extra)
    return Step(_general(attribute, extra, native), 0)


def _plain(qualifier: Qualifier) -> bool:
    return type(qualifier.key) is str and not qualifier.optional and not qualifier.tested


def _chain(root: Variable | Slot, keys: tuple[str, ...], extra: int, native: bool) -> Run:
    slow = _stepwise(root, keys, extra, native)
    if isinstance(root, Slot):
        return slot_chain(root.index, keys, slow)
    return name_chain(root.name, keys, extra, slow)


def _stepwise(root: Variable | Slot, keys: tuple[str, ...], extra: int, native: bool) -> Run:
    """The same, one step at a time, with what each step costs. Returns where the quick way failed for no reason."""
    general = _general(Attribute(root, tuple(Qualifier(key) for key in keys)), extra, native)
    owed = len(keys) + extra

    def run(f: Frame) -> Value:
        value = general(f)
        f[SPENT] -= owed  # the caller adds it
        return value

    return run


# the general way


def _general(attribute: Attribute, extra: int, native: bool) -> Run:
    walk = _walk(attribute.root, attribute.qualifiers, native)

    def run(f: Frame) -> Value:
        try:
            value, optional = walk(f)
        except EvaluationError:
            f[SPENT] += extra
            raise
        f[SPENT] += extra
        if not optional:
            return value
        return NONE if value is MISSING else Optional(value)

    return run


def _test(attribute: Attribute, extra: int, native: bool) -> Run:
    """Whether the last qualifier would find something."""
    walk, key = _walk(attribute.root, attribute.qualifiers[:-1], native), attribute.qualifiers[-1].key

    def run(f: Frame) -> Value:
        held = False
        try:
            value, optional = walk(f)
            if not optional:
                f[SPENT] += 1
            if value is not MISSING:
                held = present(value, key) is not MISSING
        except EvaluationError:
            f[SPENT] += extra
            raise
        f[SPENT] += extra + (1 if optional and held else 0)
        return held

    return run


def _walk(root: Root, qualifiers: tuple[Qualifier, ...], native: bool) -> Callable[[Frame], tuple[Value, bool]]:
    """What the chain leads to, and whether it is an optional's content: then MISSING is an empty one."""
    load = _root(root)

    def run(f: Frame) -> tuple[Value, bool]:
        value = load(f)
        optional = type(value) is Optional
        if optional:
            if not value.present:
                return MISSING, True
            value = as_native(value.value) if native else value.value
        for qualifier in qualifiers:
            if optional or qualifier.optional:
                optional = True
                value = present(value, _key(f, qualifier))
                if value is MISSING:
                    return MISSING, True
                f[SPENT] += 1
            elif qualifier.tested:
                f[SPENT] += 1
                value = present(value, qualifier.key) is not MISSING
            else:
                value = _indexed(f, value, qualifier)
        if isinstance(value, EvaluationError) and not optional:
            raise value  # it has waited in something that Go's own types don't know
        return value, optional

    return run


def _root(root: Root) -> Run:
    match root:
        case Variable(name):
            return lambda f: named(f, name)
        case Slot(index):
            return lambda f: f[index]
        case Lazy(index, step):
            return lambda f: _lazy(f, index, step)
        case Operand(step):
            return settled(step)
    raise AssertionError(root)


def named(f: Frame, name: str) -> Value:
    """The value of a name. What the caller's mapping raises is CEL's error, unless it already is one of ours."""
    try:
        return f[NAMES][name]
    except KeyError as error:
        raise EvaluationError(f"no such attribute(s): {name}") from error
    except CelError:
        raise
    except Exception as error:
        raise EvaluationError(f"cannot compute `{name}`: {error}") from error


def _lazy(f: Frame, index: int, step: Step) -> Value:
    value = f[index]
    if value is MISSING:
        try:
            value = step.run(f)
            f[SPENT] += step.owed
        except EvaluationError as error:
            value = error
        f[index] = value
    if isinstance(value, EvaluationError):
        raise value
    return value


def settled(step: Step) -> Run:
    """A step that owes nothing."""
    run, owed = step.run, step.owed
    if not owed:
        return run

    def settle(f: Frame) -> Value:
        value = run(f)
        f[SPENT] += owed
        return value

    return settle


def _key(f: Frame, qualifier: Qualifier) -> Value:
    if qualifier.step is None:
        return qualifier.key
    key = qualifier.step.run(f)
    f[SPENT] += qualifier.step.owed
    return valid_key(key)


def _indexed(f: Frame, value: Value, qualifier: Qualifier) -> Value:
    """It costs 1, also where it fails, but not where the key breaks the evaluation off."""
    try:
        key = _key(f, qualifier)
    except EvaluationError:
        f[SPENT] += 1
        raise
    f[SPENT] += 1
    return qualify(value, key)


# presence tests


def _presence(attribute: Attribute, extra: int, native: bool) -> Step:
    """`has()`: the last qualifier only asks."""
    if isinstance(attribute.root, Branch):
        return Step(_whether(_branch(attribute.root, extra, native)), 0)
    test = _test(attribute, extra, native)
    *path, last = attribute.qualifiers
    if not isinstance(attribute.root, (Variable, Slot)) or not all(_plain(qualifier) for qualifier in path):
        return Step(test, 0)
    keys = tuple(str(qualifier.key) for qualifier in path)
    holder = _chain(attribute.root, keys, extra, native)
    return Step(_holds(holder, last.key, len(keys) + extra, test), len(keys) + 1 + extra)


def _holds(holder: Run, key: Value, owed: int, test: Run) -> Run:
    """The quick way. An optional is asked again in the general way, which knows whether it is one of the chain's own
    or just a value that was found there.
    """

    def run(f: Frame) -> Value:
        spent = f[SPENT]
        value = holder(f)
        if type(value) is dict:
            return key in value
        if type(value) is Optional:
            f[SPENT] = spent
            held = test(f)
            f[SPENT] -= owed + 1
            return held
        try:
            return present(value, key) is not MISSING
        except EvaluationError:
            f[SPENT] += owed + 1
            raise

    return run


def _whether(run: Run) -> Run:
    """Whether a presence test found something: in an optional, it is still the optional.

    It costs one less than its parts. Where those cost nothing, the API server's count falls below zero, and that is
    more than anybody may spend.
    """

    def holds(f: Frame) -> Value:
        try:
            value = run(f)
        finally:
            if f[SPENT] < 0:
                raise CostExceeded("operation cancelled: actual cost limit exceeded")
        return value.present if type(value) is Optional else value

    return holds


# ternaries


def _branch(root: Branch, extra: int, native: bool) -> Run:
    condition, owed = root.condition.run, root.condition.owed
    then, otherwise = _arm(root.then, native), _arm(root.otherwise, native)

    def run(f: Frame) -> Value:
        f[SPENT] += extra
        try:
            chosen = condition(f)
            f[SPENT] += owed
            if chosen is True:
                return then(f)
            if chosen is False:
                return otherwise(f)
        except Fatal:
            f[SPENT] -= extra
            raise
        raise no_such_overload()

    return run


def _arm(attribute: Attribute, native: bool) -> Run:
    return settled(resolved(attribute, native))
