"""`TestNetwork`: homes, chains and processes of a manifest, ready.

Rule: every node has the same genesis; the seed of the manifest makes all keys, which are worth nothing elsewhere.
"""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import trio

from bridge.rpc.endpoint import Endpoint
from clearing.base.errors import LocalFault
from clearing.base.validators import ValidatorSet
from clearing.schema.terms.genesis import Genesis
from devnet.chains import GAS_MONEY_WEI, DevnetChain, fund, place_vaults, running_chains
from devnet.codes import DevnetCode
from devnet.demo.main import network_seed
from devnet.demo.story import USDC, DevnetDeposit, deposit_all, until
from devnet.genesis import MemberIdentity, build_genesis
from devnet.market import Market, hours_file, load_market
from devnet.members import DevnetMember, make_members, now_ms
from devnet.network import Devnet
from devnet.options import DevnetOptions
from devnet.testnet import Testnet, create_testnet
from member.client.node_client import NodeClient
from member.codes import NodeCode
from node.config import P2P, Api, ChainConfig, NodeConfig, Proofs, RelayerConfig
from node.config_oracle import Oracle
from node.config_sources import parse_config
from node.oracle.source import Schedule, write_schedule
from tests.testnets.ground import ROOT, Ground, open_ground
from tests.testnets.manifest import Manifest
from tests.testnets.processes import RunningNode, all_ended
from tests.testnets.relay import Link, Relay
from tests.testnets.watch import Watch

PRICE_SPEED = 60.0
"""Recorded hours pass in minutes: a price moves at nearly every reading, and never by much."""
START_SECONDS = 300
"""Of the first heights, and of a deposit; a loaded machine is slow."""
CAPITAL_USDC, MEMBER_USDC = 5_000_000, 500_000


@dataclass(slots=True)
class TestNetwork:
    __test__ = False

    manifest: Manifest
    folder: Path
    testnet: Testnet
    ground: Ground
    nodes: dict[str, RunningNode]
    clients: dict[str, NodeClient]
    members: Sequence[DevnetMember]
    watch: Watch
    keys: dict[str, bytes]
    """Envelope key of each node."""
    powers: dict[str, int]
    """Of each validator, as changed by events."""
    checkouts: dict[str, Path] = field(default_factory=dict)
    """Where the sources of an upgrade were put, by what the manifest calls them."""

    @property
    def genesis(self) -> Genesis:
        return self.testnet.genesis

    async def join(self, node: RunningNode) -> None:
        """Start a late node: from genesis, or from a snapshot, trusting what an honest node tells now."""
        if node.terms.join == "snapshot":
            header = await self.asked().newest_header()
            node.settings = {
                "state_sync.enabled": "true",
                "state_sync.trust_height": str(header.height),
                "state_sync.trust_hash": header.hash.hex(),
            }
        else:
            node.settings = {"state_sync.enabled": "false"}
        await node.start()

    def asked_node(self) -> RunningNode:
        """An honest validator that can answer."""
        return next(node for node in self.honest if node.able and self.powers.get(node.name))

    def asked(self) -> NodeClient:
        return self.clients[self.asked_node().name]

    @property
    def following(self) -> list[RunningNode]:
        """Honest nodes that peers let in: a former validator is let in by nobody who does not list it."""
        left = {name for name in self.manifest.voters if not self.powers[name]}
        return [node for node in self.honest if node.name not in left]

    @property
    def honest(self) -> list[RunningNode]:
        """Nodes without an adversary."""
        return [self.nodes[name] for name in self.manifest.honest]


