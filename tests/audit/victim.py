"""A process that appends to a log until it is killed, and says on its output what was acknowledged.

Run as `python -m tests.audit.victim DIRECTORY BOOT`.
"""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from audit.files.log import FileLog, LogSettings
from tests.audit.wired import wired
from tests.audit.worlds import ORIGIN, WRITER, Clock, NoteKey, decision, sealed

SETTINGS = LogSettings(segment_bytes=1 << 18, reserve_bytes=0, publish_seconds=0.02, heartbeat_seconds=0.05)


async def main(directory: Path) -> None:
    log = FileLog.open(directory, origin=ORIGIN, signer=NoteKey(), clock=Clock(), writer=WRITER, settings=SETTINGS)
    numbers = count()
    async with wired(log) as remote:

        async def produce() -> None:
            while True:
                number = next(numbers)
                position = await remote.append(decision(number), sealed(number))
                os.write(1, f"{position.index} {position.leaf_hash.hex()}\n".encode())

        await asyncio.gather(*[produce() for _ in range(16)])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
