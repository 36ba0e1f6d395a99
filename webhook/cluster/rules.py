"""The rules in force: built-in packs, files, and the cluster's own objects, compiled anew when one changes.

Files of rules are read once; those with the deployer's own regions and kinds of workloads are followed, as the
cluster's objects are.

What can't be put in force whole leaves the rules of before in force, and is said in readiness, metrics and the log.
"""

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from audit.errors import LogUnavailable
from policies.gathering import engine_of, load_rules, parsed, with_own
from policies.json import JsonObject
from policies.rulebook import RulesInvalid
from policies.snapshot import Ref
from webhook.cluster.resources import Served
from webhook.cluster.views import View
from webhook.stamps import stamp_of

if TYPE_CHECKING:
    from policies.engine import RuleEngine

logger = logging.getLogger("bailiwick.webhook")
_SETTLE = 0.3  # seconds after a change: a `kubectl apply` of ten objects compiles once
_LOOK = 2.0  # seconds between looks at the deployer's own files
_RETRY = 2.0  # seconds until rules that had no record are tried again


class Asked(Protocol):
    """Where rules come from; `webhook.options.Options` is such."""

    @property
    def version(self) -> str: ...

    @property
    def rules(self) -> Sequence[str]: ...

    @property
    def regions(self) -> str | None: ...

    @property
    def catalogue(self) -> str | None: ...

    @property
    def packs(self) -> bool: ...


class Records(Protocol):
    """Who writes down what is in force: `webhook.log.lifecycle.Lifecycle`."""

    def loaded(self, engine: "RuleEngine", *, whole: bool) -> None:
        """`whole`: with the cluster's own rules. Raises LogUnavailable: then the rules are not in force."""
        ...

    def refused(self, reason: str) -> None: ...


class Rules:
    """Holds the engine in force."""

    def __init__(self, asked: Asked, view: View, records: Records | None = None, look: float = _LOOK) -> None:
        """Raises RulesInvalid where the first rules of all can't be put in force, LogUnavailable without a record."""
        self._asked = asked
        self._view = view
        self._records = records
        self._stamps = self._stamped()
        self._files = load_rules(asked.rules, asked.regions, asked.catalogue)
        self._engine: RuleEngine = self._recorded(self._compiled(()), whole=view.rules is None)
        self._pending: threading.Timer | None = None
        self._lock = threading.Lock()
        self._seen = view.rules is None  # have the cluster's own rules been put in force once?
        self.refused = ""
        if asked.regions is not None or asked.catalogue is not None:
            threading.Thread(target=self._follow, args=(look,), name="own-files", daemon=True).start()
        if view.rules is not None:
            view.rules.on_change(self._changed)
            self._changed()  # what was listed before anybody listened

    def engine(self) -> "RuleEngine":
        return self._engine

    @property
    def count(self) -> int:
        return self._engine.policies

    def hindrance(self) -> str | None:
        """Newer rules that are refused don't make the webhook unready: the ones in force go on being enforced."""
        return None if self._seen else "the cluster's policies are not compiled yet"

    def _recorded(self, engine: "RuleEngine", *, whole: bool) -> "RuleEngine":
        """What is in force is written down first. Raises LogUnavailable."""
        if self._records is not None:
            self._records.loaded(engine, whole=whole)
        return engine

    def _changed(self, _: Served | None = None, __: Sequence[Ref] = ()) -> None:
        self._again(_SETTLE)

    def _follow(self, look: float) -> None:
        """Compile anew whenever one of the deployer's own files is another one. Runs as long as the process."""
        while True:
            time.sleep(look)
            stamps = self._stamped()
            if stamps != self._stamps:
                self._stamps = stamps
                self._again(0)

    def _stamped(self) -> tuple[tuple[int, ...], ...]:
        return tuple(stamp_of(Path(file)) for file in (self._asked.regions, self._asked.catalogue) if file is not None)

    def _again(self, seconds: float) -> None:
        with self._lock:
            if self._pending is not None:
                self._pending.cancel()
            self._pending = threading.Timer(seconds, self._renew)
            self._pending.daemon = True
            self._pending.start()

    def _renew(self) -> None:
        followed = self._view.rules
        if followed is not None and followed.missing():
            return  # the rest is still being listed, and will tell
        held = followed.snapshot().objects if followed is not None else {}
        try:
            self._files = with_own(self._files, self._asked.regions, self._asked.catalogue)
            compiled = self._compiled([found for kind in held.values() for found in kind.values()])
            self._engine = self._recorded(compiled, whole=True)
        except RulesInvalid as invalid:
            self.refused = str(invalid)
            logger.error("newer rules are refused, the ones before stay in force:\n%s", invalid)  # noqa: TRY400
            if self._records is not None:
                self._records.refused(self.refused)
            return
        except LogUnavailable as unrecorded:
            self.refused = f"no record could be made of newer rules: {unrecorded}"
            logger.error("%s; the ones before stay in force, trying again", self.refused)  # noqa: TRY400
            self._again(_RETRY)
            return
        self.refused, self._seen = "", True
        logger.info("%d policies in force, rules %s", self.count, self._engine.digest.hex()[:16])

    def _compiled(self, objects: Sequence[JsonObject]) -> "RuleEngine":
        return engine_of((self._files, parsed(objects)), self._asked.version, packs=self._asked.packs)
