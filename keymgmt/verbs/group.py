"""`bailiwick keys`: what can be done with a region's keys. Verbs are imported when they are called."""

from importlib import import_module

import click

# verb: (module:command, one line for --help)
VERBS = {
    "init": ("keymgmt.verbs.lifecycle:init", "make a region's file keyring"),
    "list": ("keymgmt.verbs.listing:listing", "show every version of every key, without any secret"),
    "publish": ("keymgmt.verbs.publishing:publish", "write the public part of any keyring, for whoever seals"),
    "rotate": ("keymgmt.verbs.lifecycle:rotate", "make a new active version; the one before still opens"),
    "stage": ("keymgmt.verbs.lifecycle:stage", "make a new version that is not used yet"),
    "activate": ("keymgmt.verbs.lifecycle:activate", "use a staged version from now on"),
    "request": ("keymgmt.verbs.approval:request", "write down what approvers are asked to sign"),
    "approve": ("keymgmt.verbs.approval:approve_request", "sign such a request with an approver's key"),
    "revoke": ("keymgmt.verbs.approval:revoke", "never use a version again; needs approvals"),
    "destroy": ("keymgmt.verbs.approval:destroy", "drop a version's secret part for good; needs approvals"),
    "attest": ("keymgmt.verbs.attestation:attest", "make a signed statement of what a region's keys are"),
    "verify-attestation": ("keymgmt.verbs.attestation:verify_attestation", "check such a statement, offline"),
    "grant": ("keymgmt.verbs.transfer:grant", "write down a transfer between regions, for approvers to sign"),
    "transfer": ("keymgmt.verbs.transfer:transfer", "seal an envelope for another region, under such a grant"),
    "rewrap": ("keymgmt.verbs.rewrap:rewrap", "move envelopes to the newest version of their key"),
    "reconcile": ("keymgmt.verbs.reconcile:reconcile", "hold our records of uses to the key service's own log"),
    "hardware": ("keymgmt.verbs.hardware:hardware", "make and show keys in a PKCS#11 module"),
    "verify-etcd": (
        "keymgmt.verbs.verify_etcd:verify_etcd",
        "say under whose key each object in etcd lies, without a key",
    ),
    "kms": ("keymgmt.verbs.kms:kms", "run the Kubernetes KMS v2 plugin"),
}


class Verbs(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """In the order of the table, and what was added from above."""
        return [*VERBS, *self.commands]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """Import the verb."""
        if name not in VERBS:
            return self.commands.get(name)
        module, _, attribute = VERBS[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # likewise
        """From the table, without importing anything."""
        with formatter.section("Commands"):
            added = ((name, verb.get_short_help_str()) for name, verb in self.commands.items())
            formatter.write_dl([*((name, line) for name, (_, line) in VERBS.items()), *added])


@click.group(cls=Verbs)
def keys() -> None:
    """Keys of a region: keyrings, their life, and etcd under them."""
