"""Random expressions over the fields of a kind: steps that exist, steps that don't, and something done at the end."""

from __future__ import annotations

from random import Random

from policies.cel.types import CelType, Kind, ObjectType
from policies.request import GroupKind
from policies.typecheck import Schemas

_LITERALS = ("1", "1.5", "'a'", "true", "null", "b'a'", "duration('1s')", "timestamp(0)", "[]", "{}", "dyn(1)", "2u")
_ASTRAY = (".nothing", ".metdata", "[0]", "['a']")
_KEYS = (".a", "['a']")
_ENDS = (
    "{0} == {1}",
    "{0} != {1}",
    "{0} == {0}",
    "{0} > {1}",
    "{0} + {1} == {0}",
    "{1} in {0}",
    "{0} in [{1}]",
    "size({0}) > 0",
    "{0}.size() == 1",
    "has({0})",
    "!{0}",
    "{0} && true",
    "({0} ? 1 : 2) == 1",
    "string({0}) == 'a'",
    "int({0}) == 1",
    "{0}.all(x, x == {1})",
    "{0}.exists(k, v, v == {1})",
    "{0}.map(x, x)[0] == {1}",
    "{0}.startsWith('a')",
    "type({0}) == {2}",
    "[{0}].exists(x, x == {1})",
    "{0}['a'] == {1}",
    "{0}[0] == {1}",
    "{0}.?nothing.hasValue()",
    "quantity({0}).isInteger()",
    "{0}.matches('a')",
)


def expressions(kind: GroupKind, schemas: Schemas, random: Random, count: int) -> list[str]:
    """Expressions over one kind; the same seed gives the same."""
    found = schemas.type_of(kind, None)
    assert found is not None
    return [_ended(_path("object", found, random), random) for _ in range(count)]


def _ended(path: str, random: Random) -> str:
    end = random.choice(_ENDS)
    if "has(" in end and not path.rpartition(".")[2].isidentifier():
        end = "{0} == {1}"
    return end.format(path, random.choice(_LITERALS), random.choice(("int", "string", "list", "map")))


def _path(text: str, type_: CelType, random: Random) -> str:
    """Some steps into the type. A wrong one is the last but one."""
    for _ in range(random.randint(1, 7)):
        if random.random() < 0.08:
            return text + random.choice(_ASTRAY)
        match type_:
            case ObjectType() if type_.fields:
                name = random.choice(sorted(type_.fields))
                text, type_ = f"{text}{random.choice(('.', '.', '.', '.?'))}{name}", type_.fields[name]
            case CelType(kind=Kind.LIST):
                text, type_ = f"{text}[0]", type_.parameters[0]
            case CelType(kind=Kind.MAP):
                text, type_ = text + random.choice(_KEYS), type_.parameters[1]
            case _:
                break
    return text
