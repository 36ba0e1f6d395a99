"""Rows of text under each other in columns, as wide as they need to be; the last one is never padded."""

from collections.abc import Iterator, Sequence


def columns(rows: Sequence[Sequence[str]], indent: str = "", gap: str = "  ") -> Iterator[str]:
    """A line for each row. All rows have the same number of cells."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        yield (indent + gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
