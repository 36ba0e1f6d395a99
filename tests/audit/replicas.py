"""What tests of a shared log need: a ledger of what was acknowledged, and replicas, by hand or under load."""

import asyncio
from typing import Any

from audit import LogUnavailable, Position
from audit.postgres.address import Address
from audit.postgres.log import PostgresLog
from audit.switching import Keeping
from tests.audit.backends import Tables
from tests.audit.wired import wired
from tests.audit.worlds import ORIGIN, SMALL, WRITER, Clock, NoteKey, decision, sealed

Ledger = dict[str, Position]


def count_of(tables: Tables, decision_id: str) -> int:
    """How often a decision is in the log."""
    return sum(record.fields.get("id") == decision_id for record in tables.records())


def check(tables: Tables, ledger: Ledger, refused: set[str]) -> None:
    """Every acknowledged record is where it was said to be, once; a refused one is there at most once; all verifies."""
    report = tables.report()
    assert [str(problem) for problem in report.problems] == []
    places: dict[str, list[int]] = {}
    hashes = {}
    for record in tables.records():
        if "id" in record.fields:
            places.setdefault(record.fields["id"], []).append(record.index)
            hashes[record.index] = record.hash
    for name, position in ledger.items():
        assert places[name] == [position.index], name
        assert hashes[position.index] == position.leaf_hash
    assert all(len(found) == 1 for found in places.values())
    assert places.keys() - ledger.keys() <= refused


async def produce(log: PostgresLog, names: range, ledger: Ledger, refused: set[str], width: int = 16) -> None:
    """Append these decisions, so many at a time; each is tried once."""
    numbers = iter(names)
    async with wired(log) as remote:

        async def one() -> None:
            for number in numbers:
                try:
                    ledger[f"decision-{number}"] = await remote.append(decision(number), sealed(number))
                except LogUnavailable:
                    refused.add(f"decision-{number}")
                    await asyncio.sleep(0.2)

        await asyncio.gather(*[one() for _ in range(width)])


def opened(address: Address, patience: float = 1.0, **changes: Any) -> PostgresLog:
    """A replica by this address, with small bounds."""
    options = {"origin": ORIGIN, "signer": NoteKey(), "clock": Clock(), "writer": WRITER, "settings": SMALL}
    return PostgresLog.open(address, Keeping(**(options | changes)), patience=patience)
