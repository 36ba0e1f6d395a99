"""The usual way through an attribute: plain text keys into plain dicts, nothing counted on the way.

Whatever isn't found in one go is left to `slow`, which takes one step at a time and knows what each costs and how its
failure is worded. `extra` is what a name that fails costs.
"""

from __future__ import annotations

from policies.cel.errors import CelError
from policies.cel.plan.frame import NAMES, SPENT, Frame, Run
from policies.cel.values import Value


def name_chain(name: str, keys: tuple[str, ...], extra: int, slow: Run) -> Run:
    """`name.key.key`. A name's own mapping may break off: `variables.x` fails at the first key, which is then paid."""

    def run(f: Frame) -> Value:
        root = None
        try:
            value = root = f[NAMES][name]
            for key in keys:
                value = value[key]
        except CelError:
            f[SPENT] += extra if root is None else extra + 1
            raise
        except Exception:  # noqa: BLE001, S110 - the slow way finds out which, and says it in CEL's words
            pass
        else:
            return value
        return slow(f)

    return run


def slot_chain(index: int, keys: tuple[str, ...], slow: Run) -> Run:
    """The same from a variable of a comprehension."""

    def run(f: Frame) -> Value:
        try:
            value = f[index]
            for key in keys:
                value = value[key]
        except Exception:  # noqa: BLE001, S110
            pass
        else:
            return value
        return slow(f)

    return run
