"""Search for profits of two colluding members: `python -m tests.sim.adversary --operations 1000000 --seed 1`.

With `--rediscover` each rule's exploit is looked for in its own scenario, with the rule off, and a table says after how
many operations it was found.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from lab.engine import ENGINE_HELP, Engine, engine_at
from tests.sim.adversary.planted import PLANTED, find
from tests.sim.adversary.regressions import Regression, save
from tests.sim.adversary.rules import RULES
from tests.sim.adversary.scenarios import GENERAL, SCENARIOS, Scenario, scenario_of
from tests.sim.adversary.search import ROUNDING_MICROS, Found, as_text, judged_litter, search, shortened


def main() -> int:
    options = _options()
    if options.plant:
        found = find(options.plant, options.operations, options.seed)
        print(f"{options.plant}: " + (f"found after {found:,} operations" if found is not None else "not found"))
        return 0 if found is not None else 1
    off = tuple(options.off)
    with engine_at(options.engine) as engine:
        if options.rediscover:
            return _rediscover(engine, options.rules or tuple(RULES), options.operations, options.seed, options.save)
        names = options.scenario or GENERAL
        worst = 0
        for name in names:
            scenario = SCENARIOS[name]
            profit = _look(engine, scenario, off, options.operations // len(names), options.seed, options.save)
            worst = max(worst, profit)
    return 1 if worst > ROUNDING_MICROS and not off else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.adversary", description=__doc__)
    parser.add_argument("--operations", type=int, default=1_000_000, help="transactions to apply, over all scenarios")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", default="processes:2", help=ENGINE_HELP)
    parser.add_argument("--off", action="append", default=[], choices=sorted(RULES), help="switch this rule off")
    parser.add_argument("--scenario", action="append", choices=sorted(SCENARIOS), help="search only this one")
    parser.add_argument("--rediscover", action="store_true", help="every rule off in turn; --operations are for each")
    parser.add_argument("--rules", action="append", choices=sorted(RULES), help="only these, with --rediscover")
    parser.add_argument("--save", action="store_true", help="keep what was found as regressions")
    parser.add_argument("--plant", choices=sorted(PLANTED), help="search with this weakness until it is found")
    return parser.parse_args()


def _look(engine: Engine, scenario: Scenario, off: tuple[str, ...], operations: int, seed: int, keep: bool) -> int:
    """One search, printed; the best profit in micros."""
    began = time.monotonic()
    print(f"{scenario.name}: rules off: {', '.join((*off, *scenario.also_off)) or 'none'}", flush=True)
    found = search(
        scenario,
        off,
        operations,
        seed,
        engine,
        report=lambda line: print(f"{scenario.name}: {line}", file=sys.stderr, flush=True),
    )
    seconds = time.monotonic() - began
    print(f"  {found.operations:,} operations in {seconds:,.0f} s, {found.restarts} restarts")
    _print_best(scenario, off, found, keep)
    return found.judgement.profit


def _print_best(scenario: Scenario, off: tuple[str, ...], found: Found, keep: bool) -> None:
    profit = found.judgement.profit
    beyond = "beyond rounding" if profit > ROUNDING_MICROS else "rounding or less"
    print(f"  best profit above honest trading: {profit / 1e6:,.6f} ({beyond})")
    if profit <= ROUNDING_MICROS:
        return
    genome = shortened(scenario, off, found.genome)
    judgement = judged_litter(scenario.name, off, (genome,))[0][0]
    print(f"  first profit after {found.first_profit or 0:,} operations; without what it does not need:")
    print(as_text(genome))
    for outcome in judgement.outcomes:
        print(
            f"    {outcome.path}: gained {outcome.taken / 1e6:,.2f}, the same positions {outcome.exposure / 1e6:,.2f}, "
            f"honest conduct {outcome.honest / 1e6:,.2f} above that"
        )
    if keep:
        rules = tuple(name for name, rule in RULES.items() if rule.scenario == scenario.name)
        path = save(Regression(scenario.name, rules, off, judgement.profit, genome))
        print(f"  saved as {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}")


def _rediscover(engine: Engine, rules: Iterable[str], operations: int, seed: int, keep: bool) -> int:
    """The table: each rule off, and after how many operations its exploit was found."""
    rows, missed = [], 0
    for name in rules:
        scenario = scenario_of(name)
        found = search(scenario, (name,), operations, seed, engine)
        print(f"{name}: {RULES[name].exploit}", flush=True)
        _print_best(scenario, (name,), found, keep)
        missed += found.first_profit is None and not RULES[name].not_found
        rows.append((name, found.first_profit, found.judgement.profit, found.operations))
    print(f"\n{'rule off':<22} {'first profit after':>20} {'best profit':>14} {'in operations':>14}")
    for name, first, profit, applied in rows:
        after = "not found" if first is None else f"{first:,}"
        print(f"{name:<22} {after:>20} {profit / 1e6:>14,.2f} {applied:>14,}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
