"""A process that appends to a log until it is killed, and says on its output what was acknowledged.

Run as `python -m tests.audit.victim DIRECTORY [apart]`: `apart` is for publishing in a process of its own.
"""

import asyncio
import os
import sys
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

from audit.errors import LogLocked
from audit.files.log import FileLog, LogSettings
from tests.audit.wired import wired
from tests.audit.worlds import ORIGIN, WRITER, Clock, NoteKey, decision, sealed

SETTINGS = LogSettings(segment_bytes=1 << 18, reserve_bytes=0, publish_seconds=0.02, heartbeat_seconds=0.05)


def opened(directory: Path, settings: LogSettings) -> FileLog:
    """The log, once whoever still publishes for a process that was killed has let go of it."""
    until = time.monotonic() + 10
    while True:
        try:
            return FileLog.open(
                directory, origin=ORIGIN, signer=NoteKey(), clock=Clock(), writer=WRITER, settings=settings
            )
        except LogLocked:
            if time.monotonic() > until:
                raise
            time.sleep(0.005)


async def main(directory: Path, *, apart: bool) -> None:
    log = opened(directory, replace(SETTINGS, apart=apart))
    numbers = count()
    async with wired(log) as remote:

        async def produce() -> None:
            while True:
                number = next(numbers)
                position = await remote.append(decision(number), sealed(number))
                os.write(1, f"{position.index} {position.leaf_hash.hex()}\n".encode())

        await asyncio.gather(*[produce() for _ in range(16)])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), apart="apart" in sys.argv[2:]))
