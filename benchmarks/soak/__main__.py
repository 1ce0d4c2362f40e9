"""Long runs: `python -m benchmarks.soak [--hours-simulated 24] [--real-minutes 60] [--json FILE]`.

`--hours-simulated` runs seven validators with the whole clearing house in virtual time, under crashes, partitions,
broken links and changes of the set (`benchmarks.soak.day`). `--real-minutes` starts four node processes with their
chains and loads them with half of what they carry (`benchmarks.soak.processes`). Memory and handles must be flat within
5 % after the warm-up, and no height and no accepted trade may be lost. The exit code is 1 when that does not hold.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

# Several threads of linear algebra on busy cores cost fifty times what they gain; before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import structlog
import trio

from benchmarks.machine import Machine, this_machine
from benchmarks.soak import day, processes
from benchmarks.soak.samples import WARM_UP_SHARE

INTERVAL_MS = 10_000
"""Between two heights of the simulated day: each costs some 50 ms of CPU."""


class Soaked(msgspec.Struct, frozen=True):
    """The JSON file."""

    machine: Machine
    day: day.DayReport | None
    processes: processes.Report | None


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def simulated(hours: float, interval_ms: int, seed: int) -> day.DayReport:
    """Run the day and print what was found."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    report = day.simulate(hours, interval_ms, seed, say)
    print(
        f"{report.heights} heights in {report.slots} intervals, at most {report.rounds_max + 1} rounds, "
        f"{report.trades} trades, faults {report.faults}; level {report.recovery_ms} ms after the last fault; "
        f"{report.cpu_seconds:.0f} s of CPU, {1000 * report.cpu_seconds / max(1, report.heights):.0f} ms a height"
    )
    for weight in report.weights[:: max(1, len(report.weights) // 12)]:
        print(
            f"  {weight.hour:5.1f} h, height {weight.height:6}: consensus {weight.replica_kib:8.1f} KiB, "
            f"pool and epochs {weight.application_kib:8.1f} KiB, state {weight.state_kib:8.1f} KiB"
        )
    rises = ", ".join(f"{name} {100 * rise:+.1f} %" for name, rise in report.growth.items())
    print(f"growth after the warm-up: {rises}")
    return report


def real(minutes: float, rate: float | None, folder: Path) -> processes.Report:
    """Run the processes and print what was found."""
    report = trio.run(processes.soak, folder, minutes, rate, say)
    print(f"after the first {100 * WARM_UP_SHARE:.0f} % of {minutes:.0f} minutes at {report.rate:.0f} trades/s:")
    for trend in report.trends:
        print(trend.line())
    found = report.heights
    print(
        f"{found.top} heights, {found.lost} lost, last node {found.behind_max} behind, {found.later_rounds} after the "
        f"first round, longest {found.longest_gap_ms} ms; {found.accepted} trades accepted, {found.lost_trades} lost, "
        f"refused {report.refused}"
    )
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hours-simulated", type=float, default=0.0, help="of virtual time, with faults")
    parser.add_argument("--interval-ms", type=int, default=INTERVAL_MS, help="between two simulated heights")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation")
    parser.add_argument("--real-minutes", type=float, default=0.0, help="four processes under load, for so long")
    parser.add_argument("--rate", type=float, help="trades a second; half of what short trials carry by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write samples and slopes there")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the processes' folder here")
    options = parser.parse_args()
    if not options.hours_simulated and not options.real_minutes:
        parser.error("nothing to run: --hours-simulated or --real-minutes")
    print(this_machine().line(), flush=True)
    found = Soaked(
        this_machine(),
        simulated(options.hours_simulated, options.interval_ms, options.seed) if options.hours_simulated else None,
        None,
    )
    if options.real_minutes:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            report = real(options.real_minutes, options.rate, options.keep or Path(folder))
        found = msgspec.structs.replace(found, processes=report)
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    good = all(each.good for each in (found.day, found.processes) if each is not None)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
