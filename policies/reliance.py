"""What relies on which transfer: objects that may send data over a border only because a transfer allows it.

An object relies on a transfer when a rule that holds with it fails without it. What relies on one that is not in force
on the day asked for is a finding: it was lawful once, or was never, and nothing else allows it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

from policies.checking import check
from policies.engine import RuleEngine
from policies.geography.jurisdiction import Transfer
from policies.manifests import Document
from policies.snapshot import Snapshot

Spots = frozenset[tuple[str, str, str]]  # failures by code, policy and path: their words may differ


@dataclass(frozen=True, slots=True)
class Relying:
    """An object, and where in it stands what needs the transfer."""

    document: Document
    paths: tuple[str, ...]
    until: date | None  # the last day on which the transfer allows it; None: without an end
    in_force: bool  # on the day asked for


@dataclass(frozen=True, slots=True)
class Reliance:
    """One transfer and all that relies on it."""

    jurisdiction: str
    transfer: Transfer
    relying: tuple[Relying, ...]

    @property
    def findings(self) -> tuple[Relying, ...]:
        """What relies on it although it is not in force."""
        return tuple(found for found in self.relying if not found.in_force)


def reliances(
    documents: Sequence[Document], engine: RuleEngine, snapshot: Snapshot, day: date, namespace: str = "default"
) -> Iterator[Reliance]:
    """Every transfer of every jurisdiction, in the order of their names, with what relies on it on that day."""
    failures = _Failures(engine, snapshot, namespace)
    without = failures.under({})
    concerned = [(document, failed) for document in documents if (failed := without(document, day))]
    for name, rule in sorted(engine.law.rules.items()):
        for transfer in rule.transfers:
            ever, dated = failures.under({name: (_unending(transfer),)}), failures.under({name: (transfer,)})
            relying = (
                _relying(document, mended, partial(dated, document), transfer, day)
                for document, failed in concerned
                if (mended := failed - ever(document, day))
            )
            yield Reliance(name, transfer, tuple(relying))


@dataclass(frozen=True, slots=True)
class _Failures:
    """What fails under the same rules, cluster and namespace with other transfers."""

    engine: RuleEngine
    snapshot: Snapshot
    namespace: str

    def under(self, kept: Mapping[str, tuple[Transfer, ...]]) -> Callable[[Document, date], Spots]:
        """What fails at noon (UTC) of a day with these transfers and no others."""
        engine = self.engine.under(self.engine.law.with_transfers(kept))

        def failures(document: Document, day: date) -> Spots:
            now = datetime.combine(day, time(12), UTC)
            (case,) = check((document,), engine, self.snapshot, now, self.namespace, engine.law.catalogue)
            return frozenset((reason.code, reason.policy, reason.path) for reason in case.reasons)

        return failures


def _relying(
    document: Document, mended: Spots, dated: Callable[[date], Spots], transfer: Transfer, day: date
) -> Relying:
    """`mended` is what the transfer allows when its dates are left aside, `dated` what fails with them."""

    def allowed(on: date) -> bool:
        return not mended & dated(on)

    in_force, ends = allowed(day), _ends(transfer)
    coming = [end for end in ends if end >= day]
    paths = tuple(sorted({path for _, _, path in mended}))
    return Relying(document, paths, _last(coming if in_force else ends[::-1], allowed), in_force)


def _last(ends: Iterable[date], allowed: Callable[[date], bool]) -> date | None:
    """The first of these days on which it is allowed and on the next day isn't."""
    return next((end for end in ends if allowed(end) and not allowed(end + timedelta(days=1))), None)


def _unending(transfer: Transfer) -> Transfer:
    """The same transfer without dates: whoever was a member of its sets once counts."""
    members = frozenset[str]().union(*(members.countries for members in transfer.sets))
    return replace(transfer, last_day=None, sets=(), countries=transfer.countries | members)


def _ends(transfer: Transfer) -> list[date]:
    """Every day on which something of the transfer ends: it itself, or a country's membership in a set."""
    found = {date.fromisoformat(end) for members in transfer.sets for end in members.until.values()}
    return sorted(found | ({transfer.last_day} if transfer.last_day else set()))
