"""The figures that don't depend on the machine: ratios of what one run measures.

Run `python -m benchmarks.ratios [--json FILE] [--against FILE] [--seconds 10] [--many 32]`.

Measured one after another: one recovery of a secp256k1 signer and one BLS verification (CPU time); agreement alone
among four validators, idle and at rising rates until it no longer carries what is offered; the whole clearing house
idle, at a moderate rate and at the rate that agreement was last offered, each also with trades in bundles, and at twice
what it carried of single ones; agreement among many validators; agreement once more under a sampler, for the relay's
share of its CPU; CometBFT's kvstore with short pauses at the same rate, where Go is installed. All of it takes some
eight minutes on two cores.

`--json` writes a list of {"what", "value", "goal", "met"}. `--against` compares with such a list, and the program
fails when a ratio is worse by more than a quarter. Rule: a value that could not be measured is null and never met.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

# Several threads of linear algebra on busy cores cost fifty times what they gain; before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import trio

from benchmarks import comet, consensus, network
from benchmarks.figures import percentile
from benchmarks.load import Seen, measure
from benchmarks.machine import this_machine
from benchmarks.sampler import share_of
from clearing.base import bls, secp256k1
from clearing.schema.requests.trades import BUNDLE_TRADES_MAX
from devnet.options import DevnetOptions

VALIDATORS = 4
MANY = 32
SECONDS = 10.0
MODERATE = 300
"""Trades a second at which the cost of one is measured: below what any machine carries."""
BUNDLE = BUNDLE_TRADES_MAX
OFFERED = (1000, 2000, 4000, 8000)
CARRIED_SHARE = 0.9
"""A network that carries less of what is offered is at its limit."""
WORSE_MAX = 0.25
REPETITIONS = 50
RELAY = ("consensus/replica/dissemination.py", "consensus/links.py")
"""The files of the relay: stacks in them are its CPU. Among four that all hear each other it has nothing to pass on."""


class Ratio(msgspec.Struct, frozen=True):
    """One line of the table. `goal` begins with `>=` or `<=`."""

    what: str
    value: float | None
    goal: str
    met: bool

    def line(self) -> str:
        """For a terminal."""
        shown = "not measured" if self.value is None else f"{self.value:.2f}"
        return f"  {self.what:92} {shown:>12}  {self.goal:8} {'met' if self.met else 'NOT MET'}"


@dataclass(slots=True)
class Measured:
    """What the ratios are made of."""

    recovery_ms: float
    verification_ms: float
    agreement: dict[int, Seen] = field(default_factory=dict)
    """By offered rate, 0: idle."""
    many: Seen | None = None
    house: dict[int, network.Summary] = field(default_factory=dict)
    """By offered rate, 0: idle."""
    bundled: dict[int, network.Summary] = field(default_factory=dict)
    """As `house`, with trades in bundles."""
    overloaded: network.Summary | None = None
    offered: int = 0
    """The rate of the comparison."""
    peer: dict[int, Seen] = field(default_factory=dict)
    """CometBFT, by offered rate."""
    relay_share: float | None = None
    """Of the CPU of agreement alone, in a full mesh."""


def ratio(what: str, goal: str, value: float | None) -> Ratio:
    """Judge a value by its goal."""
    known = value is not None and math.isfinite(value)
    return Ratio(what, value if known else None, goal, known and value is not None and _good(value, goal))


def _good(value: float, goal: str) -> bool:
    sense, bound = goal.split()
    return value >= float(bound) if sense == ">=" else value <= float(bound)


def ratios(seen: Measured, many: int = MANY) -> list[Ratio]:
    """The table, from what was measured."""
    idle, house = seen.agreement[0], seen.house
    quiet, moderate, loaded = house[0], house[MODERATE], house[seen.offered]
    bundled = seen.bundled
    height_ms = percentile(idle.gaps_ms, 0.5)
    return [
        ratio(
            "whole clearing house / agreement alone, sustained trades, n = 4, same rate",
            ">= 0.7",
            loaded.novated_per_second / carried(seen.agreement[seen.offered]),
        ),
        ratio(
            "CPU of a trade and node / recovery of one secp256k1 signer",
            "<= 4",
            trade_cpu_ms(quiet, moderate) / seen.recovery_ms,
        ),
        ratio(
            f"in bundles of {BUNDLE}: whole clearing house / agreement alone, sustained trades, n = 4, same rate",
            ">= 0.7",
            bundled[seen.offered].novated_per_second / carried(seen.agreement[seen.offered]),
        ),
        ratio(
            f"in bundles of {BUNDLE} at most: CPU of a trade and node / recovery of one secp256k1 signer",
            "<= 4",
            trade_cpu_ms(quiet, bundled[MODERATE]) / seen.recovery_ms,
        ),
        ratio(
            "CPU of an idle height and node / one BLS verification (two pairings)",
            "<= 5",
            quiet.cpu_ms / max(1, quiet.heights) / seen.verification_ms,
        ),
        ratio(
            "price to agreed block p50, idle / height p50 of agreement alone",
            "<= 1.5",
            percentile(quiet.prices_ms, 0.5) / height_ms,
        ),
        ratio(
            f"height p50 at n = {many} / height p50 at n = 4, a process each",
            "<= 12",
            percentile(seen.many.gaps_ms, 0.5) / height_ms if seen.many else None,
        ),
        ratio(
            "overload, twice what it carries: POST to block p99 of what is accepted, seconds",
            "<= 1",
            percentile(seen.overloaded.waits_ms, 0.99) / 1000 if seen.overloaded else None,
        ),
        ratio(
            "overload: POST to answer p99 of all, accepted or refused, seconds",
            "<= 1",
            percentile(seen.overloaded.answers_ms, 0.99) / 1000 if seen.overloaded else None,
        ),
        ratio(
            "overload: accepted trades that came into no block",
            "<= 0",
            float(seen.overloaded.missing) if seen.overloaded else None,
        ),
        ratio(
            "agreement alone / CometBFT tuned, trades, same rate",
            ">= 1",
            carried(seen.agreement[seen.offered]) / carried(seen.peer[seen.offered]) if seen.peer else None,
        ),
        ratio(
            f"agreement alone / CometBFT tuned, sent to block p50, {OFFERED[0]}/s",
            "<= 1",
            percentile(seen.agreement[OFFERED[0]].waits_ms, 0.5) / percentile(seen.peer[OFFERED[0]].waits_ms, 0.5)
            if seen.peer
            else None,
        ),
        ratio("CPU of the relay / CPU of agreement alone, full mesh", "<= 0.03", seen.relay_share),
    ]


def trade_cpu_ms(quiet: network.Summary, busy: network.Summary) -> float:
    """CPU milliseconds of a trade and node, beyond what as many idle heights cost; infinite when none was novated."""
    trades = busy.novated_per_second * busy.seconds
    beyond = busy.cpu_ms - quiet.cpu_ms / max(1, quiet.heights) * busy.heights
    return beyond / trades if trades else math.inf


def carried(seen: Seen) -> float:
    """Trades a second."""
    return len(seen.waits_ms) / seen.busy_seconds


def cpu_ms(run: Callable[[], object], times: int) -> float:
    """Median milliseconds of CPU of one call, of `REPETITIONS` times so many."""
    found = []
    for _ in range(REPETITIONS):
        began = time.process_time_ns()
        for _ in range(times):
            run()
        found.append((time.process_time_ns() - began) / times / 1e6)
    return median(found)


def units() -> tuple[float, float]:
    """CPU milliseconds of recovering a signer, and of a BLS verification with the message on the curve already."""
    secret, message = bls.secret_from_seed(bytes(range(32))), bytes(32)
    key, signature = bls.public_key(secret), bls.sign(secret, message)
    signed = secp256k1.sign_digest(bytes(range(1, 33)), message)
    recover = getattr(secp256k1.recover, "__wrapped__", secp256k1.recover)
    return cpu_ms(lambda: recover(message, signed), 20), cpu_ms(lambda: bls.verify(key, message, signature), 5)


async def measure_agreement(seen: Measured, seconds: float) -> None:
    """Four validators, idle and at rising rates."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with consensus.running_network(VALIDATORS, Path(folder)) as running:
            for rate in (0, *OFFERED):
                seen.agreement[rate] = found = await consensus.phase(running, rate, seconds)
                if rate:
                    seen.offered = rate
                    if carried(found) < CARRIED_SHARE * rate:
                        break


