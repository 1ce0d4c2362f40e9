"""What a relayer has for gas is told, and kept when an endpoint fails."""

from collections.abc import Callable

import pytest
import trio

from bridge.rpc.endpoint import Endpoint
from devnet.anvil import Anvil
from node.chains import relayer_purse
from node.chains.relayer_purse import GAS_OF_ROUND, RelayerPurse, weigh_purse
from tests.kit.until import until

pytestmark = pytest.mark.chain
ADDRESS = b"\x11" * 20


@pytest.mark.parametrize(
    ("balance", "price", "rounds"),
    [(0, 1, 0), (GAS_OF_ROUND * 7 - 1, 1, 6), (GAS_OF_ROUND * 7, 1, 7), (10**18, 10**9, 1_666), (5, 0, 5)],
)
def test_what_a_purse_pays_is_rounded_down(balance: int, price: int, rounds: int) -> None:
    assert RelayerPurse(ADDRESS, balance, price).rounds == rounds


async def test_the_balance_is_followed_and_a_silent_endpoint_changes_nothing(
    anvil: Callable[..., Anvil], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relayer_purse, "PAUSE_SECONDS", 0.01)
    chain, purses = anvil(), dict[int, RelayerPurse]()
    async with Endpoint(chain.url) as endpoint, trio.open_nursery() as nursery:
        chain.fund("0x" + ADDRESS.hex(), 10**18)
        nursery.start_soon(weigh_purse, endpoint, ADDRESS, purses, 7)
        await until(lambda: 7 in purses)
        assert purses[7].balance_wei == 10**18
        assert purses[7].gas_price_wei > 0
        chain.fund("0x" + ADDRESS.hex(), 5)
        await until(lambda: purses[7].balance_wei == 5)
        nursery.cancel_scope.cancel()
    async with Endpoint("http://127.0.0.1:9", timeout_seconds=0.2) as silent, trio.open_nursery() as nursery:
        nursery.start_soon(weigh_purse, silent, ADDRESS, purses, 7)
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert purses[7].balance_wei == 5
