"""What is public of collateral: every token with its haircut and inventory, and what is for sale.

Rule: reads a decided state, decides nothing. What single accounts hold is told only as far as it can be bid for.
"""

from collections.abc import Iterator

from clearing.collateral import listing
from clearing.collateral.auctions import auction_price, for_sale, is_open
from clearing.collateral.haircuts import effective_asset
from clearing.ledger import held
from clearing.state.state import State
from node.api.shapes import AssetNow, CollateralSale


def assets_now(state: State) -> tuple[AssetNow, ...]:
    """All tokens, ordered by id."""
    return tuple(
        AssetNow(
            asset=asset.id,
            name=asset.name,
            chain_id=asset.chain_id,
            cash_group=asset.cash_group,
            haircut_ppm=0 if asset.is_cash else effective_asset(state, asset).haircut_ppm,
            unit_decimals=asset.unit_decimals,
            inventory_units=str(held(state, asset)),
            suspended=asset.is_cash and listing.is_suspended(state, asset.cash_group),
        )
        for asset in listing.assets_now(state)
    )


def collateral_sales(state: State) -> tuple[CollateralSale, ...]:
    """What can be bid for in the next block; ordered by seller, group and asset."""
    return tuple(_sales(state, state.now.height + 1))


def _sales(state: State, height: int) -> Iterator[CollateralSale]:
    for seller, call in state.cash_calls.ordered():
        for group, terms in state.terms.cash_terms.items():
            if not is_open(state, call, group, height):
                continue
            for token in state.terms.tokens:
                price = auction_price(state, call, group, token, height)
                units = for_sale(state, call, seller, group, token, price) if price else 0
                if units > 0:
                    yield CollateralSale(
                        seller=seller,
                        cash_group=group,
                        asset=token.id,
                        units=str(units),
                        micros_per_unit=str(price),
                        last_height=call.auction_height + terms.call.auction_blocks - 1,
                    )
