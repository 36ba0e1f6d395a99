"""`bailiwick audit`: what can be done with a log of decisions."""

import click

from audit.verbs.export import export
from audit.verbs.mirror import mirror
from audit.verbs.proof import prove, verify_proof
from audit.verbs.reconcile import reconcile
from audit.verbs.serve import serve
from audit.verbs.sql import sql
from audit.verbs.verify import verify
from audit.verbs.witness import witness


@click.group()
def audit() -> None:
    """Verify and export the log of decisions."""


audit.add_command(verify)
audit.add_command(prove)
audit.add_command(verify_proof)
audit.add_command(reconcile)
audit.add_command(export)
audit.add_command(mirror)
audit.add_command(serve)
audit.add_command(sql)
audit.add_command(witness)
