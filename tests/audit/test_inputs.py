"""Inputs that many records share: durable before the first record that names them, stored once, forgotten in time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson
import pytest

from audit import LogUnavailable, Position, Record, SealedPart
from audit.leaves.record import Input, opened_fields
from audit.leaves.shapes import check_leaf
from audit.ports import Envelope
from audit.sealed.inputs import AT_ONCE, Origin, SharedInputs, contents_of
from tests.audit.worlds import TAGGER, Clock, decision


@dataclass
class SlowLog:
    """Keeps records; `gate` makes appends wait, `broken` refuses them, `name` is the shard's."""

    name: str = "log/1"
    broken: bool = False
    gate: asyncio.Event | None = None
    kept: list[tuple[Record, Sequence[Envelope]]] = field(default_factory=list)

    async def append(self, record: Record, sealed: Sequence[Envelope] = ()) -> Position:
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise LogUnavailable("as asked")
        self.kept.append((record, sealed))
        return Position(self.name, len(self.kept) - 1, bytes(32))

    def schemas(self) -> list[str]:
        return [record.schema.split(".")[1].split("/")[0] for record, _ in self.kept]


@dataclass
class World:
    """A log, what is shared through it, and a clock of seconds."""

    log: SlowLog = field(default_factory=SlowLog)
    seconds: float = 0.0
    made: int = 0

    def __post_init__(self) -> None:
        origin = Origin("prod-7", "eu-de", "0.1.0")
        self.shared = SharedInputs(
            self.log,
            lambda plain, tenant: SealedPart(f"key-for-{tenant}", plain),
            TAGGER,
            origin,
            Clock(),
            renew=100.0,
            seconds=lambda: self.seconds,
        )

    def input(self, number: int = 0, tenant: str = "team-1") -> Input:
        def content() -> dict[str, Any]:
            self.made += 1
            return {"number": number}

        return Input(sha256(b"%d" % number).digest(), tenant, content)

    def record(self, *inputs: Input) -> Record:
        return decision(1)._replace(needs=inputs)


async def test_an_input_comes_before_the_record_that_needs_it() -> None:
    """The part goes into the log first, under an address that says nothing of the content."""
    world = World()
    one = world.input()
    await world.shared.append(world.record(one))
    assert world.log.schemas() == ["inputs", "decision"]
    record, (part,) = world.log.kept[0]
    leaf = orjson.loads(record.body)
    assert check_leaf(leaf)
    assert leaf["addresses"] == [world.shared.address(one.digest)] != [one.digest.hex()[:32]]
    assert leaf["namespace"] == "team-1"
    assert contents_of(opened_fields(part.to_bytes())) == {one.digest: {"number": 0}}


async def test_it_is_stored_once() -> None:
    """The next records that need it append nothing but themselves, and its content isn't even made."""
    world = World()
    for _ in range(5):
        await world.shared.append(world.record(world.input()))
    assert world.log.schemas() == ["inputs", *["decision"] * 5]
    assert world.made == 1
    assert world.shared.is_archived(world.input().digest)


async def test_records_that_come_together_wait_for_one_part() -> None:
    """Sixty-four records at a time that need the same new input make one part, and none overtakes it."""
    world = World()
    world.log.gate = asyncio.Event()
    waiting = [asyncio.create_task(world.shared.append(world.record(world.input()))) for _ in range(64)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    world.log.gate.set()
    await asyncio.gather(*waiting)
    assert world.log.schemas() == ["inputs", *["decision"] * 64]


async def test_what_is_not_durable_is_not_named() -> None:
    """A log that takes no part takes no record that needs it; later both get in."""
    world = World(SlowLog(broken=True))
    with pytest.raises(LogUnavailable):
        await world.shared.append(world.record(world.input()))
    assert not world.shared.is_archived(world.input().digest)
    world.log.broken = False
    await world.shared.append(world.record(world.input()))
    assert world.log.schemas() == ["inputs", "decision"]


async def test_a_caller_that_goes_away_takes_nothing_from_the_others() -> None:
    """A record whose caller has run out of time leaves the part that others wait for under way."""
    world = World()
    world.log.gate = asyncio.Event()
    first = asyncio.create_task(world.shared.append(world.record(world.input())))
    second = asyncio.create_task(world.shared.append(world.record(world.input())))
    await asyncio.sleep(0)
    first.cancel()
    world.log.gate.set()
    await second
    assert first.cancelled()
    assert world.log.schemas() == ["inputs", "decision"]


async def test_it_is_archived_anew_in_another_log_and_after_a_time() -> None:
    """No record depends on a part of a log before its own, nor on one that is much older than itself."""
    world = World()
    await world.shared.append(world.record(world.input()))
    world.seconds = 101.0
    assert not world.shared.is_archived(world.input().digest)
    await world.shared.append(world.record(world.input()))
    world.log.name = "log/2"
    await world.shared.append(world.record())
    await world.shared.append(world.record(world.input()))
    assert world.log.schemas() == ["inputs", "decision", "inputs", "decision", "decision", "inputs", "decision"]
    assert world.made == 3


async def test_a_record_under_way_while_a_shard_begins() -> None:
    """Records that reach the next shard unawares find their inputs there before anybody has an answer, once."""
    world = World()
    await world.shared.append(world.record(world.input()))
    world.log.gate = asyncio.Event()
    crossing = [asyncio.create_task(world.shared.append(world.record(world.input()))) for _ in range(8)]
    await asyncio.sleep(0)
    world.log.name = "log/2"
    world.log.gate.set()
    await asyncio.gather(*crossing)
    assert world.log.schemas() == ["inputs", "decision", *["decision"] * 8, "inputs"]
    await world.shared.append(world.record(world.input()))
    assert world.log.schemas()[-1] == "decision"


async def test_namespaces_do_not_share_a_part() -> None:
    """Each part is of one namespace, which can then be erased alone; many inputs become several parts."""
    world = World()
    inputs = [world.input(number, f"team-{number % 2}") for number in range(2 * AT_ONCE + 10)]
    await world.shared.append(world.record(*inputs))
    leaves = [orjson.loads(record.body) for record, _ in world.log.kept[:-1]]
    assert [leaf["namespace"] for leaf in leaves] == ["team-0", "team-0", "team-1", "team-1"]
    assert sum(len(leaf["addresses"]) for leaf in leaves) == len(inputs)
    assert all("cut" not in leaf for leaf in leaves)
    assert {part.key_id for _, (part,) in world.log.kept[:-1]} == {"key-for-team-0", "key-for-team-1"}  # type: ignore[attr-defined]
