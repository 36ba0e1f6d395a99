"""Orders to whoever holds the log: erase what was approved, hold, expire and prune, record a break-glass of keys.

A log has one writer, and that is mostly a webhook's. So a command puts its order into a directory beside the log; the
writer carries it out and puts its answer beside it, and where nobody writes the log the command does both. An order is
done at most once as far as anybody can tell: it stays until its answer is durable, and doing it again changes nothing.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from audit.errors import AuditError
from audit.files.store import Disk, put_files
from audit.leaves.record import Record, event_record
from audit.leaves.shapes import time_text
from audit.ports import Envelope, Position
from audit.sealed.erasure import Approved, Eraser, Whole
from audit.sealed.erasure_plan import ErasureRefused, Scope
from audit.sealed.inputs import Origin
from keymgmt.approvals import ApprovalPolicy
from keymgmt.canonical import from_base64url, moment
from keymgmt.errors import KeyManagementError, NotApproved
from keymgmt.ports import Approval, Sealer

if TYPE_CHECKING:
    from audit.postgres.pruning import SharedPruning
    from audit.postgres.sharded_log import SharedShards

logger = logging.getLogger("bailiwick.webhook")

FOLDER = "orders"  # in the state directory
KEEP_DAYS = 180  # AI Act 19(1) and 26(6): logs are kept for six months at least
SHARED_FOR = 2  # days that a shared input may be older than a record that names it: `sealed.inputs.RENEW`, and one more


class OrderWithdrawn(Exception):
    """Whoever gave the order has taken it back."""


class Log(Protocol):
    """The open log."""

    def append_now(self, record: Record, sealed: Sequence[Envelope] = ()) -> Position: ...

    def prune(self, number: int, *, older_than: int, basis: str) -> int: ...


class Approving(Protocol):
    """Who may approve, and what their votes are sealed to: a keyring."""

    @property
    def region(self) -> str: ...

    @property
    def jurisdiction(self) -> str: ...

    @property
    def approvals(self) -> ApprovalPolicy | None: ...

    def sealer(self) -> Sealer: ...


@dataclass(frozen=True, slots=True)
class Pruned:
    """A shared log with what prunes it."""

    log: "SharedShards"
    pruning: "SharedPruning"

    def append_now(self, record: Record, sealed: Sequence[Envelope] = ()) -> Position:
        return self.log.append_now(record, sealed)

    def prune(self, number: int, *, older_than: int, basis: str) -> int:
        return self.pruning.prune(number, older_than=older_than, basis=basis)


@dataclass(frozen=True, slots=True)
class Orders:
    """The directory of orders and answers."""

    folder: Path

    def put(self, order: Mapping[str, Any]) -> str:
        """Leave an order, durably; its id. Raises OSError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        name = uuid.uuid4().hex
        self._write(f"{name}.order", order)
        return name

    def waiting(self) -> list[str]:
        """The ids of orders without an answer, the oldest first; what is no file is no order."""
        found = []
        for path in self.folder.glob("*.order"):
            with suppress(OSError):  # withdrawn just now
                status = path.lstat()
                if S_ISREG(status.st_mode) and not (self.folder / f"{path.stem}.answer").exists():
                    found.append((status.st_mtime, path.stem))
        return [name for _, name in sorted(found)]

    def order(self, name: str) -> dict[str, Any]:
        """What is asked for. Raises OrderWithdrawn, ValueError, OSError."""
        try:
            data = Disk().read(self.folder / f"{name}.order")
        except FileNotFoundError:
            raise OrderWithdrawn from None
        found: dict[str, Any] = orjson.loads(data)
        return found

    def answer(self, name: str, said: Mapping[str, Any]) -> None:
        """Answer an order, durably; the order, which may name people, goes."""
        self._write(f"{name}.answer", said)
        (self.folder / f"{name}.order").unlink(missing_ok=True)

    def answered(self, name: str) -> dict[str, Any] | None:
        """The answer, taken away, or None as long as there is none."""
        path = self.folder / f"{name}.answer"
        if not path.exists():
            return None
        said: dict[str, Any] = orjson.loads(path.read_bytes())
        path.unlink()
        return said

    def withdraw(self, name: str) -> None:
        """Nobody has taken it yet: take it back."""
        (self.folder / f"{name}.order").unlink(missing_ok=True)

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        files = Disk()
        put_files(files, [(self.folder / name, orjson.dumps(content))])
        files.sync_directory(self.folder)


