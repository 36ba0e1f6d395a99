"""Everything that is wrong with one object, in words for the person who wrote it: where, what was expected, what to do.

Pydantic's errors end here. Nothing is thrown away: every error it found is one problem.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails, ValidationError

from policies.kinds.part import Part, field_of, fields_of, homes_of

Path = tuple[str | int, ...]

_MOST_SHOWN = 60  # characters of a user's value in a message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `line` is 1-based, 0 when the source has no lines; `field` is empty for the whole object."""

    source: str
    line: int
    field: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}" if self.line else self.source
        subject = f"`{self.field}`: " if self.field else ""
        return ": ".join(filter(None, (where, f"{subject}{self.message}")))


class KindInvalid(ValueError):
    """An object of ours is not as its kind asks. `problems` has all of them, in the order of their lines."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        self.name, self.problems = name, tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem before its line is looked up."""

    path: Path
    message: str
    hint: str = ""


def field_path(path: Path) -> str:
    """The path as people write it: `spec.validations[0].expression`."""
    text = ""
    for step in path:
        plain = isinstance(step, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", step)
        text += f".{step}" if plain else f"[{step}]" if isinstance(step, int) else f"[{step!r}]"
    return text.removeprefix(".")


def close(word: str, known: Sequence[str]) -> str:
    """The known word that was probably meant, or nothing."""
    by_lower = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[found[0]] if found else ""


def findings_of(model: type[Part], invalid: ValidationError) -> list[Finding]:
    """What pydantic found. A list that is only called short because its items are wrong is left out."""
    errors = invalid.errors(include_url=False)
    return [_finding(model, error) for error in errors if error["type"] != "too_short" or not error["input"]]


def _finding(model: type[Part], error: ErrorDetails) -> Finding:
    path: Path = tuple(error["loc"])
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if path and path[-1] == "[key]":
        return Finding(path[:-1], f"expected the key to be {context.get('words', 'text')}")
    match kind:
        case "missing":
            return _missing(model, path)
        case "extra_forbidden":
            return _unknown_field(model, path)
        case "literal_error":
            return _not_among(path, value, re.findall(r"'([^']*)'", context["expected"]))
        case "text_form":
            return _wrong_text(path, value, context)
        case "no_such_day":
            return Finding(path, f"expected a day that the calendar has, not {shown(value)}")
        case "too_short":
            return Finding(path, f"expected at least {context['min_length']} item, not an empty list")
        case "too_long":
            return Finding(path, f"expected at most {context['max_length']} items, not {context['actual_length']}")
        case "greater_than_equal" | "less_than_equal":
            bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
            return Finding(path, f"expected a number of {bound}, not {shown(value)}")
    expected = _TYPES.get(kind)
    if expected:
        return Finding(path, f"expected {expected}, not {shown(value)}", _type_hint(expected, value))
    return Finding(path, error["msg"][:1].lower() + error["msg"][1:])


_TYPES: Mapping[str, str] = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of a sensible size",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def shown(value: Any) -> str:
    """The value, or what it is, short enough for a line."""
    if isinstance(value, str):
        short = value if len(value) <= _MOST_SHOWN else value[:_MOST_SHOWN] + "..."
        return f"`{short}`".replace("\n", "\\n") if value else "an empty text"
    if isinstance(value, bool):
        return f"the boolean `{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"the number `{value}`"
    if value is None:
        return "null"
    return "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, list | tuple) else "that"


def _missing(model: type[Part], path: Path) -> Finding:
    field = field_of(model, path)
    return Finding(path, "missing", f"add it: {field.description}" if field and field.description else "")


def _unknown_field(model: type[Part], path: Path) -> Finding:
    wrong = str(path[-1])
    known = fields_of(model, path[:-1])
    meant = close(wrong, known)
    if meant:
        return Finding(path, "unknown field", f"did you mean `{meant}`?")
    homes = homes_of(model, wrong)
    if homes:
        return Finding(path, "unknown field here", f"`{wrong}` belongs in `{homes[0]}`")
    return Finding(path, "unknown field", f"known here: {', '.join(f'`{name}`' for name in known)}")


def _not_among(path: Path, value: Any, words: Sequence[str]) -> Finding:
    expected = " or ".join(filter(None, (", ".join(f"`{word}`" for word in words[:-1]), f"`{words[-1]}`")))
    meant = close(value, words) if isinstance(value, str) else ""
    return Finding(path, f"expected {expected}, not {shown(value)}", f"did you mean `{meant}`?" if meant else "")


_CODE = 8  # characters of the longest code that is no name


def _wrong_text(path: Path, value: Any, context: Mapping[str, Any]) -> Finding:
    if not isinstance(value, str):
        return Finding(path, f"expected {context['words']}, not {shown(value)}", _type_hint("text", value))
    if len(value) > context["most"] > _CODE:  # a name in the place of a code is wrong, not long
        return Finding(path, f"expected at most {context['most']} characters, not {len(value)}")
    example = f"for example `{context['example']}`" if context["example"] else ""
    hint = context["slips"].get(value.upper(), example)
    return Finding(path, f"expected {context['words']}, not {shown(value)}", hint)


def _type_hint(expected: str, value: Any) -> str:
    if expected == "text" and isinstance(value, bool):
        return "YAML reads an unquoted yes, no, on, off, y or n as a boolean (Norway's `NO` too): put it in quotes"
    if expected == "text" and isinstance(value, int | float):
        return "put it in quotes"
    if expected == "a list" and not isinstance(value, Mapping):
        return "begin the item with `- ` or put it in brackets"
    if expected in ("true or false", "a whole number") and isinstance(value, str):
        return "leave out the quotes"
    return ""


def in_order(problems: Iterator[Problem]) -> tuple[Problem, ...]:
    """Sorted by line; problems of one line stay in their order."""
    return tuple(sorted(problems, key=lambda problem: problem.line))
