"""One replay: members answer calls as their means allow, and everything that happened to them is counted.

Rule: counted out of receipts, transfers and balances; a figure that the rulebook states and one that is counted here
must agree. Raises Bug where the state breaks an invariant. Roots take a quarter of a block's time and decide nothing
here, so a replay has none unless its plan asks for them.
"""

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field

from benchmarks.march2020.books import means_of
from benchmarks.march2020.covered import is_covered
from benchmarks.march2020.hours import BLOCKS, HOUR_MS, Hour
from benchmarks.march2020.market import FIRST, HOUSE_DOLLARS, QUIET_BLOCKS, March, Plan
from clearing.base.units import PPM, mul_div_down
from clearing.margin_calls.early_calls import STEPS_PER_DEVIATION, deviation_steps_within
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import Fact
from clearing.schema.receipts.default import DefaultDeclared, DefaultEnded, WaterfallLayer
from clearing.schema.receipts.default_fund import FundCalled, FundSized
from clearing.schema.receipts.liquidation import BackstopTakeover, Liquidated, SliceSold
from clearing.schema.receipts.margin_calls import EarlyCalled
from clearing.schema.records.margin_calls import CallKind
from clearing.schema.terms.genesis import CrisisParameters
from clearing.schema.transfers import TransferCode
from clearing.state.holdings import current_holdings, positions_of
from lab.backtest.walk import MICROS_PER_TICK
from tests.kit.clearing.genesis import DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.rootless import without_roots
from tests.kit.clearing.whole_state import check_whole_state

TARGET_PPM = 1_100_000
"""Who brings cash brings it up to this part of the initial margin."""


COSTS = (
    TransferCode.LIQUIDATION_PENALTY,
    TransferCode.PENALTY_TO_TAKER,
    TransferCode.PENALTY_TO_FUND,
    TransferCode.SLICE_DISCOUNT,
)


@dataclass(slots=True)
class Fate:
    """What happened to one book."""

    account: int
    seed: int
    margin: int
    """Initial margin when it was opened, micros."""
    paid_in: int = 0
    calls: int = 0
    early_calls: int = 0
    liquidations: int = 0
    notional: int = 0
    """Taken from it, at the mark."""
    penalties: int = 0
    """And discounts."""
    defaults: int = 0
    missing: int = 0
    """What it owed beyond all that it had, and others paid."""
    end: str = ""


@dataclass(slots=True)
class Outcome:
    """Of one replay. Money in micros."""

    name: str
    fates: dict[int, Fate] = field(default_factory=dict)
    receipts: Counter[str] = field(default_factory=Counter)
    blocks: int = 0
    layers: Counter[str] = field(default_factory=Counter)
    """What each layer of the waterfall bore."""
    contributed: int = 0
    """What books were called for by the fund, in sum."""
    sold: int = 0
    """Notional that bids took, of what was liquidated."""
    reduced: int = 0
    """Notional that members offered to sell when they were called."""
    brought: int = 0
    """Cash that answered calls."""
    worst_equity: int = 0
    """The lowest equity of any book at the end of a block."""
    house: int = 0
    """The house account's gain over all of March; negative: its loss."""
    house_worst: int = 0
    """The same at the worst block."""


