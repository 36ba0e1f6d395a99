"""Checks what the records say of each other: counters without gaps per writer and tenant, chains, sealed parts.

Reads only the leaf's last key and its tenant tag, by the canonical form that the log writes: the records are many.
"""

import re
from dataclasses import dataclass, field

import orjson

from audit.findings import Findings

_WRITTEN = re.compile(
    rb',"written":\{"boot":"(?:[^"\\]|\\.)*","by":"(?P<by>(?:[^"\\]|\\.)*)",'
    rb'(?:"sealed":\[(?P<sealed>(?:\{"key":"(?:[^"\\]|\\.)*","sha256":"[0-9a-f]{64}","size":[0-9]+\},?)+)\],)?"seq":(?P<seq>[1-9][0-9]*)'
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

    def record(self, index: int, digest: bytes, leaf: bytes) -> None:
        """Take in the next record."""
        match = _WRITTEN.fullmatch(leaf, leaf.rfind(b',"written":{')) if leaf.endswith(b"}}") else None
        if match is None:
            self.findings.problem(f"record {index}", "has no `written` in canonical form", index)
            return
        by, sealed, seq, prev, tenant_seq = match.group("by", "sealed", "seq", "prev", "tenant_seq")
        expected = self.writers.get(by, 0) + 1
        if int(seq) != expected:
            self._gap(f"writer `{by.decode(errors='replace')}`", index, int(seq), expected)
        self.writers[by] = int(seq)
        if sealed is not None:
            self._named(index, sealed)
        if tenant_seq is not None:
            self._chain(index, leaf, digest, int(tenant_seq), prev)
        elif b'"schema":"bailiwick.erasure/v1"' in leaf:
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
