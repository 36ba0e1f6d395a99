"""Ids of decisions: UUIDs of version 7 (RFC 9562), which sort by the time they were made."""

import os
import threading
import time
from collections.abc import Callable


class DecisionIds:
    """48 bits of Unix milliseconds, 12 bits of a counter that starts anew each millisecond, 62 random bits.

    Ids of one process are strictly increasing, also when the clock stands still or goes back. Safe between threads.
    """

    def __init__(
        self, milliseconds: Callable[[], int] | None = None, entropy: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._milliseconds = milliseconds or (lambda: time.time_ns() // 1_000_000)
        self._entropy = entropy
        self._last = 0  # milliseconds ‖ counter
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            # a counter that runs over borrows from the next millisecond: the order matters more than the reading
            self._last = stamp = max(self._milliseconds() << 12, self._last + 1)
        random = int.from_bytes(self._entropy(8), "big") & (1 << 62) - 1
        digits = f"{stamp >> 12:012x}7{stamp & 0xFFF:03x}{1 << 63 | random:016x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
