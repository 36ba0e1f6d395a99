"""A whole etcd, counted: for each resource and namespace under which provider, key and region its objects lie.

Guarantees that every key below the prefix is counted once in the present, that nothing is taken for sealed which does
not say by whom, and that what must be sealed and isn't, lies in another region, or under an old key is a problem by
name. Old revisions that etcd still keeps are looked at too: a plain one is as readable as ever.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field

from keymgmt.etcd.coverage import Coverage, Rule
from keymgmt.etcd.registry import Located, located
from keymgmt.etcd.snapshot import Entry
from keymgmt.etcd.values import Plain, Sealed, Stored, Unreadable, parse_value


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to be found. Empty sets ask nothing."""

    coverage: Coverage
    regions: frozenset[str] = frozenset()  # where keys may lie
    keys: frozenset[str] = frozenset()  # ids in use; empty: the one of the newest object of each provider


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """Objects that have all of this in common."""

    resource: str
    namespace: str
    state: str  # sealed, plain or unreadable
    provider: str = ""
    key: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that should not be."""

    code: str  # plaintext, plaintext-in-history, unreadable, foreign-region, no-region or stale
    where: str
    detail: str


@dataclass(slots=True)
class Survey:
    """What was found."""

    objects: int = 0
    revisions: int = 0
    groups: Counter[Group] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    current: dict[str, str] = field(default_factory=dict)  # provider: key id that counts as the present one


@dataclass(slots=True)
class _Object:
    stored: Stored
    revision: int


def survey(entries: Iterable[Entry], expected: Expected, prefix: str = "/registry") -> Survey:
    """Count and hold against what is expected. Memory grows with objects, not with their sizes or their past."""
    found = Survey()
    present: dict[Located, _Object] = {}
    bare: Counter[Located] = Counter()  # revisions of what must be sealed, in plain
    same: dict[Stored, Stored] = {}  # a hundred thousand objects lie under a handful of keys
    for entry in entries:
        place = located(entry.key, prefix)
        if place is None:
            continue
        found.revisions += 1
        if entry.value is None:
            present.pop(place, None)
            continue
        stored = parse_value(entry.value)
        present[place] = _Object(same.setdefault(stored, stored), entry.revision)
        if isinstance(stored, Plain) and expected.coverage.rule(place.resource) is not None:
            bare[place] += 1
    _count(found, present)
    for place, one in present.items():
        found.problems += _problems(place, one.stored, found, expected)
    found.problems += _past(present, bare)
    return found


def _count(found: Survey, present: dict[Located, _Object]) -> None:
    newest: dict[str, int] = {}
    found.objects = len(present)
    for place, one in present.items():
        found.groups[_group(place, one.stored)] += 1
        if isinstance(one.stored, Sealed) and one.revision > newest.get(one.stored.by, -1):
            newest[one.stored.by] = one.revision
            found.current[one.stored.by] = one.stored.key


def _group(place: Located, stored: Stored) -> Group:
    if isinstance(stored, Sealed):
        return Group(place.resource, place.namespace, "sealed", stored.by, stored.key, stored.region)
    return Group(place.resource, place.namespace, "plain" if isinstance(stored, Plain) else "unreadable")


def _problems(place: Located, stored: Stored, found: Survey, expected: Expected) -> Iterator[Problem]:
    rule = expected.coverage.rule(place.resource)
    if isinstance(stored, Unreadable):
        yield Problem("unreadable", str(place), stored.because)
    elif isinstance(stored, Sealed):
        yield from _of_region(place, stored, expected.regions)
        yield from _of_key(place, stored, rule, expected.keys or {found.current[stored.by]})
    elif rule is not None:
        yield Problem("plaintext", str(place), "is stored in plain")


def _of_region(place: Located, stored: Sealed, regions: frozenset[str]) -> Iterator[Problem]:
    if not regions or stored.region in regions:
        return
    code = "foreign-region" if stored.region else "no-region"
    says = f"its key lies in `{stored.region}`" if stored.region else "nothing says where its key lies"
    yield Problem(code, str(place), f"{says}, allowed: {', '.join(sorted(regions))}")


def _of_key(place: Located, stored: Sealed, rule: Rule | None, keys: Set[str]) -> Iterator[Problem]:
    if rule is not None and rule.provider and stored.by != rule.provider:
        yield Problem("stale", str(place), f"is sealed by `{stored.by}`, configured is `{rule.provider}`")
    elif (rule.key != stored.key) if rule is not None and rule.key else (stored.key not in keys):
        yield Problem("stale", str(place), f"lies under key `{stored.key}`, which is not the one in use")


def _past(present: dict[Located, _Object], bare: Counter[Located]) -> Iterator[Problem]:
    for place, count in bare.items():
        now = present.get(place)
        if count > (now is not None and isinstance(now.stored, Plain)):
            detail = "an older revision in plain is still there: compact and defragment etcd, then change the secret"
            yield Problem("plaintext-in-history", str(place), detail)
