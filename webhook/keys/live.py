"""The region's keyring as it is now: who changes it is another process, and nobody has to restart this one.

Guarantees that what signs, seals and tags goes over to another key at once and as a whole, that a signature and the
public key beside it are of one key, and that a keyring which went back, or that somebody else wrote, is not taken up.
When to go over (after the record of it) is for whoever holds this. A key that was revoked without a successor refuses.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from keymgmt.errors import KeyManagementError, SignerUnavailable
from keymgmt.ports import Binding, Envelope, Sealer, Signer
from webhook.rounds import rounds
from webhook.stamps import stamp_of

logger = logging.getLogger("bailiwick.webhook")

LOOK = 2.0  # seconds between looks


class Keys(Protocol):
    """What signs and seals: a keyring, or one that follows its changes."""

    @property
    def region(self) -> str: ...

    @property
    def jurisdiction(self) -> str: ...

    def signer(self, purpose: str, name: str) -> Signer: ...

    def sealer(self) -> Sealer: ...


class Ring(Keys, Protocol):
    """What can be followed: a keyring of any kind."""

    @property
    def generation(self) -> int:
        """Grows with every change of a key."""
        ...

    def refresh(self) -> bool:
        """Take up what changed, where it is. Raises KeyManagementError."""
        ...


Followed = TypeVar("Followed", bound=Ring)


class LiveKeys(Generic[Followed]):
    """A keyring that may change while it is used. For any threads; `look` and `use` by one of them."""

    def __init__(
        self,
        keyring: Followed,
        paths: Sequence[Path],
        reopen: Callable[[Followed], Followed],
        *,
        others: bool = False,
    ) -> None:
        """`paths`: files one of which changes when the keys do; `reopen`: the same keyring, grown out of this one.

        `others`: some of the keys are not the keyring's own, so that its generation does not tell of them.
        """
        self._keyring = keyring
        self._paths = paths
        self._others = others
        self._reopen = reopen
        self._sealer = keyring.sealer()
        self._stamp: object = (
            self._stamped() if others else None
        )  # the first look looks: it may have changed since it was opened
        self._signers: dict[tuple[str, str], Signer] = {}
        self.trouble = ""  # why the present keyring can't be taken up

    @property
    def keyring(self) -> Followed:
        """The one in use."""
        return self._keyring

    @property
    def region(self) -> str:
        return self._keyring.region

    @property
    def jurisdiction(self) -> str:
        return self._keyring.jurisdiction

    def look(self) -> Followed | None:
        """The keyring as it lies on disk, if it is another than the one in use. Costs a stat while nothing happens."""
        now = self._stamped()
        if now == self._stamp:
            return None
        try:
            fresh = self._reopen(self._keyring)
        except KeyManagementError as error:
            self._told(str(error))
            return None  # and look again: a change may be under way
        self._stamp = now
        self.trouble = ""
        return fresh if self._others or fresh.generation != self._keyring.generation else None

    def look_again(self) -> None:
        """The next look looks, whether or not anything has changed since the last one."""
        self._stamp = None

    def use(self, fresh: Followed) -> None:
        """From now on this one."""
        self._signers, self._sealer, self._keyring = {}, fresh.sealer(), fresh

    def refuse(self, why: str) -> None:
        """It can't be gone over to: keys that were revoked work no more, the others stay in use."""
        self._told(why)
        with suppress(KeyManagementError):
            self._keyring.refresh()

    def signer(self, purpose: str, name: str) -> Signer:
        """Signs with whatever version is active. Raises NoSuchKey when there is none now."""
        self._keyring.signer(purpose, name)
        return _LiveSigner(name, purpose, self)

    def sealer(self) -> Sealer:
        """Seals to whatever version is active."""
        return _LiveSealer(self)

    def seal(self, data: bytes, bound: Binding) -> Envelope:
        """As a sealer's."""
        return self._sealer.seal(data, bound)

    def signing(self, purpose: str, name: str) -> Signer:
        """The signer of now. Raises SignerUnavailable."""
        signers = self._signers
        found = signers.get((purpose, name))
        if found is None:
            try:
                found = signers[purpose, name] = self._keyring.signer(purpose, name)
            except KeyManagementError as error:
                raise SignerUnavailable(str(error)) from error
        return found

    @contextmanager
    def followed(self, ready: Callable[[Followed], bool]) -> Iterator[None]:
        """While this runs, a thread goes over to new keys once they are `ready`, which may raise KeyManagementError."""

        def look() -> None:
            fresh = self.look()
            if fresh is None:
                return
            try:
                if ready(fresh):
                    self.use(fresh)
                else:
                    self.look_again()
            except KeyManagementError as error:
                self.refuse(str(error))

        with rounds("keys", LOOK, look):
            yield

    def _told(self, why: str) -> None:
        if why != self.trouble:
            logger.critical("the keyring has changed and can't be taken up: %s", why)
        self.trouble = why

    def _stamped(self) -> object:
        return [stamp_of(path) for path in self._paths]


class _LiveSigner:
    """Whoever reads the public key and then signs has both of one key, each thread for itself."""

    def __init__(self, name: str, purpose: str, keys: LiveKeys[Any]) -> None:
        self.name = name
        self._purpose = purpose
        self._keys = keys
        self._shown = threading.local()

    @property
    def public_key(self) -> bytes:
        self._shown.signer = self._keys.signing(self._purpose, self.name)
        return bytes(self._shown.signer.public_key)

    def sign(self, message: bytes) -> bytes:
        shown: Signer | None = getattr(self._shown, "signer", None)
        signer = shown or self._keys.signing(self._purpose, self.name)
        self._shown.signer = None
        return signer.sign(message)


class _LiveSealer:
    def __init__(self, keys: LiveKeys[Any]) -> None:
        self._keys = keys

    def seal(self, data: bytes, bound: Binding) -> Envelope:
        return self._keys.seal(data, bound)
