"""`bailiwick nodes`: where nodes are believed to be, and keeping their labels so. `webhook.labelling` does both."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from webhook.verbs.lease import lease_options

if TYPE_CHECKING:
    from policies.json import JsonObject
    from webhook.cluster.apiserver import ApiServer
    from webhook.labelling.plan import Judged

OUTPUT = click.Choice(["table", "json", "yaml"])


@click.group(invoke_without_command=True)
@click.option("--rules", multiple=True, metavar="PATH", help="The ClusterProfile; the cluster's own by default.")
@click.option("--regions", metavar="FILE", help="Regions of your own, laid over the built-in ones.")
@click.option("--cluster", multiple=True, metavar="PATH", help="Nodes in files, instead of a cluster's.")
@click.option("--kubeconfig", metavar="FILE", help="The nodes of this cluster.")
@click.option("--in-cluster", is_flag=True, help="The nodes of the cluster that this pod runs in.")
@click.option("-o", "--output", type=OUTPUT, default="table", show_default=True)
@click.pass_context
def nodes(
    ctx: click.Context,
    rules: Sequence[str],
    regions: str | None,
    cluster: Sequence[str],
    kubeconfig: str | None,
    in_cluster: bool,
    output: str,
) -> None:
    """Look at where nodes are believed to be, what their label says, and why.

    A place is believed when the ClusterProfile, the node's `spec.providerID` and its labels agree.

    \b
    bailiwick nodes --kubeconfig ~/.kube/config
    bailiwick nodes --rules rules/ --cluster nodes.yaml

    `bailiwick nodes label` writes and takes back the label that the scheduler sees.
    """
    asked = Asked(rules, cluster, kubeconfig, in_cluster, regions)
    if ctx.invoked_subcommand is not None:
        ctx.obj = asked
        return
    judged = asked.judged()
    if not judged and output == "table":
        click.echo("no nodes there", err=True)
        return
    click.echo(_shown(judged, output), nl=False)


@nodes.command(short_help="show which labels have to change, or change them")
@click.option("--once", is_flag=True, help="Write what has to change, and end.")
@click.option("--watch", is_flag=True, help="Go on until SIGTERM, as one of several replicas.")
@lease_options()
@click.option(
    "--rate", type=click.FloatRange(min=0.1), default=20.0, show_default=True, help="Labels written a second, at most."
)
@click.option(
    "--metrics-port", type=click.IntRange(1, 65535), metavar="PORT", help="Serve /metrics here, with --watch."
)
@click.option("-o", "--output", type=OUTPUT, default="table", show_default=True, help="Of what has to change.")
@click.pass_obj
def label(
    asked: "Asked",
    once: bool,
    watch: bool,
    lease: str,
    lease_seconds: float,
    rate: float,
    metrics_port: int | None,
    output: str,
) -> None:
    """Show which labels have to change; with --once or --watch, change them.

    A label is written where the place is believed, replaced where it says something else, and taken back where it is
    not believed any more. Options for the cluster stand before `label`:

    \b
    bailiwick nodes --kubeconfig ~/.kube/config label
    bailiwick nodes --in-cluster label --watch

    Without --once and --watch it writes nothing, and exits with 1 when something has to change.
    """
    from webhook.labelling.assembling import Labelling
    from webhook.labelling.candidate import parse_lease
    from webhook.labelling.election import Terms

    if once and watch:
        raise click.UsageError("`--once` and `--watch` exclude each other")
    if (once or watch) and not asked.live:
        raise click.UsageError("labels are written to a cluster: add `--kubeconfig FILE` or `--in-cluster` to `nodes`")
    try:
        name = parse_lease(lease)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if watch:
        from webhook.labelling.watching import watch as keep_watching

        how = Labelling(name, Terms(lease_seconds), rate=rate)
        keep_watching(asked.api(retries=False), asked.rules, how, metrics_port, asked.regions)
        return
    changing = [one for one in asked.judged() if one.change is not None]
    click.echo(_shown(changing, output), nl=False)
    if not once or not changing:
        sys.exit(int(bool(changing)))
    from webhook.labelling.watching import label_once

    how = Labelling(name, Terms(lease_seconds), rate=rate)
    left = label_once(asked.api(retries=False), asked.rules, how, asked.regions)
    if left:
        click.echo(f"{left} could not be changed: the warnings say why", err=True)
    sys.exit(int(left > 0))


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose nodes, by whose word."""

    rules: Sequence[str]
    cluster: Sequence[str]
    kubeconfig: str | None
    in_cluster: bool
    regions: str | None = None

    @property
    def live(self) -> bool:
        return self.kubeconfig is not None or self.in_cluster

    def api(self, *, retries: bool = True) -> "ApiServer":
        from webhook.cluster.apiserver import ApiServer

        return ApiServer.connect(self.kubeconfig, retries=retries)

    def judged(self) -> "list[Judged]":
        """Every node. Raises UsageError, RulesInvalid, ClusterUnavailable."""
        from webhook.cluster.declared import declared
        from webhook.labelling.plan import survey

        if self.live and self.cluster:
            raise click.UsageError(
                "nodes of a cluster or of files: `--cluster` excludes `--kubeconfig`, `--in-cluster`"
            )
        if not self.live and not (self.cluster and self.rules):
            raise click.UsageError("whose nodes? add `--kubeconfig FILE`, or `--rules PATH` and `--cluster PATH`")
        api = self.api() if self.live else None
        geography = declared(self.rules, api, self.regions).geography
        if not geography.profile:
            raise click.UsageError("no ClusterProfile says where nodes may be: name one with `--rules PATH`")
        return list(survey(self._nodes(api), geography))

    def _nodes(self, api: "ApiServer | None") -> "Iterator[JsonObject]":
        if api is None:
            from policies.gathering import objects_of

            yield from (found for found in objects_of(self.cluster) if found["kind"] == "Node")
            return
        query = {"limit": "500"}
        while True:
            page = api.get("/api/v1/nodes", query, 30.0)
            yield from page.get("items") or ()
            more = (page.get("metadata") or {}).get("continue")
            if not more:
                return
            query = {"limit": "500", "continue": more}


