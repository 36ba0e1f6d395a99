"""Checks that records can be read, and what they say of each other: counters without gaps, chains, sealed parts.

Nearly all leaves are told good by a pattern; of those only the last key and the tenant tag are read. A
run of records is checked by itself, whatever it begins with; `join` then checks that it follows on the runs before.
"""

import re
from binascii import hexlify
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from audit.checks.findings import Findings
from audit.leaves.counters import PARTS, TENANT, WRITTEN, WRITTEN_KEY
from audit.leaves.readable import unreadable

_TENANT_KEY = b'"tenant":"'
_ERASURE = b'"schema":"bailiwick.erasure/v'
_ROTATION = b'"schema":"bailiwick.key-rotation/v'
_GENESIS = b'"schema":"bailiwick.genesis/v'
_NAMED = re.compile(PARTS)
_SEALED = re.compile(rb'"sha256":"(?P<digest>[0-9a-f]{64})","size":(?P<size>[0-9]{1,16})\}')

First = tuple[int, bytes, int]  # a number, the predecessor's hash in hex (of a tenant's record), the record's index


@dataclass(slots=True)
class RecordCheck:
    """Walks a run of records in order. `writers` and `tenants` are the counters at its end, the firsts those before."""

    findings: Findings
    quick: bool = False  # look for what can't be read among leaves with other characters than ASCII alone
    writers: dict[bytes, int] = field(default_factory=dict)
    tenants: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    sealed: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # digest: size, first record that names it
    erased: set[bytes] = field(default_factory=set)
    announced: set[str] = field(default_factory=set)  # keys that the records name as the checkpoints'
    origin: str = ""  # whose log it is, as its first record says
    first_writers: dict[bytes, First] = field(default_factory=dict)
    first_tenants: dict[bytes, First] = field(default_factory=dict)
    unread: set[bytes] = field(default_factory=set)  # hashes of leaves that can't be read
    uncounted: int = 0  # of these, how many say nothing of their writer and explain no gap yet
    _by: bytes = b""  # the writer of the last record, and how `written` begins in its records
    _head: bytes = b"\x00"

    def records(self, first: int, digests: Sequence[bytes], leaves: Sequence[bytes]) -> None:
        """Take in the next records, of which `first` is the number.

        Nearly every record is just what comes next: the same writer's next number and, for a known tenant, its next.
        That is quicker seen by writing what must stand at its end than by reading what does.
        """
        bad = self._unreadable(first, digests, leaves)
        tenants, head, seq = self.tenants, self._head, self.writers.get(self._by, 0)
        for index, (digest, leaf) in enumerate(zip(digests, leaves, strict=True), first):
            place = leaf.rfind(_TENANT_KEY)
            if place < 0:
                if leaf.endswith(b'%b"seq":%d}}' % (head, seq + 1)) and _ERASURE not in leaf and _ROTATION not in leaf:
                    seq += 1
                    continue
            elif chain := tenants.get(tag := leaf[place + 10 : place + 42]):
                count = chain[0] + 1
                tail = b'"seq":%d,"tenant":{"prev":"%b","seq":%d}}}' % (seq + 1, hexlify(chain[1]), count)
                if leaf.endswith(head + tail) or self._names_parts(index, leaf, head, tail):
                    seq += 1
                    tenants[tag] = (count, digest)
                    continue
            if seq:
                self.writers[self._by] = seq
            self._record(index, digest, leaf, is_bad=index in bad)
            head, seq = self._head, self.writers.get(self._by, 0)
        if seq:
            self.writers[self._by] = seq

    def _unreadable(self, first: int, digests: Sequence[bytes], leaves: Sequence[bytes]) -> set[int]:
        """Say of each leaf that nobody can read why that is so; their numbers."""
        bad: set[int] = set()
        if self.quick and all(map(bytes.isascii, leaves)):
            return bad
        for place, why in unreadable(leaves):
            self.findings.cannot_read(first + place, why)
            self.unread.add(digests[place])
            bad.add(first + place)
        return bad

    def join(self, run: "RecordCheck", *, whole: bool = True) -> None:
        """Go on with the run of records that follows. Unless the log is `whole`, whoever is new may have any number."""
        self.uncounted += run.uncounted
        self.unread |= run.unread
        for by, (seq, _, index) in run.first_writers.items():
            expected = self.writers.get(by, 0) + 1
            if seq != expected and (whole or by in self.writers):
                self._writer_gap(by, index, seq, expected)
        for tag, (seq, prev, index) in run.first_tenants.items():
            if whole or tag in self.tenants:
                self._chained(tag, index, seq, prev, self.tenants.get(tag, (0, b"")))
        self.writers |= run.writers
        self.tenants |= run.tenants
        self.sealed = run.sealed | self.sealed
        self.erased |= run.erased
        self.announced |= run.announced
        self.origin = self.origin or run.origin

    def _names_parts(self, index: int, leaf: bytes, head: bytes, tail: bytes) -> bool:
        """Whether nothing but sealed parts is named between `head` and `tail`; they are noted."""
        end = len(leaf) - len(tail)
        at = leaf.rfind(WRITTEN_KEY, 0, end)
        if not leaf.endswith(tail) or not leaf.startswith(head, at):
            return False
        named = _NAMED.fullmatch(leaf, at + len(head), end)
        if named is None:
            return False
        self._named(index, named["sealed"])
        return True

    def _record(self, index: int, digest: bytes, leaf: bytes, *, is_bad: bool) -> None:
        """Any record, read with care."""
        at = leaf.rfind(WRITTEN_KEY)
        match = WRITTEN.fullmatch(leaf, at) if at >= 0 else None
        if match is None:
            self.uncounted += 1
            if not is_bad:
                self.findings.cannot_read(index, "has no `written` in canonical form")
            return
        by, sealed, seq, prev, tenant_seq = match.group("by", "sealed", "seq", "prev", "tenant_seq")
        if by not in self.writers:
            self.first_writers[by] = (int(seq), b"", index)
        elif int(seq) != self.writers[by] + 1:
            self._writer_gap(by, index, int(seq), self.writers[by] + 1)
        self.writers[by] = int(seq)
        self._by, self._head = by, match["head"]
        if sealed is not None:
            self._named(index, sealed)
        if tenant_seq is not None:
            self._chain(index, leaf, digest, int(tenant_seq), prev or b"", is_bad=is_bad)
        elif not is_bad:
            self._event(index, leaf)

    def _event(self, index: int, leaf: bytes) -> None:
        """What a record of the log itself declares."""
        try:
            if _ERASURE in leaf:
                self.erased.update(bytes.fromhex(part) for part in orjson.loads(leaf)["sealed"])
            elif _GENESIS in leaf or _ROTATION in leaf:
                fields = orjson.loads(leaf)
                self.announced.add(str(fields.get("log_key") or fields["new_key"]))
                self.origin = self.origin or str(fields.get("origin", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            self.findings.problem(f"record {index}", "declares something in no form that a log writes", index)

    def _named(self, index: int, sealed: bytes) -> None:
        for part in _SEALED.finditer(sealed):
            self.sealed.setdefault(bytes.fromhex(part["digest"].decode()), (int(part["size"]), index))

    def _chain(self, index: int, leaf: bytes, digest: bytes, seq: int, prev: bytes, *, is_bad: bool) -> None:
        found = TENANT.search(leaf)
        if found is None:
            if not is_bad:
                self.findings.problem(f"record {index}", "counts for a tenant and has no tenant tag", index)
            return
        tag = found["tag"]
        if tag not in self.tenants:
            self.first_tenants[tag] = (seq, prev, index)
        else:
            self._chained(tag, index, seq, prev, self.tenants[tag])
        self.tenants[tag] = (seq, digest)

    def _chained(self, tag: bytes, index: int, seq: int, prev: bytes, last: tuple[int, bytes]) -> None:
        """A tenant's record follows on its last one."""
        if seq != last[0] + 1:
            is_told = bytes.fromhex(prev.decode()) in self.unread
            self._gap(f"tenant `{tag.decode()}`", index, seq, last[0] + 1, is_told=is_told)
        elif prev.decode() != last[1].hex():
            self.findings.problem(
                f"record {index}", f"does not follow on the last record of tenant `{tag.decode()}`", index
            )

    def _gap(self, whose: str, index: int, got: int, expected: int, *, is_told: bool) -> None:
        """A counter doesn't go on as it should. `is_told`: a record that can't be read had what is missing."""
        if got <= expected:
            self.findings.problem(f"record {index}", f"is number {got} of {whose} again, expected {expected}", index)
            return
        missing = f"{expected}" if got == expected + 1 else f"{expected} to {got - 1}"
        message = f"number {missing} of {whose} is missing"
        if is_told:
            had = f"{message}: a record before it that can't be read may be it"
            self.findings.follows_from_unreadable(f"record {index}", had, index)
        else:
            self.findings.problem(f"record {index}", message, index)

    def _writer_gap(self, by: bytes, index: int, got: int, expected: int) -> None:
        is_told = self._are_uncounted(got - expected)
        self._gap(f"writer `{by.decode(errors='replace')}`", index, got, expected, is_told=is_told)

    def _are_uncounted(self, missing: int) -> bool:
        """Whether so many records were there of which nobody can say whose they are; each stands for one number."""
        if not 0 < missing <= self.uncounted:
            return False
        self.uncounted -= missing
        return True
