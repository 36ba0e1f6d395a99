"""`bailiwick doctor`: looks, tells, and changes nothing."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.verbs.written import written

if TYPE_CHECKING:
    from policies.engine import RuleEngine
    from policies.kinds import Problem
    from webhook.doctor import Check, Finding


@click.command()
@click.option("--rules", multiple=True, metavar="PATH", help="Policies, jurisdictions, classes, profile.")
@click.option("--regions", metavar="FILE", help="Regions of your own, laid over the built-in ones.")
@click.option("--catalogue", metavar="FILE", help="Kinds of workloads of your own, over the built-in ones.")
@click.option("--kubeconfig", metavar="FILE", help="Look at this cluster too.")
@click.option("--state", default="state", show_default=True, type=click.Path(path_type=Path), help="Of the webhook.")
@click.option("--certificate", type=click.Path(path_type=Path), help="The serving certificate.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def doctor(
    rules: Sequence[str],
    regions: str | None,
    catalogue: str | None,
    kubeconfig: str | None,
    state: Path,
    certificate: Path | None,
    output: str,
) -> None:
    """Look for what would keep the webhook from working, and say what to do.

    Exits with 1 when something is broken.

    \b
    bailiwick doctor --rules rules/ --kubeconfig ~/.kube/config
    """
    from webhook.doctor import Health, examine

    compiled = partial(_compiled, rules, regions, catalogue)
    findings = list(examine(list(_checks(rules, compiled, kubeconfig, state, certificate))))
    click.echo(_rendered(findings, output), nl=False)
    sys.exit(int(any(finding.health is Health.BROKEN for finding in findings)))


def _checks(
    rules: Sequence[str],
    compiled: "Callable[[], RuleEngine]",
    kubeconfig: str | None,
    state: Path,
    certificate: Path | None,
) -> "Sequence[Check]":
    from policies.gathering import load_rules
    from policies.geography import PLACE_LABEL
    from webhook import doctor as look
    from webhook.cluster.apiserver import ApiServer, ClusterUnavailable
    from webhook.cluster.declared import declared, profile_of
    from webhook.cluster.guards import guards_of
    from webhook.labelling.candidate import parse_lease
    from webhook.labelling.election import LEASE

    shown = certificate or state / "tls" / "tls.crt"
    checks = [
        look.Check("tls", look.tls),
        look.Check("state", partial(look.state_directory, state)),
        look.Check("rules", partial(look.rules, compiled)),
        look.Check("law", partial(look.law, lambda: _law(rules, compiled()))),
    ]
    try:
        api = ApiServer.connect(kubeconfig) if kubeconfig is not None else None
    except ClusterUnavailable as error:
        api = None
        checks.append(look.Check("cluster", partial(look.unreachable, error)))
    checks.append(look.Check("types", partial(look.types, lambda: look.policy_types(load_rules(rules), api))))
    if certificate or shown.exists():
        checks.append(look.Check("certificate", partial(look.certificate, shown, datetime.now(UTC))))
    if api is not None:
        checks.append(look.Check("cluster", partial(look.cluster, api)))
        checks.append(look.Check("registration", partial(look.registration, api)))
        checks.append(look.Check("places", partial(look.places, api, PLACE_LABEL)))
        lease = parse_lease(LEASE).path
        checks.append(look.Check("labeller", partial(look.labeller, api, lease, datetime.now(UTC))))
        checks.append(
            look.Check("guards", partial(look.guards, api, lambda: guards_of(profile_of(declared(rules, api)))))
        )
    return checks


def _compiled(paths: Sequence[str], regions: str | None, catalogue: str | None) -> "RuleEngine":
    from policies.gathering import engine_of, load_rules
    from policies.version import version

    return engine_of((load_rules(paths, regions, catalogue),), version())


def _law(paths: Sequence[str], engine: "RuleEngine") -> "tuple[RuleEngine, Sequence[Problem]]":
    from policies.gathering import load_rules
    from policies.misgivings import misgivings

    return engine, tuple(misgivings(engine.law, load_rules(paths).places, datetime.now(UTC).date()))


def _rendered(findings: "Sequence[Finding]", output: str) -> str:
    rows = [
        {
            "subject": finding.subject,
            "health": str(finding.health),
            "detail": finding.detail,
            "hint": "" if finding.health == "good" else finding.hint,
        }
        for finding in findings
    ]
    return _table(rows) if output == "table" else written(rows, output)


def _table(rows: Sequence[dict[str, str]]) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    written = StringIO()
    console = Console(file=written, soft_wrap=True, highlight=False)
    styles = {"good": "green", "warning": "yellow", "broken": "bold red"}
    for row in rows:
        console.print(
            Text.assemble((f"{row['health']:<8} ", styles[row["health"]]), f"{row['subject']}: {row['detail']}")
        )
        if row["hint"]:
            console.print(Text(f"{'':<8} hint: {row['hint']}", style="dim"))
    return written.getvalue()
