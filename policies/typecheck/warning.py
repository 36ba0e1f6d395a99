"""What a type check finds in one expression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policies.cel.errors import Problem, caret, position
from policies.request import GroupKind

_ANY_WIDTH = 2**31  # the API server cuts no line


@dataclass(frozen=True, slots=True)
class ExpressionWarning:
    """One expression that doesn't fit some of the kinds that its policy is about.

    `field` is where it stands (`spec.validations[0].expression`); `found` has the problems for each of these kinds.
    """

    field: str
    source: str
    found: tuple[tuple[GroupKind, tuple[Problem, ...]], ...]

    @property
    def text(self) -> str:
        """The words of `status.typeChecking.expressionWarnings`."""
        return "\n".join(f"{_written(kind)}: {self._issues(problems)}\n" for kind, problems in self.found)

    def _issues(self, problems: tuple[Problem, ...]) -> str:
        return "\n".join(map(self._issue, problems))

    def _issue(self, problem: Problem) -> str:
        line, column = position(self.source, problem.offset or 0)
        return f"ERROR: <input>:{line}:{column}: {problem.message}\n{caret(self.source, line, column, _ANY_WIDTH)}"

    def by_problem(self) -> Iterator[tuple[tuple[GroupKind, ...], Problem]]:
        """Each problem once, with the kinds that have it."""
        kinds: dict[tuple[int | None, str], list[GroupKind]] = {}
        first: dict[tuple[int | None, str], Problem] = {}  # the kinds' hints may differ: one is enough
        for kind, problems in self.found:
            for problem in problems:
                what = problem.offset, problem.message
                kinds.setdefault(what, []).append(kind)
                first.setdefault(what, problem)
        yield from ((tuple(those), first[what]) for what, those in kinds.items())

    def path(self) -> tuple[str | int, ...]:
        """`field` as steps."""
        steps: list[str | int] = []
        for part in self.field.split("."):
            name, _, index = part.partition("[")
            steps += [name, int(index.rstrip("]"))] if index else [name]
        return tuple(steps)


def _written(kind: GroupKind) -> str:
    return f"{kind.group}/{kind.version}, Kind={kind.kind}"