@asynccontextmanager
async def running_network(manifest: Manifest, folder: Path) -> AsyncIterator[TestNetwork]:
    """All processes of the manifest but the late ones, at height 1 or above. Raises LocalFault."""
    market, members = load_market(), make_members(manifest.seed, manifest.load.members)
    (folder / "logs").mkdir(parents=True)
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(open_ground(manifest))
        options = DevnetOptions(
            output_dir=folder, validators=manifest.validators, chains=manifest.chains, seed=manifest.seed
        )
        chains = await trio.to_thread.run_sync(stack.enter_context, running_chains(options, market, folder))
        gateway = await stack.enter_async_context(_gateway(ground, chains))
        testnet = create_testnet(
            folder / "nodes",
            lambda validators: _genesis(manifest, market, validators, chains, members),
            validators=manifest.validators,
            devnet=True,
            seed=manifest.seed,
            configure=lambda index, config: _configure(manifest, market, folder, ground, gateway, index, config),
        )
        homes, keys = await trio.to_thread.run_sync(_homes, manifest, testnet, ground, gateway)
        await trio.to_thread.run_sync(place_vaults, options, market, testnet.genesis, chains)
        if manifest.prices:
            write_schedule(folder / "schedule.json", Schedule(now_ms(), PRICE_SPEED))
        nodes = _nodes(manifest, folder, ground, homes)
        clients = {
            name: await stack.enter_async_context(
                NodeClient(f"http://{node.place.api_host}:{node.place.api_port}", testnet.network)
            )
            for name, node in nodes.items()
        }
        await stack.enter_async_context(all_ended(nodes.values()))
        watch, powers = Watch(nodes.values()), dict.fromkeys(manifest.voters, 1)
        network = TestNetwork(manifest, folder, testnet, ground, nodes, clients, members, watch, keys, powers)
        first = [node for node in nodes.values() if node.name not in manifest.late]
        for node in first:
            await node.start()
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        nursery.start_soon(network.watch.run)
        honest = [node.name for node in first if not node.terms.adversary]
        await network.watch.until_level(honest, 1, START_SECONDS)
        if chains:
            await _deposit(network, options, market, chains, stack)
        yield network


def _nodes(manifest: Manifest, folder: Path, ground: Ground, homes: Sequence[Path]) -> dict[str, RunningNode]:
    """None of them started."""
    return {
        name: RunningNode(
            name,
            index,
            homes[index],
            ground.places[index],
            manifest.terms(name),
            folder / "logs" / f"{name}.log",
            manifest.seed,
        )
        for index, name in enumerate(manifest.names)
    }


def _genesis(
    manifest: Manifest,
    market: Market,
    validators: ValidatorSet,
    chains: tuple[DevnetChain, ...],
    members: Sequence[DevnetMember],
) -> Genesis:
    epoch, delay = manifest.epoch_heights, market.market.snapshot_delay_blocks
    terms = msgspec.structs.replace(market.market, epoch_blocks=epoch, snapshot_delay_blocks=min(delay, epoch - 1))
    market = msgspec.structs.replace(market, market=terms)
    house, *others = [MemberIdentity(member.id, member.name, member.address) for member in members]
    return build_genesis(
        market,
        name=manifest.name,
        time_ms=now_ms(),
        validators=validators,
        chains=tuple(chain.deployed for chain in chains),
        house=house,
        members=tuple(others),
    )


def _configure(
    manifest: Manifest,
    market: Market,
    folder: Path,
    ground: Ground,
    gateway: dict[int, str],
    index: int,
    config: NodeConfig,
) -> NodeConfig:
    place, others = ground.places[index], [each for each in range(manifest.validators) if each != index]
    addresses = [ground.address(index, other) for other in others]
    peers = tuple(
        msgspec.structs.replace(peer, host=host, port=port)
        for peer, (host, port) in zip(config.p2p.peers, addresses, strict=True)
    )
    oracle = Oracle(source="replay", file=str(hours_file(market)), schedule=str(folder / "schedule.json"))
    return msgspec.structs.replace(
        config,
        p2p=P2P(host=place.p2p_host, port=place.p2p_port, peers=peers),
        api=Api(host=place.api_host, port=place.api_port, requests_per_second=2_000, requests_burst=4_000),
        chains=tuple(
            ChainConfig(chain_id=chain, name=f"chain{chain}", endpoints=(url,)) for chain, url in gateway.items()
        ),
        oracle=oracle,
        proofs=Proofs(enabled=manifest.proofs),
        relayer=RelayerConfig(enabled=bool(gateway) and index == 0, interval_ms=1_000),
        consensus=parse_config({"consensus": dict(manifest.consensus)}).consensus,
    )


@asynccontextmanager
async def _gateway(ground: Ground, chains: Sequence[DevnetChain]) -> AsyncIterator[dict[int, str]]:
    """Where nodes reach each chain, by chain id: chains listen on the machine's loopback, unseen from namespaces."""
    urls = {chain.anvil.chain_id: chain.anvil.url for chain in chains}
    outside = ground.places[0].api_host.rpartition(".")[0] + ".254"
    async with trio.open_nursery() as nursery:
        if ground.kind == "namespaces":
            relay = Relay(seed=0)
            for number, chain in enumerate(chains):
                link = Link((-1, number), chain.anvil.port, chain.anvil.port, host=outside)
                await nursery.start(relay.serve, link)
                urls[chain.anvil.chain_id] = f"http://{outside}:{chain.anvil.port}"
        yield urls
        nursery.cancel_scope.cancel()


