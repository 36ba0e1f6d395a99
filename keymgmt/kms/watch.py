"""The keyring as the plugin stands with it: looked at again and again, never while the API server waits.

Guarantees: `standing` is an immutable value that costs nothing to read; it is good only while the last successful look
is young; a look proves the way to the key service by opening a sealed probe, remembers what it saw before anything is
written under it, and notices what went back. Time is given by whoever makes it; the thread is in `Watcher`.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from keymgmt.canonical import stamp
from keymgmt.envelopes.envelope import UnverifiedEnvelope
from keymgmt.envelopes.opening import Memory as OpenerMemory
from keymgmt.envelopes.opening import RegionOpener
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.envelopes.wrapping import Recipient, recipient_of
from keymgmt.errors import KeyManagementError, NoSuchKey
from keymgmt.file.document import Head
from keymgmt.keys import KeyFacts
from keymgmt.kms.memory import Memory, Seen
from keymgmt.kms.reasons import PASSING, Reason, reason_of
from keymgmt.kms.serving import Ripening, to_serve
from keymgmt.kms.usage import KeyUse, LoggedUses, Uses, bound_hash
from keymgmt.ports import Binding
from keymgmt.secret import Secret
from keymgmt.states import MAY, Use

log = logging.getLogger("bailiwick.kms")


class Keyring(Protocol):
    """What is asked of a region's keyring, whatever keeps its keys."""

    @property
    def region(self) -> str: ...

    @property
    def generation(self) -> int: ...

    def keys(self) -> tuple[KeyFacts, ...]:
        """Every version known."""
        ...

    def refresh(self) -> bool:
        """Take up what changed. Raises KeyManagementError, and then nothing has changed."""
        ...

    def unwrap(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:
        """The data key. Raises EnvelopeInvalid, KeyRevoked, KeyServiceError."""
        ...


@dataclass(frozen=True, slots=True)
class Backend:
    """How to get at a keyring, and how it behaves."""

    connect: Callable[[Seen], Keyring]  # raises KeyManagementError
    head: Callable[[Keyring], Head | None]  # of what it has seen, for the memory
    waits: bool  # whether opening may take the time of a network
    assurance: str
    # the key service's id of this thread's last request, once; for records of use
    request_id: Callable[[], str] = lambda: ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand: immutable, replaced whole."""

    reason: Reason = Reason.STARTING
    key: KeyFacts | None = None  # written with; the last one while things are bad
    keys: Mapping[str, KeyFacts] = field(default_factory=dict)  # every version known, by its id
    seen_at: float = float("-inf")  # monotonic seconds of the last good look
    losses: int = 0  # grows when remembered data keys must go

    def known(self, key_id: str) -> KeyFacts | None:
        """The version of an id, if it ever was this region's."""
        return self.keys.get(key_id)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When to look. Raises ValueError for intervals that cannot work."""

    interval: float = 10.0  # seconds between looks
    patience: float = 25.0  # seconds that a good look stays good: two intervals and a call

    def __post_init__(self) -> None:
        if not 0 < self.interval <= self.patience <= 120:
            raise ValueError("patience is at least the interval, and two minutes at most")


@dataclass
class Watch:
    """The looking itself, one look at a time."""

    backend: Backend
    memory: Memory
    bound: Binding
    ripening: Ripening = field(default_factory=Ripening)
    rhythm: Rhythm = field(default_factory=Rhythm)
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    entropy: Callable[[int], bytes] = os.urandom
    uses: Uses = field(default_factory=LoggedUses)  # a probe is a use, too

    def __post_init__(self) -> None:
        self.keyring: Keyring | None = None
        self._standing = Standing()
        self._seen: Seen | None = None
        self._observed: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Watch({self.bound.region})"

    @property
    def standing(self) -> Standing:
        """As of now: what was good and has not been seen for too long is `stale`. Never waits."""
        standing = self._standing
        if standing.reason is Reason.OK and self.clock() - standing.seen_at > self.rhythm.patience:
            return replace(standing, reason=Reason.STALE, losses=standing.losses + 1)
        return standing

    def look(self) -> Standing:
        """Look once, and say how things stand. Raises nothing: a failure is a standing."""
        try:
            found = self._looked()
        except KeyManagementError as error:
            found = self._failed(reason_of(error), str(error))
        except Exception as error:  # noqa: BLE001  # a fault of ours must not end the watching
            found = self._failed(Reason.FAULT, f"{type(error).__name__}")
        self._say(found)
        self._standing = found
        return found

    def _looked(self) -> Standing:
        began = self.clock()  # what is seen is as old as the asking
        if self._seen is None:
            self._seen = self.memory.load()
        keyring, is_new = self.keyring, self.keyring is None
        if keyring is None:
            keyring = self.backend.connect(self._seen)
        else:
            keyring.refresh()
        self.keyring = keyring
        keys = keyring.keys()
        self._observe(keys, is_new=is_new)
        key = to_serve(
            keys,
            self.bound.purpose,
            served=self._seen.served,
            observed=self._observed,
            now=self.now(),
            ripening=self.ripening,
        )
        self._probe(keyring, key)
        seen = Seen(keys, self.backend.head(keyring), key.version)
        self.memory.store(seen)  # before anything is written with it: a restart must not go back
        self._seen = seen
        return Standing(Reason.OK, key, _by_id(keys), began, self._standing.losses)

    def _observe(self, keys: Sequence[KeyFacts], *, is_new: bool) -> None:
        for key in keys:
            if Use.OPEN in MAY[key.state]:
                first = self.ripening.observations if is_new else 0
                self._observed[key.key_id] = self._observed.get(key.key_id, first) + 1

    def _probe(self, keyring: Keyring, key: KeyFacts) -> None:
        """Seal something and have it opened by the keyring. Raises what opening raises, or UseUnrecorded."""
        began, at = self.clock(), stamp(self.now())
        sealed = RegionSealer(OneKey(key)).seal(self.entropy(32), self.bound)
        outcome = Reason.FAULT
        try:
            RegionOpener(keyring, memory=OpenerMemory(uses=0)).open(sealed.to_bytes(), self.bound)
            outcome = Reason.OK
        except Exception as error:
            outcome = reason_of(error)
            raise
        finally:
            took = round(self.clock() - began, 6)
            self.uses.record(
                KeyUse(
                    operation="probe",
                    region=key.region,
                    key_id=key.key_id,
                    version=key.version,
                    bound=bound_hash(self.bound),
                    uid="",
                    at=at,
                    seconds=took,
                    asked=True,
                    outcome=outcome.value,
                    request_id=self.backend.request_id(),
                )
            )

    def _failed(self, reason: Reason, text: str) -> Standing:
        before = self._standing
        if reason is Reason.UNREACHABLE and before.reason is Reason.OK and self.standing.reason is Reason.OK:
            log.warning("the keyring could not be looked at, and still counts as seen: %s", text)
            return before
        if reason is not before.reason:  # once, not at every look
            log.error("%s: %s", reason.value, text)
        keys = self.keyring.keys() if self.keyring else ()
        return Standing(reason, before.key, _by_id(keys), before.seen_at, before.losses + 1)

    def _say(self, found: Standing) -> None:
        before = self._standing
        if found.reason is Reason.OK and before.reason is not Reason.OK:
            log.info("the keyring of %s is in order", self.bound.region)
        if found.key is not None and found.key != before.key:
            log.info("writing with key %s, version %d", found.key.key_id, found.key.version)

    @property
    def waits(self) -> bool:
        """Whether opening may take the time of a network."""
        return self.backend.waits

    def may_open(self) -> Reason:
        """OK when it is worth asking the keyring to open something; otherwise why not."""
        reason = self.standing.reason
        if self.keyring is None:
            return reason if reason is not Reason.OK else Reason.STARTING
        return Reason.OK if reason is Reason.OK or reason in PASSING or reason is Reason.NO_KEY else reason


def _by_id(keys: Sequence[KeyFacts]) -> dict[str, KeyFacts]:
    return {key.key_id: key for key in keys}


@dataclass(frozen=True, slots=True)
class OneKey:
    """Seals to one version, whatever the keyring calls active."""

    key: KeyFacts
    generation: int = 0

    @property
    def region(self) -> str:
        """Whose key it is."""
        return self.key.region

    def recipient(self, purpose: str) -> Recipient:
        """The key itself. Raises NoSuchKey for another purpose, or a key that seals nothing."""
        found = recipient_of(self.key) if self.key.purpose == purpose else None
        if found is None:
            raise NoSuchKey(f"key {self.key.address} does not seal for `{purpose}`; use rsa-4096 or hpke-x25519")
        return found


class Watcher:
    """A thread that looks at every interval, and sooner when nudged."""

    def __init__(self, watch: Watch, *, jitter: Callable[[], float] = lambda: 0.0) -> None:
        self._watch = watch
        self._jitter = jitter  # 0..1: replicas shall not ask in step
        self._nudged = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="kms-watch", daemon=True)

    def start(self) -> None:
        """Look for the first time, soon."""
        self._thread.start()

    def nudge(self) -> None:
        """Look soon: somebody named a key that is not known."""
        self._nudged.set()

    def stop(self, seconds: float = 5.0) -> None:
        """Look no more."""
        self._over = True
        self._nudged.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._over:
            self._watch.look()
            rhythm = self._watch.rhythm
            least = rhythm.interval / 5  # nudged or not: strangers shall not make us ask without end
            pause = rhythm.interval * (0.9 + 0.2 * self._jitter())
            started = time.monotonic()
            self._nudged.wait(pause)
            if not self._over and (left := least - (time.monotonic() - started)) > 0:
                time.sleep(left)
            self._nudged.clear()
