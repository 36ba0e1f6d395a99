"""`bailiwick serve`: what the command line says, handed to `webhook.composition`."""

import logging
from typing import Any

import click

from webhook.verbs.lease import lease_options

PORT = click.IntRange(0, 65535)


@click.command()
@click.option("--rules", multiple=True, metavar="PATH", help="Policies, jurisdictions, classes, profile; repeatable.")
@click.option("--regions", metavar="FILE", help="Regions of your own, laid over the built-in ones; followed.")
@click.option("--catalogue", metavar="FILE", help="Kinds of workloads of your own, over the built-in ones; followed.")
@click.option("--snapshot", multiple=True, metavar="PATH", help="Objects of the cluster, where none is watched.")
@click.option("--kubeconfig", metavar="FILE", help="Watch this cluster.")
@click.option("--in-cluster", is_flag=True, help="Watch the cluster that this pod runs in.")
@click.option("--state", default="state", show_default=True, metavar="DIR", help="Keys, certificates and the log.")
@click.option("--region", default="local", show_default=True, help="Whose keys sign and seal.")
@click.option("--cluster-name", default="cluster", show_default=True, help="Stands in every record.")
@click.option("--writer", default="webhook-0", show_default=True, help="This replica, stable over restarts.")
@click.option("--host", default=None, help="Address to listen on; every address by default.")
@click.option(
    "--port",
    type=PORT,
    default=8443,
    show_default="8443",
    help="Where the API server sends its reviews; 0: a free one.",
)
@click.option("--probes-port", type=PORT, default=None, metavar="PORT", help="Plain HTTP for probes and metrics.")
@click.option("--name", "names", multiple=True, metavar="DNS", help="Names for the self-made certificate.")
@click.option("--certificate", metavar="FILE", help="Serve with this certificate (PEM), reloaded when it changes.")
@click.option("--key", metavar="FILE", help="Its private key (PEM).")
@click.option("--client-ca", metavar="FILE", help="Serve only clients with a certificate of this authority.")
@click.option("--tls12", is_flag=True, help="Allow TLS 1.2 too.")
@click.option("--packs/--no-packs", default=True, show_default=True, help="The built-in policies.")
@click.option(
    "--log-reserve",
    type=click.IntRange(min=0),
    default=512,
    show_default=True,
    help="MiB free below which nothing is recorded.",
)
@click.option(
    "--log-alarm",
    type=click.IntRange(min=0),
    default=2048,
    show_default=True,
    help="MiB free below which that is announced.",
)
@click.option(
    "--shard-records",
    type=click.IntRange(min=0),
    default=0,
    help="Go on in a new shard of the log when it has so many; 0: never.",
)
@click.option("--shard-days", type=click.FloatRange(min=0), default=0.0, help="The same by its age.")
@click.option(
    "--keep-days",
    type=click.IntRange(min=0),
    default=180,
    show_default=True,
    help="No shard is pruned before it is so old.",
)
@click.option("--log", metavar="URL", help="A log that replicas share: postgres://... without a password in it.")
@click.option(
    "--log-password-file", metavar="FILE", help="The database's password; PGPASSWORD and PGPASSFILE work too."
)
@click.option("--witnesses", metavar="FILE", help="A tlog-policy: whom checkpoints are taken to for cosigning.")
@click.option("--keyring", metavar="FILE", help="A key service or module signs and seals the log; `kind: Keyring`.")
@click.option("--key-uses", multiple=True, metavar="DIR", help="Take up this book of key uses too; repeatable.")
@click.option("--label-nodes", is_flag=True, help="Label nodes with their places; of several replicas one does it.")
@lease_options("label-")
@click.option(
    "--linger",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Seconds of answering on after SIGTERM.",
)
def serve(**options: Any) -> None:
    """Run the admission webhook until SIGTERM.

    With no certificate given, an authority and a certificate are made in the state directory: `tls/ca.crt` there is
    the caBundle of the registration.

    \b
    bailiwick serve --rules rules/ --in-cluster \\
        --name bailiwick.bailiwick-system.svc
    bailiwick serve --rules rules/ --snapshot cluster/ --state state
    """
    if options["label_nodes"] and not (options["kubeconfig"] or options["in_cluster"]):
        raise click.UsageError("no cluster whose nodes could be labelled: add `--in-cluster` or `--kubeconfig FILE`")
    from policies.version import version
    from webhook.composition import run
    from webhook.options import Options

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    run(Options(version=version(), **options))
