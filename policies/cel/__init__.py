"""CEL as the Kubernetes API server runs it: compile once, evaluate over plain dicts, with the API server's cost."""

from policies.cel.budget import Budget
from policies.cel.environment import Environment
from policies.cel.errors import CelError, CheckError, CompileError, CostExceeded, EvaluationError, ParseError
from policies.cel.functions import Function, Overload
from policies.cel.program import Compiler, Program
from policies.cel.types import CelType, ObjectType, OpaqueType
from policies.cel.values import Duration, Optional, Timestamp, UInt, Value

__all__ = [
    "Budget",
    "CelError",
    "CelType",
    "CheckError",
    "CompileError",
    "Compiler",
    "CostExceeded",
    "Duration",
    "Environment",
    "EvaluationError",
    "Function",
    "ObjectType",
    "OpaqueType",
    "Optional",
    "Overload",
    "ParseError",
    "Program",
    "Timestamp",
    "UInt",
    "Value",
]
