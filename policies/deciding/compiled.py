"""A policy made ready: every expression compiled, every word of it checked once, when it is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass

from policies.cel import Program
from policies.deciding.matching import Match
from policies.decision import Action


@dataclass(frozen=True, slots=True)
class Check:
    """One validation. With `each`, it holds when it holds for every item of that list."""

    expression: Program
    each: Program | None
    common: bool  # does `each` read facts alone, so that its list serves every policy?
    message: str
    message_expression: Program | None
    code: str
    fix: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """One correction: an expression that gives JSONPatch operations."""

    name: str
    expression: Program


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    name: str
    match: Match
    classes: frozenset[str]
    conditions: tuple[tuple[str, Program], ...]
    variables: Mapping[str, Program]
    checks: tuple[Check, ...]
    mutations: tuple[Mutation, ...]
    annotations: tuple[tuple[str, Program], ...]
    fail_closed: bool
    infrastructure: bool  # are infrastructure namespaces judged, too?
    actions: tuple[Action, ...]
    controls: tuple[str, ...]
    sees_uid: bool  # may an expression read `request.uid`?
