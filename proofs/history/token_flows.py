"""What a certified statement says of each token at each vault: claims, and the flows in and out that explain them.

Rule: amounts are token base units and cumulative from the network's start, so two packages may be compared however many
epochs lie between them. It must not know certificates or proofs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearing.margin.statement.snapshot import RiskStatement

if TYPE_CHECKING:
    from clearing.schema.terms.genesis import Genesis

Place = tuple[int, bytes, bytes]
"""(chain id, vault, token)."""


@dataclass(frozen=True)
class TokenFlow:
    """One custody term: claims + strays + dust = counted - given_out, exactly, in a package whose reserves pass."""

    place: Place
    unit: int
    """Base units in one clearing unit."""
    claims: int
    """What the ledger owes to accounts."""
    counted: int
    """Deposits that the ledger counted: only grows."""
    given_out: int
    """Withdrawals that the ledger released, delayed ones included, less those that came back unpaid."""
    unpaid: int
    """The part of `given_out` that the vault had not paid."""
    strays: int
    """Counted deposits that nobody was credited with."""
    dust: int
    """Remainders below a clearing unit: only grows."""


@dataclass(frozen=True)
class OutflowLimits:
    """How much of each token a trusted genesis lets out of the accounts in a window, whether delayed or not."""

    window_blocks: int
    amounts: tuple[tuple[Place, int], ...]
    """Base units; a token without a limit is not there."""

    def largest(self, place: Place, after_height: int, to_height: int) -> int | None:
        """What may leave in the blocks after the one height, up to the other; None without a limit."""
        amount = dict(self.amounts).get(place)
        windows = to_height // self.window_blocks - (after_height + 1) // self.window_blocks + 1
        return None if amount is None else amount * windows


def outflow_limits(genesis: "Genesis") -> OutflowLimits:
    """The limits of all together (`clearing.withdrawals.rate_limits`); they are in clearing units of genesis."""
    assets = {asset.id: asset for asset in genesis.assets}
    limited = [(assets[each.asset], each.window_units_max) for each in genesis.crisis.gates.assets]
    amounts = tuple(
        ((asset.chain_id, asset.vault, asset.token), units * asset.base_units) for asset, units in limited if units
    )
    return OutflowLimits(genesis.market.epoch_blocks, amounts)


def flows_of(statement: RiskStatement) -> Iterator[TokenFlow]:
    """One for each custody term, in order."""
    for term in statement.custody:
        deposited, withdrawn, released, later, strays, dust = (
            int.from_bytes(word, "big")
            for word in (term.deposited, term.withdrawn, term.released, term.later, term.strays, term.dust)
        )
        yield TokenFlow(
            place=(term.chain_id, term.vault, term.token),
            unit=term.unit,
            claims=term.held * term.unit,
            counted=deposited - later,
            given_out=withdrawn + released,
            unpaid=released,
            strays=strays,
            dust=dust,
        )
