"""An hour of the recorded crash through local venues, one lying, one stale, one flapping: is every agreed price honest?

    python -m tests.oracle_hour [--hour 10] [--speed 60] [--seed 1]

Rule: exits 0 only when every agreed price of every height is within what honest venues showed.
"""

import argparse
import sys

import structlog
import trio

from tests.kit.oracle.hour import Hour, table


def main() -> int:
    """Run the hour and print the table; the exit code is 1 when a price was outside."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle_hour")
    parser.add_argument("--hour", type=int, default=10, help="of 48 recorded hours")
    parser.add_argument("--speed", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    rows = trio.run(Hour(options.hour, options.speed, options.seed).run)
    for line in table(rows):
        print(line)
    return 1 if any(row.outside for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