def _shown(judged: "Sequence[Judged]", output: str) -> str:
    rows = [_row(one) for one in judged]
    if output != "table":
        from audit.verbs.written import written

        return written({"nodes": rows}, output)
    if not rows:
        return "nothing has to change\n"
    from audit.verbs.said import counted
    from policies.verbs.columns import columns
    from policies.verbs.terminal import width

    cells = [[row["node"], row["place"] or "unknown", row["country"] or "-", _said(row), row["why"]] for row in rows]
    lines = columns([["NODE", "PLACE", "COUNTRY", "LABEL", "WHY"], *cells], within=width())
    return (
        "\n".join(lines) + f"\n{counted(len(rows), 'node')}, {sum(bool(row['change']) for row in rows)} to be changed\n"
    )


def _row(one: "Judged") -> dict[str, Any]:
    from policies.geography import UnknownPlace

    return {
        "node": one.node,
        "place": None if isinstance(one.believed, UnknownPlace) else one.believed.code,
        "country": None if isinstance(one.believed, UnknownPlace) else one.believed.country,
        "label": one.labelled,
        "change": one.change.kind if one.change else None,
        "why": one.believed.reason if isinstance(one.believed, UnknownPlace) else "",
    }


def _said(row: dict[str, Any]) -> str:
    """What the label says, and what has to become of it."""
    wanted = {
        "written": "missing",
        "replaced": f"`{row['label']}`, wrong",
        "removed": f"`{row['label']}`, not believed",
    }
    return wanted.get(row["change"] or "", "right" if row["label"] else "none, rightly")
