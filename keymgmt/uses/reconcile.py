"""Our records of key uses against the key service's own audit log: what either side lacks, and where they differ.

A use with the service's request id is joined by it. One without (of a plugin that knew none, or one whose answer never
came) is joined by operation, key, version where it is shown, and time; where a record counts several, as many as it
says. Neither book is verified here. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from keymgmt.uses.vault_audit import MOVES, USES, Entry, OtherEntry, UnreadableLine, VaultEvent


class Kind(StrEnum):
    """What can be wrong."""

    UNRECORDED = "unrecorded"  # the service used a key, and we have no record
    UNKNOWN = "unknown"  # we have a record, and the service none
    MOVED = "moved"  # somebody exported, backed up, restored or imported a key
    REGION = "region"  # a record of another region
    KEY = "key"
    VERSION = "version"
    OPERATION = "operation"
    OUTCOME = "outcome"  # one says it was done, the other that it was refused
    COUNT = "count"  # a record of ours counts other uses than the service has
    TWICE = "twice"  # two records of one request
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class RecordedUse:
    """A record of ours that the service must have one of, too."""

    operation: str
    region: str
    key: str
    version: int
    request_id: str  # empty: not known
    begin: datetime
    seconds: float
    ok: bool
    lost: bool = False  # no answer came, so the service may have done it
    count: int = 1  # uses that it stands for; more than one, or less, only without an id
    where: str = ""  # which record it is, for people

    @property
    def end(self) -> datetime:
        """When the last of them had ended."""
        return self.begin + timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Due:
    """When our log must have what the service did."""

    until: datetime  # time of its newest record
    grace: timedelta  # that it has for taking something up
    since: datetime | None = None  # older records were pruned


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the two books don't agree on."""

    kind: Kind
    time: datetime | None
    request_id: str
    message: str


@dataclass(slots=True)
class Reconciliation:
    """The result."""

    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    events: int = 0  # of the service, that used a key
    records: int = 0  # of ours
    matched: int = 0
    unshown: int = 0  # matched, but the service does not show the version
    outside: int = 0  # records of a time that the service's log does not cover
    open: int = 0  # uses of the service that are younger than what our log has taken up
    begin: datetime | None = None
    end: datetime | None = None

    @property
    def ok(self) -> bool:
        return not self.differences


def reconcile(
    events: Iterable[Entry | UnreadableLine],
    uses: Iterable[RecordedUse | UnreadableLine],
    region: str,
    *,
    keys: frozenset[str] = frozenset(),
    skew: timedelta = timedelta(seconds=5),
    due: Due | None = None,
) -> Reconciliation:
    """Compare. `keys`: names that count, all by default. Our records count within the service's time, less the skew.

    With `due`, a use of the service is only missed when our log has had the time to take it up.
    """
    return _Comparison(region, keys, skew, due).run(events, uses)


