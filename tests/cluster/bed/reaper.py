"""Sees to it that nothing of the test bed outlives the process that started it, however that process ends.

Reads process group numbers from stdin, one per line (`-N` takes N off the list again). When stdin closes, which the
kernel does for a killed parent too, every group still listed is killed and the folder named in the arguments removed.
Runs in a session of its own, so that a Ctrl-C meant for the tests doesn't end it early.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys


def main(folder: str) -> None:
    """Wait for the end of stdin, then kill and remove."""
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line)
        if number > 0:
            groups.add(number)
        else:
            groups.discard(-number)
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    if groups:  # a bed that was stopped in good order leaves its folder to its owner
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
