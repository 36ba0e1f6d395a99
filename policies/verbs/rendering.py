"""What a check found, as a table for people or as JSON and YAML for programs. Nothing here decides anything."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from io import StringIO
from typing import TYPE_CHECKING, Any

from audit.verbs.written import written
from policies.checking import Case, Outcome
from policies.decision import Reason
from policies.manifests import Unreadable
from policies.positions import line_of
from policies.request import Request

if TYPE_CHECKING:
    from policies.kinds import Problem
    from policies.typecheck import Doubt

STYLES = {
    Outcome.ALLOWED: "green",
    Outcome.MUTATED: "cyan",
    Outcome.WARNED: "yellow",
    Outcome.NOT_JUDGED: "dim",
    Outcome.UNDETERMINED: "magenta",
    Outcome.DENIED: "bold red",
}


def render(
    cases: Sequence[Case],
    unreadable: Sequence[Unreadable],
    output: str,
    doubts: "Sequence[Doubt | Problem]" = (),
) -> str:
    """The whole report, ending in a newline. `output` is table, json or yaml."""
    if output == "table":
        return _table(cases, unreadable, doubts)
    report = {
        "cases": [_case(case) for case in cases],
        "unreadable": [_unreadable(found) for found in unreadable],
        "warnings": [asdict(doubt) for doubt in doubts],
        "summary": dict(_counts(cases, unreadable, doubts)),
    }
    return written(report, output)


def _case(case: Case) -> dict[str, Any]:
    found = case.document.value
    metadata = found["metadata"] if isinstance(found.get("metadata"), dict) else {}
    if case.review is not None:  # what is connected to has options and no name of its own
        metadata = {"namespace": case.review.namespace, "name": case.review.name}
    return {
        "source": case.document.source,
        "line": case.document.line,
        "apiVersion": found.get("apiVersion"),
        "kind": found.get("kind"),
        "namespace": metadata.get("namespace") or "",
        "name": metadata.get("name") or metadata.get("generateName") or "",
        **({"operation": str(case.review.operation), "resource": resource(case.review)} if case.review else {}),
        "outcome": str(case.outcome),
        "known": case.known,
        **({"supposedNamespace": case.supposed} if case.supposed else {}),
        "policies": list(case.policies),
        "reasons": [_reason(case, reason) for reason in case.reasons],
        "patch": list(case.patch),
    }


def resource(request: Request) -> str:
    """A request's resource with its subresource, for example `pods/exec`."""
    return "/".join(filter(None, (request.resource.plural, request.subresource)))


def _reason(case: Case, reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code,
        "policy": reason.policy,
        "message": reason.message,
        "path": reason.path,
        "line": line_of(case.document, reason.path),
        "fix": reason.fix,
        "controls": list(reason.controls),
        "actions": [str(action) for action in reason.actions],
    }


def _unreadable(found: Unreadable) -> dict[str, Any]:
    return {"source": found.source, "line": found.line, "message": found.message, "hint": found.hint}


def _counts(
    cases: Sequence[Case], unreadable: Sequence[Unreadable], doubts: "Sequence[Doubt | Problem]"
) -> Iterator[tuple[str, int]]:
    counted = Counter(case.outcome for case in cases)
    yield from ((str(outcome), counted[outcome]) for outcome in Outcome if counted[outcome])
    if unreadable:
        yield "unreadable", len(unreadable)
    if doubts:
        yield "warnings about policies", len(doubts)


def _table(cases: Sequence[Case], unreadable: Sequence[Unreadable], doubts: "Sequence[Doubt | Problem]") -> str:
    from rich.console import Console
    from rich.text import Text

    written = StringIO()
    console = Console(file=written, highlight=False, soft_wrap=True, force_terminal=None)
    for case in cases:
        console.print(_headline(case), end="")
        for reason in case.reasons:
            console.print(_detail(case, reason), end="")
    for found in unreadable:
        line = f"{'unreadable':<13} {found.where}: {found.message}\n"
        console.print(Text(line, style="bold red"), end="")
        if found.hint:
            console.print(Text(f"{'':<13} fix: {found.hint}\n", style="dim"), end="")
    for doubt in doubts:
        console.print(_doubtful(doubt), end="")
    total = ", ".join(f"{count} {outcome}" for outcome, count in _counts(cases, unreadable, doubts))
    console.print(Text(f"{total or 'nothing to judge'}\n", style="bold"), end="")
    return written.getvalue()


def _doubtful(doubt: "Doubt | Problem") -> Any:
    from rich.text import Text

    head, *rest = str(doubt).split("\n")
    text = Text(f"{'warning':<13} ", style="yellow").append(f"{head}\n", style="default")
    for line in rest:
        text.append(f"{'':<13}{line}\n", style="default")
    if doubt.hint:
        text.append(f"{'':<13} fix: {doubt.hint}\n", style="dim")
    return text


def _headline(case: Case) -> Any:
    from rich.text import Text

    shown = _case(case)
    name = f"{shown['namespace']}/{shown['name']}" if shown["namespace"] else shown["name"]
    text = Text(f"{case.outcome:<13} ", style=STYLES[case.outcome])
    what = f"{shown['operation']} {shown['resource']}" if case.review else shown["kind"]
    text.append(f"{what} {name}", style="bold")
    text.append(f"  {shown['source']}:{shown['line']}", style="dim")
    if case.patch:
        text.append(f"  corrected in {len(case.patch)} place{'s' if len(case.patch) > 1 else ''}", style="cyan")
    if case.supposed:
        guess = f"  judged as if in namespace `{case.supposed}`: whether this kind has namespaces is not known"
        text.append(guess, style="dim")
    if case.outcome is Outcome.NOT_JUDGED and not case.known:
        text.append("  a kind that is not known", style="dim")
    return text.append("\n")


def _detail(case: Case, reason: Reason) -> Any:
    from rich.text import Text

    where = f"{reason.path} (line {line_of(case.document, reason.path)}): " if reason.path else ""
    text = Text(f"{'':<13} {reason.code}: {where}{reason.message}\n")
    if reason.fix:
        text.append(f"{'':<13} fix: {reason.fix}\n", style="dim")
    return text
