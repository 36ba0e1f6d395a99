"""The records of what isn't a decision: settings, rules put in force or refused, keys changed, the guard set aside.

Guarantees that rules decide nothing before the record that they are in force is durable, and that what sets the guard
aside (a namespace exempted, a policy that no longer refuses) has a record of its own. Genesis, start, stop and
heartbeats are the log's own business.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from audit.errors import LogClosed, LogUnavailable
from audit.key_changes import RESTARTED, Change
from audit.leaves.record import Input, Record, event_record
from audit.ports import Envelope, Position
from audit.sealed.inputs import Origin
from policies.json import Json, canonical
from webhook.log.beside import left, put

if TYPE_CHECKING:
    from policies.engine import RuleEngine
    from policies.facts.law import Law

LONGEST = 30.0  # seconds that a thread waits for a record
REASON = 512  # characters of why rules were refused
GUARDED = "guarded.json"  # beside the log: what the rules of the last run guarded


class Archive(Protocol):
    """The log with its archive: `audit.sealed.inputs.SharedInputs`."""

    async def append(self, record: Record, sealed: Sequence[Envelope] = ()) -> Position: ...

    async def archive(self, inputs: Sequence[Input]) -> None: ...


@dataclass(frozen=True, slots=True)
class Guard:
    """What rules guard: namespaces that they leave out, policies that refuse, and those that once did."""

    exempt: frozenset[str]
    denying: frozenset[str]
    aside: frozenset[str] = frozenset()


class Lifecycle:
    """Writes these records of one process."""

    def __init__(
        self,
        archive: Archive,
        origin: Origin,
        clock: Callable[[], datetime],
        in_force: Callable[["Law"], Input],
        remembered: Path | None = None,
    ) -> None:
        """`remembered`: where the guard of the last run is kept, so that what changed meanwhile is noticed."""
        self._origin = origin
        self._clock = clock
        self._archive = archive
        self._in_force = in_force
        self._remembered = remembered
        self._guard = _read(remembered)  # None before the first rules of all

    async def configured(self, settings: Mapping[str, Json]) -> None:
        """The process runs with these settings; only their digest is recorded. Raises LogUnavailable."""
        await self._write("config", {"what": "the command's settings", "now": sha256(canonical(settings)).hexdigest()})

    async def keys_used(self, path: Path, used: Mapping[str, str], why: str = RESTARTED) -> None:
        """These keys are used from here on, by purpose; what was used before lies at `path`. Raises LogUnavailable.

        Their ids and verifier keys are public. The file changes once every record of it is durable.
        """
        before = left(path)
        for purpose, key in sorted(used.items()):
            if before.get(purpose, key) != key:
                await self._write("key-rotation", Change(purpose, key, before[purpose]).fields(why))
        if before != used:
            put(path, used)

    async def loaded(self, engine: "RuleEngine", *, whole: bool = True) -> None:
        """Put these rules in force once this returns, and not when it raises. Raises LogUnavailable.

        Not `whole` are those of a start before the cluster's own rules are known: nothing is compared with them.
        """
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
        if whole:
            await self._compare(Guard(law.exempt, _denying(law)), digest)

    async def refused(self, reason: str) -> None:
        """Newer rules were not put in force; the ones before stay. Raises LogUnavailable."""
        await self._write("policy-load", {"outcome": "refused", "reason": reason[:REASON]})

    async def _compare(self, now: "Guard", digest: str) -> None:
        """Say what the rules before guarded and these don't, and what is guarded again."""
        before = self._guard
        if before is not None:
            await self._break_glass("exemption", "opened", now.exempt - before.exempt, digest)
            await self._break_glass("exemption", "closed", before.exempt - now.exempt, digest)
            await self._break_glass("enforcement", "opened", before.denying - now.denying, digest)
            await self._break_glass("enforcement", "closed", now.denying & before.aside, digest)
            now = replace(now, aside=(before.aside | (before.denying - now.denying)) - now.denying)
        if now != before:
            self._guard = now
            _write(self._remembered, now)

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

    def loaded(self, engine: "RuleEngine", *, whole: bool) -> None:
        """Raises LogUnavailable."""
        self._wait(self._lifecycle.loaded(engine, whole=whole))

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


def _read(path: Path | None) -> Guard | None:
    """The guard of the last run; None where there was none, or where nobody can read what it left."""
    if path is None or not path.exists():
        return None
    try:
        said = left(path)
        return Guard(*(frozenset(said[name]) for name in ("exempt", "denying", "aside")))
    except (ValueError, KeyError, TypeError):
        return None


def _write(path: Path | None, guard: Guard) -> None:
    if path is not None:
        put(path, {name: sorted(getattr(guard, name)) for name in ("exempt", "denying", "aside")})