class _Comparison:
    def __init__(self, region: str, keys: frozenset[str], skew: timedelta, due: Due | None) -> None:
        self._region, self._keys, self._skew, self._due = region, keys, skew, due
        self._found = Reconciliation()
        self._events: dict[str, VaultEvent] = {}
        self._taken: set[str] = set()

    def run(
        self, events: Iterable[Entry | UnreadableLine], uses: Iterable[RecordedUse | UnreadableLine]
    ) -> Reconciliation:
        for event in events:
            self._read(event)
        late: list[RecordedUse] = []
        for use in uses:
            if isinstance(use, UnreadableLine):
                self._differ(Kind.UNREADABLE, None, "", f"line {use.line} of our records {use.reason}")
            elif not self._keys or use.key in self._keys:
                self._found.records += max(use.count, 0)
                if not self._by_id(use):
                    late.append(use)
        for use in late:  # after those with ids, so that none takes another's event
            self._by_time(use)
        self._unrecorded()
        self._found.differences.sort(key=lambda one: (one.time is None, one.time, one.kind))
        return self._found

    def _read(self, event: Entry | UnreadableLine) -> None:
        found = self._found
        if isinstance(event, UnreadableLine):
            self._differ(Kind.UNREADABLE, None, "", f"line {event.line} of the service's log {event.reason}")
            return
        found.begin = min(found.begin or event.time, event.time)
        found.end = max(found.end or event.time, event.time)
        if isinstance(event, OtherEntry) or (self._keys and event.key not in self._keys):
            return
        if event.operation in USES:
            self._events[event.request_id] = event
            found.events += event.ok
        elif event.operation in MOVES and event.ok:
            self._differ(Kind.MOVED, event.time, event.request_id, f"`{event.key}`: {event.operation} by `{event.by}`")
        else:
            done = "" if event.ok else ", refused"
            found.notes.append(f"{event.time.isoformat()} `{event.key}`: {event.operation} by `{event.by}`{done}")

    def _by_id(self, use: RecordedUse) -> bool:
        """Whether the use is dealt with."""
        if use.region != self._region:
            message = f"a record of region `{use.region}` among those of `{self._region}`"
            self._differ(Kind.REGION, use.begin, use.request_id, message)
        event = self._events.get(use.request_id)
        if event is None:
            return False
        if use.request_id in self._taken:
            self._differ(Kind.TWICE, use.begin, use.request_id, "two records of one request")
            return True
        self._take(use, event)
        self._agree(use, event)
        return True

    def _agree(self, use: RecordedUse, event: VaultEvent) -> None:
        for kind, ours, theirs in (
            (Kind.OPERATION, use.operation, event.operation),
            (Kind.KEY, use.key, event.key),
            (Kind.VERSION, use.version, use.version if event.version is None else event.version),
            (Kind.OUTCOME, use.ok, event.ok),
        ):
            if ours != theirs:
                message = f"our record says {kind} `{ours}`, the service `{theirs}`"
                self._differ(kind, event.time, event.request_id, message)

    def _by_time(self, use: RecordedUse) -> None:
        missing = use.count
        if not use.request_id:
            # a failed one first, so that no failure of ours explains a use that was not
            fitting = sorted(self._fitting(use), key=lambda event: event.ok != use.ok)
            for event in fitting[: max(missing, 0)]:
                self._take(use, event)
                missing -= 1
        if missing and not self._is_within(use):
            self._found.outside += max(missing, 0)
        elif missing and (use.ok or missing < 0):
            self._lacking(use, missing)

    def _fitting(self, use: RecordedUse) -> list[VaultEvent]:
        begin, end = use.begin - self._skew, use.end + self._skew
        return [
            event
            for event in self._events.values()
            if event.request_id not in self._taken and begin <= event.time <= end and _alike(use, event)
        ]

    def _lacking(self, use: RecordedUse, missing: int) -> None:
        named = f"`{use.operation}` with `{use.key}` version {use.version}"
        of = f" ({use.where})" if use.where else ""
        if missing < 0:
            message = f"our record{of} of {named} has {-missing} more request ids than it counts uses"
            self._differ(Kind.COUNT, use.begin, "", message)
        elif use.count == 1:
            self._differ(Kind.UNKNOWN, use.begin, use.request_id, f"our record{of} of {named} has no request there")
        else:
            message = f"our record{of} counts {use.count} of {named} without ids; {use.count - missing} are there"
            self._differ(Kind.COUNT, use.begin, "", message)

    def _take(self, use: RecordedUse, event: VaultEvent) -> None:
        self._taken.add(event.request_id)
        self._found.matched += 1
        self._found.unshown += event.version is None and use.ok

    def _unrecorded(self) -> None:
        for event in self._events.values():
            if event.request_id in self._taken:
                continue
            if event.ok:
                if self._is_open(event.time):
                    self._found.open += 1
                    continue
                shown = f" version {event.version}" if event.version else ""
                message = f"`{event.operation}` with `{event.key}`{shown} by `{event.by}` has no record of ours"
                self._differ(Kind.UNRECORDED, event.time, event.request_id, message)
            else:
                self._found.notes.append(
                    f"{event.time.isoformat()} `{event.key}`: {event.operation} by `{event.by}`, refused"
                )

    def _is_open(self, time: datetime) -> bool:
        """Whether our log need not have it yet: neither we nor the service have written much since."""
        due, end = self._due, self._found.end
        if due is None or end is None:
            return False
        return bool(due.since and time < due.since) or time + due.grace > max(due.until, end)

    def _is_within(self, use: RecordedUse) -> bool:
        begin, end = self._found.begin, self._found.end
        if begin is None or end is None:
            return True  # an empty log is of every time: what we did is not in it
        return begin + self._skew <= use.begin and use.end <= end - self._skew

    def _differ(self, kind: Kind, time: datetime | None, request_id: str, message: str) -> None:
        self._found.differences.append(Difference(kind, time, request_id, message))


def _alike(use: RecordedUse, event: VaultEvent) -> bool:
    same = (use.operation, use.key) == (event.operation, event.key)
    return same and event.version in (None, use.version) and (event.ok == use.ok or use.lost)
