"""The stages of compiling one after the other: parse, check, plan, and the draft of a quick function."""

from __future__ import annotations

from policies.cel import hints, versions
from policies.cel.check.checker import check
from policies.cel.depth import nesting
from policies.cel.environment import Environment
from policies.cel.errors import CheckError
from policies.cel.parser import parse
from policies.cel.plan.planner import plan
from policies.cel.program import Program
from policies.cel.quick.generator import draft
from policies.cel.types import CelType, Kind, same

_SMALL = 400  # nodes, of whom a generated function is soon compiled; four times as many as public policies have
_PER_NODE = 2e-5  # seconds that loading takes for each, about
_SHALLOW = 40  # levels of a tree that fit on Python's stack, and into its grammar


def compiled(source: str, environment: Environment, expect: CelType | None) -> Program:
    """Raises ParseError or CheckError."""
    version = environment.kubernetes
    tree = parse(source, versions.macro_table(version), versions.habits(version).quoted_names)
    checked = check(tree, source, environment)
    if expect is not None and not same(checked.type, expect) and expect.kind is not Kind.DYN:
        message = f"must evaluate to {expect} but got {checked.type}"
        raise CheckError.at(message, source, 0, hints.result((expect,), checked.type))
    _, depth, nodes = nesting(tree)
    loading = 0.0 if nodes <= _SMALL else nodes * _PER_NODE
    planned = plan(checked, source, environment)
    if depth > _SHALLOW or nodes > _SMALL:
        return Program(source, checked.type, planned, depth if depth > _SHALLOW else 0, None, loading)
    return Program(source, checked.type, planned, 0, draft(checked, planned.known, environment))