async def measure_many(seen: Measured, count: int, seconds: float) -> None:
    """Many validators, idle."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with consensus.running_network(count, Path(folder)) as running:
            seen.many = await consensus.phase(running, 0, seconds)


async def measure_house(seen: Measured, seconds: float) -> None:
    """The whole clearing house."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with network.running_house(DevnetOptions(Path(folder) / "net", members=12)) as house:
            for rate in (0, MODERATE, seen.offered):
                seen.house[rate] = await house.at(rate, seconds)
            for rate in (MODERATE, seen.offered):
                seen.bundled[rate] = await house.at(rate, seconds, BUNDLE)
            twice = 2 * max(MODERATE, int(seen.house[seen.offered].novated_per_second))
            seen.overloaded = await house.at(twice, seconds)


async def measure_relay(seen: Measured, seconds: float) -> None:
    """The relay's share, by samples of the CPU time of four validators at a moderate rate."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        samples = Path(folder) / "samples"
        samples.mkdir()
        async with consensus.running_network(VALIDATORS, Path(folder), samples) as running:
            running.restart_samples()
            await consensus.phase(running, MODERATE, seconds)
        seen.relay_share = share_of(samples, RELAY)


async def measure_peer(seen: Measured, binary: Path | None, seconds: float) -> None:
    """CometBFT's kvstore, with short pauses of gossip. Raises RuntimeError without Go."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        program = binary or comet.build(Path(folder))
        async with comet.running(program, Path(folder), tuned=True) as running:
            for rate in sorted({OFFERED[0], seen.offered}):
                seen.peer[rate] = await measure(running, comet.COUNT, rate, seconds)


