"""What comprehensions of two variables expand to. The planner gives it its meaning; the checker needs its types."""

from __future__ import annotations

from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, free, table
from policies.cel.types import map_of, parameter
from policies.cel.values import Value

K, V = parameter("K"), parameter("V")
MAP_KV = map_of(K, V)


def _planned(*_: Value) -> Value:
    raise EvaluationError("no such overload")


TABLE = table(
    Function("cel.@mapInsert", [free([MAP_KV, K, V], MAP_KV, _planned), free([MAP_KV, MAP_KV], MAP_KV, _planned)])
)
