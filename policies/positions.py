"""From the path of a value in an object to the line of the file it stands on. Reads nothing: documents know."""

from typing import Any

from policies.manifests import Document
from policies.patch import parse_pointer
from policies.workloads.catalogue.paths import pointer


def line_of(document: Document, path: str) -> int:
    """The line of a path such as `spec.tasks[0].template`, or of the nearest above it that is written down."""
    return line_at(document, pointer(path))


def line_at(document: Document, where: str) -> int:
    """The same for a JSON pointer."""
    value: Any = document.value
    steps: list[str | int] = []
    for part in parse_pointer(where) if where else ():
        step = int(part) if isinstance(value, list) and part.isdigit() else part
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break  # our own correction put it there
        steps.append(step)
    return document.position(tuple(steps)) or document.line
