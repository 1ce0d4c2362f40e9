"""Four engines with real curves on real sockets, two of whose six links nobody opens."""

import dataclasses
from pathlib import Path

from node.p2p.config import NetworkConfig, Peer
from node.p2p.libp2p.network import LibP2PNetwork
from tests.kit.consensus.crypto import VALIDATORS, secrets_of
from tests.kit.consensus.engines import NETWORK, check_same_chain, reach, running
from tests.kit.consensus.engines import Peer as Validator
from tests.kit.ports import free_ports

CUT = ({0, 1}, {2, 3})
START, HEIGHTS = 6, 24


class Sockets:
    """In place of the network in memory."""

    def __init__(self) -> None:
        self._ports = free_ports(4)

    def join(self, key: bytes) -> LibP2PNetwork:
        own = VALIDATORS.index_of[key]
        peers = tuple(
            Peer(validator.envelope_key, port=self._ports[other])
            for other, validator in enumerate(VALIDATORS.validators)
            if other != own and {own, other} not in CUT
        )
        return LibP2PNetwork(
            NetworkConfig(secret=secrets_of(4)[own][0], network=NETWORK, peers=peers, port=self._ports[own])
        )


async def test_four_nodes_with_two_links_cut_go_on_at_speed(tmp_path: Path) -> None:
    sockets = Sockets()
    validators = [Validator(index, tmp_path / str(index), sockets) for index in range(4)]  # type: ignore[arg-type]
    async with running(validators):
        await reach(validators, START)
        engines = [validator.engine for validator in validators if validator.engine is not None]
        before = [dataclasses.replace(engine.stats) for engine in engines]
        await reach(validators, START + HEIGHTS)
        for engine, was in zip(engines, before, strict=True):
            assert len(engine._network.peers) == 2
            assert engine.stats.rounds_beyond_first - was.rounds_beyond_first <= HEIGHTS // 4
            assert engine.stats.heights_fetched - was.heights_fetched <= HEIGHTS // 4
            assert not engine.stats.faults
    check_same_chain(validators)
