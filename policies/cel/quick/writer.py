"""Writing the source of one Python function: blocks, names, constants, and the cost of each block.

Nothing that a user wrote becomes source: texts and other constants go into a table under names of ours, and the
function reads them as globals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from policies.cel.plan.frame import STRIDE
from policies.cel.types import BOOL, INT, LIST_DYN, STRING, CelType
from policies.cel.values import MISSING, Value

_KINDS: Mapping[type, CelType | None] = {str: STRING, int: INT, bool: BOOL, list: LIST_DYN}
LOOK = "c"  # the local variable that holds the cost at which to look at the clock
_INDENT = "    "
_LONGEST = 500  # lines; Python takes milliseconds to compile them
_DEEPEST = 50  # blocks; Python allows 100, of which 20 may be loops


class Unsupported(Exception):
    """The expression has no quick form."""


@dataclass(frozen=True, slots=True)
class Term:
    """A Python expression that yields a node's value; to be used once, unless it is a mere name.

    `kind` is the value's type where that is certain at run time, whatever the checker was told. `maybe` marks what an
    optional holds, or MISSING where it is empty. `constant` is the value where that is known.
    """

    text: str
    kind: CelType | None = None
    maybe: bool = False
    constant: Value = MISSING


def kind_of(value: Value) -> CelType | None:
    """The type of a value that is known beforehand, where code can be simpler for it."""
    return _KINDS.get(type(value), getattr(value, "cel_type", None))


@dataclass(slots=True)
class _Block:
    lines: list[str] = field(default_factory=list)
    cost: int = 0
    seen: dict[tuple[str, str], str] = field(default_factory=dict)


class Writer:
    def __init__(self) -> None:
        self.table: dict[str, object] = {}
        self._names: dict[object, str] = {}
        self._blocks = [_Block()]
        self._temporaries = 0
        self._lines = 0

    def line(self, text: str) -> None:
        self._lines += 1
        if self._lines > _LONGEST:
            raise Unsupported
        self._blocks[-1].lines.append(text)

    def charge(self, cost: int) -> None:
        """Cost of the block that is being written, paid when it is entered."""
        self._blocks[-1].cost += cost

    @property
    def owed(self) -> int:
        """What entering the block that is being written costs so far."""
        return self._blocks[-1].cost

    def fresh(self) -> str:
        """The name of a new local variable."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    def kept(self, text: str) -> str:
        """The expression under a name, so that it can be read often."""
        if text.isidentifier():
            return text
        name = self.fresh()
        self.line(f"{name} = {text}")
        return name

    def shared(self, holder: str, key: str, text: str) -> str:
        """What `holder` has under `key`, read once in this block and the blocks in it."""
        for block in self._blocks:
            if (found := block.seen.get((holder, key))) is not None:
                return found
        name = self._blocks[-1].seen[holder, key] = self.kept(text)
        return name

    def first(self, name: str, what: str) -> bool:
        """Whether this wasn't asked before about a local variable, in this block or one around it."""
        known = any((name, what) in block.seen for block in self._blocks)
        self._blocks[-1].seen[name, what] = name
        return not known

    def constant(self, value: object) -> str:
        """The name of a global that has this value. Equal texts share one."""
        key = value if type(value) in (str, int, bool) else id(value)
        name = self._names.get((type(value), key))
        if name is None:
            name = self._names[type(value), key] = f"K{len(self._names)}"
            self.table[name] = value
        return name

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """What is written meanwhile goes below `head`, and costs where that is entered."""
        if len(self._blocks) > _DEEPEST:
            raise Unsupported
        self._blocks.append(_Block())
        yield
        done = self._blocks.pop()
        paid = [f"n += {done.cost}"] if done.cost else []
        body = [*paid, *done.lines] or ["pass"]
        self._blocks[-1].lines += [head, *(_INDENT + line for line in body)]

    def source(self, result: str) -> str:
        """The whole function. It takes the names and a frame, and returns the value with the cost."""
        (whole,) = self._blocks
        body = [f"n = {whole.cost}", f"{LOOK} = {STRIDE}", *whole.lines, f"return {result}, n"]
        return "\n".join(["def quick(names, f):", *(_INDENT + line for line in body)])
