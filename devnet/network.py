"""Bringing a devnet up: ports, chains, genesis, homes, vaults, processes, in this order; and taking it down again."""

import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import trio

from bridge.rpc.endpoint import Endpoint
from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from clearing.base.ids import NetworkId
from clearing.base.validators import ValidatorSet
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.genesis import Genesis
from devnet.chains import GAS_MONEY_WEI, MINT, DevnetChain, Wallet, fund, place_vaults, running_chains
from devnet.codes import DevnetCode
from devnet.folder import claimed_folder
from devnet.genesis import MemberIdentity, build_genesis
from devnet.live_surfaces import SURFACES, surface_configs, surface_terms
from devnet.market import Market, hours_file, load_market
from devnet.members import DevnetMember, make_members, now_ms
from devnet.options import DevnetOptions
from devnet.processes import LAUNCHER, NodeProcess, node_processes
from devnet.spare_chain import running_spare_chain, stock
from devnet.testnet import Testnet, create_testnet
from devnet.try_it import DEPOSITED, spendable, write_member_keys, write_note, write_submitter
from member.client.node_client import NodeClient
from member.codes import NodeCode
from member.default_ports import API_PORT_OFFSET, P2P_PORT
from node.config import ChainConfig, NodeConfig, RelayerConfig, Submitter
from node.config_oracle import FeedConfig, Oracle


@contextmanager
def reserved_ports(validators: int) -> Iterator[int]:
    """A port from which on, and `API_PORT_OFFSET` above, as many are free; no other devnet is given them meanwhile.

    Nodes listen only seconds later, so the last port of the range is bound all the while. Raises LocalFault when no
    range is free.
    """
    for base in range(P2P_PORT, 60_000, 2 * API_PORT_OFFSET):
        with socket.socket() as mark:
            try:
                mark.bind(("127.0.0.1", base + 2 * API_PORT_OFFSET - 1))
            except OSError:
                continue
            wanted = [base + above + index for above in (0, API_PORT_OFFSET) for index in range(validators)]
            if all(is_free(port) for port in wanted):
                yield base
                return
    raise LocalFault(DevnetCode.NODE_NOT_READY, "ports", why="no free range")


def is_free(port: int) -> bool:
    """Whether a process could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


READY_SECONDS = 300
"""A running node must be ready by then; a node that died is reported at once."""
RELAYERS = 2
"""Validators that run a relayer: the second stands in when the first is down."""


@dataclass(frozen=True, slots=True)
class Devnet:
    """A running devnet, as its users see it."""

    options: DevnetOptions
    market: Market
    genesis: Genesis
    network: NetworkId
    testnet: Testnet
    chains: tuple[DevnetChain, ...]
    endpoints: tuple[Endpoint, ...]
    """One a chain, in the order of `chains`."""
    nodes: dict[str, NodeProcess]
    clients: dict[str, NodeClient]
    members: tuple[DevnetMember, ...]
    """The house first."""

    def wallet(self, chain: int, member: DevnetMember) -> Wallet:
        """A member's wallet on a chain, by position."""
        return Wallet(self.endpoints[chain], self.chains[chain].anvil.chain_id, member.secret)

    def client_of(self, member: DevnetMember) -> NodeClient:
        """A client that signs as the member, at the first node that runs."""
        name = next(name for name, node in self.nodes.items() if node.running)
        return NodeClient(self.url(name), self.network, member.secret)

    def url(self, name: str) -> str:
        """A node's API."""
        config = next(node.config for node in self.testnet.nodes if node.config.node.name == name)
        return f"http://{config.api.host}:{config.api.port}"

    def running_clients(self) -> Sequence[NodeClient]:
        """Clients of the nodes that run."""
        return [self.clients[name] for name, node in self.nodes.items() if node.running]

    @property
    def schedule_path(self) -> Path:
        """Writing it starts the replay of prices on every node."""
        return self.options.output_dir / "schedule.json"