async def _deposit(
    network: TestNetwork,
    options: DevnetOptions,
    market: Market,
    chains: tuple[DevnetChain, ...],
    stack: AsyncExitStack,
) -> None:
    """Give everybody money on the first chain and wait until it is credited."""
    endpoints = tuple([await stack.enter_async_context(Endpoint(chain.anvil.url)) for chain in chains])
    testnet, members = network.testnet, tuple(network.members)
    paying = [member.address for member in members] + [node.relayer for node in testnet.nodes]
    for endpoint in endpoints:
        await fund(endpoint, paying, GAS_MONEY_WEI)
    devnet = Devnet(options, market, testnet.genesis, testnet.network, testnet, chains, endpoints, {}, {}, members)
    sums = {member.id: MEMBER_USDC if member.id else CAPITAL_USDC for member in members}
    await deposit_all(devnet, tuple(DevnetDeposit(member, 0, "USDC", sums[member.id] * USDC) for member in members))
    client = network.asked()

    async def credited() -> bool | None:
        cursors = (await client.newest_header()).deposit_cursors
        return True if sum(cursor.nonce for cursor in cursors) >= len(members) else None

    await until("deposits to be credited", START_SECONDS, credited)


def _homes(
    manifest: Manifest, testnet: Testnet, ground: Ground, gateway: dict[int, str]
) -> tuple[list[Path], dict[str, bytes]]:
    """Homes of all nodes, those of the observers made here, and all envelope keys. Blocks."""
    homes = [node.home.resolve() for node in testnet.nodes]
    keys = {f"n{node.index}": node.envelope_key for node in testnet.nodes}
    for index in range(manifest.validators, len(manifest.names)):
        home, keys[f"n{index}"] = _observer(testnet, ground, index, gateway)
        homes.append(home)
    return homes, keys


def _observer(testnet: Testnet, ground: Ground, index: int, gateway: dict[int, str]) -> tuple[Path, bytes]:
    """Make the home of a node without a vote as its operator does, and have the validators let it in."""
    folder = testnet.genesis_path.parent
    home, seed = folder / f"n{index}", folder / f"n{index}.seed"
    seed.touch(mode=0o600)
    seed.write_text(network_seed(testnet.nodes[0]).hex())
    place = ground.places[index]
    peers = [
        f"{node.envelope_key.hex()}@{host}:{port}"
        for node in testnet.nodes
        for host, port in [ground.address(index, node.index)]
    ]
    command = [
        *(sys.executable, "-m", "cli", "join", "--prepare-only", "--devnet", "--output", "json"),
        *("--home", str(home), "--genesis", str(testnet.genesis_path), "--network-seed-file", str(seed)),
        *("--name", f"n{index}", "--listen", f"{place.p2p_host}:{place.p2p_port}"),
        *("--api", f"{place.api_host}:{place.api_port}", "--from-genesis"),
        *(word for peer in peers for word in ("--peer", peer)),
        *(word for chain, url in gateway.items() for word in ("--endpoint", f"{chain}={url}")),
    ]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise LocalFault(
            DevnetCode.NODE_DIED, "crossclear join", exit_code=completed.returncode, why=completed.stderr[-500:]
        )
    key = json.loads(completed.stdout)["envelope"]
    for node in testnet.nodes:
        with (node.home / "node.toml").open("a") as file:
            file.write(f'\n[[p2p.observers]]\nkey = "{key}"\n')
    return home.resolve(), bytes.fromhex(key)


def checkout_of(network: TestNetwork, to: str, repository: Path) -> Path:
    """The sources of an upgrade: a folder as it is, a git ref unpacked beside the homes. Raises LocalFault."""
    if to not in network.checkouts:
        folder = Path(to)
        if not (folder / "cli").is_dir():
            folder = network.folder / "checkouts" / str(len(network.checkouts))
            folder.mkdir(parents=True)
            packed = subprocess.run(
                ["git", "archive", "--format=tar", to], cwd=repository, capture_output=True, check=False
            )
            if packed.returncode:
                raise LocalFault(NodeCode.CONFIG_VALUE, "upgrade", to=to, why=packed.stderr.decode(errors="replace"))
            subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
        network.checkouts[to] = folder.resolve()
    return network.checkouts[to]
