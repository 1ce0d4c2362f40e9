"""Reverse stress: the smallest move of a risk group, or of all at once, at which the default fund no longer covers.

Rule: losses come from the stress arrays with which the network sizes its fund, for moves of this module instead of
genesis's. Volatilities stay. A member loses what its accounts, each by itself, fall below zero; cash beyond initial
margin does not count, as in the sizing. A contribution bears its own member's loss first and then that of others, after
the house. Moves are tried in steps of 1 % and then halved to 0.01 %; a loss that appears and disappears between two
steps goes unseen.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import msgspec

from clearing.base.codec import I64, U63
from clearing.default_fund.contributions import contribution_micros
from clearing.default_fund.cover_rules import StressNeeds
from clearing.default_fund.sizing import stress_needs, stressed_equities
from clearing.schema.risk.parameters import Scenario, StressScenario
from clearing.state.effective_parameters import current_rulebook
from clearing.state.holdings import Holdings, current_holdings, margin_book
from clearing.state.ledger import FUND_ACCOUNT
from clearing.state.state import State
from lab.drills.fund_providers import Concentration, concentration
from member.api.types import Body

POINTS = 10_000
"""A move of the whole index, in hundredths of a per cent."""
DOWN, UP = -9_900, 40_000
"""The largest moves that are tried: -99 % and +400 %."""
STEP = 100
PAIRS_LISTED = 10
ALL_GROUPS = "all"

Losses = Mapping[int, int]
"""Micros by member."""


class BreakingMove(Body, frozen=True):
    """The smallest move at which what is left of a loss exceeds what bears it."""

    group: str
    """Name of the risk group that moves; "all": every group by the same part of its index."""
    direction: str
    """down or up."""
    who: str
    """"any one", "any two", or a pair of members."""
    members: tuple[U63, ...]
    """Those whose losses break the fund at this move; of a move that does not break it, those of the pair."""
    move_points: I64 | None
    """In hundredths of a per cent of the index; None: no move that was tried breaks it."""
    lost: U63
    """What these members lose at that move, in micros."""
    uncovered: U63
    """The part of it that nobody in the fund bears."""


class ReverseStress(Body, frozen=True):
    """Of one state."""

    height: U63
    house_micros: U63
    """What the house bears before members do."""
    fund_micros: U63
    moves: tuple[BreakingMove, ...]
    paid: Concentration
    required: Concentration


@dataclass(frozen=True, slots=True)
class Cover:
    """What bears losses: the house first, then contributions by member."""

    house_micros: int
    contributions: Mapping[int, int]

    def uncovered(self, losses: Losses, members: Sequence[int]) -> int:
        """What is left when these members default together, each bearing its own loss first."""
        others = sum(micros for member, micros in self.contributions.items() if member not in members)
        beyond = sum(max(losses.get(each, 0) - self.contributions.get(each, 0), 0) for each in members)
        return max(beyond - self.house_micros - others, 0)

    def worst(self, losses: Losses, count: int) -> tuple[int, ...]:
        """The members whose joint default leaves most: those with the largest of loss and own contribution.

        What two leave is max(loss, contribution) of both, less the house and the whole fund.
        """
        weights = sorted(losses, key=lambda each: (-max(losses[each], self.contributions.get(each, 0)), each))
        lossy = [member for member in weights if losses[member]]
        return tuple(lossy[:count])


@dataclass(frozen=True, slots=True)
class _Risky:
    member: int
    free: int
    """Cash beyond initial margin, which may leave."""
    holdings: Holdings


def reverse_stress(state: State) -> ReverseStress:
    """For each risk group and all together, down and up: any one member, any two, and the pairs with most at risk."""
    cover = cover_of(state)
    paid = cover.contributions
    risky = _risky_accounts(state)
    names = (ALL_GROUPS, *(group.name for group in state.terms.risk.groups))
    found = [move for name in names for sign in (-1, 1) for move in _of_direction(state, risky, cover, name, sign)]
    return ReverseStress(
        height=state.now.height,
        house_micros=cover.house_micros,
        fund_micros=sum(cover.contributions.values()),
        moves=tuple(found),
        paid=concentration(paid),
        required=concentration({member: record.required for member, record in state.contributions.ordered()}),
    )


def sizing_needs(state: State) -> StressNeeds:
    """What genesis's scenarios size the fund by. Without any there is no fund, and no part of the house is counted."""
    if not state.terms.risk.stress:
        return StressNeeds((), 0, {})
    return stress_needs(state, (), state.terms.crisis.fund.cash_group)


def cover_of(state: State) -> Cover:
    """What bears losses in a state."""
    paid = {member: contribution_micros(state, member) for member, _ in state.contributions.ordered()}
    return Cover(sizing_needs(state).house_micros, paid)


def losses_at(state: State, group: str, points: Sequence[int]) -> list[dict[int, int]]:
    """What every member loses beyond its margin when a group, or all, move by so many hundredths of a per cent."""
    return _losses(state, _risky_accounts(state), group, points)


