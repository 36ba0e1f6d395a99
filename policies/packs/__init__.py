"""The built-in policies and data classes: YAML beside this file, read like anybody else's."""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.kinds import Kind


@cache
def builtin() -> "tuple[Kind, ...]":
    """Every built-in object, by the name of its file and its order in it."""
    from policies.kinds import parse
    from policies.manifests import read_documents

    folder = sorted((entry for entry in files("policies.packs").iterdir() if entry.name.endswith(".yaml")), key=str)
    return tuple(
        parse(document)  # type: ignore[arg-type]  # our own files are readable: a test reads them all
        for entry in folder
        for document in read_documents(entry.read_text(encoding="utf-8"), entry.name)
    )
