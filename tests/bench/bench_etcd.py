"""`bailiwick keys verify-etcd` on a real etcd's snapshot: time and memory, against reading the file's bytes.

`python tests/bench/bench_etcd.py [OBJECTS]`: 100,000 objects of 1 KiB by default, half of them overwritten once. Needs
the test bed's etcd. Exits 1 when a target is missed.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.cluster.bed import build  # noqa: E402  # the path comes first
from tests.keymgmt.etcd.servers import Etcd, ask, encoded, etcd  # noqa: E402
from tests.keymgmt.etcd.test_etcd_values import kms  # noqa: E402

OBJECTS = 100_000
SECONDS, MEGABYTES = 30.0, 500.0  # targets
AT_ONCE = 120  # operations of one transaction; etcd takes 128


def fill(member: Etcd, count: int) -> None:
    value = kms(region="eu-de", jurisdiction="DE", data=os.urandom(1024))
    numbers = [*range(count), *range(0, count, 2)]
    for begin in range(0, len(numbers), AT_ONCE):
        puts = [
            {
                "requestPut": {
                    "key": encoded(b"/registry/secrets/ns-%03d/s-%06d" % (n % 200, n)),
                    "value": encoded(value),
                }
            }
            for n in numbers[begin : begin + AT_ONCE]
        ]
        try:
            ask(member.url, "kv/txn", {"success": puts})
        except AssertionError:  # a key twice in one transaction
            for put in puts:
                ask(member.url, "kv/put", put["requestPut"])


def watched(process: "subprocess.Popen[bytes]") -> tuple[float, "resource.struct_rusage"]:
    """Its peak in MiB and what it used. `ru_maxrss` would count what this process had in memory when it forked."""
    peak = 0.0
    while True:
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = max([peak, *(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))])
        pid, ended, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(ended)
            return peak, used
        time.sleep(0.02)


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else OBJECTS
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        with etcd(folder, build.build("etcd") / "etcd") as member:
            fill(member, count)
            snapshot = member.save(folder / "snapshot.db")
        started = time.perf_counter()
        sha256(snapshot.read_bytes()).digest()
        bare = time.perf_counter() - started
        command = [sys.executable, "-m", "bailiwick", "keys", "verify-etcd", str(snapshot), "--region", "eu-de"]
        with (folder / "said").open("w+b") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT)
            peak, used = watched(process)
            said.seek(0)
            print(said.read()[-200:].decode())
        took = used.ru_utime + used.ru_stime
        size = snapshot.stat().st_size >> 20
    print(f"{count} objects, snapshot of {size} MiB: {took:.1f} s of CPU, {peak:.0f} MiB")
    print(f"  reading and hashing the bytes alone {bare:.2f} s")
    met = process.returncode == 0 and took < SECONDS and peak < MEGABYTES
    print(f"  target under {SECONDS:g} s and {MEGABYTES:g} MB: {'ok' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
