"""`bailiwick demo`: the main job on real input with embedded defaults, told as a story."""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from policies.manifests import Document
    from webhook.demo.story import Story


@click.command()
@click.option("--state", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True, help="Made anew.")
@click.option("--examples", type=click.Path(path_type=Path, exists=True), help="Another folder like the quickstart.")
def demo(state: Path, examples: Path | None) -> None:
    """Watch real inference manifests being admitted, corrected and refused, and check the record of it.

    No cluster and no Vault: a webhook process is started on this machine and asked what an API server would ask.

    \b
    bailiwick demo
    """
    from rich.console import Console

    from webhook.demo.client import WebhookFailed
    from webhook.demo.process import Process
    from webhook.demo.story import Story

    started = time.monotonic()
    given = examples or quickstart()
    _fresh(state)
    terminal = Console()
    story = Story(Console(highlight=False, width=min(terminal.width, 120) if terminal.is_terminal else 110))
    process = Process(state, ["--rules", str(given / "rules"), "--snapshot", str(given / "cluster")])
    try:
        asker = process.ready()
        story.opening(given / "rules", time.monotonic() - started, process.port)
        counted: Counter[str] = Counter()
        for document in _documents(given / "manifests"):
            told = asker.create(document.value)
            story.chapter(document.value, _comment(document), told)
            counted["refused" if not told.allowed else "corrected" if told.patch else "admitted"] += 1
    except WebhookFailed as failed:
        raise click.ClickException(str(failed)) from failed
    finally:
        code = process.stop()
    if code != 0:
        raise click.ClickException(f"the webhook left with exit code {code}: see {state / 'serve.log'}")
    _proof(story, state)
    report = _report(state)
    story.closing(dict(counted), report, time.monotonic() - started)


def quickstart() -> Path:
    """The folder of examples that the demo shows: beside the packages, or installed with them."""
    installed = Path(__file__).parents[1] / "quickstart"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "examples" / "quickstart"


def _fresh(state: Path) -> None:
    """An empty directory; only one that a demo made before is ever emptied."""
    mark = state / ".bailiwick-demo"
    if state.exists() and any(state.iterdir()) and not mark.exists():
        raise click.UsageError(f"`{state}` is not empty and no demo's: name another with --state")
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    mark.touch()


def _documents(folder: Path) -> "Iterator[Document]":
    from policies.manifests import Document
    from policies.store import load_documents

    for found in load_documents([str(folder)]):
        if not isinstance(found, Document):
            raise click.ClickException(f"{found.source}:{found.line}: {found.message}")
        yield found


def _comment(document: "Document") -> str:
    """The sentence that stands right above the object in its file."""
    above = reversed(Path(document.source).read_text().splitlines()[: document.line - 1])
    told = [line.lstrip("# ") for line in takewhile(lambda line: line.startswith("#"), above)]
    return " ".join(reversed(told))


def _proof(story: "Story", state: Path) -> None:
    """The log is verified; then a copy of it is tampered with, and the same verification finds it."""
    from audit.checks.verify import verify_log
    from audit.verbs.places import verifier_keys
    from audit.verbs.verify import lines

    keys = verifier_keys(state / "log", ())
    report = verify_log(state / "log", keys)
    story.log("the log of these decisions", report.ok, list(lines(report)))
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "log"
        shutil.copytree(state / "log", copy)
        changed = _tamper(copy)
        found = verify_log(copy, keys)
    told = list(lines(found))
    story.log("a copy of it, in which somebody made a refusal an admission", found.ok, [told[0], changed, *told[1:]])
    if not report.ok or found.ok:
        raise click.ClickException("the log does not verify as it should: this is a fault of ours")


def _tamper(log: Path) -> str:
    """Turn the first recorded refusal into an admission of the same length, wherever its bytes lie."""
    before, after = b'"verdict":"denied"', b'"verdict":"passed"'
    for path in sorted(log.rglob("*"), key=lambda path: ("wal" not in path.parts, path)):
        data = path.read_bytes() if path.is_file() else b""
        if before in data:
            path.write_bytes(data.replace(before, after, 1))
            return f"changed: {before.decode()} to {after.decode()} in {path.relative_to(log)}"
    raise click.ClickException("no refusal was recorded: this is a fault of ours")


def _report(state: Path) -> Path:
    """The HTML report of the log."""
    from audit.verbs.export import write_html
    from webhook.reporting import reason_texts

    path = state / "report.html"
    write_html(state / "log", path, reasons=reason_texts)
    return path
