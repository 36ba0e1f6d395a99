"""NDJSON: a record a line, the leaf's own bytes in it, so that each line can be checked against its hash.

line = {"hash":"<SHA-256(0x00 ‖ leaf), hex>","index":<n>,"leaf":<the leaf's bytes>,"log":"<origin>","verified":<bool>}

In the place of a leaf that nobody can read stands {"bytes":"<base64>","schema":"unreadable","why":"<the reason>"}.

Lines end with U+000A, which no leaf holds; a reader must not take other characters for line ends.
"""

from base64 import b64decode

import orjson

from audit.exports.population import Population
from audit.exports.safe_json import harmless
from audit.exports.sinks import Writes
from audit.reading import LoggedRecord

_FLUSHED = 256


class NdjsonExport:
    """Every selected record. `shown`: on a terminal, where what is invisible in a leaf stands as an escape."""

    def __init__(self, population: Population, at: Writes, *, shown: bool = False) -> None:
        self._at = at
        self._shown = shown
        verified = b"true" if population.is_verified else b"false"
        self._tail = b',"log":%b,"verified":%b}\n' % (orjson.dumps(population.origin), verified)
        self._lines: list[bytes] = []

    def add(self, record: LoggedRecord) -> None:
        digest = record.hash.hex().encode()
        self._lines.append(b'{"hash":"%b","index":%d,"leaf":%b%b' % (digest, record.index, _leaf(record), self._tail))
        if len(self._lines) >= _FLUSHED:
            self.finish()

    def finish(self) -> None:
        lines = b"".join(self._lines)
        self._at.write(harmless(lines.decode(errors="replace")).encode() if self._shown else lines)
        self._lines.clear()


def _leaf(record: LoggedRecord) -> bytes:
    return orjson.dumps(record.fields) if record.unreadable else record.leaf


def leaf_of_line(line: bytes) -> bytes:
    """The leaf's bytes from a line as they were appended."""
    leaf = line[line.index(b'"leaf":') + 7 : line.rindex(b',"log":')]
    if not leaf.startswith(b'{"bytes":"'):
        return leaf
    return b64decode(orjson.loads(leaf)["bytes"])
