"""The Lease that decides which of several labellers writes, as commands name it."""

from collections.abc import Callable
from typing import Any

import click

from webhook.labelling.election import LEASE, SECONDS


def lease_options(prefix: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--lease and --lease-seconds, with something before each name where labelling is one task of several."""
    named = click.option(
        f"--{prefix}lease",
        default=LEASE,
        show_default=True,
        metavar="NAMESPACE/NAME",
        help="The Lease that decides which replica writes labels.",
    )
    lasting = click.option(
        f"--{prefix}lease-seconds",
        type=click.FloatRange(min=1),
        default=SECONDS,
        show_default=True,
        help="Until another takes over from one that is gone.",
    )
    return lambda command: named(lasting(command))
