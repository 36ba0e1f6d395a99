"""Verifies logs in a process with little memory and time; what each has is a line of JSON.

Run as `python -m tests.audit.limited LOG...`.
"""

import json
import resource
import signal
import sys
from pathlib import Path

from audit.checks.chain_check import verify_chain
from tests.audit.worlds import NoteKey

MEMORY = 1_500 << 20  # bytes of addresses
SECONDS = 20

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for name in sys.argv[1:]:
        signal.alarm(SECONDS)
        report = verify_chain(Path(name), [NoteKey().verifier()])
        found = [*report.problems, *(problem for one in report.shards for problem in one.report.problems)]
        print(json.dumps([report.ok, [str(problem) for problem in found]]))
