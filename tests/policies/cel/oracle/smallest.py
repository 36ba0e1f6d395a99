"""Make a disagreement small: drop parts of the expression, then of the text, then of the values, while it remains."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.policies.cel.oracle.tree import Tree

Json = dict[str, Any]
MOST = 1500  # questions for one disagreement

_TOKEN = re.compile(r"""[rRbB]{0,2}"(?:[^"\\]|\\.)*"|[rRbB]{0,2}'(?:[^'\\]|\\.)*'|\w+|\s+|.""", re.DOTALL)


def smallest_tree(tree: Tree, remains: Callable[[str], bool]) -> Tree:
    """The smallest tree found whose text still disagrees."""
    asked = 0
    shrunk = True
    while shrunk:
        shrunk = False
        for candidate in tree.smaller():
            if len(candidate.text) >= len(tree.text):
                continue
            asked += 1
            if asked > MOST:
                return tree
            if remains(candidate.text):
                tree, shrunk = candidate, True
                break
    return tree


def smallest_text(text: str, remains: Callable[[str], bool]) -> str:
    """The text with tokens left out, long runs first."""
    tokens = _TOKEN.findall(text)
    width = max(1, len(tokens) // 2)
    asked = 0
    while width:
        place = 0
        while place < len(tokens) and asked < MOST:
            candidate = tokens[:place] + tokens[place + width :]
            asked += 1
            if candidate and remains("".join(candidate)):
                tokens = candidate
            else:
                place += width
        width //= 2
    return "".join(tokens)


def smallest_value(value: Json, remains: Callable[[Json], bool]) -> Json:
    """The bindings with entries and elements left out."""
    shrunk = True
    while shrunk:
        shrunk = False
        for candidate in _without(value):
            if remains(candidate):
                value, shrunk = candidate, True
                break
    return value


def _without(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, held in value.items():
            yield {name: part for name, part in value.items() if name != key}
            for smaller in _without(held):
                yield {**value, key: smaller}
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield value[:index] + value[index + 1 :]
            for smaller in _without(held):
                yield [*value[:index], smaller, *value[index + 1 :]]
