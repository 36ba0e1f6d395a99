"""Everything the engine can raise, one class for each thing the caller can do about it.

`ParseError` and `CheckError` come from compiling and point into the source. `EvaluationError` is CEL's own error value: the
logical operators and `all`/`exists` may absorb it. `CostExceeded` is never absorbed.
"""

from __future__ import annotations


class CelError(Exception):
    """The root of the family; catch it to catch anything this package raises."""


class CompileError(CelError):
    """The source can't become a program. `line` and `column` count from 1, in code points; 0 where no place is known."""

    def __init__(self, message: str, source: str = "", offset: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.offset = offset
        self.hint = hint
        self.line, self.column = position(source, offset) if offset is not None else (0, 0)

    def __str__(self) -> str:
        """The message, then the line of source with a caret under the place, then the hint."""
        if self.offset is None:
            head = self.message
        else:
            head = f"{self.line}:{self.column}: {self.message}\n{caret(self.source, self.line, self.column)}"
        return f"{head}\nhint: {self.hint}" if self.hint else head


class ParseError(CompileError):
    """The source isn't CEL: correct the text."""


class CheckError(CompileError):
    """The source is CEL, but it can't hold in this environment: a name, a type or a literal is wrong."""


class EvaluationError(CelError):
    """The expression has no value for these inputs. Functions of the host may raise it, or a subclass of it."""


class CostExceeded(CelError):
    """The evaluation was stopped: it would cost more than its budget. `&&` and `||` never absorb it."""


def position(source: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    start = source.rfind("\n", 0, offset) + 1
    return source.count("\n", 0, offset) + 1, offset - start + 1


def caret(source: str, line: int, column: int, width: int = 100) -> str:
    """The line, cut around the column where it is long, and a caret under the column."""
    text = source.split("\n")[line - 1].replace("\t", " ")
    start = max(0, column - 1 - width // 2) if len(text) > width else 0
    return f" | {text[start : start + width]}\n | {'.' * (column - 1 - start)}^"
