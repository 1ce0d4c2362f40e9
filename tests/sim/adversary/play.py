"""Candidates played out: their actions on every path, what the colluders come to have, and what honest trading has.

Rule: an owner's wealth is what it withdrew and could withdraw (cash, tokens at their index, its contribution; at least
zero), less what it paid in. Where the house owes, all cash is worth the part that is there. Candidates with the same
first blocks share them, and so do paths.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clearing.context.unresolved_losses import defaults_under_way
from clearing.default_fund.contributions import contribution_micros
from clearing.schema.facts import DepositSeen
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.state.indexes import CALLED_ACCOUNTS, holders
from tests.kit.clearing.genesis import BTC_PERP
from tests.sim.adversary.actions import (
    MICROS_PER_TICK,
    Action,
    Requests,
    blocks_of,
    close_with_dealer,
    requests_of,
    swap_for_cash,
)
from tests.sim.adversary.honest import answer_call, honest_requests
from tests.sim.adversary.market import ANN, BEN, CLIENT, COLLUDERS, HOUSE, WITH_HOUSE, Market, ether_micros
from tests.sim.adversary.paths import FIRST_MOVE, PricePath
from tests.sim.adversary.sealed_bids import bid_in_default

Genome = tuple[tuple[int, Action], ...]
"""(block, action), in order of the block."""
QUIET_BLOCKS_MAX = 30
"""How long after the last block of colluders defaults may still take."""
Conduct = Callable[[Market, int], Requests]
"""What colluders request in the block with this number."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One path, in micros: what the colluders gained, what the same positions gained with the index, and what honest
    conduct from the jump on gains above that (0 where it is not asked for)."""

    path: str
    taken: int
    exposure: int
    honest: int

    @property
    def profit(self) -> int:
        """What was gained above honest trading."""
        return self.taken - self.exposure - self.honest


@dataclass(frozen=True, slots=True)
class Judgement:
    """A candidate's mean profit over the paths, in micros, rounded down."""

    profit: int
    outcomes: tuple[Outcome, ...]


def first_blocks(genome: Genome) -> Genome:
    """The actions before any price moves: what candidates of one litter have in common."""
    return tuple((block, action) for block, action in genome if block < FIRST_MOVE)


