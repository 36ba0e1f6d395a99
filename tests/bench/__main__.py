"""`make bench`: every benchmark of this folder, one after the other, each in a process of its own.

A benchmark prints ratios against a baseline of the same run. Names on the command line choose some of them.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    wanted = sys.argv[1:]
    failed = []
    for script in sorted(HERE.glob("bench_*.py")):
        if wanted and not any(name in script.stem for name in wanted):
            continue
        print(f"== {script.stem.removeprefix('bench_')}", flush=True)
        if subprocess.run([sys.executable, str(script)], cwd=HERE.parents[1], check=False).returncode:
            failed.append(script.stem)
    if failed:
        print(f"did not run to their end: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
