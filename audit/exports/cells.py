"""One cell of a CSV file: harmless in a spreadsheet and on a terminal, and reversible. Pure.

Two rules, undone by `read_cell` in the opposite order:
1. a backslash is doubled, and what shows nothing or steers a display (controls, line breaks, bidirectional and
   zero-width characters) is written as `\\u{hex}`: so a record is one line, whatever it holds;
2. a text that begins with `= + - @`, their full-width forms, tab, carriage return or an apostrophe gets an apostrophe
   in front: so no spreadsheet takes it for a formula.
"""

import re

from audit.exports.text import INVISIBLE

_ESCAPED = re.compile(rf"\\|{INVISIBLE.pattern}")
_ESCAPE = re.compile(r"\\(?:\\|u\{([0-9a-f]{1,6})\})")
LEADING = "=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20"


def cell(text: str) -> str:
    """The text as it stands in a cell, before RFC 4180's quotes."""
    if not text:
        return text
    safe = _ESCAPED.sub(_escape, text)
    return f"'{safe}" if text[0] in LEADING else safe


def read_cell(written: str) -> str:
    """The text again."""
    bare = written[1:] if written.startswith("'") else written
    return _ESCAPE.sub(lambda match: "\\" if match[1] is None else chr(int(match[1], 16)), bare)


def quoted(text: str) -> str:
    """A cell in RFC 4180's quotes: always, so that a list separator of some locale can't begin another one."""
    return '"' + cell(text).replace('"', '""') + '"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return "\\\\" if character == "\\" else f"\\u{{{ord(character):x}}}"
