"""The file of `crossclear waterfall run`: losses, who may bear them, and the stress that a fund is sized by.

Rule: data only. Money is in units of 10^-decimals; what does not fit is refused, never rounded.
"""

from typing import Literal, TypeAlias

from clearing.base.codec import U8, U32, Wire
from clearing.models.numbers import Number
from clearing.models.portfolio import Name
from node.runs.steps import Note


class FundMember(Wire, frozen=True):
    """A member that has not defaulted, and what it has in the default fund."""

    of: Name
    contribution: Number = 0
    required: Number = 0
    """What it has to contribute: assessments are weighed by it, and capped at a multiple of it."""
    seniority: U32 = 0
    """Who has a lower one pays all it has first: those who did not bid well in the auction."""
    assessed: Number = 0
    """What it was assessed already in the period that the cap is for."""


class Gainer(Wire, frozen=True):
    """An account that gained since the defaulter was last fully margined."""

    of: Name
    gains: Number
    free_equity: Number | None = None
    """Above its initial margin: it is not cut below. Default: as much as its gains."""


class Waterfall(Wire, frozen=True, tag_field="kind", tag="waterfall"):
    """A loss through all layers."""

    name: Name
    loss: Number
    own_margin: Number = 0
    own_contribution: Number = 0
    house_capital: Number = 0
    survivors: tuple[FundMember, ...] = ()
    assessment: Number = 0
    """The most a member is assessed in a period, as a multiple of what it has to contribute; six decimals."""
    gainers: tuple[Gainer, ...] = ()
    decimals: U8 = 6


class MemberLoss(Wire, frozen=True):
    """What a member's accounts lack in a stress scenario."""

    of: Name
    loss: Number


class StressScenario(Wire, frozen=True):
    """One scenario."""

    name: Name
    losses: tuple[MemberLoss, ...]


class Cover(Wire, frozen=True, tag_field="kind", tag="cover"):
    """How large the fund has to be: both sizes of every scenario, and the largest of each."""

    name: Name
    scenarios: tuple[StressScenario, ...]
    decimals: U8 = 6


class Claim(Wire, frozen=True):
    """What somebody is to be paid."""

    of: Name
    amount: Number


class Collected(Wire, frozen=True, tag_field="kind", tag="collected"):
    """Claims are paid out of what was collected: in full, or in proportion rounded down, what is left to the last."""

    name: Name
    collected: Number
    claims: tuple[Claim, ...]
    decimals: U8 = 6


WaterfallStep: TypeAlias = Waterfall | Cover | Collected


class WaterfallRun(Wire, frozen=True):
    """The input of `crossclear waterfall run`."""

    format: Literal["crossclear.waterfall.v1"]
    steps: tuple[WaterfallStep, ...]
    note: Note = ""
    """For people."""
