"""The records of what isn't a decision: settings, rules put in force or refused, keys changed, the guard set aside.

Guarantees that rules decide nothing before the record that they are in force is durable, and that what sets the guard
aside (a namespace exempted, a policy that no longer refuses) has a record of its own. Genesis, start, stop and
heartbeats are the log's own business.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from audit.errors import LogClosed, LogUnavailable
from audit.inputs import Origin
from audit.ports import Envelope, Position
from audit.record import Input, Record, event_record
from policies.json import Json, canonical

if TYPE_CHECKING:
    from policies.engine import RuleEngine
    from policies.facts.law import Law

LONGEST = 30.0  # seconds that a thread waits for a record
REASON = 512  # characters of why rules were refused
IN_USE = "keys-in-use.json"  # beside the log: which keys the last run used


class Archive(Protocol):
    """The log with its archive: `audit.inputs.SharedInputs`."""

    async def append(self, record: Record, sealed: Sequence[Envelope] = ()) -> Position: ...

    async def archive(self, inputs: Sequence[Input]) -> None: ...


class Lifecycle:
    """Writes these records of one process."""

    def __init__(
        self,
        archive: Archive,
        origin: Origin,
        clock: Callable[[], datetime],
        in_force: Callable[["Law"], Input],
    ) -> None:
        self._origin = origin
        self._clock = clock
        self._archive = archive
        self._in_force = in_force
        self._exempt: frozenset[str] | None = None  # of the rules before
        self._denying: frozenset[str] = frozenset()
        self._set_aside: set[str] = set()  # policies that stopped refusing in this run

    async def configured(self, settings: Mapping[str, Json]) -> None:
        """The process runs with these settings; only their digest is recorded. Raises LogUnavailable."""
        await self._write("config", {"what": "the command's settings", "now": sha256(canonical(settings)).hexdigest()})

    async def keys_used(self, path: Path, used: Mapping[str, str]) -> None:
        """These keys are used from here on, by purpose; what the run before used lies at `path`. Raises LogUnavailable.

        Their ids and verifier keys are public.
        """
        before: dict[str, Any] = orjson.loads(path.read_bytes()) if path.exists() else {}
        for purpose, key in sorted(used.items()):
            if before.get(purpose, key) != key:
                changed = {"purpose": purpose, "new_key": key, "old_key": before[purpose]}
                await self._write("key-rotation", {**changed, "reason": "another key than in the run before"})
        if before != used:
            fresh = path.with_name(f".{path.name}.new")
            fresh.write_bytes(orjson.dumps(dict(used), option=orjson.OPT_INDENT_2))
            fresh.replace(path)

    async def loaded(self, engine: "RuleEngine") -> None:
        """Put these rules in force once this returns, and not when it raises. Raises LogUnavailable."""
        law = engine.law
        names = [policy.metadata.name for policy in law.rulebook.policies]
        await self._archive.archive([self._in_force(law)])
        digest = engine.digest.hex()
        await self._write(
            "policy-load",
            {
                "outcome": "loaded",
                "policies": names,
                "count": len(names),
                "policies_digest": digest,
                "data_digest": law.data_digest.hex(),
                "exempt": sorted(law.exempt),
            },
        )
        denying = _denying(law)
        if self._exempt is not None:
            await self._exemptions(self._exempt, law.exempt, digest)
            await self._enforcement(self._denying, denying, digest)
        self._exempt, self._denying = law.exempt, denying

    async def refused(self, reason: str) -> None:
        """Newer rules were not put in force; the ones before stay. Raises LogUnavailable."""
        await self._write("policy-load", {"outcome": "refused", "reason": reason[:REASON]})

    async def _exemptions(self, before: frozenset[str], now: frozenset[str], digest: str) -> None:
        await self._break_glass("exemption", "opened", now - before, digest)
        await self._break_glass("exemption", "closed", before - now, digest)

    async def _enforcement(self, before: frozenset[str], now: frozenset[str], digest: str) -> None:
        await self._break_glass("enforcement", "opened", before - now, digest)
        await self._break_glass("enforcement", "closed", now & self._set_aside, digest)
        self._set_aside = (self._set_aside | (before - now)) - now

    async def _break_glass(self, what: str, state: str, names: "frozenset[str] | set[str]", digest: str) -> None:
        if names:
            told = {"what": what, "state": state, "names": sorted(names), "policies_digest": digest}
            await self._write("break-glass", told)

    async def _write(self, schema: str, fields: Mapping[str, object]) -> None:
        await self._archive.append(event_record(schema, {**self._origin.fields(self._clock()), **fields}))


class FromThreads:
    """`Lifecycle` for the threads that load rules. Blocks them; never to be called from the event loop itself."""

    def __init__(self, lifecycle: Lifecycle, loop: asyncio.AbstractEventLoop) -> None:
        self._lifecycle = lifecycle
        self._loop = loop

    def loaded(self, engine: "RuleEngine") -> None:
        """Raises LogUnavailable."""
        self._wait(self._lifecycle.loaded(engine))

    def refused(self, reason: str) -> None:
        """A log that takes no records is told of elsewhere."""
        with suppress(LogUnavailable):
            self._wait(self._lifecycle.refused(reason))

    def _wait(self, told: Coroutine[Any, Any, None]) -> None:
        try:
            future = asyncio.run_coroutine_threadsafe(told, self._loop)
        except RuntimeError as ended:
            told.close()
            raise LogClosed("the process ends") from ended
        try:
            future.result(LONGEST)
        except (TimeoutError, CancelledError) as late:
            future.cancel()
            raise LogUnavailable("the record was not durable in time") from late


def _denying(law: "Law") -> frozenset[str]:
    """The policies that refuse what fails them."""
    return frozenset(
        policy.metadata.name for policy in law.rulebook.policies if "Deny" in (policy.spec.validation_actions or ())
    )
