"""A report for programs: JSON or YAML, ending in a newline, keys in the order in which they were put."""

from collections.abc import Mapping
from typing import Any


def written(report: Mapping[str, Any], output: str) -> str:
    """`output` is json or yaml."""
    if output == "json":
        import orjson

        return orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n"
    import yaml

    return str(yaml.dump(report, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True))
