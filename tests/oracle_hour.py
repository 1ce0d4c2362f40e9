"""An hour of the recorded crash through local venues, one lying, one stale, one flapping: is every agreed price honest?

    python -m tests.oracle_hour [--nodes] [--hour 10] [--speed 60] [--seed 1]

With `--nodes` four real nodes agree on the prices, else the oracles of four validators in one process, by a clock that
waits for all of their work.

Rule: exits 0 only when every agreed price of every height is within what honest venues showed, and in one process every
height with at most one faulty source has a price. Time of real nodes is real: what a busy machine costs is no error.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import structlog
import trio
from trio.testing import MockClock

from tests.kit.oracle.hour import Hour
from tests.kit.oracle.node_hour import NodeHour
from tests.kit.oracle.played_hour import table


def main() -> int:
    """Run the hour and print the table; the exit code is 1 when a price was outside or missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle_hour")
    parser.add_argument("--hour", type=int, default=10, help="of 48 recorded hours")
    parser.add_argument("--speed", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nodes", action="store_true", help="real nodes, in processes of their own")
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    played = (options.hour, options.speed, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        if options.nodes:
            rows = trio.run(NodeHour(Path(folder), *played).run)
        else:
            clock = MockClock()
            rows = trio.run(Hour(clock, *played).run, clock=clock)
    for line in table(rows):
        print(line)
    return 1 if any(row.outside or (row.missing and not options.nodes) for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