def judge(
    start: Market,
    litter: Sequence[Genome],
    paths: Sequence[PricePath],
    *,
    managed: bool,
    bidders: tuple[int, ...],
    house_colludes: bool = False,
) -> tuple[list[Judgement], int]:
    """The candidates of a litter on all paths, and how many transactions were applied for it.

    `managed`: profit counts above the best of four honest ways to go on from the jump. `bidders`: honest
    members that bid. `house_colludes`: the house's gains are the colluders', and an honest house ends a default with no
    more than it had. Raises ValueError for candidates that differ in their first blocks.
    """
    if len({first_blocks(genome) for genome in litter}) > 1:
        raise ValueError("candidates of a litter have the same first blocks")
    players = _Players(bidders, house_colludes=house_colludes)
    begun = start.branch()
    for block in range(FIRST_MOVE):
        players.step(begun, block, paths[0].ticks[block], _acting(litter[0]))
    honest = {path.name: players.honest(begun, path) if managed else 0 for path in paths}
    whole, judgements = sum(path.weight_ppm for path in paths), []
    for genome in litter:
        outcomes = players.play(begun, FIRST_MOVE, tuple(paths), genome, honest)
        weighed = sum(outcome.profit * path.weight_ppm for outcome, path in zip(outcomes, paths, strict=True))
        judgements.append(Judgement(weighed // whole, tuple(outcomes)))
    return judgements, players.operations


class _Players:
    """Plays blocks, and counts what was applied."""

    def __init__(self, bidders: tuple[int, ...], *, house_colludes: bool) -> None:
        self.bidders, self.operations = bidders, 0
        self.owners = WITH_HOUSE if house_colludes else COLLUDERS

    def play(
        self, before: Market, block: int, paths: tuple[PricePath, ...], genome: Genome, honest: dict[str, int]
    ) -> list[Outcome]:
        """All paths from a block on, which are the same until then, in their order."""
        market, conduct = before.branch(), _acting(genome)
        acts_until = max((at + blocks_of(action) - 1 for at, action in genome), default=0)
        while block < len(paths[0].ticks) and not (block > acts_until and _is_over(market, block, paths)):
            groups: dict[int, list[PricePath]] = {}
            for path in paths:
                groups.setdefault(path.ticks[block], []).append(path)
            if len(groups) > 1:
                found = [self.play(market, block, tuple(group), genome, honest) for group in groups.values()]
                by_name = {outcome.path: outcome for outcomes in found for outcome in outcomes}
                return [by_name[path.name] for path in paths]
            self.step(market, block, paths[0].ticks[block], conduct)
            block += 1
        self.finish(market)
        taken = sum(gained(market, self.owners).values())
        exposure = sum(market.exposure_gain[owner] for owner in self.owners)
        return [Outcome(path.name, taken, exposure, honest[path.name]) for path in paths]

    def honest(self, before: Market, path: PricePath) -> int:
        """What each owner gains above its exposure by the best honest conduct from the first move on, together."""
        best = dict.fromkeys(self.owners, -(2**62))
        for conduct in (_keep_still, _answer_calls, _close, _bid):
            market = before.branch()
            for block in range(FIRST_MOVE, len(path.ticks)):
                if _is_over(market, block, (path,)):
                    break
                self.step(market, block, path.ticks[block], conduct)
            self.finish(market)
            best = {
                owner: max(best[owner], micros - market.exposure_gain[owner])
                for owner, micros in gained(market, self.owners).items()
            }
        if HOUSE in best:
            # What a default brings beyond that is the payers', and what inventory loses is the house's own.
            best[HOUSE] = min(best[HOUSE], gained(before, (HOUSE,))[HOUSE])
        return sum(best.values())

    def finish(self, market: Market) -> None:
        """Quiet blocks until nothing can happen by itself any more."""
        for _ in range(QUIET_BLOCKS_MAX):
            if _is_settled(market):
                break
            self.step(market, 0, market.index(), _keep_still)

    def step(self, market: Market, block: int, ticks: int, conduct: Conduct) -> None:
        """One block at an index."""
        market.quote = ticks
        honest = honest_requests(market, self.bidders, buys_tokens=HOUSE in self.owners)
        requests = [*conduct(market, block), *honest]
        facts = [each for each in requests if isinstance(each, DepositSeen)]
        for account in self.owners:
            moved = market.lots(account, BTC_PERP) * (ticks - market.index()) * MICROS_PER_TICK
            market.exposure_gain[account] += moved
        result = market.go(*(each for each in requests if not isinstance(each, DepositSeen)), facts=facts, btc=ticks)
        for fact in facts:
            if fact.account in self.owners:
                market.paid_out[fact.account] -= int.from_bytes(fact.amount, "big")
        for receipt in result.receipts:
            if isinstance(receipt, WithdrawalReleased) and receipt.account in self.owners:
                market.paid_out[receipt.account] += receipt.units
        self.operations += len(requests)


def _is_settled(market: Market) -> bool:
    """Whether no default, sale, call or deadline is open: a called account may still be sold at its own cost."""
    state = market.state
    if holders(state, CALLED_ACCOUNTS, 0):
        return False
    running = (state.liquidations, state.margin_calls, state.cash_calls, state.inventory_sales)
    return not defaults_under_way(state) and not any(True for table in running for _ in table.ordered())


def _is_over(market: Market, block: int, paths: Sequence[PricePath]) -> bool:
    """Whether nothing can happen from this block on while colluders do nothing."""
    pays_funding = any(each.funding.interval_ms for each in market.genesis.instruments)
    return not pays_funding and not any(path.moves_after(block) for path in paths) and _is_settled(market)


def _acting(genome: Genome) -> Conduct:
    def conduct(market: Market, block: int) -> Requests:
        return [
            request
            for at, action in genome
            if at <= block < at + blocks_of(action)
            for request in requests_of(market, action)
        ]

    return conduct


def _keep_still(market: Market, block: int) -> Requests:
    return []


def _answer_calls(market: Market, block: int) -> Requests:
    """An honest member answers a call while it has something to lose: with its ether's worth, then with new cash."""
    return [
        request
        for account in _solvent_owners(market)
        for request in swap_for_cash(market, account) or answer_call(market, account)
    ]


def _close(market: Market, block: int) -> Requests:
    """An honest member may end its position at once."""
    return [
        request
        for account in _solvent_owners(market)
        for request in (*swap_for_cash(market, account), *close_with_dealer(market, account))
    ]


def _bid(market: Market, block: int) -> Requests:
    """An honest member may bid for a defaulter's portfolio like the others, for nothing."""
    return [
        request
        for number, default in defaults_under_way(market.state)
        for account in (ANN, BEN)
        if default.member != account
        for request in bid_in_default(
            market, account, number, default, (market.genesis.crisis.default.auction_slices, 0)
        )
    ]


def _solvent_owners(market: Market) -> list[int]:
    return [account for account in COLLUDERS if market.margin(account).equity > 0]


def gained(market: Market, owners: tuple[int, ...] = COLLUDERS) -> dict[int, int]:
    """Micros that each owner has gained: withdrawn and withdrawable, less paid in."""
    return {account: market.paid_out[account] + _claims(market, account) for account in owners}


def _claims(market: Market, account: int) -> int:
    """What an owner could take out once its position is closed at the index; at least 0, for it need not pay."""
    premium = market.state.marks[BTC_PERP].ticks - market.index()
    own = _worth(market, market.cash(account)) + market.weth(account) * ether_micros(market)
    own -= market.lots(account, BTC_PERP) * premium * MICROS_PER_TICK
    contribution = contribution_micros(market.state, account) if account != CLIENT else 0
    return max(own + contribution, 0)


def _worth(market: Market, cash: int) -> int:
    """What cash is worth: what the house owes is missing from all claims, pro rata."""
    missing = -market.cash(HOUSE)
    if missing <= 0 or cash <= 0:
        return cash
    claims = sum(max(market.cash(each), 0) for each, _ in market.state.accounts.ordered())
    return cash * max(claims - missing, 0) // claims
