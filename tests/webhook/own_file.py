"""A file of the deployer's own, given to the command and followed by a running webhook."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from bailiwick import command
from webhook.demo.process import Process

SOON = 20.0  # seconds


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)])


def is_followed(process: Process, file: Path, asked: Any, texts: dict[str, str], complaint: str) -> None:
    """A file that changes comes into force; one with an error doesn't, is told, and leaves the one before in force.

    `asked` is in conflict with its place under the text `refusing`, and isn't under `admitting`; `wrong` can't be read.
    """
    asker = process.ready()

    def outside() -> bool:
        return "place-conflict" in str(asker.create(asked))

    def refused() -> bool:
        return "bailiwick_webhook_rules_refused 1.0" in asker.get("/metrics")[1].decode().splitlines()

    assert not outside()
    file.write_text(texts["refusing"])
    assert _eventually(outside)
    file.write_text(texts["wrong"])
    assert _eventually(refused)
    assert complaint in process.written()
    assert outside()
    file.write_text(texts["admitting"])
    assert _eventually(lambda: not outside() and not refused())


def _eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + SOON
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.1)
    return False
