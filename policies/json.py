"""The names for JSON-like values. They stay plain Python values from the wire to the rules: nothing is converted."""

from collections.abc import Mapping
from typing import Any

Json = Any  # dict | list | str | int | float | bool | None, nested; a recursive alias costs more than it finds
JsonObject = Mapping[str, Any]
