"""What can be bid for at a node, and bids for slices of accounts in liquidation and for collateral of cash calls.

Rule: the node says what is for sale. A bid that names no sale is not sent; whether the rules fill it is seen in its
receipt. Bids for a defaulter's portfolio are in `member.client.default_bids`.
"""

from dataclasses import dataclass

from clearing.base.errors import LocalFault
from clearing.schema.requests.auctions import CollateralBid, LiquidationBid
from member.api.receipts import DefaultUnderWay, SliceSale
from member.api.state import CollateralSale, StateView
from member.api.submit import SubmitResult
from member.client.node_client import NodeClient
from member.codes import NodeCode


@dataclass(frozen=True, slots=True)
class ForSale:
    """Everything that can be bid for in the next block."""

    state: StateView
    defaults: tuple[DefaultUnderWay, ...]
    slices: tuple[SliceSale, ...]

    @property
    def collateral(self) -> tuple[CollateralSale, ...]:
        """Collateral that lapsed cash calls put up for sale."""
        return self.state.sales


async def for_sale(client: NodeClient) -> ForSale:
    """Ask a node, as a member. Raises LocalFault and RemoteFault as `NodeClient`."""
    return ForSale(await client.state(), (await client.defaults()).under_way, (await client.liquidations()).sales)


async def bid_for_slice(
    client: NodeClient, account: int, liquidated: int, slice_ppb: int, discount_ppm: int
) -> SubmitResult:
    """Bid for a share of every position of an account in liquidation, at this discount or a larger one.

    Raises LocalFault API_PARAMETER where the account is not for sale.
    """
    for sale in (await client.liquidations()).sales:
        if sale.account == liquidated:
            return await client.submit_own(
                LiquidationBid, account, liquidated, sale.opened_height, slice_ppb, discount_ppm
            )
    raise LocalFault(NodeCode.API_PARAMETER, "liquidated", value=liquidated, why="no slice of it is for sale")


async def bid_for_collateral(
    client: NodeClient, account: int, seller: int, asset: int, units: int, micros_per_unit: int
) -> SubmitResult:
    """Bid for clearing units of collateral at this price or a lower one; the cash group is the sale's.

    Raises LocalFault API_PARAMETER where there is no such sale.
    """
    for sale in (await client.state()).sales:
        if (sale.seller, sale.asset) == (seller, asset):
            return await client.submit_own(
                CollateralBid, account, seller, asset, sale.cash_group, units, micros_per_unit
            )
    raise LocalFault(NodeCode.API_PARAMETER, "seller", value=seller, asset=asset, why="it sells none of this token")
