"""Which names there are: the environment's variables and types, and the variables of the loops around a place."""

from __future__ import annotations

from itertools import chain

from policies.cel.admission import DECLARED
from policies.cel.environment import Environment
from policies.cel.library.messages import MESSAGES
from policies.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    CelType,
    Kind,
    list_of,
    map_of,
    parameter,
)
from policies.cel.versions import habits

_A, _B = parameter("A"), parameter("B")
TYPE_NAMES = {
    "bool": BOOL,
    "bytes": BYTES,
    "double": DOUBLE,
    "google.protobuf.Duration": DURATION,
    "int": INT,
    "list": list_of(_A),
    "map": map_of(_A, _B),
    "null_type": NULL,
    "string": STRING,
    "google.protobuf.Timestamp": TIMESTAMP,
    "type": TYPE,
    "uint": UINT,
    "optional_type": CelType(Kind.OPAQUE, "optional_type"),
}


class Scopes:
    """The environment, and the loops that are open."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.strict = habits(environment.kubernetes).strict_scopes
        self.open: list[dict[str, CelType]] = []

    def variables(self) -> set[str]:
        """All names of variables."""
        return {*self.environment.variables, *chain.from_iterable(self.open)}

    def loops_have(self, name: str) -> bool:
        return any(name in scope for scope in self.open)

    def variable(self, name: str) -> CelType | None:
        """The type of a variable, innermost scope first; `.name` is that of the environment."""
        if name.startswith("."):
            return self.environment.variables.get(name[1:])
        for scope in reversed(self.open):
            if name in scope:
                return scope[name]
        return self.environment.variables.get(name)

    def sought(self, name: str) -> str:
        """The name to look for: how a leading dot is understood differs between versions."""
        return name if self.strict else name.removeprefix(".")

    def hidden(self, name: str) -> bool:
        """Whether a loop's variable hides a dotted name."""
        first = name.partition(".")[0]
        return self.strict and any(first in scope for scope in self.open)

    def type_named(self, name: str) -> CelType | None:
        """The type that a name stands for. What the API server declares variables with, and what mutations construct,
        can't be named so.
        """
        found = TYPE_NAMES.get(name) or self.environment.named_type(name) or MESSAGES.get(name)
        return found if found or name.startswith(DECLARED) else self.environment.types.get(name)
