"""`all`, `exists` and `exists_one`, each at the cost of its expansion into a fold.

`all` and `exists` stop early and absorb failures as `&&` and `||` do; `exists_one` walks on after a failure, as a fold
does, and fails in the end.
"""

from __future__ import annotations

from policies.cel.errors import EvaluationError, Fatal
from policies.cel.plan.frame import CHECKPOINT, SPENT, Frame, Step, checkpoint, no_such_overload
from policies.cel.plan.loops import ACCUMULATOR, Loop
from policies.cel.values import Value

_COUNT = 2  # accumulator + addition


def quantifier(loop: Loop, body: Step, stop: bool) -> Step:
    """`all` stops at false, `exists` at true."""
    each = 3 if stop is False else 4  # condition and step of one round; `exists` negates in its condition
    again = each - 1  # the condition alone
    predicate, owed = body.run, body.owed + each
    rounds, slot = loop.rounds, loop.slot
    proceed = not stop

    def run(f: Frame) -> Value:
        failed: EvaluationError | None = None
        remaining = rounds(f)
        for f[slot] in remaining:
            try:
                value = predicate(f)
            except EvaluationError as error:
                failed = failed or error
                f[SPENT] += each
            except Fatal:
                f[SPENT] += each
                raise
            else:
                f[SPENT] += owed
                if value is not proceed:
                    if value is stop:
                        for _ in remaining:
                            f[SPENT] += again
                            break
                        return stop
                    failed = failed or no_such_overload()
            if f[SPENT] > f[CHECKPOINT]:
                checkpoint(f)
        if failed is not None:
            f[SPENT] += ACCUMULATOR
            raise failed
        return proceed

    return Step(run, ACCUMULATOR)


def exists_one(loop: Loop, body: Step) -> Step:
    predicate, owed = body.run, body.owed
    rounds, slot = loop.rounds, loop.slot

    def run(f: Frame) -> Value:
        count, failed = 0, None
        for element in rounds(f):
            f[slot] = element
            try:
                value = predicate(f)
            except EvaluationError as error:
                failed = error
            else:
                f[SPENT] += owed
                if value is True:
                    count += 1
                    f[SPENT] += _COUNT
                elif value is not False:
                    failed = no_such_overload()
            if f[SPENT] > f[CHECKPOINT]:
                checkpoint(f)
        if failed is not None:
            f[SPENT] += 2
            raise failed
        return count == 1

    return Step(run, 2)
