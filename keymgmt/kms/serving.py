"""Which version of a key the plugin writes with: the newest that every replica has had time to learn of. Pure.

Guarantees: replicas that see the same keyring come to the same answer, because it hangs on the key's own time of
creation; a version once served is never followed by an older one; a version that somebody else may not know yet is
opened and not written with. Which versions exist is the keyring's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keymgmt.errors import NoSuchKey
from keymgmt.keys import KeyFacts
from keymgmt.states import MAY, State, Use


@dataclass(frozen=True, slots=True)
class Ripening:
    """When a new version may be written with. Raises ValueError for less than replicas need to learn of it."""

    delay: timedelta = timedelta(minutes=3)  # after its creation: longer than every replica's interval, and lag
    observations: int = 3  # of the version while running, so that a clock that is ahead does no harm alone

    def __post_init__(self) -> None:
        if self.delay < timedelta(0) or self.observations < 1:
            raise ValueError("a new version needs a delay of zero or more, and one observation or more")


def to_serve(
    keys: Sequence[KeyFacts],
    purpose: str,
    *,
    served: int,
    observed: Mapping[str, int],
    now: datetime,
    ripening: Ripening,
) -> KeyFacts:
    """The version to write with. Raises NoSuchKey when there is none, or only ones older than `served`.

    `served` is the version written with so far, 0 for none; `observed` counts sightings by key id, for versions that
    appeared while we looked: one that was there from the start is in no need of them.
    """
    versions = [key for key in keys if key.purpose == purpose and Use.OPEN in MAY[key.state]]
    active = next((key for key in versions if key.state is State.ACTIVE), None)
    if active is None or active.version < served:
        raise NoSuchKey(f"no version {max(served, 1)} or newer of `{purpose}` is active; look at the keyring")
    older = [key for key in versions if served <= key.version < active.version]
    for key in (active, *sorted(older, key=lambda one: -one.version)):
        if key.version == served or _is_ripe(key, observed, now, ripening):
            return key
    return older[0] if older else active  # nothing is ripe: what others have known for longest


def _is_ripe(key: KeyFacts, observed: Mapping[str, int], now: datetime, ripening: Ripening) -> bool:
    sightings = observed.get(key.key_id, ripening.observations)
    return now - key.created >= ripening.delay and sightings >= ripening.observations
