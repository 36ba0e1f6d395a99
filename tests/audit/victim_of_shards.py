"""As `victim`, with a log that goes on in a new shard every hundred records, and prunes what is behind it.

Run as `python -m tests.audit.victim_of_shards DIRECTORY`.
"""

import os
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

from audit.errors import PruneRefused
from audit.files.sharded_log import ShardedLog
from audit.files.shards import ShardSettings, shard_numbers
from audit.switching import Keeping
from tests.audit.victim import SETTINGS
from tests.audit.worlds import ORIGIN, WRITER, Clock, NoteKey, decision, sealed


def opened(directory: Path) -> ShardedLog:
    """The log, as the process and its test open it."""
    shards = ShardSettings(records=100, keep_days=0)
    return ShardedLog.open(
        directory,
        Keeping(origin=ORIGIN, signer=NoteKey(), clock=Clock(), writer=WRITER, settings=SETTINGS, shards=shards),
    )


def main(directory: Path) -> None:
    log = opened(directory)
    for number in count():
        position = log.append_now(decision(number), sealed(number))
        os.write(1, f"{position.origin}#{position.index} {position.leaf_hash.hex()}\n".encode())
        if number % 10 == 0:
            log.tend()
        if number % 90 == 89 and len(shard_numbers(directory)) > 4:
            with suppress(PruneRefused):
                log.prune(shard_numbers(directory)[-4], older_than=0, basis="a test")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
