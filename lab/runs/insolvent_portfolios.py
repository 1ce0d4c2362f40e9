"""Steps of a run file for portfolios whose equity is gone: auto-deleveraging, and an auction at a rising price.

Rule: auto-deleveraging ranks and rounds as the state machine does. The rising auction is other venues': the network
auctions such a portfolio with asks for slices (`clearing.default.default_auction`).
"""

from typing import Any

from clearing.base.codec import I64, U32, Wire
from clearing.base.units import POSITION_MAX
from clearing.default.deleveraging import RANK_DENOMINATOR, leverage_rank
from lab.models.numbers import Number
from lab.models.portfolio import Name
from lab.runs.units import micros, money, require

PEOPLE_MAX = 1024
BLOCKS_MAX, BIDS_MAX = 1000, 16


class RankedInput(Wire, frozen=True):
    """An account with a position in the instrument, on either side."""

    of: Name
    lots: I64
    """Signed."""
    profit: Number
    """Since the defaulter was last fully margined."""
    equity: Number


class DeleveragingCase(Wire, frozen=True, tag_field="kind", tag="deleveraging"):
    """A position is closed at the mark against the other side, ranked by profit x leverage."""

    name: Name
    lots: I64
    """Signed lots to be closed."""
    lot_value: Number
    """Notional of one lot at the mark."""
    accounts: tuple[RankedInput, ...]
    """In the order of their numbers, which decides between equal ranks."""


class RisingBid(Wire, frozen=True):
    """A bidder and the least that it wants to be paid for taking the portfolio; negative: it pays at most so much."""

    of: Name
    ask: Number
    block: U32 = 1
    """The first block in which it bids."""


class RisingAuction(Wire, frozen=True, tag_field="kind", tag="rising_auction"):
    """An insolvent portfolio is offered with a payment that rises from block to block, until somebody takes it."""

    name: Name
    start: Number
    """Payment to the taker in the first block."""
    end: Number
    """In the last one; the rise is even, rounded down to a micro."""
    blocks: U32
    bids: tuple[RisingBid, ...]
    """In the order in which they were made, which decides between equal asks of a block."""
    equity: Number = 0
    """What the portfolio's account has left; it pays first. Below zero: its debt, which the fund pays, too."""
    fund: Number = 0
    """What the fund can pay after that."""


def deleveraging(step: DeleveragingCase, at: str) -> dict[str, Any]:
    """Every account of the other side in its turn: its rank, and the lots that end there."""
    require(len(step.accounts) <= PEOPLE_MAX, f"{at}.accounts", str(len(step.accounts)))
    require(0 < abs(step.lots) <= POSITION_MAX, f"{at}.lots", str(step.lots))
    value, sides = micros(step.lot_value, f"{at}.lot_value", 0), []
    for place, account in enumerate(step.accounts):
        path = f"{at}.accounts[{place}]"
        require(abs(account.lots) <= POSITION_MAX, f"{path}.lots", str(account.lots))
        profit, equity = micros(account.profit, f"{path}.profit"), micros(account.equity, f"{path}.equity")
        if account.lots * step.lots < 0:
            rank = leverage_rank(profit, abs(account.lots) * value, equity)
            sides.append((-rank, place, account.of, abs(account.lots)))
    left, pairs = abs(step.lots), []
    for rank, _, name, lots in sorted(sides):
        closed = min(left, lots)
        left -= closed
        signed = closed if step.lots < 0 else -closed
        pairs.append({"of": name, "rank": money(-rank // RANK_DENOMINATOR), "closed": signed, "keeps": lots - closed})
    return {"pairs": pairs, "left": left if step.lots > 0 else -left}


def rising_auction(step: RisingAuction, at: str) -> dict[str, Any]:
    """The payment of every block up to the sale; who takes the portfolio, and who pays for it."""
    start, end = micros(step.start, f"{at}.start"), micros(step.end, f"{at}.end")
    require(start <= end, f"{at}.end", str(step.end))
    require(0 < step.blocks <= BLOCKS_MAX, f"{at}.blocks", str(step.blocks))
    require(len(step.bids) <= BIDS_MAX, f"{at}.bids", str(len(step.bids)))
    asks = [(micros(bid.ask, f"{at}.bids[{place}].ask"), place, bid) for place, bid in enumerate(step.bids)]
    equity, fund = micros(step.equity, f"{at}.equity"), micros(step.fund, f"{at}.fund", 0)
    offers: list[Any] = []
    for block in range(1, step.blocks + 1):
        offer = start + (end - start) * (block - 1) // max(step.blocks - 1, 1)
        offers.append({"block": block, "payment": money(offer)})
        takers = sorted((ask, place, bid.of) for ask, place, bid in asks if bid.block <= block and ask <= offer)
        if takers:
            own = min(max(equity, 0), max(offer, 0))
            missing = max(offer, 0) - own + max(-equity - max(-offer, 0), 0)
            paid = min(missing, fund)
            sale = {
                "taker": takers[0][2],
                "payment": money(offer),
                "account_pays": money(own),
                "fund_pays": money(paid),
            }
            return {"blocks": offers, **sale, "uncovered": money(missing - paid)}
    paid = min(max(-equity, 0), fund)
    return {"blocks": offers, "taker": None, "fund_pays": money(paid), "uncovered": money(max(-equity, 0) - paid)}
