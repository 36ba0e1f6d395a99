"""The data beside the catalogue: what device requests are worth, where models are named. Read once, when first needed.

Guarantees: what the YAML files say is what is used; the compiled form is checked against them by a test.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import orjson

HERE = Path(__file__).parent
SOURCES = ("devices", "models", "facts")
COMPILED = HERE / "tables.json"


@cache
def table(name: str) -> Any:
    """One of the SOURCES, as plain values. Treat it as constant."""
    return _all()[name]


@cache
def _all() -> Any:
    return orjson.loads(COMPILED.read_bytes())


def glob(patterns: Iterable[str]) -> re.Pattern[str]:
    """One expression that matches whole any of the patterns, in which `*` stands for any text."""
    return re.compile("|".join(map(_glob, patterns)) or r"(?!)", re.DOTALL)


def _glob(pattern: str) -> str:
    """What stands between stars is looked for once, from the left: in linear time, whatever the text is."""
    head, *rest = map(re.escape, pattern.split("*"))
    if not rest:
        return head
    *inner, tail = rest
    return head + "".join(f"(?>.*?{one})" for one in inner if one) + ".*" + tail
