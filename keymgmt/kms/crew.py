"""A few threads that answer; one that has to wait for somebody outside is stood in for as long as it waits.

So answers that take microseconds never queue behind calls that take seconds, and the interpreter is not shared by more
threads than can be at work. How many may wait at once is for whoever lets them.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")
Task = tuple["Future[Any]", Callable[[], Any]]


class Crew(Executor):
    """As `concurrent.futures.ThreadPoolExecutor`, of a fixed size but for those that wait."""

    def __init__(self, size: int, name: str) -> None:
        self._name = name
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._wanted = size  # threads: those at work or idle, and those that wait
        self._there = 0
        self._over = False
        with self._lock:
            self._fill()

    def submit(self, task: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> "Future[Result]":
        """Have it done by the next thread that is free. Raises RuntimeError after `shutdown`."""
        if self._over:
            raise RuntimeError("the crew has gone home")
        future: Future[Result] = Future()
        self._tasks.put((future, lambda: task(*args, **kwargs)))
        return future

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within, the calling thread of the crew waits, and another one does its work."""
        with self._lock:
            self._wanted += 1
            self._fill()
        try:
            yield
        finally:
            with self._lock:
                self._wanted -= 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  # nothing to wait for
        """Take nothing more; threads end with what they do."""
        with self._lock:
            self._over = True
            for _ in range(self._there):
                self._tasks.put(None)

    def _fill(self) -> None:
        """Start what is missing, by whoever holds the lock."""
        while self._there < self._wanted:
            self._there += 1
            threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            _do(*task)
            del task  # what it held is not kept until the next one comes
            with self._lock:
                if self._there > self._wanted:
                    self._there -= 1
                    return


def _do(future: "Future[Any]", task: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = task()
    except BaseException as error:  # noqa: BLE001  # whoever asked for it gets it
        future.set_exception(error)
    else:
        future.set_result(result)
