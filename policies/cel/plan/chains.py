"""The quick way through an attribute: plain text keys into plain dicts, nothing counted on the way.

Constant lengths are written out: this is the hottest path there is. Whatever isn't found in one go is left to `slow`,
which takes one step at a time and knows what each costs and how its failure is worded. `extra` is what a name that
fails costs.
"""

from __future__ import annotations

from policies.cel.errors import CelError
from policies.cel.plan.frame import SPENT, Frame, Run
from policies.cel.values import Value


def _reached(root: Value, extra: int) -> int:
    """What a chain that a name's own mapping broke off has cost: `variables.x` fails at the first key."""
    return extra if root is None else extra + 1


def name_chain(name: str, keys: tuple[str, ...], extra: int, slow: Run) -> Run:
    """`name.key.key`."""
    if len(keys) == 0:

        def run0(f: Frame) -> Value:
            try:
                return f[0][name]
            except CelError:
                f[SPENT] += extra
                raise
            except Exception:  # noqa: BLE001, S110 - the slow way finds out which, and says it in CEL's words
                pass
            return slow(f)

        return run0
    if len(keys) == 1:
        (a,) = keys

        def run1(f: Frame) -> Value:
            root = None
            try:
                root = f[0][name]
                return root[a]
            except CelError:
                f[SPENT] += _reached(root, extra)
                raise
            except Exception:  # noqa: BLE001, S110
                pass
            return slow(f)

        return run1
    if len(keys) == 2:
        a, b = keys

        def run2(f: Frame) -> Value:
            root = None
            try:
                root = f[0][name]
                return root[a][b]
            except CelError:
                f[SPENT] += _reached(root, extra)
                raise
            except Exception:  # noqa: BLE001, S110
                pass
            return slow(f)

        return run2
    return _long_name_chain(name, keys, extra, slow)


def _long_name_chain(name: str, keys: tuple[str, ...], extra: int, slow: Run) -> Run:
    a, b, c, *rest = keys

    def run(f: Frame) -> Value:
        root = None
        try:
            root = f[0][name]
            value = root[a][b][c]
            for key in rest:
                value = value[key]
        except CelError:
            f[SPENT] += _reached(root, extra)
            raise
        except Exception:  # noqa: BLE001, S110
            pass
        else:
            return value
        return slow(f)

    return run


def slot_chain(index: int, keys: tuple[str, ...], slow: Run) -> Run:
    """The same from a variable of a comprehension."""
    if len(keys) == 0:
        return lambda f: f[index]
    if len(keys) == 1:
        (a,) = keys

        def run1(f: Frame) -> Value:
            try:
                return f[index][a]
            except Exception:  # noqa: BLE001, S110
                pass
            return slow(f)

        return run1
    first, second, *rest = keys

    def run(f: Frame) -> Value:
        try:
            value = f[index][first][second]
            for key in rest:
                value = value[key]
        except Exception:  # noqa: BLE001, S110
            pass
        else:
            return value
        return slow(f)

    return run
