"""Checks what the records say of each other: counters without gaps per writer and tenant, chains, sealed parts.

Reads only the leaf's last key and its tenant tag, by the canonical form that the log writes: the records are many.
"""

import re
from binascii import hexlify
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from audit.findings import Findings

_WRITTEN_KEY = b',"written":{'
_TENANT_KEY = b'"tenant":"'
_ERASURE = b'"schema":"bailiwick.erasure/v'
_PARTS = rb'"sealed":\[(?P<sealed>(?:\{"key":"(?:[^"\\]|\\.)*","sha256":"[0-9a-f]{64}","size":[0-9]+\},?)+)\],'
_NAMED = re.compile(_PARTS)
_WRITTEN = re.compile(
    rb'(?P<head>,"written":\{"boot":"(?:[^"\\]|\\.)*","by":"(?P<by>(?:[^"\\]|\\.)*)",)'
    rb"(?:" + _PARTS + rb')?"seq":(?P<seq>[1-9][0-9]*)'
    rb'(?:,"tenant":\{(?:"prev":"(?P<prev>[0-9a-f]{64})",)?"seq":(?P<tenant_seq>[1-9][0-9]*)\})?\}\}'
)
_TENANT = re.compile(rb'[{,]"tenant":"(?P<tag>[0-9a-f]{32})"')
_SEALED = re.compile(rb'"sha256":"(?P<digest>[0-9a-f]{64})","size":(?P<size>[0-9]+)\}')


@dataclass(slots=True)
class RecordCheck:
    """Walks the records in order. `writers` and `tenants` are the counters so far."""

    findings: Findings
    writers: dict[bytes, int] = field(default_factory=dict)
    tenants: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    sealed: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # digest: size, first record that names it
    erased: set[bytes] = field(default_factory=set)
    _by: bytes = b""  # the writer of the last record, and how `written` begins in its records
    _head: bytes = b"\x00"

    def records(self, first: int, digests: Sequence[bytes], leaves: Sequence[bytes]) -> None:
        """Take in the next records, of which `first` is the number."""
        for index, (digest, leaf) in enumerate(zip(digests, leaves, strict=True), first):
            if not self._follows(index, digest, leaf):
                self._record(index, digest, leaf)

    def _follows(self, index: int, digest: bytes, leaf: bytes) -> bool:
        """Whether the record is just what comes next: the same writer's next number and, for a known tenant, its next.

        That is nearly every record, and quicker seen by writing what must stand there than by reading what does.
        """
        at = leaf.rfind(_WRITTEN_KEY)
        if not leaf.startswith(self._head, at):
            return False
        seq = self.writers[self._by] + 1
        chain = None
        place = leaf.find(_TENANT_KEY)
        if place >= 0:
            tag = leaf[place + 10 : place + 42]
            chain = self.tenants.get(tag)
            if chain is None:
                return False
            tail = b'"seq":%d,"tenant":{"prev":"%b","seq":%d}}}' % (seq, hexlify(chain[1]), chain[0] + 1)
        else:
            tail = b'"seq":%d}}' % seq
        begin = at + len(self._head)
        if len(leaf) - begin != len(tail):
            named = _NAMED.fullmatch(leaf, begin, len(leaf) - len(tail))
            if named is None:
                return False
            self._named(index, named["sealed"])
        if not leaf.endswith(tail) or (place < 0 and _ERASURE in leaf):
            return False
        self.writers[self._by] = seq
        if place >= 0 and chain is not None:
            self.tenants[tag] = (chain[0] + 1, digest)
        return True

    def _record(self, index: int, digest: bytes, leaf: bytes) -> None:
        """Any record, read with care."""
        at = leaf.rfind(_WRITTEN_KEY)
        match = _WRITTEN.fullmatch(leaf, at) if at >= 0 else None
        if match is None:
            self.findings.problem(f"record {index}", "has no `written` in canonical form", index)
            return
        by, sealed, seq, prev, tenant_seq = match.group("by", "sealed", "seq", "prev", "tenant_seq")
        expected = self.writers.get(by, 0) + 1
        if int(seq) != expected:
            self._gap(f"writer `{by.decode(errors='replace')}`", index, int(seq), expected)
        self.writers[by] = int(seq)
        self._by, self._head = by, match["head"]
        if sealed is not None:
            self._named(index, sealed)
        if tenant_seq is not None:
            self._chain(index, leaf, digest, int(tenant_seq), prev)
        elif _ERASURE in leaf:
            self.erased.update(bytes.fromhex(part) for part in orjson.loads(leaf)["sealed"])

    def _named(self, index: int, sealed: bytes) -> None:
        for part in _SEALED.finditer(sealed):
            self.sealed.setdefault(bytes.fromhex(part["digest"].decode()), (int(part["size"]), index))

    def _chain(self, index: int, leaf: bytes, digest: bytes, seq: int, prev: bytes | None) -> None:
        found = _TENANT.search(leaf)
        if found is None:
            self.findings.problem(f"record {index}", "counts for a tenant and has no tenant tag", index)
            return
        tag = found["tag"]
        last_seq, last_hash = self.tenants.get(tag, (0, b""))
        if seq != last_seq + 1:
            self._gap(f"tenant `{tag.decode()}`", index, seq, last_seq + 1)
        elif (prev or b"").decode() != last_hash.hex():
            self.findings.problem(
                f"record {index}", f"does not follow on the last record of tenant `{tag.decode()}`", index
            )
        self.tenants[tag] = (seq, digest)

    def _gap(self, whose: str, index: int, got: int, expected: int) -> None:
        if got > expected:
            missing = f"{expected}" if got == expected + 1 else f"{expected} to {got - 1}"
            self.findings.problem(f"record {index}", f"number {missing} of {whose} is missing", index)
        else:
            self.findings.problem(f"record {index}", f"is number {got} of {whose} again, expected {expected}", index)