class Replay:
    """`run` it."""

    def __init__(self, name: str, hours: list[Hour], seeds: range, crisis: CrisisParameters, plan: Plan) -> None:
        self.market = March(hours, seeds, crisis, plan)
        self.outcome = Outcome(name)
        self.coming: list[tuple[int, int, int]] = []
        """Cash on its way: (height, account, micros)."""
        self.reserves: dict[int, int] = {}
        self.early: dict[int, EarlyCalled] = {}
        """The last early call of each account."""

    def run(self) -> Outcome:
        """All of March, then quiet blocks until all that was begun has ended."""
        with nullcontext() if self.market.plan.has_roots else without_roots():
            return self._run()

    def _run(self) -> Outcome:
        market = self.market
        market.warm_up()
        market.open_books()
        for seed in market.seeds:
            for account, book in market.books_of(seed):
                initial = market.opened[account].initial
                paid_in = market.margin(account).equity - market.cover.brought.get(account, 0)
                self.outcome.fates[account] = Fate(account, book, initial, paid_in)
                self.reserves[account] = mul_div_down(initial, means_of(book).reserve_ppm, PPM)
        for time_ms, ticks in market.path():
            self.step(time_ms, ticks)
        self.outcome.house = market.margin(HOUSE).equity - HOUSE_DOLLARS * DOLLAR
        last_ms, length = market.state.now.time_ms, HOUR_MS // market.plan.blocks
        for at in range(1, QUIET_BLOCKS + 1):
            self.step(last_ms + at * length, market.ticks)
        check_whole_state(market.state)
        for fate in self.outcome.fates.values():
            fate.end = self.end_of(fate)
        return self.outcome

    def step(self, time_ms: int, ticks: tuple[int, ...]) -> None:
        """One block: cash arrives, prices move, calls are heard."""
        market = self.market
        height = market.state.now.height + 1
        facts: list[Fact] = []
        requests = market.bids() + market.cover.withdrawals(market)
        for due, account, micros in self.coming:
            if due <= height and not micros:
                requests += self.reduce(account)
            elif due <= height:
                facts.append(market.deposit_fact(account, USDC_1, micros))
                self.outcome.brought += micros
                self.outcome.fates[account].paid_in += micros
        self.coming = [each for each in self.coming if each[0] > height]
        result = market.step(time_ms, ticks, facts, requests)
        self.count(result)
        self.outcome.blocks += 1
        if height % BLOCKS == 0:
            check_whole_state(market.state)
        for account in self.called():
            self.answer(account, height)

    def called(self) -> list[int]:
        """Accounts under a call, by any of the calls that there are."""
        accounts, calls = self.market.state.accounts, self.market.state.margin_calls
        known = [each for each in self.outcome.fates if each in accounts]
        return [each for each in known if accounts[each].called_height or each in calls]

    def answer(self, account: int, height: int) -> None:
        """Send what the call asks for, as far as there is any, or sell a part of the book; unless some is coming."""
        if any(each[1] == account for each in self.coming):
            return
        means, left = means_of(self.outcome.fates[account].seed), self.reserves[account]
        wanted = self.wanted(account)
        if wanted > 0 and left:
            self.reserves[account] -= min(wanted, left)
            self.coming.append((height + means.delay_blocks, account, min(wanted, left)))
        elif wanted > 0 and means.is_prudent and not self.market.is_selling(account):
            self.coming.append((height + means.delay_blocks, account, 0))

    def reduce(self, account: int) -> list[Transaction]:
        """Sell a quarter of every position to the dealer."""
        trades = self.market.quarter(account)
        self.outcome.reduced += sum(each.lots * each.ticks * MICROS_PER_TICK for each in trades)
        return list(trades)

    def wanted(self, account: int) -> int:
        """Micros to a tenth above the initial margin, where that is not there; to what ends an early call, and a fifth
        of the way there from the trigger.
        """
        margin, state = self.market.margin(account), self.market.state
        held, levels = state.margin_calls.get(account), [0]
        if state.accounts[account].called_height or (held is not None and held.kind is CallKind.MARGIN):
            levels.append(mul_div_down(margin.initial, TARGET_PPM, PPM))
        early = self.early.get(account)
        if early is not None and held is not None and held.kind is CallKind.EARLY:
            tenths = deviation_steps_within(state.terms.crisis.calls.early_release_ppm)
            deviation = mul_div_down(early.deviation, margin.initial, early.initial)
            levels.append(margin.maintenance + deviation * tenths // STEPS_PER_DEVIATION * 6 // 5)
        return max(levels) - margin.equity

    def count(self, result: BlockResult) -> None:
        """What the block did to whom."""
        fates = self.outcome.fates
        is_sized = any(isinstance(receipt, FundSized) for receipt in result.receipts)
        for receipt in result.receipts:
            name = type(receipt).__name__
            self.outcome.receipts[name] += 1
            if isinstance(receipt, DefaultDeclared):
                self.outcome.receipts[f"{name} {receipt.reason.name}"] += 1
            elif isinstance(receipt, DefaultEnded):
                self.ended(receipt)
            elif isinstance(receipt, FundCalled) and receipt.account in fates:
                if is_sized or not is_covered(self.market.genesis.crisis):
                    self.contribute(result.height, receipt.account, receipt.micros)
                else:
                    self.cover_growth(result.height, receipt.account, receipt.micros)
            fate = fates.get(getattr(receipt, "account", -1))
            if fate is None:
                continue
            fate.calls += name == "MarginCalled"
            if isinstance(receipt, EarlyCalled):
                fate.early_calls += 1
                self.early[receipt.account] = receipt
            if isinstance(receipt, Liquidated | SliceSold | BackstopTakeover) and receipt.positions:
                fate.liquidations += 1
                fate.notional += receipt.notional
                self.outcome.sold += receipt.notional if isinstance(receipt, SliceSold) else 0
        for transfer in result.transfers:
            if transfer.code == TransferCode.DEFICIT_COVERED and transfer.credit in fates:
                fates[transfer.credit].missing += transfer.amount
            elif transfer.code in COSTS and transfer.debit in fates:
                fates[transfer.debit].penalties += transfer.amount
        cash = [self.market.cash(each) for each in fates if each in self.market.state.accounts]
        self.outcome.worst_equity = min(self.outcome.worst_equity, *cash)
        self.outcome.house_worst = min(self.outcome.house_worst, self.market.cash(HOUSE) - HOUSE_DOLLARS * DOLLAR)

    def contribute(self, height: int, account: int, micros: int) -> None:
        """A part of the fund is no part of a margin: every member has it, and brings it at once; margin may eat it."""
        self.coming.append((height + 1, account, micros))
        self.outcome.contributed += micros

    def cover_growth(self, height: int, account: int, micros: int) -> None:
        """What a call between two sizings asks comes out of the reserve, as late as any cash."""
        brought = min(micros, self.reserves[account])
        if brought:
            self.reserves[account] -= brought
            self.coming.append((height + means_of(self.outcome.fates[account].seed).delay_blocks, account, brought))
            self.outcome.contributed += brought

    def ended(self, receipt: DefaultEnded) -> None:
        """Who bore what in a default."""
        for layer, micros in receipt.by_layer:
            self.outcome.layers[WaterfallLayer(layer).name] += micros
        self.outcome.layers["REST"] += receipt.house
        own = sum(micros for layer, micros in receipt.by_layer if layer <= WaterfallLayer.OWN_CONTRIBUTION)
        self.outcome.fates[receipt.member].missing += receipt.loss - own
        self.outcome.fates[receipt.member].defaults += 1

    def end_of(self, fate: Fate) -> str:
        """How the account ended; `STUCK` is what must not be."""
        market = self.market
        record = market.state.accounts.get(fate.account)
        if record is None:
            return "closed"
        if fate.account > FIRST and record.member not in (fate.account, self.owner(fate.account)):
            return "ported"
        cash = current_holdings(market.state, fate.account).cash[0]
        if not positions_of(market.state, fate.account).lots:
            return "closed" if cash >= 0 else "STUCK"
        margin = market.margin(fate.account)
        if margin.initial_ok:
            return "solvent, reduced" if fate.liquidations else "solvent"
        return "solvent, called" if margin.maintenance_ok else "STUCK"

    def owner(self, account: int) -> int:
        """The member that the account had at first."""
        return next(
            member.id for member in self.market.genesis.members for each in member.accounts if each.id == account
        )
