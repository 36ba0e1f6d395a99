"""Everything the engine can raise, one class for each thing the caller can do about it.

`ParseError` and `CheckError` come from compiling and point into the source. `EvaluationError` is CEL's own error value:
the logical operators and `all`/`exists` may absorb it. `CostExceeded` is never absorbed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


class CelError(Exception):
    """The root of the family; catch it to catch anything this package raises."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a source. `offset` counts code points; None where no place is known."""

    message: str
    offset: int | None = None
    hint: str = ""

    def shown(self, source: str) -> str:
        """Place and message, the line of source with a caret under the place, then the hint."""
        head = self.message
        if self.offset is not None:
            line, column = position(source, self.offset)
            head = f"{line}:{column}: {self.message}\n{caret(source, line, column)}"
        return f"{head}\nhint: {self.hint}" if self.hint else head


class CompileError(CelError):
    """The source can't become a program. All that is wrong is in `problems`, in the order of the source.

    `message`, `offset` and `hint` are those of the first; `line` and `column` count from 1, in code points, and are 0
    where no place is known.
    """

    def __init__(self, problems: Sequence[Problem], source: str) -> None:
        first = problems[0]
        super().__init__(first.message)
        self.problems = tuple(problems)
        self.source = source
        self.message, self.offset, self.hint = first.message, first.offset, first.hint
        self.line, self.column = position(source, first.offset) if first.offset is not None else (0, 0)

    @classmethod
    def at(cls, message: str, source: str, offset: int | None, hint: str = "") -> Self:
        """An error with a single problem."""
        return cls([Problem(message, offset, hint)], source)

    def __str__(self) -> str:
        return "\n".join(problem.shown(self.source) for problem in self.problems)


class ParseError(CompileError):
    """The source isn't CEL: correct the text."""


class CheckError(CompileError):
    """The source is CEL, but it can't hold in this environment: a name, a type or a literal is wrong."""


class EvaluationError(CelError):
    """The expression has no value for these inputs. Functions of the host may raise it, or a subclass of it."""


class CostExceeded(CelError):
    """The evaluation was stopped: it would cost more than its budget. `&&` and `||` never absorb it."""


class Fatal(Exception):
    """Where the API server's evaluation breaks off: no operator absorbs it; `evaluate` turns it into an
    EvaluationError.
    """


def position(source: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    start = source.rfind("\n", 0, offset) + 1
    return source.count("\n", 0, offset) + 1, offset - start + 1


def caret(source: str, line: int, column: int, width: int = 100) -> str:
    """The line, cut around the column where it is long, and a caret under the column."""
    text = source.split("\n")[line - 1].replace("\t", " ")
    start = max(0, column - 1 - width // 2) if len(text) > width else 0
    return f" | {text[start : start + width]}\n | {'.' * (column - 1 - start)}^"
