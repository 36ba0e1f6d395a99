"""What a check found, as a table for people or as JSON and YAML for programs. Nothing here decides anything."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from io import StringIO
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from audit.verbs.said import counted
from audit.verbs.written import written
from policies.checking import Case, Outcome
from policies.decision import Reason
from policies.manifests import Document, Unreadable
from policies.positions import line_of
from policies.request import Request
from policies.verbs.lines import lines_of
from policies.verbs.terminal import colours, folded, visible, width

if TYPE_CHECKING:
    from rich.console import Console

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
        "summary": dict(_counts(cases, unreadable)) | ({"warnings about policies": len(doubts)} if doubts else {}),
    }
    return written(report, output)


def _case(case: Case) -> dict[str, Any]:
    return {
        **_head(case),
        "outcome": str(case.outcome),
        "known": case.known,
        **({"supposedNamespace": case.supposed} if case.supposed else {}),
        "policies": list(case.policies),
        "reasons": [_reason(case, reason) for reason in case.reasons],
        "patch": list(case.patch),
    }


def _head(case: Case) -> dict[str, Any]:
    """What was judged."""
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
        "line": lines_of(case.document, reason)[0],
        "fix": reason.fix,
        "controls": list(reason.controls),
        "actions": [str(action) for action in reason.actions],
    }


def _unreadable(found: Unreadable) -> dict[str, Any]:
    return {"source": found.source, "line": found.line, "message": found.message, "hint": found.hint}


def _counts(cases: Sequence[Case], unreadable: Sequence[Unreadable]) -> Iterator[tuple[str, int]]:
    found = Counter(case.outcome for case in cases)
    yield from ((str(outcome), found[outcome]) for outcome in Outcome if found[outcome])
    if unreadable:
        yield "unreadable", len(unreadable)


def _warned(doubts: "Sequence[Doubt | Problem]") -> Iterator[str]:
    if doubts:
        yield f"{counted(len(doubts), 'warning')} about rules"


def _table(cases: Sequence[Case], unreadable: Sequence[Unreadable], doubts: "Sequence[Doubt | Problem]") -> str:
    from rich.console import Console
    from rich.text import Text

    written = StringIO()
    console = Console(file=written, highlight=False, soft_wrap=True, force_terminal=colours())
    for case in cases:
        console.print(_headline(case))
        for message, fix in told(case.document, case.reasons, _place):
            _say(console, "", message)
            _say(console, "", f"fix: {fix}" if fix else "", "dim")
    for found in unreadable:
        _say(console, "unreadable", f"{found.where}: {found.message}", "bold red")
        _say(console, "", f"fix: {found.hint}" if found.hint else "", "dim")
    for doubt in doubts:
        head, *rest = str(doubt).split("\n")
        _say(console, "warning", head, "yellow")
        for line in rest:
            console.print(Text(f"{'':<13}{visible(line)}"))
        _say(console, "", f"fix: {doubt.hint}" if doubt.hint else "", "dim")
    total = ", ".join([*(f"{count} {outcome}" for outcome, count in _counts(cases, unreadable)), *_warned(doubts)])
    console.print(Text(total or "nothing to judge: these are rules, and valid ones", style="bold"))
    return written.getvalue()


def _say(console: "Console", what: str, message: str, style: str = "default") -> None:
    """One line, folded where it's a terminal's; an empty one is none."""
    from rich.text import Text

    for line in folded([f"{what:<13} {visible(message)}"], width(), hang=0 if not what else 14) if message else ():
        console.print(Text(line, style=style))


def told(document: Document, reasons: Sequence[Reason], place: Callable[[str, str], str]) -> Iterator[tuple[str, str]]:
    """Message and remedy of each reason, as a person wants to read them. `place` puts a path and its lines in words.

    What several conditions of policies don't know is said once, and a remedy after the last of those that it is for.
    """
    once: dict[tuple[str, str, str], Reason] = {}
    for reason in reasons:
        missing = _MISSING.match(reason.message) if reason.code == "undetermined" else None
        message = missing[1] if missing else reason.message
        once.setdefault((reason.code, reason.path, message), replace(reason, message=message))
    kept = list(once.values())
    for reason, following in zip_longest(kept, kept[1:]):
        lines = lines_of(document, reason)
        placed = reason.path or lines[0] != line_of(document, "")
        where = place(reason.path, f"line{'s' * (len(lines) > 1)} {', '.join(map(str, lines))}") if placed else ""
        last = following is None or following.fix != reason.fix
        yield f"{reason.code}: {where}{reason.message}", reason.fix if last else ""


def _place(path: str, lines: str) -> str:
    return f"{path} ({lines}): " if path else f"{lines}: "


_MISSING = re.compile(r"(?:match condition `[^`]+`: )?(not known: .*)", re.DOTALL)


def _headline(case: Case) -> Any:
    from rich.text import Text

    shown = {key: visible(said) if isinstance(said, str) else said for key, said in _head(case).items()}
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
    return text
