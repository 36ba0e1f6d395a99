"""The iterating macros. Each costs what its expansion into a fold would cost in cel-go, failures included.

`all` and `exists` stop early and absorb failures as `&&` and `||` do. The others walk on after a failure, as a fold
does, and fail in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.cel.cost import LIST
from policies.cel.errors import EvaluationError, Fatal
from policies.cel.maps import KeyedMap, pairs
from policies.cel.plan.attributes import optional_as_native
from policies.cel.plan.frame import LIMIT, SPENT, Frame, Run, Step, exceeded, no_such_overload
from policies.cel.values import MISSING, NONE, Optional, Value

_ACCUMULATOR = 1  # reading the fold's accumulator
_APPEND = 12  # accumulator + list of one + addition
_KEEP = 13  # the same, and reading the element
_COUNT = 2  # accumulator + addition


def iterated(value: Value) -> Any:
    """What a loop of one variable runs over: a list's elements or a map's keys."""
    if type(value) is list:
        return value
    if isinstance(value, Mapping):
        return list(value)
    raise EvaluationError(f"got '{_go_type(value)}', expected iterable type")


def paired(value: Value) -> Any:
    """What a loop of two variables runs over: positions and elements, or keys and values."""
    if type(value) is list:
        return enumerate(value)
    if isinstance(value, Mapping):
        return list(pairs(value))
    raise EvaluationError(f"unsupported comprehension range type: {_go_type(value)}")


def _go_type(value: Value) -> str:
    names = {bool: "Bool", int: "Int", float: "Double", str: "String", bytes: "Bytes", type(None): "Null"}
    return f"types.{names.get(type(value), type(value).__name__)}"


class Loop:
    """The range of a fold and the slots of its variables."""

    __slots__ = ("first", "owed", "range", "second")

    def __init__(self, source: Step, first: int, second: int | None) -> None:
        self.range = source.run
        self.owed = source.owed
        self.first = first
        self.second = second

    def values(self, f: Frame) -> Iterator[Value]:
        """Sets the slots and yields once for each element. Charges the range, also where it can't be iterated."""
        source = self.range(f)
        f[SPENT] += self.owed
        if self.second is None:
            for f[self.first] in iterated(source):
                yield
        else:
            for f[self.first], f[self.second] in paired(source):
                yield


def quantifier(loop: Loop, body: Step, stop: bool) -> Step:
    """`all` stops at false, `exists` at true."""
    each = 3 if stop is False else 4  # condition and step of one round; `exists` negates in its condition
    again = each - 1  # the condition alone
    predicate, owed = body.run, body.owed + each
    if loop.second is None:
        return Step(_simple_quantifier(loop, predicate, owed, each, again, stop), _ACCUMULATOR)

    def run(f: Frame) -> Value:
        failed: EvaluationError | None = None
        rounds = loop.values(f)
        for _ in rounds:
            try:
                value = predicate(f)
            except EvaluationError as error:
                failed = failed or error
                f[SPENT] += each
                continue
            except Fatal:
                f[SPENT] += each
                raise
            f[SPENT] += owed
            if f[SPENT] > f[LIMIT]:
                exceeded(f)
            if value is stop:
                for _ in rounds:
                    f[SPENT] += again
                    break
                return stop
            if type(value) is not bool and failed is None:
                failed = no_such_overload()
        return _finish(f, failed, not stop)

    return Step(run, _ACCUMULATOR)


def _finish(f: Frame, failed: EvaluationError | None, value: Value) -> Value:
    """The end of a fold: a failure costs what reading the result costs, which the caller adds otherwise."""
    if failed is None:
        return value
    f[SPENT] += _ACCUMULATOR
    raise failed


def _simple_quantifier(loop: Loop, predicate: Run, owed: int, each: int, again: int, stop: bool) -> Run:
    source_of, range_owed, slot = loop.range, loop.owed, loop.first

    def run(f: Frame) -> Value:
        source = source_of(f)
        f[SPENT] += range_owed
        failed: EvaluationError | None = None
        rounds = iter(source if type(source) is list else iterated(source))
        for f[slot] in rounds:
            try:
                value = predicate(f)
            except EvaluationError as error:
                failed = failed or error
                f[SPENT] += each
                if f[SPENT] > f[LIMIT]:
                    exceeded(f)
                continue
            except Fatal:
                f[SPENT] += each
                raise
            f[SPENT] += owed
            if f[SPENT] > f[LIMIT]:
                exceeded(f)
            if value is stop:
                for _ in rounds:
                    f[SPENT] += again
                    break
                return stop
            if type(value) is not bool and failed is None:
                failed = no_such_overload()
        if failed is not None:
            f[SPENT] += _ACCUMULATOR
            raise failed
        return not stop

    return run


def exists_one(loop: Loop, body: Step) -> Step:
    predicate, owed = body.run, body.owed

    def run(f: Frame) -> Value:
        count, failed = 0, None
        for _ in loop.values(f):
            try:
                value = predicate(f)
                f[SPENT] += owed
            except EvaluationError as error:
                failed = error
                continue
            if value is True:
                count += 1
                f[SPENT] += _COUNT
            elif value is not False:
                failed = no_such_overload()
            if f[SPENT] > f[LIMIT]:
                exceeded(f)
        if failed is not None:
            f[SPENT] += 2
            raise failed
        return count == 1

    return Step(run, 2)


