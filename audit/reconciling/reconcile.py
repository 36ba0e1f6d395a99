"""Holds our records against kube-apiserver's own audit log: completeness, shown by somebody else's book.

Finds answers that have no record, records that no request has, requests that passed because a webhook failed open, and
verdicts that differ. A request can have several records of one door, of which the API server notes only the first
answer (a webhook asked again after another one's change, a patch tried again, a collection deleted): such records are
joined to their request by kind, namespace, operation, name and time. Neither book is verified here: `audit verify`
does that for ours.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from audit.reading import LoggedRecord
from audit.reconciling.kube_audit import OPERATIONS, Answer, KubeEvent, Unreadable

Progress = Callable[[int], None]
_DECISION = "bailiwick.decision/"
_ASKED: Mapping[str, tuple[str, ...]] = {  # what a verb comes to: what is not there yet is made by a patch too
    "create": ("CREATE",),
    "update": ("UPDATE", "CREATE"),
    "patch": ("UPDATE", "CREATE"),
    "delete": ("DELETE",),
    "deletecollection": ("DELETE",),
}
Key = tuple[object, ...]


class Kind(StrEnum):
    """What can be wrong."""

    MISSING = "missing"  # we answered, and there is no record of it
    EXTRA = "extra"  # there is a record, and no request
    FAILED_OPEN = "failed-open"  # a request passed without being judged, or judged and not recorded
    MISMATCH = "mismatch"  # the two books say different things about one answer
    UNREADABLE = "unreadable"  # a line of the API server's log, or a record of ours


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the two books don't agree on."""

    kind: Kind
    time: datetime | None
    audit_id: str
    uid: str  # of the webhook's call
    decision: str  # id
    index: int | None  # of the leaf
    message: str


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Requests that passed without an answer of ours, while others of the same kind had one. Exemptions look so too."""

    what: str
    namespace: str
    count: int
    first: datetime
    audit_id: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The result. `ok` when the two books agree."""

    differences: tuple[Difference, ...]
    unjudged: tuple[Unjudged, ...]
    notes: tuple[str, ...]
    events: int
    answers: int  # of ours that the API server noted, dry runs left out
    matched: int  # of these, with their record
    joined: int  # records of answers that it did not note, joined to their requests
    dry_runs: int
    begin: datetime | None
    end: datetime | None

    @property
    def ok(self) -> bool:
        return not self.differences


@dataclass(slots=True)
class _Book:
    """What the API server's log says."""

    answers: dict[str, tuple[KubeEvent, Answer]] = field(default_factory=dict)
    failed: dict[str, KubeEvent] = field(default_factory=dict)  # by auditID
    judged: dict[Key, int] = field(default_factory=dict)
    passed: dict[Key, list[KubeEvent]] = field(default_factory=dict)
    dry_runs: set[str] = field(default_factory=set)
    events: int = 0
    begin: datetime | None = None
    end: datetime | None = None


def reconcile(
    events: Iterable[KubeEvent | Unreadable],
    logs: Mapping[str, Iterable[LoggedRecord]],
    *,
    cluster: str | None = None,
    skew: timedelta = timedelta(seconds=5),
    progress: Progress = lambda _records: None,
) -> Reconciliation:
    """Compare. `logs`: the records of each replica's log, by name. `cluster`: whose records count, if not all do.

    Records count as extra only within the events' time, `skew` away from its edges. Reads both to the end.
    """
    return _Comparison(cluster, skew, progress).run(events, logs)


