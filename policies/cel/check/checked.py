"""What checking an expression yields: types, overloads and the meaning of names, node by node."""

from __future__ import annotations

from dataclasses import dataclass, field

from policies.cel import ast
from policies.cel.functions import Function, Overload
from policies.cel.types import DYN, CelType


@dataclass(slots=True)
class Checked:
    """What the checker found. Nodes go by `id()`: the tree must be kept alive."""

    tree: ast.Node
    type: CelType = DYN
    types: dict[int, CelType] = field(default_factory=dict)
    overloads: dict[int, tuple[Function, tuple[Overload, ...]]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)  # identifiers and selections that are one variable
    numbers: dict[int, int] = field(default_factory=dict)  # identifiers that are values of an enum
    constants: dict[int, CelType] = field(default_factory=dict)  # identifiers that are types
