"""What a command found, for programs: JSON or YAML that means the same and steers no terminal that it is shown on.

Guarantees that nothing invisible stands in it but line breaks: controls, bidirectional and zero-width characters are
escapes of the language itself, so that a program reads the very same value. For every package above `audit`, too.
"""

from collections.abc import Sequence
from typing import Any


def written(value: Any, output: str) -> str:
    """`output` is json or yaml; ends in a newline, keys in the order in which they were put."""
    if output == "json":
        import orjson

        return json_text(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()) + "\n"
    return yaml_text([value])


def json_text(text: str) -> str:
    """The same JSON with escapes for whatever is invisible or steers a display."""
    from audit.exports.safe_json import harmless

    return harmless(text)


def yaml_text(documents: Sequence[Any], width: int = 80, *, leaves_in_a_line: bool = False) -> str:
    """The documents in YAML: with letters of every script, and all in ASCII where something invisible is among them."""
    import yaml

    from audit.exports.safe_json import is_harmless

    def dumped(*, allow_unicode: bool) -> str:
        options: dict[str, Any] = {"sort_keys": False, "width": width, "allow_unicode": allow_unicode}
        options["default_flow_style"] = None if leaves_in_a_line else False
        return str(yaml.dump_all(documents, Dumper=yaml.CSafeDumper, **options))

    text = dumped(allow_unicode=True)
    return text if is_harmless(text) else dumped(allow_unicode=False)
