"""The API server's own CEL as a long-lived process: many questions are under way at once, answers come in order.

Guarantees: answers have the order of the questions however many there are; a peer that dies, that takes more memory
than it may or that can't answer in time raises PeerDied with the question it was at, instead of leaving a test waiting,
and a new process takes the next questions. What the answers mean is in `tests/cluster/bed/cel-oracle/main.go`.
"""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.cluster.bed import build

NEWEST = "1.36"
PROGRAMS = {"1.34": "cel-oracle-1.34", NEWEST: "cel-oracle"}  # the API server of each version
PATIENCE = 20.0  # seconds for what is asked at once; what costs little can take the API server minutes
MEMORY = 6 << 30  # bytes of address space; `lists.range` of a large number takes all there is
Json = dict[str, Any]


class PeerDied(Exception):
    """The peer has no answer; `question` is the number of the one it was at."""

    def __init__(self, message: str, question: int) -> None:
        super().__init__(message)
        self.question = question


class Peer:
    """One process at a time. Use as a context manager; not for several threads."""

    def __init__(self, program: Path, patience: float = PATIENCE) -> None:
        self._program = program
        self._patience = patience
        self._process = self._started()

    @classmethod
    def built(cls, patience: float = PATIENCE, version: str = NEWEST) -> Self:
        """Build it where that is needed; raises what `tests.cluster.bed.build` raises."""
        program = PROGRAMS[version]
        return cls(build.build(program) / program, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def answer(self, **question: Any) -> Json:
        """The answer to a single question."""
        return self.ask([question])[0]

    def ask(self, questions: Sequence[Json]) -> list[Json]:
        """Answers in the order of the questions. A question the peer can't read raises ValueError."""
        lines = [json.dumps(question).encode() + b"\n" for question in questions]
        process = self._process
        writer = threading.Thread(target=_write, args=(process, lines))  # else both sides could wait on full pipes
        impatient = threading.Timer(self._patience, process.kill)
        writer.start()
        impatient.start()
        try:
            return [self._read(number, line) for number, line in enumerate(lines)]
        finally:
            impatient.cancel()
            writer.join()
            if process.poll() is not None:
                self._end()
                self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [self._program],
            env={"TZ": "UTC"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # Go's traces of every goroutine; the question says more
            bufsize=1 << 20,
        )
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
        return process

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # something may still be buffered for it
                stream.close()

    def _read(self, number: int, asked: bytes) -> Json:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            self._process.kill()
            self._process.wait()
            raise PeerDied(f"no answer to {asked[:1000]!r}", number)
        answer: Json = json.loads(line)
        if "failure" in answer:
            raise ValueError(f"asked {asked[:500]!r}: {answer['failure']}")
        return answer


def _write(process: subprocess.Popen[bytes], lines: Sequence[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # the reader sees the end of the answers and says so
        process.stdin.writelines(lines)
        process.stdin.flush()
