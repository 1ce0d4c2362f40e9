"""Rules of how validators show that they depend on the same providers."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio

from clearing.base.codec import encode
from node.chains.provider_diversity import (
    PROVIDERS_MAX,
    ChainProviders,
    ProviderGossip,
    ProviderWatch,
    provider_commitments,
    valid_providers,
)
from node.config import ChainConfig
from node.p2p.network import Incoming, Topic
from tests.kit.clearing.genesis import make_genesis
from tests.kit.node.memory_network import Hub
from tests.kit.until import until

SEED = b"s" * 32
SET = make_genesis().validators
KEYS = [each.envelope_key for each in SET.validators]
POWERS = [each.power for each in SET.validators]


def stated(*hosts: str, quorum: int = 2, chain: int = 1, seed: bytes = SEED) -> ProviderGossip:
    config = ChainConfig(
        chain_id=chain, name="one", endpoints=tuple(f"https://{host}/key" for host in hosts), quorum=quorum
    )
    return provider_commitments(seed, {chain: config})


def watch_of(index: int, own: ProviderGossip) -> ProviderWatch:
    membership: Any = SimpleNamespace(own_key=KEYS[index], keys=frozenset(KEYS), now=SET, is_validator=True)
    return ProviderWatch(own, membership)


def test_a_commitment_is_the_same_for_a_provider_however_it_is_spelt_and_hides_it() -> None:
    one, other = stated("a.example", "b.example"), stated("B.example:443", "A.example.")
    assert one == other
    assert stated("a.example", "b.example", seed=b"t" * 32) != one
    assert set(stated("a.example", "b.example", chain=2).chains[0].providers).isdisjoint(one.chains[0].providers)
    assert b"example" not in encode(one)


def test_the_share_of_power_that_few_providers_reach_together() -> None:
    watch = watch_of(0, stated("a", "b", "c"))
    watch.hear(KEYS[1], stated("a", "b", "d"))
    watch.hear(KEYS[2], stated("c", "d", "e"))
    (found,) = watch.diversity()
    assert (found.published, found.validators, found.providers) == (3, len(KEYS), 5)
    total = sum(POWERS)
    assert found.reached_ppm == (
        0,
        (POWERS[0] + POWERS[1]) * 1_000_000 // total,
        sum(POWERS[:3]) * 1_000_000 // total,
    )


def test_a_validator_alone_with_one_endpoint_is_reached_by_one_provider() -> None:
    watch = watch_of(0, stated("a", quorum=1))
    assert watch.diversity()[0].reached_ppm == (POWERS[0] * 1_000_000 // sum(POWERS),) * 3


def test_only_validators_count_and_the_newest_statement_of_each() -> None:
    watch = watch_of(0, stated("a", "b", "c"))
    watch.hear(b"x" * 32, stated("z", "y", "x"))
    watch.hear(KEYS[1], stated("z", "y", "x"))
    assert watch.diversity()[0].providers == 6
    watch.hear(KEYS[1], stated("a", "b", "c"))
    assert (watch.diversity()[0].providers, len(watch.heard)) == (3, 1)


GOOD = stated("a", "b", "c")
CHAIN = GOOD.chains[0]


def replaced(**changes: Any) -> ProviderGossip:
    return ProviderGossip((msgspec.structs.replace(CHAIN, **changes),))


@pytest.mark.parametrize(
    "gossip",
    [
        pytest.param(replaced(providers=CHAIN.providers[::-1]), id="unordered_providers"),
        pytest.param(replaced(providers=CHAIN.providers[:1] * 3), id="one_provider_thrice"),
        pytest.param(replaced(quorum=1), id="a_quorum_of_less_than_half"),
        pytest.param(replaced(quorum=4), id="a_quorum_of_more_than_all"),
        pytest.param(ProviderGossip((CHAIN, CHAIN)), id="one_chain_twice"),
        pytest.param(
            replaced(providers=tuple(bytes([n]) * 32 for n in range(PROVIDERS_MAX + 1)), quorum=PROVIDERS_MAX),
            id="too_many_providers",
        ),
    ],
)
def test_odd_statements_are_not_passed_on(gossip: ProviderGossip) -> None:
    assert valid_providers(Incoming(KEYS[0], encode(GOOD)))
    assert not valid_providers(Incoming(KEYS[0], encode(gossip)))
    assert not valid_providers(Incoming(KEYS[0], b"\xff" * 9))


async def test_validators_hear_of_each_other() -> None:
    hub = Hub()
    watches = [watch_of(index, stated("a", f"own-{index}", "c")) for index in range(3)]
    async with trio.open_nursery() as nursery:
        networks = [hub.join(KEYS[index]) for index in range(3)]
        for watch, network in zip(watches, networks, strict=True):
            nursery.start_soon(watch.listen, network.subscribe(Topic.PROVIDERS, valid_providers))
            nursery.start_soon(network.run)
        for watch, network in zip(watches, networks, strict=True):
            nursery.start_soon(watch.run, network)
        await until(lambda: all(len(watch.heard) == 2 for watch in watches))
        nursery.cancel_scope.cancel()
    assert {watch.diversity()[0].providers for watch in watches} == {5}


def test_a_chain_that_nobody_else_states_is_shown_alone() -> None:
    watch = watch_of(0, ProviderGossip((CHAIN, ChainProviders(9, 1, (b"p" * 32,)))))
    assert [(each.chain_id, each.published) for each in watch.diversity()] == [(1, 1), (9, 1)]
