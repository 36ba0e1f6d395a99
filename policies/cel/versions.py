"""Which libraries and habits a Kubernetes version has.

`(1, n)` stands for an API server whose expressions are compiled with everything introduced up to 1.n. An API server of
1.n compiles *new* expressions with what 1.(n-1) had, so that it can be rolled back: `new_expressions` says so. 1.34 and
1.36 are held against the API server's own code, 1.37 against answers recorded of it, and of 1.31 to 1.36 which
libraries they have. What 1.31, 1.32, 1.33 and 1.35 do their own way beyond that follows the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from policies.cel.functions import Table, Version, merge
from policies.cel.types import CelType

if TYPE_CHECKING:
    from policies.cel.macros import Expander, MacroKey

DEFAULT: Version = (1, 36)
OLDEST: Version = (1, 31)
NEWEST: Version = (1, 37)
TWO_VARIABLES: Version = (1, 32)
LISTS: Version = (1, 34)


@dataclass(frozen=True, slots=True)
class Habits:
    """What the cel-go of a version does its own way."""

    strict_or: bool  # `x.orValue(y)` is an error where x isn't an optional; before, it yields x
    native_optionals: bool  # what an optional holds passes through Go's types, see plan/attributes.py
    quoted_names: bool  # object.`a-b`
    priced_matches: bool  # `matches(text, pattern)` costs what `text.matches(pattern)` does
    strict_scopes: bool  # a loop's variable hides dotted names, and a leading dot looks past it


@lru_cache(maxsize=16)
def habits(version: Version) -> Habits:
    """cel-go 0.29 since 1.37, 0.26 and older before."""
    new = version >= (1, 37)
    return Habits(strict_or=new, native_optionals=not new, quoted_names=new, strict_scopes=new, priced_matches=new)


def new_expressions(server: Version) -> Version:
    """The version whose libraries an API server grants to expressions that it hasn't stored yet."""
    return server[0], server[1] - 1


def _libraries() -> tuple[tuple[Version, Version | None, Table], ...]:
    """Since when, until when, and the functions. Loaded with the first expression: most commands evaluate none."""
    from policies.cel.library import (
        authorizer,
        comprehensions,
        formats,
        formatting,
        lists,
        network,
        optionals,
        quantity,
        regex,
        semver,
        sets,
        standard,
        strings,
        urls,
    )

    return (
        ((1, 0), None, standard.TABLE),
        ((1, 0), (1, 37), standard.BEFORE_1_37),
        ((1, 37), None, standard.SINCE_1_37),
        ((1, 0), None, lists.KUBERNETES),
        ((1, 0), None, strings.TABLE),
        ((1, 0), (1, 37), strings.BEFORE_1_37),
        ((1, 37), None, strings.SINCE_1_37),
        ((1, 0), None, formatting.TABLE),
        ((1, 0), None, regex.TABLE),
        ((1, 0), (1, 36), urls.TABLE_1_31),
        ((1, 36), None, urls.TABLE_1_36),
        ((1, 27), None, authorizer.TABLE),
        ((1, 28), None, optionals.TABLE),
        ((1, 28), None, quantity.TABLE),
        ((1, 29), None, sets.TABLE),
        ((1, 30), None, network.TABLE),
        ((1, 31), (1, 35), formats.TABLE_1_31),
        ((1, 35), (1, 36), formats.TABLE_1_35),
        ((1, 36), None, formats.TABLE_1_36),
        ((1, 32), None, comprehensions.TABLE),
        ((1, 33), None, semver.TABLE),
        ((1, 34), None, lists.EXTENSION),
        ((1, 34), (1, 37), lists.BEFORE_1_37),
        ((1, 37), None, lists.SINCE_1_37),
    )


@lru_cache(maxsize=16)
def functions(version: Version) -> Table:
    """Every function of a version, one table."""
    return merge(
        *(part for since, before, part in _libraries() if since <= version and (before is None or version < before))
    )


@lru_cache(maxsize=16)
def macro_table(version: Version) -> Mapping[MacroKey, Expander]:
    """Every macro of a version."""
    from policies.cel import macros

    found = dict(macros.STANDARD)
    if version >= TWO_VARIABLES:
        found |= macros.TWO_VARIABLE
    if version >= LISTS:
        found |= macros.LISTS
    return found


def since(name: str, after: Version) -> Version | None:
    """The version that brings a function which this one doesn't have, if any does."""
    later = ((1, minor) for minor in range(after[1] + 1, NEWEST[1] + 1))
    return next((version for version in later if name in functions(version)), None)


def named_types(version: Version) -> Mapping[str, CelType]:
    """The library types that can be written as names."""
    from policies.cel.library import network

    return {"net.IP": network.IP_TYPE, "net.CIDR": network.CIDR_TYPE} if version >= (1, 30) else {}