@asynccontextmanager
async def running_devnet(options: DevnetOptions) -> AsyncIterator[Devnet]:
    """The whole network, ready. Raises LocalFault naming what did not start."""
    market, members = options.market or load_market(), make_members(options.seed, options.members)
    folder = options.output_dir.resolve()
    async with AsyncExitStack() as stack:
        stack.enter_context(claimed_folder(folder))
        chains = await trio.to_thread.run_sync(stack.enter_context, running_chains(options, market, folder))
        spare = None
        if options.spare_chain:
            context = running_spare_chain(options, folder)
            spare = await trio.to_thread.run_sync(stack.enter_context, context)
        submitter = write_submitter(folder)
        time_ms = now_ms()
        testnet = create_testnet(
            folder / "nodes",
            lambda validators: _genesis(market, time_ms, validators, chains, members),
            validators=options.validators,
            base_port=stack.enter_context(reserved_ports(options.validators)),
            chains=[
                ChainConfig(chain_id=chain.anvil.chain_id, name=chain.deployed.name, endpoints=(chain.anvil.url,))
                for chain in chains
            ]
            + ([] if spare is None else [spare.settings]),
            devnet=True,
            seed=options.seed,
            configure=lambda index, config: _configure(market, time_ms, folder, index, config, submitter),
        )
        await trio.to_thread.run_sync(place_vaults, options, market, testnet.genesis, chains)
        endpoints = tuple([await stack.enter_async_context(Endpoint(chain.anvil.url)) for chain in chains])
        paying = [member.address for member in members] + [node.relayer for node in testnet.nodes]
        for endpoint in endpoints:
            await fund(endpoint, paying, GAS_MONEY_WEI)
        await fill_wallet(endpoints[0], spendable(testnet.genesis), members[-1])
        if spare is not None:
            await stock(spare, paying, members)
        homes = {node.config.node.name: node.home for node in testnet.nodes}
        nodes = await stack.enter_async_context(node_processes(homes, folder / "logs", options.launcher or LAUNCHER))
        devnet = Devnet(
            options, market, testnet.genesis, testnet.network, testnet, chains, endpoints, nodes, {}, members
        )
        for name in nodes:
            devnet.clients[name] = await stack.enter_async_context(NodeClient(devnet.url(name), testnet.network))
        for name in nodes:
            await wait_ready(devnet, name)
        write_member_keys(folder, members)
        write_note(folder, testnet.genesis, members, devnet.url(next(iter(nodes))), chains[0].anvil.url)
        yield devnet


async def fill_wallet(endpoint: Endpoint, asset: Asset, member: DevnetMember) -> None:
    """Give a member's wallet tokens for deposits of its own: anybody may mint a devnet's."""
    wallet, amount = Wallet(endpoint, asset.chain_id, member.secret), 20 * DEPOSITED * 10**asset.token_decimals
    sent = await wallet.send(asset.token, MINT + member.address.rjust(32, b"\0") + u256(amount))
    await wallet.mined(sent, "mint")


async def wait_ready(devnet: Devnet, name: str) -> None:
    """Wait until a node meets every condition. Raises LocalFault NODE_DIED, or NODE_NOT_READY with the unmet ones."""
    reason = "no answer"
    with trio.move_on_after(READY_SECONDS):
        while True:
            devnet.nodes[name].check()
            try:
                readiness = await devnet.clients[name].readiness()
            except LocalFault as fault:
                if fault.code is not NodeCode.NODE_UNREACHABLE:
                    raise
            else:
                if readiness.ready:
                    return
                reason = "; ".join(f"{check.name}: {check.detail}" for check in readiness.checks if not check.ok)
            await trio.sleep(0.2)
    raise LocalFault(DevnetCode.NODE_NOT_READY, name, why=reason)


def _genesis(
    market: Market,
    time_ms: int,
    validators: ValidatorSet,
    chains: tuple[DevnetChain, ...],
    members: tuple[DevnetMember, ...],
) -> Genesis:
    house, *others = [MemberIdentity(member.id, member.name, member.address) for member in members]
    return build_genesis(
        market,
        name="devnet",
        time_ms=time_ms,
        validators=validators,
        chains=tuple(chain.deployed for chain in chains),
        house=house,
        members=tuple(others),
        surfaces=surface_terms(market),
    )


def _configure(
    market: Market, time_ms: int, folder: Path, index: int, config: NodeConfig, submitter: Submitter
) -> NodeConfig:
    """`submitter`: who has a token for the first node. `time_ms`: of genesis."""
    return msgspec.structs.replace(
        config,
        oracle=Oracle(
            source="replay",
            file=str(hours_file(market)),
            schedule=str(folder / "schedule.json"),
            feeds=tuple(
                FeedConfig(name=figures.name, feed=number) for number, figures in enumerate(market.feeds, start=1)
            ),
            surfaces=surface_configs(market),
            surface_file=str(SURFACES),
            surface_origin_ms=time_ms,
        ),
        relayer=RelayerConfig(enabled=index < RELAYERS, interval_ms=500),
        api=msgspec.structs.replace(
            config.api, requests_per_second=500, requests_burst=1000, submitters=() if index else (submitter,)
        ),
    )