def filtered(loop: Loop, body: Step) -> Step:
    predicate, owed, slot = body.run, body.owed, loop.first

    def run(f: Frame) -> Value:
        kept: list[Value] = []
        failed = None
        for _ in loop.values(f):
            try:
                value = predicate(f)
                f[SPENT] += owed
            except EvaluationError as error:
                failed = error
                continue
            if value is True:
                kept.append(f[slot])
                f[SPENT] += _KEEP
            elif value is not False:
                failed = no_such_overload()
            if f[SPENT] > f[LIMIT]:
                exceeded(f)
        return _finish(f, failed, kept)

    return Step(run, _ACCUMULATOR)


def mapped(loop: Loop, predicate: Step | None, body: Step) -> Step:
    """`map` and `transformList`, with or without a filter."""
    append = _APPEND if body.constant is MISSING else _APPEND - LIST  # a list of a constant is a constant
    chosen, transform, owed = _chooser(predicate), body.run, body.owed + append

    def run(f: Frame) -> Value:
        made: list[Value] = []
        failed: EvaluationError | None = None
        for _ in loop.values(f):
            if chosen is not None:
                verdict = chosen(f)
                if verdict is False:
                    continue
                if verdict is not True:
                    failed = verdict
                    continue
            try:
                made.append(transform(f))
                f[SPENT] += owed
            except EvaluationError as error:
                failed = failed or error
                f[SPENT] += append
            except Fatal:
                f[SPENT] += _ACCUMULATOR
                raise
            if f[SPENT] > f[LIMIT]:
                exceeded(f)
        return _finish(f, failed, made)

    return Step(run, _ACCUMULATOR)


def _chooser(predicate: Step | None) -> Run | None:
    """A filter's verdict: True, False, or the failure that replaces what was gathered."""
    if predicate is None:
        return None
    test, owed = predicate.run, predicate.owed

    def run(f: Frame) -> Value:
        try:
            value = test(f)
        except EvaluationError as error:
            return error
        f[SPENT] += owed
        if f[SPENT] > f[LIMIT]:
            exceeded(f)
        return value if type(value) is bool else no_such_overload()

    return run


def map_built(loop: Loop, predicate: Step | None, body: Step) -> Step:
    """`transformMap`: the loop's keys with new values."""
    chosen, transform, owed = _chooser(predicate), body.run, body.owed + 3
    slot = loop.first

    def run(f: Frame) -> Value:
        made = KeyedMap()
        failed: EvaluationError | None = None
        for _ in loop.values(f):
            if chosen is not None:
                verdict = chosen(f)
                if verdict is False:
                    continue
                if verdict is not True:
                    failed = verdict
                    continue
            if failed is not None:
                f[SPENT] += _ACCUMULATOR  # the accumulator is looked at first, and it has failed
                continue
            try:
                value = transform(f)
                f[SPENT] += owed
                insert(made, f[slot], value)
            except EvaluationError as error:
                failed = error
                f[SPENT] += 3
            if f[SPENT] > f[LIMIT]:
                exceeded(f)
        return _finish(f, failed, made.settled())

    return Step(run, _ACCUMULATOR)


def entries_built(loop: Loop, predicate: Step | None, body: Step) -> Step:
    """`transformMapEntry`: each round yields a map, whose entries are gathered."""
    chosen, transform, owed = _chooser(predicate), body.run, body.owed + 2

    def run(f: Frame) -> Value:
        made = KeyedMap()
        failed: EvaluationError | None = None
        for _ in loop.values(f):
            if chosen is not None:
                verdict = chosen(f)
                if verdict is False:
                    continue
                if verdict is not True:
                    failed = verdict
                    continue
            entries: Any = MISSING
            try:
                entries = transform(f)
                f[SPENT] += owed
                if failed is None:
                    insert_all(made, entries)
            except EvaluationError as error:
                failed = failed or error
                f[SPENT] += 2 if entries is MISSING else 0
            if f[SPENT] > f[LIMIT]:
                exceeded(f)
        return _finish(f, failed, made.settled())

    return Step(run, _ACCUMULATOR)


def insert(made: KeyedMap, key: Value, value: Value) -> None:
    if made.find(key) is not MISSING:
        raise EvaluationError(f"insert failed: key {key} already exists")
    made.put(key, value)


def insert_all(made: KeyedMap, entries: Value) -> None:
    if not isinstance(entries, Mapping):
        raise no_such_overload()
    for key, value in pairs(entries):
        insert(made, key, value)


def optional_map(holds: Step, slot: int, body: Step, flat: bool, native: bool) -> Step:
    """`optMap` and `optFlatMap`: `holds` is `target.hasValue()`; the body reads the value itself, when it needs it."""
    test, owed, transform = holds.run, holds.owed, body.run
    wrapping = 0 if flat else 1
    body_owed = body.owed + wrapping

    def run(f: Frame) -> Value:
        held = test(f)
        f[SPENT] += owed
        if not held:
            f[SPENT] += 1
            return NONE
        f[slot] = MISSING
        try:
            made = transform(f)
        except EvaluationError:
            f[SPENT] += wrapping
            raise
        f[SPENT] += body_owed
        result = made if flat else Optional(made)
        return optional_as_native(result) if native else result

    return Step(run)


def bound(slot: int, body: Step) -> Step:
    """A body that reads a lazily bound variable; every evaluation binds it anew."""
    inner, owed = body.run, body.owed

    def run(f: Frame) -> Value:
        f[slot] = MISSING
        return inner(f)

    return Step(run, owed)
