"""What some records say, once more as rows of their own: so that nobody has to read a whole log to know it.

Written in the transaction of the record, so they are there together or not at all. Pure.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from audit.files.committer import Item

Row = tuple[str, list[Any]]
_HOLD = "INSERT INTO bailiwick.hold (log, at, said) VALUES (%s, %s, %s)"
_DECLARED = "INSERT INTO bailiwick.declared (log, at, sha256) SELECT %s, %s, unnest(%s::bytea[])"
KEY_USED = "INSERT INTO bailiwick.key_used (log, purpose, key, at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
_ENDED = "INSERT INTO bailiwick.ended (log, size, next) VALUES (%s, %s, %s)"


def rows_of(log: int, first: int, items: Sequence[Item]) -> Iterator[Row]:
    """The rows that go with a batch, which begins with record `first`."""
    for at, (record, _) in enumerate(items, first):
        if record.schema.startswith("bailiwick.hold/"):
            yield _HOLD, [log, at, record.body]
        elif record.schema.startswith("bailiwick.erasure/"):
            parts = {bytes.fromhex(part) for part in orjson.loads(record.body)["sealed"]}
            yield _DECLARED, [log, at, list(parts)]
        elif record.schema.startswith("bailiwick.key-rotation/"):
            said = orjson.loads(record.body)
            yield KEY_USED, [log, said["purpose"], said["new_key"], at]
        elif record.schema.startswith("bailiwick.stop/") and (successor := orjson.loads(record.body).get("next")):
            yield _ENDED, [log, at + 1, successor]
