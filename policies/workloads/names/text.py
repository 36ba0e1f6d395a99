"""Objects written as text inside of a field: JSON or YAML.

Guarantees: nothing raises; all take time and memory linear in the text. YAML with aliases is not read, since
they multiply; neither is YAML nested deeper than `_DEEPEST`, since libyaml's composer overflows the stack.
"""

from typing import Any

import orjson

from policies.json import Json

_LONGEST = 1 << 18  # characters; a longer text is not read
_DEEPEST = 128


def loaded(text: Json) -> Json:
    """The value that a text writes; None when it is no text, no YAML, or more than is read."""
    found = documents(text) if isinstance(text, str) else ()
    return found[0] if len(found) == 1 else None


def documents(text: str) -> list[Json]:
    """Each value of a text that may write many, as YAML's `---` divides them; none where nothing is read."""
    if len(text) > _LONGEST:
        return []
    try:
        return [orjson.loads(text)]
    except orjson.JSONDecodeError:
        return _yaml(text)


def _yaml(text: str) -> list[Any]:
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > _DEEPEST or isinstance(event, yaml.AliasEvent):
                return []
        return list(yaml.load_all(text, Loader=loader))
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError):
        return []
