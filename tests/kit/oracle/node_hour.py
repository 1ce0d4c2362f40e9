"""The played hour through a network of real nodes: processes, sockets, consensus, and the blocks that they decided.

Rule: nothing is the tests' own but the venues. What was agreed at each height is what one node's block log comes to
when it is executed again, certificates checked.
"""

from pathlib import Path

import msgspec
import trio

from clearing.base.errors import LocalFault
from clearing.base.validators import ValidatorSet
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.assets import Feed
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MarketParameters, MemberTerms
from devnet.demo.main import export_blocks, network_seed
from devnet.members import now_ms
from devnet.network import reserved_ports
from devnet.processes import NodeProcess, node_processes
from devnet.testnet import Testnet, create_testnet
from member.client.node_client import NodeClient
from node.agreement.application import DecidedHeight, state_salt
from node.config import Consensus, NodeConfig, Proofs, RelayerConfig
from node.config_oracle import Oracle
from node.offline.replay import Replayed, replay
from node.store.block_log import read_block_log
from tests.kit.clearing.genesis import BTC, ETH
from tests.kit.oracle.played_hour import AGE_MS, BEAT_MS, NAMES, READ_MS, REPORT_AGE_MS, PlayedHour, Row

VALIDATORS = 4
WINDOW_MS = AGE_MS + REPORT_AGE_MS + READ_MS + 2 * BEAT_MS


class NodeHour:
    """One run in `folder`. Other arguments as of `PlayedHour`."""

    def __init__(self, folder: Path, hour: int, speed: int, seed: int = 1) -> None:
        self._folder, self._played = folder, PlayedHour(hour, speed, seed, now_ms)

    async def run(self) -> list[Row]:
        """Raises what replaying raises, when the nodes decided what does not follow from their blocks."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._played.run)
            with reserved_ports(VALIDATORS) as base_port:
                testnet = create_testnet(
                    self._folder / "nodes",
                    _genesis,
                    validators=VALIDATORS,
                    base_port=base_port,
                    devnet=True,
                    seed=5,
                    configure=self._configure,
                )
                homes = {node.config.node.name: node.home for node in testnet.nodes}
                (self._folder / "logs").mkdir()
                async with node_processes(homes, self._folder / "logs") as nodes:
                    for name, process in nodes.items():
                        await _until_ready(testnet, name, process)
                    self._played.begin()
                    while not self._played.is_over:
                        await trio.sleep(0.1)
                        for process in nodes.values():
                            process.check()
            nursery.cancel_scope.cancel()
        await trio.to_thread.run_sync(self._note_heights, testnet)
        return self._played.rows

    def _configure(self, index: int, config: NodeConfig) -> NodeConfig:
        return msgspec.structs.replace(
            config,
            oracle=Oracle(
                source="live", interval_ms=READ_MS, feeds=self._played.feeds(), sources=self._played.sources()
            ),
            relayer=RelayerConfig(enabled=False),
            proofs=Proofs(enabled=False),
            consensus=Consensus(heartbeat_ms=250),
        )

    def _note_heights(self, testnet: Testnet) -> Replayed:
        node, network = testnet.nodes[0], testnet.network
        log = export_blocks(self._folder, network, node)
        salt = state_salt(network_seed(node))
        return replay(testnet.genesis, salt, read_block_log(log), self._note)

    def _note(self, decided: DecidedHeight) -> None:
        if self._played.begun_ms is None or decided.header.time_ms < self._played.begun_ms:
            return
        for feed in (BTC, ETH):
            usable = [
                next((each.sources for each in said.extension.prices if each.feed == feed), 0) if said.extension else 0
                for said in decided.block.extensions
            ]
            feed_state = decided.state.feeds.get(feed)
            self._played.note(feed, feed_state, usable, decided.header.time_ms, WINDOW_MS)


def _genesis(validators: ValidatorSet) -> Genesis:
    """Two feeds, which an open price needs, and nothing else."""
    return Genesis(
        "hour",
        now_ms(),
        validators,
        (),
        tuple(Feed(feed, name) for feed, name in NAMES.items()),
        (),
        (),
        (),
        RiskParameters(groups=(), scenarios=SPAN_SIXTEEN),
        MarketParameters(report_age_ms_max=REPORT_AGE_MS, confidence_ppm_max=20_000),
        (MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),)),),
    )


async def _until_ready(testnet: Testnet, name: str, process: NodeProcess) -> None:
    """Until a node meets every condition, each feed's sources among them."""
    config = next(node.config for node in testnet.nodes if node.config.node.name == name)
    async with NodeClient(f"http://{config.api.host}:{config.api.port}", testnet.network) as client:
        while True:
            process.check()
            try:
                if (await client.readiness()).ready:
                    return
            except LocalFault:
                pass  # it does not answer yet
            await trio.sleep(0.2)
