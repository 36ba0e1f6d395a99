"""From callers to the writer's thread and back: requests made plain on the one side, answered on the other."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from audit.errors import LogUnavailable, RecordInvalid
from audit.files.committer import Committed, Part
from audit.leaves.record import KEY_ID_LIMIT, SEALED_LIMIT, SEALED_PARTS_LIMIT
from audit.ports import Envelope, Position

Waiting = tuple[Any, int, bytes]  # future, index, leaf hash


def sealed_parts_of(sealed: Sequence[Envelope]) -> list[Part]:
    """Key ids and ciphertexts, checked while only their owner waits. Raises RecordInvalid."""
    if len(sealed) > SEALED_PARTS_LIMIT:
        raise RecordInvalid(f"a record has at most {SEALED_PARTS_LIMIT} sealed parts, got {len(sealed)}")
    return [(_key_id(envelope), _ciphertext(envelope)) for envelope in sealed]


def _key_id(envelope: Envelope) -> str:
    key_id = getattr(envelope, "key_id", "")
    if not isinstance(key_id, str) or len(key_id) > KEY_ID_LIMIT or not (key_id.isascii() and key_id.isprintable()):
        raise RecordInvalid(f"the id of a sealed part's key is printable ASCII of at most {KEY_ID_LIMIT} characters")
    return key_id


def _ciphertext(envelope: Envelope) -> bytes:
    data = envelope.to_bytes()
    if not isinstance(data, bytes) or len(data) > SEALED_LIMIT:
        raise RecordInvalid(f"a sealed part is at most {SEALED_LIMIT} bytes")
    return data


def acknowledge(batch: list[Any], committed: Committed, origin: str) -> None:
    """Answer everybody with one call into each event loop. An item's last two parts are its future and its loop."""
    pairs = zip(batch, committed.pairs, strict=True)
    waiting = [(item[2], index, pair[0]) for index, (item, pair) in enumerate(pairs, committed.first)]
    loops = {item[3] for item in batch}
    for loop in loops:
        its = waiting if len(loops) == 1 else [one for one, item in zip(waiting, batch, strict=True) if item[3] is loop]
        if loop is None:
            _resolve(its, origin)
        else:
            _call(loop, _resolve, its, origin)


def refuse(batch: list[Any], error: LogUnavailable) -> None:
    """Give everybody an error of their own."""
    for item in batch:
        own = type(error)(str(error))
        if item[3] is None:
            item[2].set_exception(own)
        else:
            _call(item[3], _reject, item[2], own)


def _resolve(waiting: list[Waiting], origin: str) -> None:
    for future, index, digest in waiting:
        if not future.done():  # else nobody waits any more; the record stays
            future.set_result(Position(origin, index, digest))


def _reject(future: Any, error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _call(loop: Any, function: Callable[..., None], *arguments: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
        loop.call_soon_threadsafe(function, *arguments)
