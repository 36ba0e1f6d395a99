"""Where a command finds a log that it changes: a state directory, or a database and the logins for it.

A log on files has one writer, mostly a webhook's, which is left an order. A shared log takes any replica, so the
command is one for a moment, under a name that only one process has at a time; what it removes goes by another login.
"""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.switching import Keeping
from audit.verbs.places import found_log
from keymgmt.verbs.ring import Mistake
from webhook.verbs.private import told

if TYPE_CHECKING:
    from audit.files.holds import Holds
    from audit.postgres.address import Address
    from audit.sealed.erasure import Whole
    from keymgmt.file.keyring import FileKeyring
    from webhook.keys.regional import Where
    from webhook.options import Options

NAME = "bailiwick-audit"  # as which commands write to a shared log
_PASSWORD = click.Path(exists=True, dir_okay=False, path_type=Path)
_AGAIN = 0.2  # seconds


@dataclass(frozen=True, slots=True)
class Database:
    """A shared log: how its writers get in, and how who may remove something does."""

    url: str
    origin: str | None = None
    password: Path | None = None
    remover: str | None = None
    remover_password: Path | None = None

    def address(self) -> "Address":
        return _address(self.url, self.password)

    def removing(self) -> "Address | None":
        return _address(self.remover, self.remover_password) if self.remover else None


@dataclass(frozen=True, slots=True)
class Store:
    """A log: its directory, or the database that has it; keys lie beside the directory in both cases."""

    directory: Path
    database: Database | None

    def whole(self) -> "Whole":
        """What erasing reads. Raises LogRefused, Unreachable."""
        if self.database is None:
            from audit.whole import WholeFiles

            return WholeFiles(self.directory)
        from audit.postgres.published import PublishedTables
        from audit.postgres.whole import WholeTables

        address = self.database.address()
        published = PublishedTables(address, self.database.origin)
        published.close()
        return WholeTables(address, published.origin, self.database.removing())

    def standing_holds(self) -> "Holds":
        """The fields of each legal hold that stands on the log. Raises LogRefused, Unreachable, OSError."""
        if self.database is None:
            from audit.files.holds import standing_holds
            from audit.files.store import Disk

            return standing_holds(Disk(), self.directory)
        from audit.postgres import shards
        from audit.postgres.errors import reading
        from audit.postgres.registry import shards_of

        name = self.whole().name()
        with reading("the log's holds"), self.database.address().connect("bailiwick", write=False) as session:
            return shards.standing_holds(session, shards_of(session, name))

    def options(self) -> "Options":
        """Whose log it is, by what it says of itself."""
        from policies.version import version
        from webhook.options import Options

        first = next((record for _, record in self.whole().records() if not record.unreadable), None)
        if first is None:
            shown = self.database.url if self.database else self.directory
            raise Mistake(f"`{shown}` holds no records", "name the log of a webhook that has run")
        leaf = first.fields
        state, writer = str(self.directory.parent), NAME if self.database else leaf["written"]["by"]
        return Options(version(), state=state, region=leaf["region"], cluster_name=leaf["cluster"], writer=writer)

    def ordered(self, order: Mapping[str, Any], where: "Where", wait: float) -> dict[str, Any]:
        """Have the log's writer do it, or do it here where nobody has to. Raises Mistake."""
        return self._shared(order, where, wait) if self.database else _left(self, order, where, wait)

    def _shared(self, order: Mapping[str, Any], where: "Where", wait: float) -> dict[str, Any]:
        from audit.errors import LogLocked

        until = time.monotonic() + wait
        while True:
            try:
                with told(LogLocked):
                    return self._as_replica(order, where)
            except LogLocked as error:
                if time.monotonic() > until:
                    raise Mistake("another command changes this log", "try again when it is done") from error
                time.sleep(_AGAIN)

    def _as_replica(self, order: Mapping[str, Any], where: "Where") -> dict[str, Any]:
        from datetime import UTC, datetime

        from audit.key_changes import SIGNING
        from audit.postgres.pruning import SharedPruning
        from audit.postgres.sharded_log import SharedShards
        from audit.sealed.inputs import Origin
        from webhook.log.orders import KEEP_DAYS, Clerk, Pruned
        from webhook.log.state import sealing, writer_of

        assert self.database is not None
        options, whole = self.options(), self.whole()
        keyring = keyring_of(self, options, where)
        name, whose = whole.name(), Origin(options.cluster_name, options.region, options.version)
        signer = keyring.signer(SIGNING, name)

        def clock() -> datetime:
            return datetime.now(UTC)

        address = self.database.address()
        seal = sealing(options, keyring)
        log = SharedShards.open(
            address, Keeping(origin=name, signer=signer, clock=clock, writer=writer_of(options), seal=seal)
        )
        try:
            remover, key = self.database.removing(), signer.public_key
            pruning = SharedPruning(log, address, remover, name, key, whose, clock, KEEP_DAYS)
            return Clerk(Pruned(log, pruning), whole, whose, keyring).carry_out(order)
        finally:
            log.close_now()


