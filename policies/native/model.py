"""Native admission policies and bindings made ready: every expression compiled, every word checked once, when read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.cel import Program
from policies.deciding.matching import Selector
from policies.request import GroupKind

DENY, WARN, AUDIT = "Deny", "Warn", "Audit"
EVERYTHING = Selector()


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of resourceRules or excludeResourceRules."""

    groups: frozenset[str]
    versions: frozenset[str]
    operations: frozenset[str]
    resources: tuple[tuple[str, str], ...]  # resource and subresource, each a name or `*`
    scope: str = "*"
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Constraints:
    """matchConstraints of a policy, or matchResources of a binding. Without rules, everything matches."""

    rules: tuple[Rule, ...] = ()
    excluded: tuple[Rule, ...] = ()
    namespaces: Selector = EVERYTHING
    objects: Selector = EVERYTHING
    equivalent: bool = True


@dataclass(frozen=True, slots=True)
class Condition:
    name: str
    expression: Program


@dataclass(frozen=True, slots=True)
class Validation:
    expression: Program
    message: str = ""
    message_expression: Program | None = None
    reason: str = "Invalid"


@dataclass(frozen=True, slots=True)
class Annotation:
    key: str
    expression: Program


@dataclass(frozen=True, slots=True)
class Mutation:
    """A patch: of JSON Patch operations, or an object to be merged."""

    expression: Program
    json_patch: bool


@dataclass(frozen=True, slots=True)
class ParamRef:
    """Which objects a binding gives its policy: by name, or by labels."""

    name: str = ""
    namespace: str = ""
    selector: Selector | None = None
    deny_if_missing: bool = True


@dataclass(frozen=True, slots=True)
class Binding:
    name: str
    policy: str
    constraints: Constraints | None = None
    param_ref: ParamRef | None = None
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What both kinds of policies have."""

    name: str
    constraints: Constraints
    conditions: tuple[Condition, ...] = ()
    variables: Mapping[str, Program] = field(default_factory=dict)
    params: GroupKind | None = None
    fail_closed: bool = True
    bindings: tuple[Binding, ...] = ()


@dataclass(frozen=True, slots=True)
class ValidatingPolicy(Policy):
    validations: tuple[Validation, ...] = ()
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class MutatingPolicy(Policy):
    mutations: tuple[Mutation, ...] = ()
    reinvoked: bool = False  # reinvocationPolicy: IfNeeded


@dataclass(frozen=True, slots=True)
class Policies:
    """Everything that is in force, by name. The API server's own order is accidental, ours is that of the names."""

    validating: tuple[ValidatingPolicy, ...] = ()
    mutating: tuple[MutatingPolicy, ...] = ()
