"""What a relayer has left for gas on a chain, as its endpoint says.

Rule: it is for the operator's eyes. Nothing is decided by it: an endpoint may lie, and other relayers stand in.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass

import structlog
import trio

from bridge.evm.hexadecimal import hex_data, read_quantity
from bridge.rpc.endpoint import Endpoint
from clearing.base.errors import RemoteFault

PAUSE_SECONDS = 60.0
GAS_OF_ROUND = 600_000
"""Of a checkpoint with some claims, rounded up (docs/reference/gas.md)."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RelayerPurse:
    """Balance and price of gas, in wei."""

    address: bytes
    balance_wei: int
    gas_price_wei: int

    @property
    def rounds(self) -> int:
        """How many checkpoints with claims it pays at this price, rounded down."""
        return self.balance_wei // max(1, self.gas_price_wei * GAS_OF_ROUND)


async def weigh_purse(
    endpoint: Endpoint, address: bytes, purse_of: MutableMapping[int, RelayerPurse], chain: int
) -> None:
    """Keep `purse_of[chain]` up to date, for ever. A fault of the endpoint leaves what was known."""
    while True:
        try:
            balance = read_quantity(await endpoint.call("eth_getBalance", hex_data(address), "latest"), "balance", 256)
            price = read_quantity(await endpoint.call("eth_gasPrice"), "gas price", 256)
            purse_of[chain] = RelayerPurse(address, balance, price)
        except RemoteFault as fault:
            log.warning("relayer's balance is not known", chain_id=chain, fault=fault)
        await trio.sleep(PAUSE_SECONDS)
