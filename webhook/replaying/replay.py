"""Replays a log: every decision of a range, from the archive, under the rules of then and, when asked, under others.

Reads the log twice: first what is shared and what was erased, then decision by decision. Verifying the log is
`audit verify`'s business; a part is believed only by the hash in its leaf.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.reading import LoggedRecord, read_records
from audit.sealed.archive import Archive
from audit.whole import present_shards, whole_log
from policies.decision import Inputs
from policies.replaying import FAILURES, Case, Outcome, Replayed, compare, replay
from policies.written_rules import RulesUnreadable, engine_of_document
from webhook.replaying.cases import Archived, Cases, NotReplayable, Parts

if TYPE_CHECKING:
    from keymgmt.ports import Opener
    from policies.engine import RuleEngine
    from policies.ports import Engine

_ENGINES = 8  # compiled rules in memory; a log has few


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one record. `today` is None where no other rules were asked about."""

    shard: int
    index: int
    id: str
    time: str
    namespace: str
    kind: str
    verdict: str
    then: Replayed
    today: Replayed | None

    @property
    def fails(self) -> bool:
        """Whether this is what a replay is there to find."""
        return self.then.outcome in FAILURES or (self.today is not None and self.today.outcome is Outcome.DIFFERS)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which records, and compared with what."""

    shard: int | None = None  # all of them
    begin: int = 0  # in each shard
    end: int | None = None
    namespace: str = ""
    today: "Engine | None" = None


class Replay:
    """One log, its archive, and the key that opens it."""

    def __init__(self, directory: Path, opener: "Opener", jurisdiction: str, parts: "Parts | None" = None) -> None:
        """`parts`, where they don't lie beside the records."""
        self._directory = directory
        self._opener = opener
        self._jurisdiction = jurisdiction
        self._parts = parts
        self._engines: OrderedDict[Inputs, RuleEngine | RulesUnreadable] = OrderedDict()

    def run(self, asked: Asked, progress: Callable[[int], None] = lambda _done: None) -> Iterator[Line]:
        """Every decision that was asked for, in order. Raises LogCorrupt where the log itself can't be read."""
        shards = present_shards(self._directory)
        parts = self._parts or Archive.open([place for _, place in shards])
        cases = Cases(parts, self._opener, self._jurisdiction)
        for _, record in whole_log(self._directory):
            cases.learn(record)
        for number, place in shards:
            if asked.shard not in (None, number):
                continue
            for record in read_records(place, asked.begin, asked.end):
                if record.unreadable:
                    nobody = Replayed(Outcome.UNREADABLE, f"the record can't be read: it {record.unreadable}")
                    yield Line(number, record.index, "", "", "", "", "", nobody, None)
                elif _is_asked(record.fields, asked):
                    yield self._line(number, record, cases, asked)
                progress(record.index)

    def _line(self, shard: int, record: LoggedRecord, cases: Cases, asked: Asked) -> Line:
        fields = record.fields
        then, today = self._replayed(fields, cases, asked.today)
        kind = fields["gvk"].rpartition("/")[2]
        where = fields.get("namespace", "")
        return Line(shard, record.index, fields["id"], fields["time"], where, kind, fields["verdict"], then, today)

    def _replayed(
        self, fields: Mapping[str, Any], cases: Cases, other: "Engine | None"
    ) -> tuple[Replayed, Replayed | None]:
        try:
            archived = cases.case(fields)
            then = replay(archived.case, self._engine(archived))
        except NotReplayable as reason:
            return reason.replayed, None
        except RulesUnreadable as reason:
            return Replayed(Outcome.UNREADABLE, str(reason)), None
        return then, compare(archived.case, other) if other is not None else None

    def _engine(self, archived: Archived) -> "RuleEngine":
        """The engine of then, compiled once. Raises RulesUnreadable."""
        key = _rules_of(archived.case)
        known = self._engines.get(key)
        if known is None:
            known = self._made(archived, key)
            self._engines[key] = known
            if len(self._engines) > _ENGINES:
                self._engines.popitem(last=False)
        if isinstance(known, RulesUnreadable):
            raise RulesUnreadable(str(known))
        return known

    def _made(self, archived: Archived, key: Inputs) -> "RuleEngine | RulesUnreadable":
        try:
            return engine_of_document(archived.rules, key)
        except RulesUnreadable as reason:
            return reason


def _rules_of(case: Case) -> Inputs:
    return Inputs(policies=case.inputs.policies, data=case.inputs.data, engine=case.inputs.engine)


def _is_asked(fields: Mapping[str, Any], asked: Asked) -> bool:
    is_decision = str(fields.get("schema", "")).startswith("bailiwick.decision/")
    return is_decision and (not asked.namespace or fields.get("namespace") == asked.namespace)
