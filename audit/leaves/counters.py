"""The counters that the log adds to each leaf: gapless per writer and per tenant, each tenant's leaves chained.

Pure but for its own state. Whoever numbers a batch either makes it durable (`keep`) or takes the numbers back.
"""

import re
from binascii import hexlify
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from audit.leaves.record import Record
from audit.tlog.merkle import LEAF

PARTS = rb'"sealed":\[(?P<sealed>(?:\{"key":"(?:[^"\\]|\\.)*","sha256":"[0-9a-f]{64}","size":[0-9]{1,16}\},?)+)\],'
WRITTEN_KEY = b',"written":{'
WRITTEN = re.compile(
    rb'(?P<head>,"written":\{"boot":"(?:[^"\\]|\\.)*","by":"(?P<by>(?:[^"\\]|\\.)*)",)'
    rb"(?:" + PARTS + rb')?"seq":(?P<seq>[1-9][0-9]{0,15})'
    rb'(?:,"tenant":\{(?:"prev":"(?P<prev>[0-9a-f]{64})",)?"seq":(?P<tenant_seq>[1-9][0-9]{0,15})\})?\}\}'
)
"""The end of a leaf as it is written here, to be matched from the last `WRITTEN_KEY` on: also of a leaf that is
otherwise no JSON."""
TENANT = re.compile(rb'[{,]"tenant":"(?P<tag>[0-9a-f]{32})"')

SealedName = tuple[str, bytes, int]  # key id, SHA-256 of the ciphertext, its size
Chain = tuple[int, bytes]  # a tenant's counter, and the hash of its last leaf
Pair = tuple[bytes, bytes]  # leaf hash, leaf
_NONE: Chain = (0, b"")


class Counters:
    """Where one log stands: a writer's counter for each writer that ever wrote it, and a chain for each tenant."""

    def __init__(self, writer: str, boot: str) -> None:
        self._writer = writer
        self._head = b',"written":{"boot":%b,"by":%b,' % (orjson.dumps(boot), orjson.dumps(writer))
        self._writers: dict[str, int] = {}
        self._tenants: dict[str, Chain] = {}
        self._seq = self._kept_seq = 0
        self._undo: dict[str, Chain] = {}

    def number(self, records: Sequence[Record], sealed: Mapping[int, Sequence[SealedName]]) -> list[Pair]:
        """Each record's leaf and hash under the next numbers. `sealed`: what the record at that place names."""
        pairs = []
        seq, head, tenants, undo, begun = self._seq, self._head, self._tenants, self._undo, LEAF.copy
        for place, (_, tenant, body, _) in enumerate(records):
            seq += 1
            chain = tenants.get(tenant, _NONE)
            named = _sealed_value(sealed[place]) if place in sealed else b""
            if not tenant:
                leaf = b'%b%b%b"seq":%d}}' % (body[:-1], head, named, seq)
            elif chain is _NONE:
                leaf = b'%b%b%b"seq":%d,"tenant":{"seq":1}}}' % (body[:-1], head, named, seq)
            else:
                written = body[:-1], head, named, seq, hexlify(chain[1]), chain[0] + 1
                leaf = b'%b%b%b"seq":%d,"tenant":{"prev":"%b","seq":%d}}}' % written
            hashing = begun()
            hashing.update(leaf)
            digest = hashing.digest()
            if tenant:
                if tenant not in undo:
                    undo[tenant] = chain
                tenants[tenant] = (chain[0] + 1, digest)
            pairs.append((digest, leaf))
        self._seq = seq
        return pairs

    def keep(self) -> None:
        """The numbers given since the last call are durable."""
        self._kept_seq = self._seq
        self._undo.clear()

    def take_back(self) -> None:
        """The numbers given since `keep` were never written; they will be given again."""
        self._seq = self._kept_seq
        for tenant, chain in self._undo.items():
            if chain[0]:
                self._tenants[tenant] = chain
            else:
                del self._tenants[tenant]
        self._undo.clear()

    @property
    def next_seq(self) -> int:
        """The writer's number that will be given next, once what is open is kept or taken back."""
        return self._kept_seq + 1

    def changed(self) -> dict[str, Any]:
        """The chains of the tenants numbered since `keep`, as JSON values."""
        return {tag: [self._tenants[tag][0], self._tenants[tag][1].hex()] for tag in self._undo}

    def merge(self, chains: Mapping[str, Any], writer: str, seq: int) -> None:
        """Take in a durable batch of a log that others write too: its `changed()`, and its writer's last number."""
        self._tenants.update((tag, (number, bytes.fromhex(last))) for tag, (number, last) in chains.items())
        self._writers[writer] = seq
        if writer == self._writer:
            self._seq = self._kept_seq = seq

    def state(self) -> dict[str, Any]:
        """Everything kept, as JSON values, for a segment's header: what stood before the numbers not yet kept."""
        kept = {tag: chain for tag, chain in (self._tenants | self._undo).items() if chain[0]}
        tenants = {tag: [seq, last.hex()] for tag, (seq, last) in kept.items()}
        writers = self._writers | ({self._writer: self._kept_seq} if self._kept_seq else {})
        return {"tenants": tenants, "writers": writers}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what a segment's header says."""
        self._tenants = {tag: (seq, bytes.fromhex(last)) for tag, (seq, last) in state["tenants"].items()}
        self._writers = dict(state["writers"])
        self._seq = self._kept_seq = self._writers.get(self._writer, 0)

    def replay(self, leaf: bytes, digest: bytes) -> None:
        """Take in a durable leaf. One that doesn't end as leaves do was counted by nobody."""
        written = WRITTEN.fullmatch(leaf, max(leaf.rfind(WRITTEN_KEY), 0))
        if written is None:
            return
        self._writers[_value(written["by"])] = int(written["seq"])
        self._seq = self._kept_seq = self._writers.get(self._writer, 0)
        tenant = TENANT.search(leaf) if written["tenant_seq"] else None
        if tenant is not None:
            self._tenants[tenant["tag"].decode()] = (int(written["tenant_seq"]), digest)


def _sealed_value(sealed: Sequence[SealedName]) -> bytes:
    parts = [b'{"key":%b,"sha256":"%b","size":%d}' % (_text(key), hexlify(d), size) for key, d, size in sealed]
    return b'"sealed":[%b],' % b",".join(parts)


@lru_cache(maxsize=256)
def _value(escaped: bytes) -> str:
    return str(orjson.loads(b'"%b"' % escaped))


@lru_cache(maxsize=256)
def _text(value: str) -> bytes:
    return orjson.dumps(value)
