"""What a command found, for programs: JSON or YAML in ASCII, so that it steers no terminal that it is shown on."""

from typing import Any


def written(value: Any, output: str) -> str:
    """`output` is json or yaml; ends in a newline. Names and paths may be in any script: these are escapes then."""
    if output == "json":
        import json

        return json.dumps(value, indent=2).replace("\x7f", "\\u007f") + "\n"
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False))
