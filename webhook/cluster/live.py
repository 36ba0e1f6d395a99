"""The live snapshot: lists and watches what decisions look up, and answers what they still need.

Each kind has a thread that lists, watches and starts over when the watch breaks. Readers get an immutable snapshot,
never a half-applied one. When the API server is out of reach the last snapshot stays, and its age is shown.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import orjson

from policies.decision import Needs
from policies.json import Json
from policies.snapshot import Absent, Answer, Authorization, Lookup, MemorySnapshot, Question, Ref, Snapshot, Unknown
from webhook.cluster.apiserver import ApiServer, ClusterUnavailable
from webhook.cluster.resources import FACTS, Served

logger = logging.getLogger("bailiwick.webhook")

_PAGE = "500"  # objects a list request; the API server's own chunk size
_IDLE = 330.0  # seconds without an event: the API server ends watches after 5 to 10 minutes by itself
_BACKOFF = (0.5, 30.0)  # seconds: first and longest wait before a broken watch is started again

Event = Literal["ADDED", "MODIFIED", "DELETED"]
Listener = Callable[[Served, Sequence[Ref]], None]


class LiveCluster:
    """Holds the snapshot that `snapshot()` gives, and keeps it current until `stop()`."""

    def __init__(self, api: ApiServer, served: Sequence[Served] = FACTS) -> None:
        self._api = api
        self._served = {(found.group, found.kind): found for found in served}
        self._lock = threading.Lock()
        self._snapshot = MemorySnapshot(live=True)
        self._listed: dict[tuple[str, str], float] = {}  # kind -> monotonic time of the last contact
        self._stopped = threading.Event()
        self._listeners: list[Listener] = []

    def snapshot(self) -> MemorySnapshot:
        return self._snapshot

    def on_change(self, listener: Listener) -> None:
        """Call `listener` with the kind and what changed of it, after each change and from the watching thread."""
        self._listeners.append(listener)

    def start(self) -> None:
        for served in self._served.values():
            if served.watched:
                threading.Thread(
                    target=self._follow, args=(served,), name=f"watch {served.plural}", daemon=True
                ).start()

    def stop(self) -> None:
        self._stopped.set()

    def missing(self) -> tuple[str, ...]:
        """Kinds that were never listed yet: until this is empty, the webhook is not ready."""
        watched = [served for served in self._served.values() if served.watched]
        return tuple(served.plural for served in watched if (served.group, served.kind) not in self._listed)

    def age(self) -> float:
        """Seconds since the kind that was heard of longest ago was heard of."""
        return time.monotonic() - min(self._listed.values(), default=time.monotonic())

    def _follow(self, served: Served) -> None:
        wait = _BACKOFF[0]
        while not self._stopped.is_set():
            try:
                version = self._list(served)
                wait = _BACKOFF[0]
                self._watch(served, version)
            except ClusterUnavailable as error:
                logger.warning("%s; trying again in %.1f s", error, wait)
                self._stopped.wait(wait)
                wait = min(wait * 2, _BACKOFF[1])
            except Exception:
                logger.exception("following %s failed; trying again in %.0f s", served.plural, _BACKOFF[1])
                self._stopped.wait(_BACKOFF[1])

    def _list(self, served: Served) -> str:
        found: list[Json] = []
        query = {"limit": _PAGE}
        while True:
            page = self._api.get(served.path(), query, timeout=30.0)
            found.extend(_whole(served, item) for item in page.get("items") or ())
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                self._replace(served, found)
                return str(metadata.get("resourceVersion", ""))
            query = {"limit": _PAGE, "continue": metadata["continue"]}

    def _watch(self, served: Served, version: str) -> None:
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version}
        for event in self._api.watch(served.path(), query, _IDLE):
            if self._stopped.is_set():
                return
            if event["type"] == "ERROR":  # most often: the resource version is too old; list again
                raise ClusterUnavailable(f"watch of {served.plural}: {event['object'].get('message', 'error')}")
            self._listed[served.group, served.kind] = time.monotonic()
            if event["type"] != "BOOKMARK":
                self._apply(served, event["type"], _whole(served, event["object"]))

    def _replace(self, served: Served, found: Iterable[Json]) -> None:
        kind = (served.group, served.kind)
        with self._lock:
            before = self._snapshot.objects.get(kind, {})
            gone = [Ref(*kind, *key) for key in before]
            self._snapshot = self._snapshot.without(gone).with_objects(found).completing([kind])
            self._listed[kind] = time.monotonic()
        self._tell(served, [Ref(*kind, *key) for key in _differing(before, self._snapshot.objects.get(kind, {}))])

    def _apply(self, served: Served, event: Event, found: Json) -> None:
        ref = _ref(served, found)
        with self._lock:
            if event == "DELETED":
                self._snapshot = self._snapshot.without([ref])
            else:
                self._snapshot = self._snapshot.with_objects([found])
        self._tell(served, [ref])

    def _tell(self, served: Served, changed: Sequence[Ref]) -> None:
        for listener in self._listeners:
            listener(served, changed)


def _differing(before: Mapping[tuple[str, str], Json], now: Mapping[tuple[str, str], Json]) -> list[tuple[str, str]]:
    """What came, went, or has another version. A list that is read again mostly says what was known."""
    return [key for key in {**before, **now} if _version(before.get(key)) != _version(now.get(key))]


def _version(found: Json) -> str | None:
    return None if found is None else found["metadata"].get("resourceVersion") or ""


def _whole(served: Served, item: Json) -> Json:
    """Items of a list carry neither apiVersion nor kind; managedFields are of no use here and half of the bytes."""
    version = f"{served.group}/{served.version}" if served.group else served.version
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "apiVersion": version, "kind": served.kind, "metadata": metadata}


def _ref(served: Served, found: Json) -> Ref:
    metadata = found["metadata"]
    return Ref(served.group, served.kind, metadata.get("namespace") or "", metadata["name"])


@dataclass
class ClusterResolver:
    """Answers needs from the API server, all at once, within the deadline. What it can't answer is `Unknown`."""

    api: ApiServer
    snapshot: Callable[[], MemorySnapshot]
    served: Sequence[Served] = FACTS
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8, "resolve"))

    async def resolve(self, needs: Needs, deadline: float) -> Snapshot:
        loop = asyncio.get_running_loop()
        left = max(0.05, deadline - time.monotonic())
        pending = {
            question: loop.run_in_executor(self._pool, self._answer, question, left) for question in needs.questions
        }
        await asyncio.wait(pending.values(), timeout=left)
        return self.snapshot().with_answers({q: _result(q, future) for q, future in pending.items()})

    def _answer(self, question: Question, timeout: float) -> Answer:
        if isinstance(question, Lookup):
            return self._look_up(question.ref, timeout)
        if isinstance(question, Authorization):
            return self._authorize(question, timeout)
        return Answer(Unknown(f"evidence about `{question.reference}`: looking into registries is not switched on"))

    def _look_up(self, ref: Ref, timeout: float) -> Answer:
        served = next((one for one in self.served if (one.group, one.kind) == (ref.group, ref.kind)), None)
        if served is None:
            return Answer(Unknown(f"{ref}: this kind is not read from the cluster"))
        try:
            return Answer(_whole(served, self.api.get(served.path(ref.namespace, ref.name), timeout=timeout)))
        except ClusterUnavailable as error:
            return Answer(Absent() if error.status == 404 else Unknown(f"{ref}: {error}"))

    def _authorize(self, question: Authorization, timeout: float) -> Answer:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": orjson.loads(question.attributes),
        }
        try:
            answer = self.api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", review, timeout)
        except ClusterUnavailable as error:
            return Answer(Unknown(f"the authorizer's answer: {error}"))
        return Answer(answer.get("status") or {})


def _result(question: Question, future: "asyncio.Future[Answer]") -> Answer:
    if future.done() and not future.cancelled() and future.exception() is None:
        return future.result()
    return Answer(Unknown(f"no answer in time about {question}"))
