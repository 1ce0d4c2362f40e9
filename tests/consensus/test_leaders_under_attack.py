"""Colluders below a third gain no turns by failing on purpose; weaker orders are found by the same search."""

import pytest

from tests.sim.leader_attacks.colluders import NETWORKS, Network, Play, obedient, search
from tests.sim.leader_attacks.planted import PLANTED

HEIGHTS = 500
LESS = 0.5
"""In percent of the heights: what the place of the first height gives."""


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_whoever_leads_when_it_can_leads_by_its_power(network: Network) -> None:
    assert abs(Play(network).run(obedient(), HEIGHTS).honest_percent - network.fair_percent) < LESS


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_no_strategy_is_found_that_leaves_honest_validators_less_than_their_share(network: Network) -> None:
    worst = search(network, seed=1, starts=6, steps=14, heights=HEIGHTS).outcome
    assert worst.honest_percent > network.fair_percent - LESS
    assert worst.honest_percent > network.bound_percent


@pytest.mark.parametrize("weakness", PLANTED)
@pytest.mark.parametrize("network", [NETWORKS[0], NETWORKS[3]], ids=lambda network: network.name)
def test_the_search_finds_an_order_that_charges_the_victim(weakness: str, network: Network) -> None:
    with PLANTED[weakness]():
        worst = search(network, seed=1, starts=10, steps=25, heights=HEIGHTS).outcome
    assert worst.honest_percent < network.fair_percent - 3
