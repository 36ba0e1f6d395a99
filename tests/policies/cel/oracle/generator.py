"""Makes random expressions that a type checker mostly accepts, over values that are really there.

Guarantees: the same seed and bindings give the same expression. A wish for a type is mostly granted exactly, sometimes
by something of unknown type (`object...`), and now and then by something wrong: what is refused must agree, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

from tests.policies.cel.oracle import objects, words
from tests.policies.cel.oracle.templates import CLASSES, WORDS, Hole, Template, tables
from tests.policies.cel.oracle.tree import Tree
from tests.policies.cel.oracle.typed import (
    BOOL,
    DYN,
    KEYS,
    OPAQUE,
    PLAIN,
    STRING,
    Type,
    list_of,
    map_of,
    optional_of,
    parse,
)  # fmt: skip

Json = dict[str, Any]

WRONG = 0.01  # chance of something of another type
UNKNOWN = 0.1  # of a value whose type the checker doesn't know
GENERIC = 0.2  # of a template that can yield any type, such as indexing
COMMON = 9  # words of a pool that come first are ordinary ones
BARE = 0.15  # of leaving out parentheses

REQUEST = {
    "request.name": "string",
    "request.namespace": "string",
    "request.operation": "string",
    "request.subResource": "string",
    "request.dryRun": "bool",
    "request.kind.kind": "string",
    "request.resource.resource": "string",
    "request.requestKind.group": "string",
    "request.userInfo.username": "string",
    "request.userInfo.groups": "list<string>",
    "request.userInfo.extra": "map<string,list<string>>",
    "request.options": "dyn",
    "has(request.dryRun)": "bool",
    "has(request.userInfo.extra)": "bool",
    "request.uid": "string",  # not declared
    "namespaceObject.metadata.name": "string",
    "namespaceObject.metadata.labels": "map<string,string>",
    "namespaceObject.metadata.creationTimestamp": "timestamp",
    "namespaceObject.metadata.generation": "int",
    "namespaceObject.metadata.uid": "string",  # it is called UID
    "namespaceObject.metadata.UID": "string",
    "namespaceObject.spec.finalizers": "list<string>",
    "namespaceObject.status.phase": "string",
    "has(namespaceObject.metadata.labels)": "bool",
    "has(namespaceObject.status.conditions)": "bool",
    "namespaceObject.?metadata.?labels.?app": "optional<string>",
    "request.?userInfo.?uid": "optional<string>",
}
TYPED = {text: parse(type_) for text, type_ in REQUEST.items()}


@dataclass(slots=True)
class Generator:
    """Makes expressions over one set of bindings. `variables` are a policy's, by name."""

    random: Random
    values: Json
    patches: bool = False
    variables: dict[str, Type] = field(default_factory=dict)
    _paths: list[tuple[str, Any]] = field(init=False)
    _scope: list[tuple[str, Type]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._paths = [
            found
            for name in ("object", "oldObject", "params")
            for found in objects.paths(self.values.get(name), name, self.random)
        ]

    def expression(self, depth: int | None = None) -> Tree:
        """An expression of a random type."""
        wanted = BOOL if self.random.random() < 0.35 else self.any_type()
        if self.patches and self.random.random() < 0.5:
            wanted = self.random.choice((Type("object"), Type("jsonpatch"), list_of(Type("jsonpatch"))))
        return self.tree(wanted, depth if depth is not None else self.random.choice((1, 2, 2, 3, 3, 4)))

    def any_type(self, depth: int = 2) -> Type:
        """A type, mostly a plain one."""
        chance = self.random.random()
        if depth == 0 or chance < 0.7:
            return self.random.choice((*PLAIN, STRING, BOOL))
        if chance < 0.8:
            return list_of(self.any_type(depth - 1))
        if chance < 0.86:
            return map_of(self.random.choice(KEYS), self.any_type(depth - 1))
        if chance < 0.91:
            return optional_of(self.any_type(depth - 1))
        return self.random.choice((*OPAQUE, DYN, DYN, Type("type"), Type("decision")))

    def tree(self, wanted: Type, depth: int, pool: str = "") -> Tree:
        """An expression of the wanted type."""
        chance = self.random.random()
        if chance < WRONG:
            return self.tree(self.any_type(), depth - 1)
        if chance < WRONG + UNKNOWN and wanted != DYN:
            return Tree(wanted, self.unknown(wanted).parts)
        if pool and self.random.random() < 0.75:
            return Tree(wanted, (self.literal(wanted, pool),))
        if depth <= 0:
            return self.leaf(wanted, pool)
        return self.built(wanted, depth) or self.leaf(wanted, pool)

    def built(self, wanted: Type, depth: int) -> Tree | None:
        """A call, operator or macro that yields the type."""
        exact, generic = _yielding(wanted, self.patches)
        pick = generic if generic and (not exact or self.random.random() < GENERIC) else exact
        if not pick:
            return None
        template = self.random.choice(pick)
        known: dict[str, Type] = {}
        template.result.fits(wanted, known)
        self._choose(template, known)
        return self._filled(template, known, wanted, depth)

    def _choose(self, template: Template, known: dict[str, Type]) -> None:
        """Types for the variables that the result leaves open."""
        for part in template.parts:
            for name in sorted(part.type.opened()) if isinstance(part, Hole) else ():
                if name not in known:
                    known[name] = self.random.choice(CLASSES[name]) if name in CLASSES else self.any_type(1)

    def _filled(self, template: Template, known: dict[str, Type], wanted: Type, depth: int) -> Tree:
        before = len(self._scope)
        parts = [part if isinstance(part, str) else self._fill(part, known, depth) for part in template.parts]
        del self._scope[before:]
        if template.is_grouped and self.random.random() < BARE:
            parts = parts[1:-1]
        return Tree(wanted, tuple(parts))

    def _fill(self, hole: Hole, known: dict[str, Type], depth: int) -> str | Tree:
        if hole.declares:
            name = self._new_name()
            self._scope.append((name, hole.type.closed(known)))
            return name
        if hole.type.name in WORDS:
            return self._word(hole.type.name)
        return self.tree(hole.type.closed(known), depth - 1, hole.pool)

    def _new_name(self) -> str:
        """Mostly a fresh one; the names of outer variables and of bindings are shadowed now and then."""
        if self.random.random() < 0.08:
            return self.random.choice(("object", "request", "x", "i", "variables", *(name for name, _ in self._scope)))
        return f"v{len(self._scope)}"

    def _word(self, kind: str) -> str:
        if kind == "typename":
            return self.random.choice(words.TYPE_NAMES)
        if kind == "formatname":
            return self.random.choice(words.FORMAT_NAMES)
        return self.random.choice(words.FIELDS)

    def leaf(self, wanted: Type, pool: str = "") -> Tree:
        """A variable, a path or a literal."""
        near = [name for name, type_ in self._scope if type_ == wanted]
        near += [f"variables.{name}" for name, type_ in self.variables.items() if type_ == wanted]
        if near and self.random.random() < 0.6:
            return Tree(wanted, (self.random.choice(near),))
        declared = [text for text, type_ in TYPED.items() if type_ == wanted]
        if declared and self.random.random() < 0.12:
            return Tree(wanted, (self.random.choice(declared),))
        if wanted == DYN:
            return self.unknown(wanted)
        return Tree(wanted, (self.literal(wanted, pool),))

    def unknown(self, wanted: Type) -> Tree:
        """A path whose value has the type when evaluated, where there is one; sometimes nothing is there at all."""
        chance = self.random.random()
        scoped = [name for name, type_ in self._scope if type_ == DYN]
        if scoped and chance < 0.3:
            return Tree(DYN, (self.random.choice(scoped),))
        fitting = [text for text, value in self._paths if _is(value, wanted)]
        if fitting and chance < 0.85:
            return Tree(DYN, (self._varied(self.random.choice(fitting)),))
        if chance < 0.92:
            return Tree(DYN, (self._varied(self.random.choice(self._paths)[0]),))
        if self.variables and chance < 0.95:
            return Tree(DYN, (f"variables.{self.random.choice(list(self.variables))}",))
        return Tree(DYN, ("dyn(", self.tree(self.any_type(1), 0), ")"))

    def _varied(self, path: str) -> str:
        """Sometimes a step further than there is, or an optional one."""
        chance = self.random.random()
        if chance < 0.04:
            return f"{path}.{self._word('field')}"
        if chance < 0.07:
            return f"{path}[{words.integer(self.random)}]"
        if chance < 0.11 and "." in path:
            return path.replace(".", ".?", 1) + ".orValue(dyn(0))"
        return path

    def literal(self, wanted: Type, pool: str = "") -> str:
        """A literal, or the shortest call that makes a value of the type."""
        if pool == "index":
            return str(self.random.choice((0, 0, 1, 1, 2, 3, -1, 5, 100))) + ("u" if wanted.name == "uint" else "")
        make = _LITERALS.get(wanted.name)
        if make is not None:
            return make(self, pool)
        inner = [self.literal(part) for part in wanted.parameters]
        match wanted.name:
            case "list":
                more = [self.literal(wanted.parameters[0]) for _ in range(self.random.randint(0, 3))]
                return f"[{', '.join(more)}]"
            case "map":
                return f"{{{inner[0]}: {inner[1]}}}" if self.random.random() < 0.8 else "{}"
            case "optional":
                return f"optional.of({inner[0]})" if self.random.random() < 0.7 else "optional.none()"
        return self.tree(DYN, 0).text

    def pooled(self, pool: str) -> str:
        """A string literal, of the pool where there is one."""
        from_pool = words.POOLS.get(pool, words.STRINGS)
        if self.random.random() < 0.5:
            from_pool = from_pool[:COMMON]
        return words.quoted(self.random.choice(from_pool), self.random)


def _call(function: str, pool: str) -> Callable[[Generator, str], str]:
    return lambda g, _: f"{function}({g.pooled(pool)})"


_LITERALS: dict[str, Callable[[Generator, str], str]] = {
    "bool": lambda g, _: g.random.choice(("true", "false")),
    "int": lambda g, _: words.integer(g.random),
    "uint": lambda g, _: words.unsigned(g.random),
    "double": lambda g, _: g.random.choice(words.DOUBLES),
    "string": lambda g, pool: g.pooled(pool),
    "bytes": lambda g, _: words.byte_literal(g.random),
    "null": lambda g, _: "null",
    "type": lambda g, _: g.random.choice(words.TYPE_NAMES),
    "duration": _call("duration", "duration"),
    "timestamp": _call("timestamp", "timestamp"),
    "quantity": _call("quantity", "quantity"),
    "url": _call("url", "url"),
    "ip": _call("ip", "ip"),
    "cidr": _call("cidr", "cidr"),
    "semver": _call("semver", "semver"),
    "format": lambda g, _: f"format.{g.random.choice(words.FORMAT_NAMES)}()",
    "authorizer": lambda g, _: "authorizer",
    "pathcheck": lambda g, _: f"authorizer.path({g.pooled('path')})",
    "groupcheck": lambda g, _: f"authorizer.group({g.pooled('name')})",
    "resourcecheck": lambda g, _: g.random.choice(
        ("authorizer.requestResource", "authorizer.group('').resource('pods')")
    ),
    "decision": lambda g, _: f"authorizer.requestResource.check({g.pooled('verb')})",
    "object": lambda g, _: "Object{}",
    "jsonpatch": lambda g, _: f"JSONPatch{{op: {g.pooled('op')}, path: {g.pooled('pointer')}}}",
}


@lru_cache(maxsize=4096)
def _yielding(wanted: Type, patches: bool) -> tuple[tuple[Template, ...], tuple[Template, ...]]:
    """The templates that yield the type, those made for it and those that yield anything."""
    exact: list[Template] = []
    generic: list[Template] = []
    for template in tables(patches):
        known: dict[str, Type] = {}
        if template.result.fits(wanted, known) and all(
            type_ in CLASSES[name] for name, type_ in known.items() if name in CLASSES
        ):
            anything = template.result.is_open and template.result.name not in CLASSES
            (generic if anything else exact).append(template)
    return tuple(exact), tuple(generic)


def _is(value: Any, wanted: Type) -> bool:
    match value:
        case bool():
            return wanted.name in ("bool", "dyn")
        case int():
            return wanted.name in ("int", "double", "uint", "dyn")
        case float():
            return wanted.name in ("double", "dyn")
        case str():
            return wanted.name in ("string", "dyn")
        case None:
            return wanted.name == "null"
        case list():
            return wanted.name in ("list", "dyn")
        case dict():
            return wanted.name in ("map", "dyn")
    return False
