"""What containers may be told by a whole ConfigMap: its entries as variables (`envFrom`), and as files (`volumes`).

Guarantees: an entry whose name a variable can have, and whose value is one line, is read like a variable of that name,
beside the others; any other is read like a file of that name. Paths name the entry.
"""

import re
from collections.abc import Iterator

from policies.json import JsonObject
from policies.workloads.catalogue.paths import member
from policies.workloads.containers.container import Container
from policies.workloads.containers.destinations import destinations_of_container
from policies.workloads.reach.addresses import Destination
from policies.workloads.reach.files import file_destinations

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*", re.IGNORECASE)
_INDEX = re.compile(r"\.env(?:\[(\d+)\])?")


def told_by_entries(entries: JsonObject, path: str) -> Iterator[Destination]:
    """Where the entries of a ConfigMap lead."""
    for name, value in entries.items():
        if isinstance(value, str) and ("\n" in value.strip() or not _VARIABLE.fullmatch(name)):
            yield from file_destinations(name, value, member(path, name), "data")
    pairs = [
        {"name": name, "value": value}
        for name, value in entries.items()
        if isinstance(value, str) and "\n" not in value.strip() and _VARIABLE.fullmatch(name)
    ]
    if not pairs:
        return
    for one in destinations_of_container(Container({"env": pairs}, f"{path}.")):
        match = _INDEX.fullmatch(one["path"].removeprefix(path))
        at = member(path, str(pairs[int(match[1])]["name"])) if match and match[1] else path
        yield {**one, "path": at}
