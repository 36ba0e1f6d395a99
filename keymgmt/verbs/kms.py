"""`bailiwick keys kms`: runs the plugin, or shows what kube-apiserver must be told about it."""

from pathlib import Path

import click

from keymgmt.verbs.ring import told

LOG = "keymgmt.kms.log"  # of the command's context: opens the plugin's log, which this package knows nothing of
ENCRYPTION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: {resources}
    providers:
      - kms:
          apiVersion: v2
          name: {name}
          endpoint: unix://{socket}
          timeout: 3s
"""
IDENTITY = "      - identity: {}  # reads what is not encrypted yet; remove it after the storage migration\n"


@click.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="The plugin's settings, YAML.",
)
@click.option(
    "--log",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep a signed log of every use of the key in DIR.",
)
@click.option("--check", is_flag=True, help="Read the settings, say whether they hold together, and end.")
@click.option(
    "--encryption-configuration", is_flag=True, help="Print what --encryption-provider-config takes, and end."
)
@click.option("--migrating", is_flag=True, help="With the above: objects that lie in etcd unencrypted stay readable.")
@click.option("--resource", "resources", multiple=True, help="With the above: what is encrypted; secrets by default.")
@click.pass_context
def kms(
    context: click.Context,
    config: Path,
    log: Path | None,
    check: bool,
    encryption_configuration: bool,
    migrating: bool,
    resources: tuple[str, ...],
) -> None:
    """Run the Kubernetes KMS v2 plugin until SIGTERM: etcd under the region's key.

    It starts whether or not the key service can be reached, and says so in its Status until it can.

    \b
    bailiwick keys kms --config kms.yaml --check
    bailiwick keys kms --config kms.yaml --log state
    """
    import logging

    from keymgmt.kms.settings import load_settings

    with told():
        settings = load_settings(config)
        if encryption_configuration:
            named = {"resources": _flow(resources or ("secrets",)), "name": f"bailiwick-{settings.region.lower()}"}
            text = ENCRYPTION.format(socket=settings.socket.path, **named)
            click.echo(text + (IDENTITY if migrating else ""), nl=False)
            return
        from keymgmt.kms.running import backend_of, run

        if check:
            backend = backend_of(settings)
            click.echo(f"holds: region {settings.region}, cluster {settings.cluster}, assurance {backend.assurance}")
            return
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
        if log is None:
            run(settings)
            return
        with context.meta[LOG](log, settings.region, settings.cluster) as kept:
            run(settings, kept)


def _flow(resources: tuple[str, ...]) -> str:
    import json

    return json.dumps(list(resources))
