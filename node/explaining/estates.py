"""What earlier receipts of a default said, and how its estate came together.

Rule: kept by number of the default, from its declaration on; what was not seen from there is not compared.
"""

from dataclasses import dataclass, field

from clearing.default.receipts import DefaultDeclared, EstatePooled, LossShared, PortfolioSold
from clearing.default.waterfall import Layer
from node.explaining.lines import Line, equal, tell
from node.explaining.telling import Listing, called, signed


@dataclass(slots=True)
class Books:
    """Sums over the receipts so far."""

    listing: Listing
    height: int = 0
    seen: set[int] = field(default_factory=set)
    """Defaults whose declaration was told."""
    members: dict[int, int] = field(default_factory=dict)
    """Whose they are."""
    borne: dict[int, dict[Layer, int]] = field(default_factory=dict)
    drawn: dict[tuple[int, int], int] = field(default_factory=dict)
    """Micros drawn from a member's contribution for a loss of another, not yet told by a loss."""
    assessed: dict[int, dict[int, int]] = field(default_factory=dict)
    sold: dict[int, int] = field(default_factory=dict)
    """Slices of a portfolio that were sold."""
    dearest: dict[int, int] = field(default_factory=dict)
    filled: dict[int, list[PortfolioSold]] = field(default_factory=dict)

    def begin(self, receipt: DefaultDeclared) -> None:
        """A default was declared."""
        self.seen.add(receipt.number)
        self.members[receipt.number] = receipt.member
        self.borne[receipt.number] = {}
        self.sold[receipt.number] = 0

    def of_another(self, number: int, member: int) -> list[Line]:
        """What is wrong with a receipt that says a default is another member's than was declared."""
        declared = self.members.get(number, member)
        return [] if declared == member else [equal("declared of member", member, declared)]

    def bear(self, number: int, layer: Layer, micros: int) -> None:
        """A layer bore so much of a default's loss."""
        sums = self.borne.setdefault(number, {})
        sums[layer] = sums.get(layer, 0) + micros

    def shared(self, receipt: LossShared) -> None:
        """A loss was shared. What is assessed is borne when it is taken."""
        for step in receipt.steps:
            if step.layer is Layer.ASSESSMENTS:
                self.assessed[receipt.number] = {each.payer: each.amount for each in step.shares}
            elif step.borne:
                self.bear(receipt.number, step.layer, step.borne)


def pooled(receipt: EstatePooled, books: Books) -> tuple[str, list[Line]]:
    """One of the member's accounts gave all it had to the estate."""
    lines = [tell(f"{currency_name(currency)}: {signed(amount)}") for currency, amount in receipt.money]
    lines += [tell(f"{books.listing.instrument(each)}: {signed(lots)} lots") for each, lots in receipt.positions]
    return f"default {receipt.number}: {called(receipt.account)} goes into {called(receipt.estate)}", lines


def currency_name(currency: int) -> str:
    """A token or a cash group."""
    return f"token {currency - 2**32}" if currency >= 2**32 else f"cash group {currency}"
