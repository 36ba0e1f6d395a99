"""How types and signatures are written in messages, and which name somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from policies.cel.types import CelType, Kind

_SHORT = {Kind.DURATION: "duration", Kind.TIMESTAMP: "timestamp", Kind.NULL: "null", Kind.ERROR: "!error!"}


def written(type_: CelType) -> str:
    short = _SHORT.get(type_.kind)
    if short is not None:
        return short
    if not type_.parameters:
        return str(type_)
    return f"{type_.name}({', '.join(map(written, type_.parameters))})"


def signature(args: Sequence[CelType], member: bool) -> str:
    """The types a function was applied to: `string.(int)` for a method, `(string, int)` otherwise."""
    if member:
        return f"{written(args[0])}.({', '.join(map(written, args[1:]))})"
    return f"({', '.join(map(written, args))})"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint naming the nearest known name, or nothing."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else ""
