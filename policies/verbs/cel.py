"""`bailiwick cel`: expressions as the API server evaluates them, for people who write them and for proof."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.verbs.written import json_text, written

if TYPE_CHECKING:
    from policies.cel import CompileError
    from policies.verbs.cel_conformance import Disagreement
    from policies.verbs.cel_evaluate import Evaluated

VERSIONS = tuple(f"1.{minor}" for minor in range(31, 38))
_OUTPUTS = click.Choice(["table", "json", "yaml"])
_PUBLISHED = "1.34"  # the API server whose answers the published conformance files hold


@click.group()
def cel() -> None:
    """Evaluate CEL as the API server does."""


class Refused(click.ClickException):
    """Something can't be read or asked for; the hint says what to do."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _input(option: str, name: str, what: str) -> Callable[[Any], Any]:
    return click.option(option, name, metavar="FILE", help=f"{what}, as YAML or JSON; `-` is standard input.")


@cel.command("eval")
@click.argument("expression", metavar="EXPR")
@_input("--object", "object", "The object of the request")
@_input("--old-object", "oldObject", "The object as it was before")
@_input("--params", "params", "The param")
@_input("--request", "request", "The AdmissionRequest, or an AdmissionReview")
@_input("--namespace-object", "namespaceObject", "The Namespace of the object")
@click.option(
    "--kubernetes", type=click.Choice(VERSIONS), default="1.36", show_default=True, help="As this version evaluates it."
)
@click.option("--mutating", is_flag=True, help="As in a MutatingAdmissionPolicy, with `Object{}` and `JSONPatch{}`.")
@click.option("--second-opinion", is_flag=True, help="Ask cel-python, too, and show both answers.")
@click.option("-o", "--output", type=_OUTPUTS, default="table", show_default=True)
def evaluate(
    expression: str, kubernetes: str, mutating: bool, second_opinion: bool, output: str, **files: str | None
) -> None:
    """Show the value, type and cost of EXPR.

    What isn't given by an option is null, as `oldObject` is when an object is created.

    Exits with 0 when there is a value, 1 when the evaluation fails, 2 when EXPR doesn't compile or a file can't be
    read.

    \b
    bailiwick cel eval 'object.spec.containers.all(c, c.image.contains("@"))' \\
        --object pod.yaml
    """
    from policies.cel import CompileError
    from policies.verbs.cel_evaluate import evaluate as run
    from policies.verbs.cel_second import Unavailable

    inputs = {name: _load(path, name) for name, path in files.items() if path is not None}
    try:
        found = run(expression, inputs, _version(kubernetes), patches=mutating, second=second_opinion)
    except CompileError as error:
        _say_uncompiled(error, output)
        sys.exit(2)
    except Unavailable as unavailable:
        raise Refused(str(unavailable), unavailable.hint) from unavailable
    if output == "table":
        _say(found)
    else:
        click.echo(_rendered(_report(found), output), nl=False)
    sys.exit(1 if found.error else 0)


@cel.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--kubernetes",
    type=click.Choice(VERSIONS),
    default=_PUBLISHED,
    show_default=True,
    help="The version whose answers the files hold.",
)
@click.option("--show", default=10, show_default=True, metavar="N", help="How many disagreements to list.")
def conformance(files: Sequence[Path], kubernetes: str, show: int) -> None:
    """Hold our engine against answers of an API server.

    Each FILE holds one JSON object a line: `expr`, and `compile_err`, or `err` or `val` with `type` and `cost`. The
    variables stand in `variables.json` beside it.

    Exits with 0 only when all cases agree, 1 when some don't, 2 when a file can't be read.

    \b
    bailiwick cel conformance answers.jsonl --show 5
    """
    from policies.verbs.cel_conformance import FileUnreadable, Runner, load_cases

    try:
        loaded = [load_cases(path) for path in files]
    except FileUnreadable as unreadable:
        raise Refused(str(unreadable), unreadable.hint) from unreadable
    total = sum(len(cases) for cases, _ in loaded)
    runner = Runner(_version(kubernetes))
    judged = (found for cases, variables in loaded for found in runner.disagreements(cases, variables))
    with _progress(judged, total) as shown:
        disagreements = [found for found in shown if found is not None]
    for found in disagreements[:show]:
        click.echo(str(found))
    click.echo(f"agree {total - len(disagreements)} of {total}")
    sys.exit(1 if disagreements else 0)


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _load(path: str, name: str) -> Any:
    """The one document in a file. Raises Refused."""
    from policies.manifests import Unreadable, read_documents

    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise Refused(f"cannot read `{path}`: {error.strerror}", "give a file, or `-` for standard input") from error
    documents = list(read_documents(data, path))
    for found in documents:
        if isinstance(found, Unreadable):
            raise Refused(str(found), found.hint)
    if len(documents) != 1:
        raise Refused(f"`{path}` holds {len(documents)} objects", f"`{name}` takes one")
    value = documents[0].value  # type: ignore[union-attr]  # the unreadable ones have been refused
    return value["request"] if name == "request" and value.get("kind") == "AdmissionReview" else value


def _say_uncompiled(error: "CompileError", output: str) -> None:
    if output == "table":
        click.echo(f"error: {error}", err=True)
        return
    from policies.cel.errors import position

    def shown(offset: int | None) -> dict[str, int]:
        line, column = position(error.source, offset) if offset is not None else (0, 0)
        return {"line": line, "column": column}

    problems = [{**shown(one.offset), "message": one.message, "hint": one.hint} for one in error.problems]
    click.echo(_rendered({"problems": problems}, output), nl=False)


def _say(found: "Evaluated") -> None:
    from policies.verbs.cel_second import NAME
    from policies.verbs.cel_shown import text

    rows = [] if found.error else [("value", text(found.value))]
    rows += [("type", found.type), ("cost", str(found.cost))]
    if found.second is not None:
        second = found.second
        rows.append((NAME, f"error: {second.error}" if second.error else text(second.value)))
        rows.append(("agreed", "yes" if found.agreed else "no"))
    for name, shown in rows:
        click.echo(f"{name:<12}{shown}")
    if found.error:
        click.echo(f"error: {found.error}", err=True)
    if found.hint:
        click.echo(f"hint: {found.hint}", err=True)


def _report(found: "Evaluated") -> dict[str, Any]:
    from policies.verbs.cel_second import NAME
    from policies.verbs.cel_shown import plain

    report: dict[str, Any] = {"error": found.error} if found.error else {"value": plain(found.value)}
    report |= {"type": found.type, "cost": found.cost}
    if found.second is not None:
        second = found.second
        theirs = {"error": second.error} if second.error else {"value": plain(second.value)}
        report["secondOpinion"] = {"engine": NAME, **theirs, "agreed": found.agreed}
    return report


def _rendered(report: Mapping[str, Any], output: str) -> str:
    if output == "json":
        import json

        return json_text(json.dumps(report, indent=2, ensure_ascii=False)) + "\n"
    return written(report, output)


@contextmanager
def _progress(found: "Iterator[Disagreement | None]", total: int) -> "Iterator[Iterator[Disagreement | None]]":
    """Progress on standard error, for people."""
    if not sys.stderr.isatty():
        yield found
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield iter(bar.track(found, total=total, description="evaluating"))
