"""Whole networks under faults: a sample of seeds, one trace per seed, and planted bugs that must be found."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from clearing.base.certificate import signer_indices
from clearing.base.validators import ValidatorSet
from consensus.core.rules import Rule
from consensus.replica.outbox import HeightOutbox
from node.signer.sign_state import SignGuard
from tests.kit.consensus.crypto import validator_set
from tests.sim.consensus.network import Faults, SimNetwork
from tests.sim.consensus.planted import find
from tests.sim.consensus.regressions import REGRESSIONS
from tests.sim.consensus.scenarios import faults_of
from tests.sim.consensus.violations import Violation


def toy_faults_of(seed: int) -> Faults:
    """The faults of a seed over the toy, which is quicker."""
    return replace(faults_of(seed), clearing=False, swaps=(), outside=())


ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(400 if os.environ.get("CROSSCLEAR_COMPLETE") else 40)


@pytest.mark.parametrize(("why", "seed", "faults"), REGRESSIONS, ids=[str(seed) for _, seed, _ in REGRESSIONS])
def test_a_seed_that_failed_once_passes(why: str, seed: int, faults: Faults) -> None:
    SimNetwork(seed, faults).run()


def test_no_seed_forks_and_every_seed_goes_on_after_healing() -> None:
    rules: set[int] = set()
    restarts = 0
    for seed in SEEDS:
        network = SimNetwork(seed, faults_of(seed))
        network.run()
        rules |= network.monitor.rules
        restarts += sum(node.restarts for node in network.nodes)
    assert rules == set(Rule), "the sample fires every line of the paper, and what certificates add"
    assert restarts > len(SEEDS)


@pytest.mark.parametrize("lie", ["equivocator", "forger", "nuller", "bad-share"])
@pytest.mark.parametrize("nodes", [4, 7])
def test_a_liar_on_good_links_stops_nobody(lie: str, nodes: int) -> None:
    network = SimNetwork(
        3,
        Faults(
            nodes=nodes,
            liars=((1, lie),),
            heal_ms=3000,
            loss_percent=0,
            stall_percent=0,
            crash_interval_ms=0,
            torn_write_percent=0,
            partition_interval_ms=0,
        ),
    )
    network.run()
    assert max(node.height for node in network.honest) >= 8
    blamed = {"equivocator": "DOUBLE_SIGN", "forger": "BAD_SIGNATURE", "bad-share": "BAD_SHARE"}
    if lie in blamed:
        assert network.monitor.faults.get(blamed[lie], 0) > 0


def test_evidence_of_an_equivocator_reaches_a_block() -> None:
    network = SimNetwork(3, Faults(liars=((1, "equivocator"),), heal_ms=3000, loss_percent=0, crash_interval_ms=0))
    network.run(heights_after_healing=8)
    found = [
        item.validator
        for node in network.honest
        for committed in node.committed()
        for item in (*committed.block.evidence.votes, *committed.block.evidence.proposals)
    ]
    assert found
    assert set(found) == {1}


@pytest.mark.parametrize("seed", range(8))
def test_a_set_change_takes_effect_in_its_height_and_survives_restarts(seed: int) -> None:
    """Powers 10 each, from height 4 on 10, 10, 30, 1: then validators 2 and either 0 or 1 are a quorum."""
    change = (4, validator_set(4, (10, 10, 30, 1)))
    network = SimNetwork(seed, Faults(heal_ms=3000, loss_percent=5), change)
    network.run(heights_after_healing=8)
    for committed in network.nodes[0].committed():
        header = committed.block.header
        changed = header.height >= 4
        assert (header.validators_hash == change[1].hash) is changed
        assert (header.next_validators_hash == change[1].hash) is (header.height >= 3)


def test_a_removed_validator_follows_without_a_vote() -> None:
    full = validator_set(4)
    change = (4, ValidatorSet(validators=full.validators[:3]))
    network = SimNetwork(1, Faults(heal_ms=2000, crash_interval_ms=0, torn_write_percent=0), change)
    network.run(heights_after_healing=8)
    assert network.nodes[3].height >= 8
    for committed in network.nodes[0].committed()[3:]:
        assert max(signer_indices(committed.certificate.signers)) <= 2


def test_one_seed_is_one_trace_whatever_the_hash_seed() -> None:
    command = [sys.executable, "-m", "tests.sim.consensus", "--seeds", "7:10", "--verbose"]
    traces = []
    for hash_seed in ("0", "1"):
        shown = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        traces.append([line for line in shown.stdout.splitlines() if "trace" in line])
    assert len(traces[0]) == 3
    assert traces[0] == traces[1]
    assert len({line.split()[-1] for line in traces[0]}) == 3


@pytest.mark.parametrize(("plant", "seeds"), [("lock", 20), ("unlock", 100), ("wal-sync", 60), ("hidden-lock", 60)])
def test_the_simulator_finds_a_planted_bug(plant: str, seeds: int) -> None:
    assert find(plant, range(seeds), toy_faults_of) is not None


def test_the_simulator_finds_a_vote_made_anew_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is read, but own messages in it are ignored."""
    monkeypatch.setattr(SignGuard, "advance", lambda *_, **__: None)
    real = HeightOutbox.__init__
    monkeypatch.setattr(HeightOutbox, "__init__", lambda self, chain, signer, _=(): real(self, chain, signer))
    assert first_violation(range(50)) is not None


def first_violation(seeds: range) -> Violation | None:
    for seed in seeds:
        try:
            SimNetwork(seed, toy_faults_of(seed)).run()
        except Violation as found:
            return found
    return None
