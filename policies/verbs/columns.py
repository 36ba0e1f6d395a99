"""Rows of text under each other in columns, as wide as they need to be, or as a terminal lets them; the last one is
never padded.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap

_LEAST = 16  # no column is made narrower than that


def columns(
    rows: Sequence[Sequence[str]], indent: str = "", gap: str = "  ", within: int | None = None
) -> Iterator[str]:
    """A line for each row, or several where the widest columns have to be folded to stay `within` so many characters.

    All rows have the same number of cells. The first column is never folded: it is the name that a row is found by.
    """
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    if within is not None:
        widths = _narrowed(widths, within - len(indent) - len(gap) * (len(widths) - 1))
    for row in rows:
        cells = [_cell(cell, width) for cell, width in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            yield (indent + gap.join(part.ljust(width) for part, width in zip(parts, widths, strict=True))).rstrip()


def _narrowed(widths: Sequence[int], room: int) -> list[int]:
    """The widest give way first."""
    found = list(widths)
    while sum(found) > room:
        widest = max(range(1, len(found)), key=found.__getitem__, default=0)
        if not widest or found[widest] <= _LEAST:
            break
        second = max((width for at, width in enumerate(found[1:], 1) if at != widest), default=_LEAST)
        enough = found[widest] - (sum(found) - room)
        found[widest] = max(_LEAST, max(second, enough) if second < found[widest] else found[widest] - 1)
    return found


def _cell(text: str, width: int) -> Sequence[str]:
    if len(text) <= width:
        return (text,)
    return wrap(text, width, break_long_words=False, break_on_hyphens=False) or ("",)
