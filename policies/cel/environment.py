"""What an expression may name: variables and their types, functions, object types, and the Kubernetes version.

An environment is immutable and can be shared; `extend` makes a larger one. Values for the names come with each
evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from policies.cel import versions
from policies.cel.admission import NAMESPACE, OBJECT_TYPES, REQUEST
from policies.cel.functions import Function, Table, Version, merge, shielded, table
from policies.cel.types import DYN, STRING, CelType, ObjectType, map_of

# The API server's checker lets an expression construct what it declares variables with; its evaluator never does.
ADMISSION_TYPES = {declared.name: declared for declared in OBJECT_TYPES}


@dataclass(frozen=True, slots=True)
class Environment:
    """The names an expression may use. `patches` allows `Object{}` and `JSONPatch{}`, as in mutation policies."""

    variables: Mapping[str, CelType] = field(default_factory=lambda: MappingProxyType({}))
    functions: Table = field(default_factory=lambda: MappingProxyType({}))  # beside those of the version
    types: Mapping[str, ObjectType] = field(default_factory=lambda: MappingProxyType({}))
    kubernetes: Version = versions.DEFAULT
    patches: bool = False
    _all: Table = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        from policies.cel.library.patch import TABLE as PATCH_FUNCTIONS

        own = {
            name: shielded(function) for name, function in self.functions.items() if function.since <= self.kubernetes
        }
        parts = [
            versions.functions(self.kubernetes),
            *([PATCH_FUNCTIONS] if self.patches else []),
            *([own] if own else []),
        ]
        object.__setattr__(self, "_all", merge(*parts) if len(parts) > 1 else parts[0])

    @classmethod
    def admission(cls, version: Version = versions.DEFAULT, patches: bool = False) -> Environment:
        """What validating and, with `patches`, mutating admission policies may name."""
        from policies.cel.library.authorizer import AUTHORIZER, RESOURCE_CHECK

        variables = {
            "object": DYN,
            "oldObject": DYN,
            "params": DYN,
            "request": REQUEST,
            "namespaceObject": NAMESPACE,
            "variables": map_of(STRING, DYN),
            "authorizer": AUTHORIZER,
            "authorizer.requestResource": RESOURCE_CHECK,
        }
        return cls(variables=MappingProxyType(variables), kubernetes=version, patches=patches)

    def extend(
        self,
        variables: Mapping[str, CelType] | None = None,
        types: Iterable[ObjectType] = (),
        functions: Iterable[Function] = (),
    ) -> Environment:
        """This environment and more. A variable of the same name is replaced; functions gain overloads."""
        return replace(
            self,
            variables=MappingProxyType({**self.variables, **(variables or {})}),
            functions=merge(self.functions, table(*functions)),
            types=MappingProxyType({**self.types, **{declared.name: declared for declared in types}}),
        )

    def all_functions(self) -> Table:
        """The version's functions and this environment's own."""
        return self._all

    def named_type(self, name: str) -> CelType | None:
        """The opaque type of a library that an expression can name, such as `net.IP`."""
        return versions.named_types(self.kubernetes).get(name)

    def constructible(self, name: str) -> ObjectType | None:
        """The object type that `name{...}` would construct."""
        from policies.cel.library.messages import MESSAGES
        from policies.cel.library.patch import object_type

        declared = self.types.get(name)
        if declared is None and self.patches:
            declared = object_type(name)
        if declared is None and not {"request", "namespaceObject"}.isdisjoint(self.variables):
            declared = ADMISSION_TYPES.get(name)
        return MESSAGES.get(name) if declared is None else declared
