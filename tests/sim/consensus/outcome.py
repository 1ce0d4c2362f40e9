"""What one seed gave: small enough to come back from another process."""

import logging
import time
from collections import Counter
from typing import NamedTuple

import structlog

from tests.sim.consensus.network import SimNetwork
from tests.sim.consensus.scenarios import faults_of


class Outcome(NamedTuple):
    """Of one network."""

    seed: int
    failure: str
    """Empty when every rule held."""
    line: str
    sums: Counter[str]
    rules: frozenset[int]
    recovery_ms: int
    cpu_seconds: float


def quiet() -> None:
    """No logs, in this process."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def outcome_of(seed: int) -> Outcome:
    """Run one seed, in any process."""
    quiet()
    began, faults, failure = time.process_time(), faults_of(seed), ""
    network = SimNetwork(seed, faults)
    try:
        network.run()
    except Exception as error:  # whatever it is, it is what a seed looks for
        failure = f"{faults}: {type(error).__name__}: {error}"
    market = network.market
    sums = Counter(
        heights=max(node.height for node in network.nodes),
        events=network.events,
        restarts=sum(node.restarts for node in network.nodes),
        repairs=sum(node.repairs for node in network.nodes),
        replays=network.monitor.replays,
        accused=network.monitor.accused,
        opened_locks=network.monitor.opened,
        trades=len(market.novated) if market else 0,
        changes=len(market.changes) if market else 0,
    )
    spent = time.process_time() - began
    rules = frozenset(network.monitor.rules)
    return Outcome(seed, failure, line_of(network), sums, rules, network.recovery_ms, spent)


def line_of(network: SimNetwork) -> str:
    faults = network.faults
    wrong = [lie for _, lie in faults.liars] + ["rotten"] * len(faults.rotten)
    best = max(node.height for node in network.nodes)
    restarts, repairs = (sum(getattr(node, name) for node in network.nodes) for name in ("restarts", "repairs"))
    market = network.market
    trades = f"trades {len(market.novated)} changes {len(market.changes)}" if market else ""
    return (
        f"{faults.nodes} nodes {wrong} heights {best} events {network.events} restarts {restarts} repairs {repairs} "
        f"rounds {network.monitor.rounds} {trades} recovery {network.recovery_ms} ms trace {network.trace_hash[:16]}"
    )
