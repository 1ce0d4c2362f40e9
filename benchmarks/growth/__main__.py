"""How costs grow: `python -m benchmarks.growth [--only accounts,trades] [--json FILE] [--plot FILE] [--write]`.

Measured: one node with 10² to 10⁵ accounts; agreement among 4 to 64 validators in virtual time, with this machine's
costs of signing and checking; blocks of 10 to 10⁴ trades. Of each cost: its slope (1 is linear), and the size at which
it meets its limit. The first wall of each is named with its remedy. `--write` puts the figures into
docs/explanation/growth.md, `--from FILE` draws and writes what an earlier run measured.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

# Several threads of linear algebra on busy cores cost fifty times what they gain; before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import structlog

from benchmarks.growth import accounts, page, trades, validators
from benchmarks.growth.costs import measured
from benchmarks.growth.plot import write_plot
from benchmarks.growth.series import Series, first_wall, rounded
from benchmarks.machine import Machine, this_machine

AXES = ("accounts", "validators", "trades")
QUICK = {"accounts": (100, 1_000), "validators": (4, 7), "trades": (10, 100)}


class Growth(msgspec.Struct, frozen=True):
    """The JSON file."""

    machine: Machine
    series: list[Series]


def _validators(sizes: tuple[int, ...]) -> list[Series]:
    costs = measured()
    message_us = validators.message_cost(costs)
    print(f"  {costs}\n  a message at both ends {message_us:.0f} us", file=sys.stderr)
    return validators.series(costs, message_us, sizes)


RUN: dict[str, Callable[[tuple[int, ...]], list[Series]]] = {
    "accounts": accounts.series,
    "validators": _validators,
    "trades": trades.series,
}
SIZES = {"accounts": accounts.SIZES, "validators": validators.SIZES, "trades": trades.SIZES}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default=",".join(AXES), help="axes, of " + ", ".join(AXES))
    parser.add_argument("--quick", action="store_true", help="the smallest sizes only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the series there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them there, .png or .svg")
    parser.add_argument("--write", action="store_true", help="put them into the page")
    parser.add_argument("--from", type=Path, metavar="FILE", dest="earlier", help="measure nothing: read this file")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if options.earlier:
        growth = msgspec.json.decode(options.earlier.read_bytes(), type=Growth)
    else:
        growth = Growth(this_machine(), [])
        for axis in options.only.split(","):
            growth.series.extend(RUN[axis](QUICK[axis] if options.quick else SIZES[axis]))
    print(growth.machine.line())
    for axis in AXES:
        found = [each for each in growth.series if each.axis == axis]
        if not found:
            continue
        wall = first_wall(found)
        print(f"{axis}: {', '.join(f'{point.size:,}' for point in found[0].points)}")
        for each in found:
            print(each.line())
        print(f"  first wall: {wall.what} at {rounded(wall.wall)} {axis}. {wall.remedy}", flush=True)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(growth), indent=2) + b"\n")
    if options.plot:
        write_plot(options.plot, growth.series)
    if options.write:
        page.write(growth.machine, growth.series)
    return 0


if __name__ == "__main__":
    sys.exit(main())
