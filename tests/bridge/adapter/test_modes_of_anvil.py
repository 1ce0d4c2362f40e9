"""A deposit is credited on chains of each fork and family that anvil imitates, read in the layout of a profile."""

from collections.abc import AsyncIterator, Callable

import pytest

from bridge.codes import BridgeCode
from bridge.evm.header import read_header
from bridge.evm.hexadecimal import hex_data
from bridge.evm.layouts import ChainLayout
from bridge.rpc.chain_profiles import all_profiles
from bridge.rpc.endpoint import Endpoint
from devnet.anvil import Anvil
from tests.kit.bridge.watched_chain import CHAIN_ID, SENDER, Chain, Watch
from tests.kit.refusals import refused

pytestmark = pytest.mark.chain

LAYOUTS = {name: profile.layout for name, profile in all_profiles().items()}
# Before London, and in the very first block before Cancun, anvil hashes fields that no chain of those forks had.
FORKS = {"london": 1, "paris": 1, "shanghai": 2, "cancun": 5, "prague": 6, "osaka": 6}
"""With the fields that a header then has after the first ones."""
Started = Callable[..., Chain]


@pytest.fixture
def started(anvil: Callable[..., Anvil]) -> Started:
    def start(**options: str) -> Chain:
        chain = Chain(anvil(CHAIN_ID, **options))
        chain.mine()
        chain.profile = chain.deploy_emitter()
        return chain

    return start


@pytest.fixture
async def watch_of(watch: Callable[..., Watch]) -> AsyncIterator[Callable[..., Watch]]:
    endpoints: list[Endpoint] = []

    def made(chain: Chain, layout: ChainLayout) -> Watch:
        endpoints.append(Endpoint(chain.url))
        return watch(chain.profile, endpoints[-1], layout=layout)

    yield made
    for endpoint in endpoints:
        await endpoint.aclose()


@pytest.mark.parametrize("fork", FORKS)
async def test_a_deposit_is_credited_on_each_fork_since_london(
    started: Started, watch_of: Callable[..., Watch], fork: str
) -> None:
    chain = started(hardfork=fork)
    chain.final_deposits(1, 2)
    w = watch_of(chain, LAYOUTS["evm"])
    await w.until_quiet()
    assert w.nonces == [1, 2]
    stated = chain.rpc("eth_getBlockByNumber", "latest", *[False])
    names = [name for name, _ in LAYOUTS["evm"].header.appended]
    assert [name for name in names if stated.get(name)] == names[: FORKS[fork]]
    assert read_header(stated, LAYOUTS["ethereum"].header)


def deposit_transaction(chain: Chain, nonce: int) -> None:
    """The contract is called by a deposit from Ethereum, a transaction of type 0x7e."""
    topics, data = chain.deposit_log(nonce)
    sent = {
        "type": "0x7e",
        "from": SENDER,
        "to": hex_data(chain.emitter),
        "data": hex_data(b"".join(topics) + data),
        "gas": hex(200_000),
        "value": "0x0",
        "sourceHash": "0x" + "11" * 32,
        "mint": "0x0",
        "isSystemTx": False,
    }
    assert chain.receipt(chain.rpc("eth_sendTransaction", sent))["type"] == "0x7E"


@pytest.mark.parametrize("fork", ["isthmus", "jovian"])
@pytest.mark.parametrize("name", ["optimism", "base"])
async def test_a_deposit_made_by_a_deposit_transaction_of_the_op_stack_is_credited(
    started: Started, watch_of: Callable[..., Watch], fork: str, name: str
) -> None:
    chain = started(hardfork=fork, network="optimism")
    chain.deposited(1)
    deposit_transaction(chain, 2)
    chain.mine(6)
    w = watch_of(chain, LAYOUTS[name])
    await w.until_quiet()
    assert w.nonces == [1, 2]


async def test_the_layout_of_another_chain_credits_nothing_of_it(
    started: Started, watch_of: Callable[..., Watch]
) -> None:
    chain = started(hardfork="isthmus", network="optimism")
    deposit_transaction(chain, 1)
    chain.mine(6)
    w = watch_of(chain, LAYOUTS["ethereum"])
    with refused(BridgeCode.UNKNOWN_RECEIPT_TYPE):
        await w.until_quiet()
    assert w.facts == []