def _risky_accounts(state: State) -> list[_Risky]:
    book = margin_book(state)
    accounts = [account for account in book.accounts() if account in state.accounts and account != FUND_ACCOUNT]
    batch = book.margins(accounts)
    group, found = state.terms.crisis.fund.cash_group, []
    for account, equity, initial in zip(accounts, batch.equity.tolist(), batch.initial.tolist(), strict=True):
        own = current_holdings(state, account)
        if any(own.lots) or any(cash < 0 for cash in own.cash):
            cash = max(own.cash[state.terms.cash_groups.index(group)], 0) if group else 0
            found.append(_Risky(state.accounts[account].member, min(max(equity - initial, 0), cash), own))
    return found


def losses_in(state: State, moves: Sequence[Mapping[str, int]]) -> list[dict[int, int]]:
    """What every member loses beyond its margin, when groups move by so many hundredths of a per cent, by name."""
    return _losses_in(state, _risky_accounts(state), moves)


def _losses(state: State, risky: Sequence[_Risky], group: str, points: Sequence[int]) -> list[dict[int, int]]:
    names = [each.name for each in state.terms.risk.groups]
    moved = [{name: point for name in names if group in (ALL_GROUPS, name)} for point in points]
    return _losses_in(state, risky, moved)


def _losses_in(state: State, risky: Sequence[_Risky], moves: Sequence[Mapping[str, int]]) -> list[dict[int, int]]:
    rulebook = current_rulebook(state)
    stress = tuple(
        StressScenario(
            str(number),
            tuple(Scenario(move.get(group.name, 0), POINTS, 0, of_index=True) for group in rulebook.parameters.groups),
        )
        for number, move in enumerate(moves)
    )
    parameters = msgspec.structs.replace(rulebook.parameters, stress=stress)
    arrays = msgspec.structs.replace(rulebook, parameters=parameters).stress()
    losses: list[dict[int, int]] = [{} for _ in moves]
    for account, equities in zip(risky, stressed_equities(arrays, [each.holdings for each in risky]), strict=True):
        for at, equity in enumerate(equities):
            lost = max(account.free - equity, 0)
            losses[at][account.member] = losses[at].get(account.member, 0) + lost
    return losses


def _of_direction(state: State, risky: Sequence[_Risky], cover: Cover, group: str, sign: int) -> Iterator[BreakingMove]:
    points = list(range(STEP, UP + 1, STEP)) if sign > 0 else [-each for each in range(STEP, -DOWN + 1, STEP)]
    scanned = _losses(state, risky, group, points)
    for who, choose in _rules(scanned[-1], cover):
        place = (group, "down" if sign < 0 else "up", who)
        yield _smallest(lambda point: _losses(state, risky, group, (point,))[0], scanned, points, cover, place, choose)


Choice = Callable[[Losses], tuple[int, ...]]


def _rules(at_most: Losses, cover: Cover) -> Iterator[tuple[str, Choice]]:
    """One member, two members, and the pairs that lose most in the largest move."""
    yield "any one", lambda losses: cover.worst(losses, 1)
    yield "any two", lambda losses: cover.worst(losses, 2)
    ordered = sorted((member for member in at_most if at_most[member]), key=lambda each: (-at_most[each], each))
    pairs = sorted(combinations(ordered, 2), key=lambda pair: (-at_most[pair[0]] - at_most[pair[1]], pair))
    for pair in islice(pairs, PAIRS_LISTED):
        members = tuple(sorted(pair))
        yield " and ".join(map(str, members)), lambda _, fixed=members: fixed  # type: ignore[misc]


def _smallest(
    losses: Callable[[int], Losses],
    scanned: Sequence[Losses],
    points: Sequence[int],
    cover: Cover,
    place: tuple[str, str, str],
    choose: Choice,
) -> BreakingMove:
    """The first step that breaks the fund, and then by bisection the smallest move between it and the one before."""
    group, direction, who = place
    at = next((at for at, found in enumerate(scanned) if cover.uncovered(found, choose(found))), None)
    if at is None:
        members = choose(scanned[-1])
        return BreakingMove(
            group=group, direction=direction, who=who, members=members, move_points=None, lost=0, uncovered=0
        )
    covers, breaks = (points[at - 1] if at else 0), points[at]
    while abs(breaks - covers) > 1:
        middle = (covers + breaks) // 2
        of_middle = losses(middle)
        if cover.uncovered(of_middle, choose(of_middle)):
            breaks = middle
        else:
            covers = middle
    at_break = losses(breaks)
    members = choose(at_break)
    return BreakingMove(
        group=group,
        direction=direction,
        who=who,
        members=members,
        move_points=breaks,
        lost=sum(at_break.get(member, 0) for member in members),
        uncovered=cover.uncovered(at_break, members),
    )
