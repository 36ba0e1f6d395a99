"""Which libraries and habits a Kubernetes version has.

`(1, n)` stands for an API server whose expressions are compiled with everything introduced up to 1.n. An API server of 1.n
compiles *new* expressions with what 1.(n-1) had, so that it can be rolled back: `new_expressions` says so. 1.34 to 1.36 are
held against the API server's own code; 1.31 to 1.33 and 1.37 follow the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from policies.cel import macros
from policies.cel.functions import Function, Table, Version, merge
from policies.cel.library import optionals, regex, standard, strings
from policies.cel.types import CelType

DEFAULT: Version = (1, 36)
OLDEST: Version = (1, 31)
NEWEST: Version = (1, 37)
TWO_VARIABLES: Version = (1, 32)
LISTS: Version = (1, 34)
STRICT_OR_VALUE: Version = (1, 37)  # until then `x.orValue(y)` on something that isn't an optional yields x

_LIBRARIES: tuple[tuple[Version, Table], ...] = (
    ((1, 0), standard.TABLE),
    ((1, 0), strings.TABLE),
    ((1, 0), regex.TABLE),
    ((1, 28), optionals.TABLE),
)


def new_expressions(server: Version) -> Version:
    """The version whose libraries an API server grants to expressions that it hasn't stored yet."""
    return server[0], server[1] - 1


@lru_cache(maxsize=16)
def functions(version: Version) -> Table:
    """Every function of a version, one table."""
    return merge(*(_since(part, version) for since, part in _LIBRARIES if since <= version))


def _since(part: Table, version: Version) -> Mapping[str, Function]:
    return {name: function for name, function in part.items() if function.since <= version}


@lru_cache(maxsize=16)
def macro_table(version: Version) -> Mapping[macros.MacroKey, macros.Expander]:
    """Every macro of a version."""
    found = dict(macros.STANDARD)
    if version >= TWO_VARIABLES:
        found |= macros.TWO_VARIABLE
    if version >= LISTS:
        found |= macros.LISTS
    return found


def named_types(version: Version) -> Mapping[str, CelType]:
    """The library types that can be written as names."""
    return {}
