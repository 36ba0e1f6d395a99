"""The API server's own CEL as a long-lived process: many questions are under way at once, answers come in order.

Guarantees: answers have the order of the questions however many there are; a peer that dies, or that thinks about one
question for a minute, raises PeerDied with that question instead of leaving a test waiting. What the answers mean is in `tests/cluster/bed/cel-oracle/main.go`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.cluster.bed import build

PROGRAM = "cel-oracle"
PATIENCE = 60.0  # seconds for one answer; what costs little can take the API server minutes
Json = dict[str, Any]


class PeerDied(Exception):
    """The peer ended before it had answered; its last words are in the message."""


class Peer:
    """One process. Use as a context manager; not for several threads."""

    def __init__(self, program: Path) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, bufsize=1 << 20
        )
        self._kept: set[str] = set()

    @classmethod
    def built(cls) -> Self:
        """Build it where that is needed; raises what `tests.cluster.bed.build` raises."""
        return cls(build.build(PROGRAM) / PROGRAM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # something may still be buffered for it
                stream.close()

    def keep(self, name: str, bindings: Json) -> None:
        """Let questions name these bindings with `use`. Keeping the same name twice is free, the first one stays."""
        if name not in self._kept:
            self.ask([{"mode": "keep", "name": name, "bindings": bindings}])
            self._kept.add(name)

    def answer(self, **question: Any) -> Json:
        """The answer to a single question."""
        return self.ask([question])[0]

    def ask(self, questions: Iterable[Json]) -> list[Json]:
        """Answers in the order of the questions. A question the peer can't read raises ValueError."""
        lines = [json.dumps(question).encode() + b"\n" for question in questions]
        writer = threading.Thread(target=self._write, args=(lines,))  # else both sides could wait on full pipes
        writer.start()
        try:
            return [self._read(line) for line in lines]
        finally:
            writer.join()

    def _write(self, lines: Sequence[bytes]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.writelines(lines)
            self._process.stdin.flush()
        except BrokenPipeError:  # the reader sees the end of the answers and says so
            pass

    def _read(self, asked: bytes) -> Json:
        assert self._process.stdout is not None
        impatient = threading.Timer(PATIENCE, self._process.kill)
        impatient.start()
        line = self._process.stdout.readline()
        impatient.cancel()
        if not line:
            self._process.kill()
            self._said.seek(0)
            words = self._said.read().decode(errors="replace")[-2000:]
            raise PeerDied(f"asked {asked[:500]!r} and died: {words}")
        answer: Json = json.loads(line)
        if "failure" in answer:
            raise ValueError(f"asked {asked[:500]!r}: {answer['failure']}")
        return answer
