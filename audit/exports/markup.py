"""The page around a report, and its tables. Every value passes through `escaped`; the policy allows no network."""

import base64
import hashlib
import html
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from audit.exports.text import escaped


def page(title: str, body: str) -> str:
    """A whole document with the report's style and script, and a policy that lets nothing else run or load."""
    style, script = _asset("report.css"), _asset("report.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="referrer" content="no-referrer"><title>{escaped(title)}</title><style>{style}</style></head>'
        f"<body>{body}<script>{script}</script></body></html>\n"
    )


def data_block(name: str, encoded: str) -> str:
    """Base64 for the script to read; no browser runs a script of this type."""
    return f'<script type="application/octet-stream" id="{name}">{encoded}</script>'


def note_block(note: str) -> str:
    """A signed note byte for byte: it holds no control characters but newlines by its format."""
    return f'<pre id="checkpoint">{html.escape(note, quote=True)}</pre>'


def facts(values: Sequence[tuple[str, str]]) -> str:
    """Names and values beside each other."""
    lines = "".join(f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>" for name, value in values)
    return f'<dl class="facts">{lines}</dl>'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], counts: int = 0, kind: str = "") -> str:
    """A table; its first `counts` columns are numbers. `kind` is a class of the style sheet."""
    kinds = [' class="count"' if number < counts else "" for number in range(len(columns))]
    head = "".join(f"<th{kind}>{escaped(column)}</th>" for kind, column in zip(kinds, columns, strict=True))
    lines = "".join(f"<tr>{_cells(kinds, row)}</tr>" for row in rows)
    opened = f'<table class="{kind}">' if kind else "<table>"
    return scrolling(f"{opened}<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>")


def scrolling(inner: str, below: str = "") -> str:
    """A card whose content may be wider than the screen."""
    return f'<div class="card"><div class="scroll">{inner}</div>{below}</div>'


def table_section(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "", counts: int = 0, kind: str = ""
) -> str:
    """A section that is one table, and a sentence below it. `kind` is a class of the style sheet."""
    said = f'<p class="soft">{escaped(note, 2000)}</p>' if note else ""
    return f"<section><h2>{escaped(title)}</h2>{table(columns, rows, counts, kind)}{said}</section>"


def _cells(kinds: Sequence[str], row: Sequence[str]) -> str:
    return "".join(f"<td{kind}>{escaped(value, 600)}</td>" for kind, value in zip(kinds, row, strict=True))


@cache
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
