"""Work shared among processes, its results in the order of the tasks; with one process, done on the spot.

Guarantees that only a few results wait to be taken, however many tasks there are. Functions and arguments cross
processes: functions of a module, and values that can be pickled.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Self, TypeVar

T = TypeVar("T")
AHEAD = 3  # tasks a process, so that none waits for its next one


class Crew:
    """So many processes, started with the first work that is worth it, gone at the end of the `with` block."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def work(self, function: Callable[..., T], tasks: Sequence[tuple[Any, ...]]) -> Iterator[T]:
        """`function(*task)` for each task, in order; raises what it raises."""
        if self._jobs < 2 or len(tasks) < 2:
            yield from (function(*task) for task in tasks)
            return
        if self._pool is None:  # processes begun anew: a fork of a process with threads may hang
            self._pool = ProcessPoolExecutor(self._jobs, mp_context=get_context("spawn"))
        waiting: deque[tuple[Future[T], tuple[Any, ...]]] = deque()
        for task in tasks:
            waiting.append((self._submitted(function, task), task))
            if len(waiting) >= self._jobs * AHEAD:
                yield self._result(function, *waiting.popleft())
        while waiting:
            yield self._result(function, *waiting.popleft())

    def _result(self, function: Callable[..., T], future: "Future[T]", task: tuple[Any, ...]) -> T:
        """What the other process found; done here where it can't be started or was killed."""
        try:
            return future.result()
        except BrokenExecutor:
            return function(*task)

    def _submitted(self, function: Callable[..., T], task: tuple[Any, ...]) -> "Future[T]":
        assert self._pool is not None
        try:
            return self._pool.submit(function, *task)
        except BrokenExecutor as error:
            broken: Future[T] = Future()
            broken.set_exception(error)
            return broken
