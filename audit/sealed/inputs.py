"""Inputs that many decisions share, archived once: the rules in force, objects of the cluster.

Guarantees that a record which names an input is only appended once that input is durable, and that an input is sealed
and stored once in a log and a period, not once for each record. It is known by the digest of its content; the leaf
names it by a keyed tag of that digest, so that nobody without the key can test a guess of the content. What was
archived is forgotten with the log that it went to, and after `renew` seconds: so no record depends on a part that is
much older than itself, and retention can go by age. Leaves to others: what an input is, and that a Secret's data is
not in it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from audit.errors import LogUnavailable
from audit.leaves.drafts import Seal
from audit.leaves.record import Draft, Input, Record, Unsealed, canonical_size, event_record, inputs_bytes
from audit.ports import Envelope, Log, Position

RENEW = 86_400.0  # seconds
AT_ONCE = 200  # inputs in one part: what an `inputs` record can name
PART_BYTES = 2 << 20  # of content in one part, as long as it is more than one input
_REMEMBERED = 65_536  # addresses; cleared as a whole, since making one is cheap
_ARCHIVED = 262_144  # inputs that are known to be durable; one that is forgotten is archived once more
_INLINE = 32  # inputs that are sealed on the spot; more go to a thread


class Tags(Protocol):
    """Keyed tags: `audit.leaves.tags.Tagger`."""

    @property
    def key_id(self) -> str: ...

    def tag(self, kind: str, value: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose records these are: said in each."""

    cluster: str
    region: str
    engine: str

    def fields(self, now: datetime) -> dict[str, object]:
        return {"time": now, "cluster": self.cluster, "region": self.region, "engine": self.engine}


class SharedInputs:
    """What of the present log's archive is known to be durable. For one event loop."""

    def __init__(
        self,
        log: Log,
        seal: Seal,
        tags: Tags,
        origin: Origin,
        clock: Callable[[], datetime],
        *,
        renew: float = RENEW,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._seal = seal
        self._tags = tags
        self._origin = origin
        self._clock = clock
        self._renew = renew
        self._seconds = seconds
        self._written_to = ""  # the log's name, which changes with its shard
        self._left: set[str] = set()  # names that it had
        self._until: dict[bytes, float] = {}  # digest of an archived input: when it is to be archived anew
        self._under_way: dict[bytes, asyncio.Task[None]] = {}
        self._addresses: dict[bytes, str] = {}

    def address(self, digest: bytes) -> str:
        """How a leaf names the input."""
        known = self._addresses.get(digest)
        if known is None:
            if len(self._addresses) >= _REMEMBERED:
                self._addresses.clear()
            known = self._addresses[digest] = self._tags.tag("input", digest.hex())
        return known

    def is_archived(self, digest: bytes) -> bool:
        """Whether a record may name it without more ado."""
        until = self._until.get(digest)
        return until is not None and self._seconds() < until

    async def append(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed] = ()) -> Position:
        """As the log's, once what the record needs is durable. Raises what the log raises.

        A record that was under way while the log went on in its next shard finds what it needs there too when this
        returns: the shard before may be pruned one day.
        """
        if not all(self.is_archived(one.digest) for one in record.needs):
            await self.archive(record.needs)
        position = await self._log.append(record, sealed)
        if position.origin != self._written_to:
            self._moved(position.origin)
        if not all(self.is_archived(one.digest) for one in record.needs):
            await self.archive(record.needs)
        return position

    async def archive(self, inputs: Sequence[Input]) -> None:
        """Return once all are durable. Whoever comes while one is under way waits for it. Raises LogUnavailable."""
        fresh = [one for one in inputs if one.digest not in self._under_way and not self.is_archived(one.digest)]
        if fresh:
            task = asyncio.get_running_loop().create_task(self._archive(fresh))
            self._under_way |= dict.fromkeys((one.digest for one in fresh), task)
            task.add_done_callback(lambda done: self._done(done, fresh))
        for awaited in {self._under_way[one.digest] for one in inputs if one.digest in self._under_way}:
            await _outcome(awaited)

    def _done(self, task: "asyncio.Task[None]", inputs: Sequence[Input]) -> None:
        for one in inputs:
            self._under_way.pop(one.digest, None)
        if not task.cancelled():
            task.exception()  # everybody who waited has it; nobody may have waited to the end

    async def _archive(self, inputs: Sequence[Input]) -> None:
        making = self._records(inputs)
        made = list(making) if len(inputs) <= _INLINE else await asyncio.to_thread(list, making)
        for record, part, contained in made:
            self._keep(contained, await self._log.append(record, (part,)))

    def _records(self, inputs: Sequence[Input]) -> Iterator[tuple[Record, Envelope, Sequence[Input]]]:
        """An `inputs` record with its part for each namespace, several when there are many."""
        tenants: dict[str, list[Input]] = {}
        for one in inputs:
            tenants.setdefault(one.tenant, []).append(one)
        for tenant, its in tenants.items():
            for contents in _parts(its):
                part = self._seal(inputs_bytes([(one.digest, content) for one, content in contents]), tenant)
                tags = {"key": self._tags.key_id, "tenant": self._tags.tag("tenant", tenant)}
                addresses = [self.address(one.digest) for one, _ in contents]
                fields = {
                    **self._origin.fields(self._clock()),
                    "namespace": tenant,
                    "addresses": addresses,
                    "tags": tags,
                }
                yield event_record("inputs", fields), part, [one for one, _ in contents]

    def _keep(self, inputs: Sequence[Input], position: Position) -> None:
        if position.origin != self._written_to:
            self._moved(position.origin)
        if position.origin == self._written_to:
            until = self._seconds() + self._renew
            for one in inputs:
                self._until.pop(one.digest, None)  # so that the oldest stand first
                self._until[one.digest] = until
            while len(self._until) > _ARCHIVED:
                del self._until[next(iter(self._until))]

    def _moved(self, origin: str) -> None:
        """The log goes on under another name: what it needs lies with what went before."""
        if origin not in self._left:  # else it is a late answer about the shard before
            self._left.add(self._written_to)
            self._until.clear()
            self._written_to = origin


def _parts(inputs: Sequence[Input]) -> Iterator[list[tuple[Input, Any]]]:
    """Inputs with their contents, in portions that one part holds."""
    portion: list[tuple[Input, Any]] = []
    size = 0
    for one in inputs:
        content = one.content()
        more = canonical_size(content)
        if portion and (size + more > PART_BYTES or len(portion) == AT_ONCE):
            yield portion
            portion, size = [], 0
        portion.append((one, content))
        size += more
    if portion:
        yield portion


async def _outcome(task: "Awaitable[None]") -> None:
    """Wait for another's work without ending it when this caller is cancelled; an error is each caller's own."""
    try:
        await asyncio.shield(task)
    except LogUnavailable as error:
        raise type(error)(str(error)) from error


def contents_of(opened: Mapping[str, Any]) -> dict[bytes, Any]:
    """Digest and content of each input in an opened part. Raises ValueError when it is no such part."""
    try:
        return {bytes.fromhex(digest): content for digest, content in opened["inputs"]}
    except (KeyError, TypeError) as error:
        raise ValueError("this part holds no inputs") from error