class _Comparison:
    def __init__(self, cluster: str | None, skew: timedelta, progress: Progress) -> None:
        self._cluster = cluster
        self._skew = skew
        self._progress = progress
        self._book = _Book()
        self._differences: list[Difference] = []
        self._notes: list[str] = []
        self._matched: dict[str, LoggedRecord] = {}
        self._alone: list[LoggedRecord] = []

    def run(
        self, events: Iterable[KubeEvent | Unreadable], logs: Mapping[str, Iterable[LoggedRecord]]
    ) -> Reconciliation:
        for event in events:
            self._read(event)
        for records in logs.values():
            self._compare(records)
        self._missing()
        self._failed_open()
        joined = self._extra()
        book = self._book
        return Reconciliation(
            differences=tuple(sorted(self._differences, key=lambda one: (one.time is None, one.time, one.kind))),
            unjudged=tuple(self._unjudged()),
            notes=(*self._nothing(), *self._notes),
            events=book.events,
            answers=len(book.answers),
            matched=len(self._matched),
            joined=joined,
            dry_runs=len(book.dry_runs),
            begin=book.begin,
            end=book.end,
        )

    # — the API server's log —

    def _read(self, event: KubeEvent | Unreadable) -> None:
        if isinstance(event, Unreadable):
            self._differ(Kind.UNREADABLE, f"line {event.line} of the API server's log {event.reason}")
            return
        book = self._book
        book.events += 1
        book.begin = min(book.begin or event.received, event.received)
        book.end = max(book.end or event.finished, event.finished)
        if event.failed_open:
            book.failed.setdefault(event.audit_id, event)
        for answer in event.answers:
            self._answer(event, answer)
        if event.verb in OPERATIONS and not event.dry_run:
            if event.answers:
                book.judged[_sort(event)] = book.judged.get(_sort(event), 0) + 1
            elif not event.failed_open and event.code < 400:
                book.passed.setdefault(_sort(event), []).append(event)

    def _answer(self, event: KubeEvent, answer: Answer) -> None:
        if event.dry_run and answer.index is None:
            self._book.dry_runs.add(answer.decision)
            return
        known = self._book.answers.setdefault(answer.decision, (event, answer))
        if known[0].audit_id != event.audit_id:
            message = f"{event.about()} claims the decision of request {known[0].audit_id}"
            self._differ(Kind.MISMATCH, message, event, answer)

    # — our log —

    def _compare(self, records: Iterable[LoggedRecord]) -> None:
        for number, record in enumerate(records):
            if number % 1000 == 0:
                self._progress(1000)
            if record.unreadable:
                self._differ(Kind.UNREADABLE, f"our record can't be read: it {record.unreadable}", record=record)
                continue
            fields = record.fields
            if not str(fields.get("schema")).startswith(_DECISION):
                continue
            if self._cluster is not None and fields.get("cluster") != self._cluster:
                continue
            noted = self._book.answers.get(fields["id"])
            if noted is None:
                if self._is_within(_time_of(record)):
                    self._alone.append(record)
            elif fields["id"] in self._matched:
                self._differ(Kind.EXTRA, "is recorded a second time", record=record)
            else:
                self._matched[fields["id"]] = record
                self._agree(record, *noted)

    def _agree(self, record: LoggedRecord, event: KubeEvent, answer: Answer) -> None:
        """The record of an answer says what the API server says."""
        fields = record.fields
        if answer.index is not None and answer.index != record.index:
            message = f"the API server was told leaf {answer.index}, the record is leaf {record.index}"
            self._differ(Kind.MISMATCH, message, event, answer, record)
        if answer.verdict != fields["verdict"]:
            message = f"the API server was told `{answer.verdict}`, the record says `{fields['verdict']}`"
            self._differ(Kind.MISMATCH, message, event, answer, record)
        elif fields["verdict"] == "denied" and 0 < event.code < 400:
            message = f"denied by the record, and the API server answered {event.code}: {event.about()}"
            self._differ(Kind.MISMATCH, message, event, answer, record)
        if why := self._is_about_another(record, event):
            self._differ(Kind.MISMATCH, f"{why}: {event.about()}", event, answer, record)
        if answer.phase and answer.phase != fields["phase"]:
            message = f"the API server asked `{answer.webhook}`, the record is of `{fields['phase']}`"
            self._differ(Kind.MISMATCH, message, event, answer, record)

    def _is_about_another(self, record: LoggedRecord, event: KubeEvent) -> str:
        """How the record can't be of this request, empty when it can; a namespace's own creation names it only once."""
        fields = record.fields
        namespace = fields.get("namespace", "")
        if namespace and event.namespace and namespace != event.namespace:
            return f"the record is of the namespace `{namespace}`"
        if fields["operation"] not in (*_ASKED.get(event.verb, ()), "CONNECT"):
            return f"the record is of the operation {fields['operation']}"
        if not event.received - self._skew <= _time_of(record) <= event.finished + self._skew:
            return f"the record is of another time, {fields['time']}"
        return ""

    def _is_within(self, time: datetime) -> bool:
        book = self._book
        if book.begin is None or book.end is None:
            return False
        return book.begin + self._skew <= time <= book.end - self._skew

    # — what is left —

    def _nothing(self) -> Iterator[str]:
        """What to know of a comparison with nothing."""
        if not self._book.events:
            yield "the API server's log holds no event: nothing was compared"
        elif not self._book.answers:
            yield "no event of the API server's log has an answer of ours: is it of this cluster, of level Metadata?"

    def _missing(self) -> None:
        for decision, (event, answer) in self._book.answers.items():
            if decision in self._matched:
                continue
            if answer.index is not None:
                self._differ(Kind.MISSING, f"leaf {answer.index} was promised: {event.about()}", event, answer)
            elif answer.verdict == "denied":
                self._notes.append(f"decision `{decision}` was a denial without a record: {event.audit_id}")
            else:
                message = f"answered `{answer.verdict}` without a record: {event.about()}"
                self._differ(Kind.FAILED_OPEN, message, event, answer)

    def _failed_open(self) -> None:
        for event in self._book.failed.values():
            names = ", ".join(f"`{name}`" for name in event.failed_open)
            passed = "passed" if event.code < 400 else f"was answered {event.code}"
            self._differ(Kind.FAILED_OPEN, f"{names} failed open, {event.about()} {passed}", event)

    def _extra(self) -> int:
        """Records that no request explains; how many others were joined to one."""
        spans: dict[Key, list[tuple[datetime, datetime]]] = {}
        for decision, record in self._matched.items():
            event = self._book.answers[decision][0]
            span = event.received - self._skew, event.finished + self._skew
            spans.setdefault(_same(record, collection=event.verb == "deletecollection"), []).append(span)
        joined = 0
        for record in self._alone:
            time = _time_of(record)
            candidates = spans.get(_same(record), []) + spans.get(_same(record, collection=True), [])
            if any(begin <= time <= end for begin, end in candidates):
                joined += 1
                continue
            fields = record.fields
            about = f"{fields['operation']} {fields['gvk']} in `{fields.get('namespace', '')}`"
            self._differ(Kind.EXTRA, f"no request has this decision ({fields['verdict']}): {about}", record=record)
        return joined

    def _unjudged(self) -> Iterable[Unjudged]:
        for sort, events in self._book.passed.items():
            if sort in self._book.judged:
                first = min(events, key=lambda event: event.received)
                what = f"{sort[0]} {sort[1]}"
                yield Unjudged(what, first.namespace, len(events), first.received, first.audit_id)

    def _differ(
        self,
        kind: Kind,
        message: str,
        event: KubeEvent | None = None,
        answer: Answer | None = None,
        record: LoggedRecord | None = None,
    ) -> None:
        fields: Mapping[str, Any] = record.fields if record else {}
        time = event.received if event else _time_of(record) if record and not record.unreadable else None
        self._differences.append(
            Difference(
                kind=kind,
                time=time,
                audit_id=event.audit_id if event else "",
                uid=str(fields.get("uid", "")),
                decision=answer.decision if answer else str(fields.get("id", "")),
                index=record.index if record else answer.index if answer else None,
                message=message,
            )
        )


def _sort(event: KubeEvent) -> Key:
    """Requests that are alike: what is asked of which resource, where."""
    return OPERATIONS[event.verb], event.resource, event.namespace


def _same(record: LoggedRecord, *, collection: bool = False) -> Key:
    """What the records of one request have in common; those of a deleted collection have many names."""
    fields = record.fields
    name = "" if collection else fields.get("tags", {}).get("name", "")
    about = fields["gvk"], fields.get("namespace"), fields["operation"], fields.get("subresource")
    return *about, fields["cluster"], collection, name


def _time_of(record: LoggedRecord) -> datetime:
    return datetime.fromisoformat(record.fields["time"])
