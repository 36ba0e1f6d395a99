"""Who holds the log on files carries out the orders that are left beside it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from audit.sealed.inputs import Origin
from audit.whole import WholeFiles
from webhook.log.orders import FOLDER, Approving, Clerk, Orders
from webhook.log.state import open_keyring, service_public
from webhook.options import Options
from webhook.rounds import rounds

if TYPE_CHECKING:
    from audit.files.sharded_log import ShardedLog

logger = logging.getLogger("bailiwick.webhook")

LOOK = 1.0  # seconds between looks at what was left


@contextmanager
def attended(log: "ShardedLog", options: Options) -> Iterator[None]:
    """While this runs, orders are carried out by a thread of their own."""
    orders = Orders(options.directory / FOLDER)
    origin = Origin(options.cluster_name, options.region, options.version)

    def look() -> None:
        try:
            if not orders.waiting():
                return
            whole = WholeFiles(options.directory / "log")
            Clerk(log, whole, origin, _approving(options), keep_days=options.keep_days).attend(orders)
        except Exception:
            logger.exception("orders can't be attended to; trying again")

    with rounds("orders", LOOK, look):
        yield


def _approving(options: Options) -> Approving:
    """The keyring that says who may approve orders. Raises KeyManagementError."""
    if options.keyring is None:
        return open_keyring(options)
    from webhook.keys.service import ServiceApproving

    return ServiceApproving.of(Path(options.keyring), options.region, service_public(options))