def worse(now: Sequence[Ratio], before: Sequence[Ratio]) -> list[str]:
    """What is worse than before by more than `WORSE_MAX`, or no longer measured."""
    found = {each.what: each for each in now}
    lines = []
    for old in before:
        new = found.get(old.what)
        if old.value is None:
            continue
        if new is None or new.value is None:
            lines.append(f"{old.what}: was {old.value:.2f}, not measured now")
            continue
        higher, lower = (old.value, new.value) if old.goal.startswith(">=") else (new.value, old.value)
        if higher > (1 + WORSE_MAX) * lower:
            lines.append(f"{old.what}: was {old.value:.2f}, is {new.value:.2f}")
    return lines


def judged(found: Sequence[Ratio], against: Path | None) -> int:
    """The exit code: 1 when a ratio is worse than in the table of this file, or one of its ratios is missing."""
    lines = worse(found, msgspec.json.decode(against.read_bytes(), type=list[Ratio])) if against else []
    for line in lines:
        print(f"worse: {line}", file=sys.stderr)
    return 1 if lines else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    parser.add_argument("--against", type=Path, metavar="FILE", help="fail where a ratio is worse than in this table")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--comet", type=Path, metavar="PROGRAM", help="a cometbft that is built already")
    parser.add_argument("--many", type=int, default=MANY, help="validators of the large network; 0: leave it out")
    options = parser.parse_args()
    print(this_machine().line(), flush=True)
    seen = Measured(*units())
    print(f"one recovery {1000 * seen.recovery_ms:.0f} us, one BLS verification {seen.verification_ms:.2f} ms, CPU")
    began = time.monotonic()

    def report(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s: {what} is measured", file=sys.stderr, flush=True)

    trio.run(measure_agreement, seen, options.seconds)
    report("agreement alone")
    try:
        trio.run(measure_peer, seen, options.comet and options.comet.resolve(), options.seconds)
    except RuntimeError as error:
        print(f"no CometBFT beside: {error}", file=sys.stderr)
    report("CometBFT")
    trio.run(measure_house, seen, options.seconds)
    report("the whole clearing house")
    if options.many:
        trio.run(measure_many, seen, options.many, options.seconds)
        report(f"agreement among {options.many}")
    trio.run(measure_relay, seen, options.seconds)
    report("the relay")
    found = ratios(seen, options.many)
    for each in found:
        print(each.line())
    print(f"load at the end {os.getloadavg()[0]:.1f}")
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    return judged(found, options.against)


if __name__ == "__main__":
    sys.exit(main())
