"""The macros that build something: `filter`, `map` and the transformations of lists and maps.

Each costs what its expansion into a fold would cost in cel-go. As a fold does, they walk on after a failure, and fail
in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.cel.cost import LIST
from policies.cel.errors import EvaluationError, Fatal
from policies.cel.maps import KeyedMap, pairs
from policies.cel.native import optional_as_native
from policies.cel.plan.frame import CHECKPOINT, SPENT, Frame, Step, checkpoint, no_such_overload
from policies.cel.plan.loops import ACCUMULATOR, Loop, chooser, finish
from policies.cel.values import MISSING, Value

_APPEND = 12  # accumulator + list of one + addition
_KEEP = 13  # the same, and reading the element


def filtered(loop: Loop, body: Step, native: bool) -> Step:
    """The elements that count, read as a variable is: see `native` in attributes.py."""
    predicate, owed = body.run, body.owed
    rounds, slot = loop.rounds, loop.slot

    def run(f: Frame) -> Value:
        kept: list[Value] = []
        failed = None
        for element in rounds(f):
            f[slot] = element
            try:
                value = predicate(f)
            except EvaluationError as error:
                failed = error
            else:
                f[SPENT] += owed
                if value is True:
                    kept.append(optional_as_native(element) if native else element)
                    f[SPENT] += _KEEP
                elif value is not False:
                    failed = no_such_overload()
            if f[SPENT] > f[CHECKPOINT]:
                checkpoint(f)
        return finish(f, failed, kept)

    return Step(run, ACCUMULATOR)


def mapped(loop: Loop, predicate: Step | None, body: Step) -> Step:
    """`map` and `transformList`, with or without a filter."""
    append = _APPEND if body.constant is MISSING else _APPEND - LIST  # a list of a constant is a constant
    chosen, transform, owed = chooser(predicate), body.run, body.owed + append
    rounds, slot = loop.rounds, loop.slot

    def run(f: Frame) -> Value:
        made: list[Value] = []
        failed: EvaluationError | None = None
        for element in rounds(f):
            f[slot] = element
            if chosen is not None and (verdict := chosen(f)) is not True:
                failed = failed if verdict is False else verdict
                continue
            try:
                made.append(transform(f))
            except EvaluationError as error:
                failed = failed or error
                f[SPENT] += append
            except Fatal:
                f[SPENT] += ACCUMULATOR
                raise
            else:
                f[SPENT] += owed
            if f[SPENT] > f[CHECKPOINT]:
                checkpoint(f)
        return finish(f, failed, made)

    return Step(run, ACCUMULATOR)


def map_built(loop: Loop, predicate: Step | None, body: Step, native: bool) -> Step:
    """`transformMap`: the loop's keys with new values."""
    chosen, transform, owed = chooser(predicate), body.run, body.owed + 3
    rounds, slot = loop.rounds, loop.slot

    def run(f: Frame) -> Value:
        made = KeyedMap()
        failed: EvaluationError | None = None
        for element in rounds(f):
            f[slot] = element
            if chosen is not None and (verdict := chosen(f)) is not True:
                failed = failed if verdict is False else verdict
                continue
            if failed is not None:
                f[SPENT] += ACCUMULATOR  # the accumulator is looked at first, and it has failed
            else:
                try:
                    value = transform(f)
                    f[SPENT] += owed
                    insert(made, optional_as_native(element) if native else element, value)
                except EvaluationError as error:
                    failed = error
                    f[SPENT] += 3
                except Fatal:
                    f[SPENT] += 2
                    raise
            if f[SPENT] > f[CHECKPOINT]:
                checkpoint(f)
        return finish(f, failed, made.settled())

    return Step(run, ACCUMULATOR)


def entries_built(loop: Loop, predicate: Step | None, body: Step) -> Step:
    """`transformMapEntry`: each round yields a map, whose entries are gathered."""
    chosen, transform, owed = chooser(predicate), body.run, body.owed + 2
    rounds, slot = loop.rounds, loop.slot

    def run(f: Frame) -> Value:
        made = KeyedMap()
        failed: EvaluationError | None = None
        for element in rounds(f):
            f[slot] = element
            if chosen is not None and (verdict := chosen(f)) is not True:
                failed = failed if verdict is False else verdict
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
            except Fatal:
                f[SPENT] += ACCUMULATOR
                raise
            if f[SPENT] > f[CHECKPOINT]:
                checkpoint(f)
        return finish(f, failed, made.settled())

    return Step(run, ACCUMULATOR)


def insert(made: KeyedMap, key: Value, value: Value, mark: object = None) -> None:
    if made.find(key) is not MISSING or (mark is not None and made.has(mark)):
        raise EvaluationError(f"insert failed: key {key} already exists")
    made.put(key, value, mark)


def insert_all(made: KeyedMap, entries: Value) -> None:
    if not isinstance(entries, Mapping):
        raise no_such_overload()
    if type(entries) is KeyedMap:
        for mark, (key, value) in entries.marked():
            insert(made, key, value, mark)
        return
    for key, value in pairs(entries):
        insert(made, key, value)
