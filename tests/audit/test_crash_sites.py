"""A fault at every single place where the log asks its disk for something, found by reading the sources.

Beside `test_crashes.py`, which goes through the calls of a run in their order: here each place gets its own fault, also
those that a run passes once, in recovery, rotation, erasure and pruning. What was acknowledged is there afterwards.
"""

import ast
import random
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from audit import AuditError, SealedPart
from audit.errors import PruneRefused
from audit.files.log import FileLog
from audit.files.segments import archive_hash
from audit.files.shards import ShardSettings
from audit.files.store import FileSystem
from audit.leaves.record import event_record
from audit.sealed.erasing import erase_parts
from tests.audit.disks import Fault, SimulatedDisk
from tests.audit.lives import HOME, QUICK, World, aged, breathe, hold, nothing_is_lost, prune
from tests.audit.worlds import NOON, ORIGIN, WRITER, Clock, NoteKey, decision, sealed

MODULES = (
    "sealed/erasing",
    "files/heads",
    "files/holds",
    "files/keeper",
    "files/log",
    "files/pruning",
    "files/publisher",
    "files/recovery",
    "files/segment_writer",
    "files/sharded_log",
    "files/shards",
    "files/signing",
    "files/store",
    "files/tail",
)
Site = tuple[str, int, int]
Ledger = dict[str, bytes]
ERASED = archive_hash(sealed(3)[0].ciphertext)


STRUCK: set[tuple[str, int]] = set()


def _sites() -> Iterator[Site]:
    """Every call of a method of the FileSystem port."""
    methods = {name for name in vars(FileSystem) if not name.startswith("_")}
    for module in MODULES:
        path = Path(__file__).parents[2] / "audit" / f"{module}.py"
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
            if node.func.attr in methods and name in ("files", "_files"):
                yield path.name, node.lineno, node.end_lineno or node.lineno


SITES = sorted(set(_sites()))


@cache
def _begun() -> tuple[SimulatedDisk, Ledger]:
    """A log whose first tile is about to be full, and which was not closed in good order."""
    disk, ledger = SimulatedDisk(), Ledger()
    log = FileLog.open(HOME, origin=ORIGIN, signer=NoteKey(), clock=Clock(), writer=WRITER, settings=QUICK, files=disk)
    items = [(decision(number), [("key", part.ciphertext) for part in _sealed(number)]) for number in range(250)]
    committed = log.append_batch(items)
    for index, (digest, _) in enumerate(committed.pairs, committed.first):
        ledger[f"{ORIGIN}#{index}"] = digest
    log.close_now()
    return disk, ledger


def _sealed(number: int) -> list[SealedPart]:
    return sealed(number) if number < 5 else []


def _world() -> tuple[World, Ledger]:
    disk, ledger = _begun()
    return aged(World(disk=disk.copy(), settings=ShardSettings(keep_days=0))), dict(ledger)


def _life(world: World, ledger: Ledger) -> None:
    """Everything that a log does to its disk, until it is done or the disk refuses."""
    with suppress(AuditError, OSError):
        log = world.open()
        try:
            for number in range(14):
                position = log.append_now(decision(number), sealed(number))
                ledger[f"{position.origin}#{position.index}"] = position.leaf_hash
            log.append_now(hold("case-7"))
            log.append_now(hold("case-7", "lifted"))
            common: dict[str, object] = {"time": NOON, "cluster": "prod-7", "region": "eu-de"}
            log.append_now(event_record("erasure", common | {"sealed": [ERASED.hex()], "basis": "GDPR 17(1)(b)"}))
            erase_parts(world.disk, HOME, [ERASED])
            for _ in range(40):
                if log.status().signed == log.status().size:
                    break
                breathe()
            log.tend()
            log.rotate()
            position = log.append_now(decision(1), sealed(1))
            ledger[f"{position.origin}#{position.index}"] = position.leaf_hash
            prune(log, 0, 0)
        finally:
            log.close_now()
        world.open().close_now()


@cache
def _calls() -> int:
    world, ledger = _world()
    _life(world, ledger)
    return world.disk.calls


def _crashed(chance: random.Random, near: str) -> tuple[World, Ledger]:
    """The disk of a life that lost its power somewhere, or at a place in this file."""
    world, ledger = _world()
    places = [site for site in SITES if site[0] == near]
    anywhere = Fault(chance.randint(1, _calls()), forever=True)
    world.disk.fault = chance.choice([anywhere, Fault(1, site=chance.choice(places), forever=True)])
    _life(world, ledger)
    world.disk.lose_power()
    world.disk = world.disk.after_power_loss(chance)
    return world, ledger


def _check(world: World, ledger: Ledger, what: str) -> None:
    """The log opens, takes a record, and the chain verifies with everything that was acknowledged."""
    world.disk.fault = None
    log = world.open()
    log.append_now(decision(7))
    with suppress(PruneRefused):
        prune(log, 0, 0)
    log.close_now()
    report = world.verify()
    assert report.ok, (what, world.problems())
    nothing_is_lost(world, report, ledger, 0)


@pytest.mark.parametrize("kind", ["EIO", "power"])
def test_a_fault_at_every_place(kind: str) -> None:
    """Each place fails once, or is where the power goes; places of recovery are met in recoveries."""
    assert len(SITES) > 60
    for site in SITES:
        world, ledger = _world()
        world.disk.fault = Fault(1, site=site, forever=kind == "power")
        world.disk.stingy = site[0] == "store.py"  # where short writes are gone on with
        _life(world, ledger)
        world.disk.stingy = False
        STRUCK.update(world.disk.struck)
        if world.disk.hit == 0:
            _while_recovering(site, kind)
            continue
        if kind == "power":
            world.disk.lose_power()
            world.disk = world.disk.after_power_loss(random.Random(site[1]))
        _check(world, ledger, f"{site} {kind}")


def test_every_place_was_struck() -> None:
    """The faults above met every place, those of error paths by a second fault after the first; it can't run alone."""
    if not STRUCK:
        pytest.skip("the runs that collect the places were not made")
    missed = [
        f"{file}:{first}"
        for file, first, last in SITES
        if not any((file, line) in STRUCK for line in range(first, last + 1))
    ]
    assert missed == []


def _while_recovering(site: Site, kind: str) -> None:
    """Some recovery passes this place: it fails there, and the next one finds everything."""
    for seed in range(20):
        world, ledger = _crashed(random.Random(1000 * site[1] + seed), site[0])
        world.disk.fault = Fault(1, site=site, forever=kind == "power")
        with suppress(AuditError, OSError):
            world.open().close_now()
        STRUCK.update(world.disk.struck)
        if world.disk.hit:
            if kind == "power":
                world.disk.lose_power()
                world.disk = world.disk.after_power_loss(random.Random(seed))
            _check(world, ledger, f"{site} {kind} while recovering, {seed}")
            return
