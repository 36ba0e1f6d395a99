"""Legal holds that stand, kept beside the log so that nobody has to read all of it to know them.

The log's `hold` records say what was placed and lifted; `holds.json` is derived from them, by whoever appends them. A
shard is kept by any hold that stands, whatever its scope is: what a shard holds is not looked into.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from audit.errors import LogCorrupt
from audit.files.shards import shard_directories
from audit.files.store import FileSystem, write_file
from audit.reading import read_records

HOLDS = "holds.json"
_SCHEMA = "bailiwick.hold/"
_SAID = ("hold", "state", "basis", "scope", "namespace", "first", "end", "tags")
Holds = dict[str, dict[str, Any]]


def standing_holds(files: FileSystem, directory: Path) -> Holds:
    """The fields of each hold that stands, by its name; read from the log where there is no list of them yet.

    Raises LogCorrupt, OSError.
    """
    try:
        found = orjson.loads(files.read(directory / HOLDS))
        return {str(name): dict(fields) for name, fields in found.items()}
    except FileNotFoundError:
        holds: Holds = {}
        for place in shard_directories(directory, files):
            for record in read_records(place, files=files):
                if str(record.fields.get("schema")).startswith(_SCHEMA):
                    take_hold(holds, record.fields)
        return holds
    except (ValueError, AttributeError, TypeError) as error:
        raise LogCorrupt(f"`{HOLDS}` can't be read: remove it, it is made anew from the log's records") from error


def keep_holds(files: FileSystem, directory: Path, holds: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the list. Durable when it returns."""
    write_file(files, directory / HOLDS, orjson.dumps(dict(holds), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    files.sync_directory(directory)


def take_hold(holds: Holds, leaf: Mapping[str, Any]) -> None:
    """What a `hold` record changes."""
    if leaf["state"] == "lifted":
        holds.pop(str(leaf["hold"]), None)
    else:
        holds[str(leaf["hold"])] = {name: leaf[name] for name in _SAID if name in leaf}
