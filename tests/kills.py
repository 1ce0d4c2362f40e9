"""Four validators killed at random moments, hundreds of times: no block is lost, nobody signs twice, all blocks agree.

    python -m tests.kills [--kills 200] [--seed 1]

Rule: exits 0 only when nothing was wrong. What was wrong is printed, and the network's folder is kept.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from tests.kit.node.random_kills import kill_at_random


def main() -> int:
    """Kill as often as asked; the exit code is 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder, began = Path(tempfile.mkdtemp(prefix="crossclear-kills-")), time.monotonic()
    ordeal, wrong = kill_at_random(folder, options.kills, options.seed)
    heights = ", ".join(f"n{index} {height}" for index, height in sorted(ordeal.decided.items()))
    print(f"{ordeal.kills} kills in {time.monotonic() - began:.0f} s; decided up to: {heights}")
    for each in wrong:
        print(f"wrong: {each}")
    if wrong:
        print(f"see {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
