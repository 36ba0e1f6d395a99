"""The demo told to a person: what was asked, the verdict, why, the patch, what to change.

Only tells; what happened is handed in.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from policies.json import Json
from webhook.demo.client import Told

PATCH_LINES = 14  # of one patch; the rest is counted


class Story:
    """Writes chapter after chapter to a console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def opening(self, rules: Path, ready_after: float, port: int) -> None:
        text = Text.assemble(
            ("One webhook process", "bold"),
            f", started with a key, a certificate authority and a log of its own, answers over TLS\n"
            f"1.3 on port {port} after {ready_after:.1f} s. It knows one jurisdiction, the European Union, and what\n"
            f"the cluster consists of ({rules}).\nWhat follows is what an API server would ask it.",
        )
        self._console.print(Panel(text, title="bailiwick demo", border_style="blue"))

    def chapter(self, found: Json, comment: str, told: Told) -> None:
        """One object: asked, answered, explained."""
        self._console.print()
        self._console.print(Rule(style="dim"))
        metadata = found.get("metadata") or {}
        asked = Text.assemble(("asked    ", "dim"), ("create ", ""), (f"{found['kind']} ", "bold"))
        asked.append(f"{metadata.get('namespace', '')}/{metadata.get('name', '')}", style="bold")
        self._console.print(asked)
        if comment:
            self._console.print(Padding(Text(comment, style="italic dim"), (0, 0, 0, 9)))
        self._console.print(_verdict(told))
        for message in told.messages:
            self._console.print(Padding(Text(message), (0, 0, 0, 9)))
        for warning in told.warnings:
            self._console.print(Padding(Text(f"warning: {warning}", style="yellow"), (0, 0, 0, 9)))
        if told.allowed and told.patch:
            self._console.print(Padding(_patch(told.patch), (0, 0, 0, 9)))
        if "leaf-index" in told.annotations:
            self._console.print(Text(f"record   leaf {told.annotations['leaf-index']} of the log", style="dim"))

    def log(self, title: str, good: bool, lines: Sequence[str]) -> None:
        """What a verification of the log said."""
        self._console.print()
        self._console.print(Rule(title, style="blue"))
        first, *rest = lines
        self._console.print(Text(first, style="bold green" if good else "bold red"))
        for line in rest:
            self._console.print(Text(line))

    def closing(self, counted: dict[str, int], report: Path, took: float) -> None:
        self._console.print()
        text = Text(", ".join(f"{count} {name}" for name, count in counted.items()) + f" in {took:.1f} s\n")
        text.append("report: ", style="dim").append(f"{report}\n", style="bold")
        text.append("next:   bailiwick check FILE, or examples/quickstart/README.md", style="dim")
        self._console.print(Panel(text, title="done", border_style="blue"))


def _verdict(told: Told) -> Text:
    if not told.allowed:
        return Text("answer   refused", style="bold red")
    if told.patch:
        return Text("answer   admitted, corrected", style="bold cyan")
    return Text("answer   admitted", style="bold green")


def _patch(operations: Sequence[Json]) -> Text:
    """The patch as a person reads it: where, and what is added there."""
    lines: list[str] = []
    for operation in operations:
        lines.append(f"+ {operation['path']}")
        value: Any = operation.get("value")
        lines += [f"    {line}" for line in yaml.safe_dump(value, default_flow_style=None, width=100).splitlines()]
    if len(lines) > PATCH_LINES:
        lines = [*lines[:PATCH_LINES], f"  ... and {len(lines) - PATCH_LINES} lines more"]
    return Text("\n".join(lines), style="cyan")
