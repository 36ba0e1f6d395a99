"""The policies among documents, type-checked: each doubt with the file and line where its expression is written.

A native or Kyverno policy that can't be read at all says why instead: what doesn't compile has no types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from policies.kinds.problems import Problem
from policies.kinds.reading import Located
from policies.native.kyverno import is_kyverno
from policies.native.kyverno import read as read_kyverno
from policies.native.reading import PoliciesInvalid, is_native, read
from policies.typecheck.policies import warnings_of
from policies.typecheck.schemas import Schemas

_CHECKED = ("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy", "SovereigntyPolicy")


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something about a policy's expression that is probably a mistake. `kinds` are those that it doesn't fit."""

    source: str
    line: int
    policy: str
    name: str
    field: str
    message: str
    hint: str = ""
    kinds: tuple[str, ...] = ()

    def __str__(self) -> str:
        about = f" over {', '.join(self.kinds)}" if self.kinds else ""
        where = f"{self.source}:{self.line}: " if self.line else f"{self.source}: " if self.source else ""
        return f"{where}{self.policy} `{self.name}`: {self.field}{about}: {self.message}"


def doubts(documents: Iterable[Located], schemas: Schemas) -> Iterator[Doubt]:
    """Everything that is doubtful about the policies among these documents, in their order."""
    for document in documents:
        if is_policy(document.value):
            problems = _unread(document)
            yield from _problems(document, problems) if problems else _mistyped(document, schemas)


def is_policy(value: Mapping[str, Any]) -> bool:
    """Whether an object has expressions that are checked."""
    return value.get("kind") in _CHECKED or is_kyverno(value)


def _unread(document: Located) -> tuple[Problem, ...]:
    try:
        if is_native(document.value):
            read([document])
        elif is_kyverno(document.value):
            read_kyverno([document])
    except PoliciesInvalid as invalid:
        return invalid.problems
    return ()


def _problems(document: Located, problems: Iterable[Problem]) -> Iterator[Doubt]:
    for found in problems:
        yield Doubt(document.source, found.line, *_named(document), found.field, found.message, found.hint)


def _mistyped(document: Located, schemas: Schemas) -> Iterator[Doubt]:
    for warning in warnings_of(document.value, schemas):
        line = document.position(warning.path())
        for kinds, problem in warning.by_problem():
            message = replace(problem, hint="").shown(warning.source)
            names = tuple(map(str, kinds))
            yield Doubt(document.source, line, *_named(document), warning.field, message, problem.hint, names)


def _named(document: Located) -> tuple[str, str]:
    metadata = document.value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return str(document.value.get("kind")), str(name or "")
