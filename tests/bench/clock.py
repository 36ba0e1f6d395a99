"""How long a call takes on a machine that others use too."""

import time
from collections.abc import Callable


def microseconds(call: Callable[[], object], seconds: float = 0.05) -> float:
    """Processor time per call, the best of nine rounds: the others were disturbed."""
    call()
    best = float("inf")
    for _ in range(9):
        count, start = 0, time.process_time()
        while (spent := time.process_time() - start) < seconds:
            for _ in range(5):
                call()
            count += 5
        best = min(best, spent / count)
    return best * 1e6
