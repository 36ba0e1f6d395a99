"""Text for people: as wide as their terminal, and nothing in it that moves, hides or runs anything there.

What goes to a file or a pipe is never folded, so that lines can be looked for.
"""

import shutil
import sys
from collections.abc import Iterable, Iterator

_NARROWEST = 40  # columns; a terminal that claims fewer gets lines that it breaks itself


def width() -> int | None:
    """Columns of the terminal that standard output is; None where it is none."""
    if not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().columns, _NARROWEST)


def colours() -> bool:
    """Is somebody looking who can see them? NO_COLOR and terminals without are rich's business."""
    return sys.stdout.isatty()


def visible(text: str) -> str:
    """A line with everything invisible written out: names in manifests are whatever somebody wrote."""
    from audit.exports.text import shown

    return shown(text, 100_000)


def folded(lines: Iterable[str], columns: int | None, hang: int = 4) -> Iterator[str]:
    """Lines no wider than that where words allow it; what is continued stands `hang` further in than it began."""
    from textwrap import wrap

    for line in lines:
        if columns is None or len(line) <= columns:
            yield line
            continue
        begin = " " * (len(line) - len(line.lstrip()))
        after = begin + " " * hang
        text = line.lstrip()
        yield from wrap(
            text, columns, initial_indent=begin, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
        )