class Clerk:
    """Carries out orders on one open log."""

    def __init__(
        self,
        log: Log,
        whole: Whole,
        origin: Origin,
        keyring: Approving,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        keep_days: int = KEEP_DAYS,
    ) -> None:
        """`keep_days`: nothing expires before it is so old, whoever asks."""
        self._log = log
        self._origin = origin
        self._keyring = keyring
        self._clock = clock
        self._keep_days = keep_days
        self._eraser = Eraser(log, whole, origin, clock)

    def attend(self, orders: Orders) -> None:
        """Answer everything that waits. Never raises for what an order asks."""
        for name in orders.waiting():
            try:
                said = self.carry_out(orders.order(name))
            except OrderWithdrawn:
                continue
            except (AuditError, KeyManagementError) as refusal:
                said = {"error": str(refusal), "hint": getattr(refusal, "hint", "")}
            except Exception as fault:
                logger.exception("an order was not carried out")
                said = {"error": f"{type(fault).__name__}: {fault}", "hint": "look into the webhook's own log"}
            orders.answer(name, said)

    def carry_out(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Do what an order says. Raises AuditError, KeyManagementError, OSError."""
        match order.get("do"):
            case "erase":
                votes = [vote_of(vote) for vote in order["votes"]]
                done = self._eraser.erase(order["action"].encode(), lambda action: self._approved(action, votes, order))
                return {"records": done.records, "parts": done.parts, "leaves": done.leaves}
            case "expire":
                return self._expired(order)
            case "hold":
                record = event_record("hold", {**self._origin.fields(self._clock()), **order["hold"]})
                return {"leaves": [self._log.append_now(record).index]}
            case "break-glass":
                return {"leaves": [self._set_aside(order["record"], order["votes"])]}
            case "prune":
                leaf = self._log.prune(order["shard"], older_than=order["older_than"], basis=order["basis"])
                return {"leaves": [leaf]}
        raise ErasureRefused("this order asks for nothing that is known here", "use the same release on both sides")

    def _set_aside(self, fields: Mapping[str, Any], votes: Sequence[Mapping[str, str]]) -> int:
        """The record of a break-glass that is about to happen; who approved it, sealed beside it."""
        record = event_record("break-glass", {**self._origin.fields(self._clock()), **fields})
        evidence = self._sealed({"approvers": sorted(vote["approver"] for vote in votes), "votes": votes})
        index = self._log.append_now(record, (evidence,)).index
        logger.critical("break-glass: key %s opens until %s: record %d", fields["names"], fields["until"], index)
        return index

    def _approved(self, action: bytes, votes: Sequence[Approval], order: Mapping[str, Any]) -> Approved:
        policy: ApprovalPolicy | None = self._keyring.approvals
        if policy is None:
            raise NotApproved(
                f"the keyring of `{self._keyring.region}` has no approvers, so nobody can erase; "
                "make it with `bailiwick keys init --approver`"
            )
        quorum = policy.verify(action, votes, self._clock())
        evidence = self._sealed({"approvers": quorum.approvers, "votes": order["votes"]})
        return Approved(len(quorum.approvers), quorum.needed, quorum.nonce, (evidence,))

    def _sealed(self, content: Mapping[str, Any]) -> Envelope:
        """Who approved: names of people, so sealed like all of them."""
        from webhook.log.whereabouts import Whereabouts

        where = Whereabouts(self._origin.cluster, self._origin.region, self._keyring.jurisdiction)
        said = orjson.dumps({"schema": "bailiwick.approvals/v1", **content})
        return self._keyring.sealer().seal(said, where.binding(""))

    def _expired(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Each class by its own time, all others by the general one; what they share by the longest, and some more."""
        classes: dict[str, int] = order["classes"]
        kept = frozenset(classes)
        shortest = min(order["days"], *classes.values()) if classes else order["days"]
        if shortest < self._keep_days:
            hint = "the least time is set where the webhook is started: `serve --keep-days`"
            raise ErasureRefused(f"sealed parts are kept for {self._keep_days} days at least, not {shortest}", hint)
        scopes = [Scope("retention", record_class=name, before=self._ago(days)) for name, days in classes.items()]
        scopes.append(Scope("retention", before=self._ago(order["days"]), keep=kept))
        longest = max(order["days"], *classes.values()) if classes else order["days"]
        scopes.append(Scope("retention", record_class="inputs", before=self._ago(longest + SHARED_FOR), shared=True))
        done = [self._eraser.expire(scope, order["basis"]) for scope in scopes]
        return {
            "records": sum(one.records for one in done),
            "parts": sum(one.parts for one in done),
            "leaves": [leaf for one in done for leaf in one.leaves],
        }

    def _ago(self, days: int) -> str:
        """That many days before now, as records write times."""
        return time_text(self._clock() - timedelta(days=days))


def wait_for(orders: Orders, name: str, seconds: float) -> dict[str, Any] | None:
    """The writer's answer, or None when there was none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        said = orders.answered(name)
        if said is not None:
            return said
        time.sleep(0.05)
    return None


def vote_of(vote: Mapping[str, str]) -> Approval:
    """A vote as `bailiwick keys approve` writes it. Raises NotApproved."""
    try:
        return Approval(
            vote["approver"],
            from_base64url(vote["nonce"]),
            moment(vote["issued"]),
            moment(vote["expires"]),
            from_base64url(vote["signature"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotApproved("a vote can't be read; make it with `bailiwick keys approve`") from error
