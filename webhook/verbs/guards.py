"""`bailiwick guards`: prints the native policies that guard labels, or says how what is installed differs."""

import sys
from collections.abc import Sequence

import click

from audit.verbs.written import written, yaml_text


@click.command()
@click.option("--rules", multiple=True, metavar="PATH", help="The ClusterProfile; repeatable.")
@click.option("--kubeconfig", metavar="FILE", help="The ClusterProfile of this cluster, without --rules.")
@click.option(
    "--check", is_flag=True, help="Say how what is installed in that cluster differs, and print nothing else."
)
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def guards(rules: Sequence[str], kubeconfig: str | None, check: bool, output: str) -> None:
    """Print the policies by which the API server itself guards places, classes and jurisdictions.

    They are ValidatingAdmissionPolicies with their bindings: they hold whether the webhook runs or not, on nodes and
    namespaces and on their subresources. Who may change what says `spec.guards` of the ClusterProfile; the group
    `system:masters` where it says nothing.

    \b
    bailiwick guards --rules rules/ | kubectl apply -f -
    bailiwick guards --kubeconfig ~/.kube/config --check

    With --check it exits with 1 when something is missing or has been changed.
    """
    from webhook.cluster.apiserver import ApiServer
    from webhook.cluster.declared import declared, profile_of
    from webhook.cluster.guards import differences, guards_of

    if check and kubeconfig is None:
        raise click.UsageError("nothing to compare with: name the cluster with `--kubeconfig FILE`")
    if not rules and kubeconfig is None:
        raise click.UsageError("whose guards? name your ClusterProfile with `--rules PATH` or `--kubeconfig FILE`")
    api = ApiServer.connect(kubeconfig) if kubeconfig is not None else None
    profile = profile_of(declared(rules, api))
    if not profile:
        click.echo("no ClusterProfile says who may: the group `system:masters` alone", err=True)
    wanted = guards_of(profile)
    if not check or api is None:
        click.echo(_written(wanted, output), nl=False)
        return
    found = differences(wanted, api)
    click.echo("\n".join(found) if found else f"{len(wanted)} objects, all as they should be")
    sys.exit(int(bool(found)))


def _written(objects: "Sequence[object]", output: str) -> str:
    """What kubectl takes: documents in YAML, a List in JSON."""
    if output == "json":
        return written({"apiVersion": "v1", "kind": "List", "items": objects}, output)
    return yaml_text(objects, width=110)