def _left(store: Store, order: Mapping[str, Any], where: "Where", wait: float) -> dict[str, Any]:
    """Leave the order beside a log on files, and carry it out where nobody holds the log."""
    from audit.errors import LogLocked
    from webhook.log.orders import FOLDER, Orders, wait_for

    options = store.options()
    orders = Orders(options.directory / FOLDER)
    name = orders.put(order)
    try:
        _attend(store, options, orders, where)
    except LogLocked:
        pass  # a webhook holds it, and looks into the folder
    except BaseException:
        orders.withdraw(name)
        raise
    said = wait_for(orders, name, wait)
    if said is None:
        orders.withdraw(name)
        raise Mistake("the process that holds the log did not answer", "look into its own log; --wait gives it longer")
    if "error" in said:
        raise Mistake(said["error"], said["hint"] or None)
    return said


def _attend(store: Store, options: "Options", orders: Any, where: "Where") -> None:
    from audit.sealed.inputs import Origin
    from webhook.log.orders import Clerk
    from webhook.log.state import open_log

    keyring = keyring_of(store, options, where)
    opened = open_log(options, keyring)
    try:
        whose = Origin(options.cluster_name, options.region, options.version)
        Clerk(opened, store.whole(), whose, keyring).attend(orders)
    finally:
        opened.close_now()


def keyring_of(store: Store, options: "Options", where: "Where") -> "FileKeyring":
    """The keyring that signs the log. Raises Mistake for one that is a key service's."""
    from keymgmt.file.keyring import FileKeyring
    from webhook.keys.regional import keyring_for
    from webhook.log.state import service_public

    if service_public(options).exists():
        raise Mistake("nobody writes this log, and a key service signs it", "start the webhook, then ask it")
    keyring = keyring_for(where, store.directory, options.region)
    if not isinstance(keyring, FileKeyring):
        raise Mistake("nobody writes this log, and its keyring is not a file keyring", "start the webhook, then ask it")
    return keyring


def store_options(call: Callable[..., Any]) -> Callable[..., Any]:
    """The argument LOG and the options of a database, given to the verb as `store`."""

    @click.argument("log", type=click.Path(exists=True, file_okay=False, path_type=Path))
    @click.option("--log", "url", metavar="URL", help="The records lie in this database, LOG is the state directory.")
    @click.option("--origin", help="Which log, where the database holds several.")
    @click.option("--log-password-file", type=_PASSWORD, help="For --log.")
    @click.option("--remover", metavar="URL", help="The same database by a login that may erase, or prune.")
    @click.option("--remover-password-file", type=_PASSWORD, help="For --remover.")
    @functools.wraps(call)
    def wrapped(
        log: Path,
        url: str | None,
        origin: str | None,
        log_password_file: Path | None,
        remover: str | None,
        remover_password_file: Path | None,
        **more: Any,
    ) -> Any:
        if url is None:
            return call(store=Store(found_log(log), None), **more)
        database = Database(url, origin, log_password_file, remover, remover_password_file)
        return call(store=Store(log / "log", database), **more)

    return wrapped


def _address(url: str, password: Path | None) -> "Address":
    from audit.verbs.secrets import is_postgres, secret_of

    if not is_postgres(url):
        raise click.UsageError(f"`{url}` is no database: give its address as postgres://user@host/database")
    try:
        from audit.postgres.address import Address
    except ImportError as error:
        raise Mistake("a log in PostgreSQL needs more software", "pip install 'bailiwick[postgres]'") from error
    return Address.parse(url, secret_of(password))
