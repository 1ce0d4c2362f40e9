"""Random blocks over every rule of the small world: deposits, trades, withdrawals and prices from one seed."""

import random

import msgspec

from clearing.apply_block import apply_block
from clearing.base.codec import decode, encode, u256
from clearing.base.errors import RemoteFault
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.context.block_context import BlockContext
from clearing.deposits.custody import custody_terms
from clearing.epochs.snapshot import is_snapshot_possible, take_snapshot
from clearing.liquidation.takeover import may_liquidate
from clearing.margin.statement.rulebook import read_rulebook
from clearing.margin.statement.snapshot import RiskSnapshot
from clearing.schema.blocks.block import BlockInput, BlockResult, PriceReport, VoteExtension
from clearing.schema.blocks.receipt import Refused
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import ChainHeartbeat, CustodySeen, DepositSeen, Fact, WithdrawalExecuted
from clearing.schema.receipts.accounts import CashTransferred
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.requests.trades import Trade
from clearing.schema.terms.genesis import MarketParameters
from clearing.state.holdings import current_arrays, current_holdings
from clearing.state.ledger import inventory_units
from clearing.state.state import State
from proofs.statement.price_bounds import check_price_bounds
from tests.kit.clearing.full_requirement import genesis as whole_requirement
from tests.kit.clearing.genesis import ACCOUNTS, BTC, ETH, USDC_1, USDC_2, VAULTS, WETH_1, make_genesis
from tests.kit.clearing.rows import group_maxima, row_value
from tests.kit.clearing.world import DEPOSITOR, World, executed, funded
from tests.kit.complete import COMPLETE

BLOCKS = 150 if COMPLETE else 40
MEMBERS = ACCOUNTS
EXTREMES = (0, 1, 2, 2**31, 2**32 - 1, 2**38, 2**39 - 1, 2**39, 2**40 - 1, 2**40, 2**48, 2**48 + 1, 2**62, 2**63 - 1)
AMOUNTS = (0, 1, 10**6, 10**11, 10**18, 10**23, 2**128, 2**256 - 1)


class Fuzz:
    """One story out of one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        market = MarketParameters(move_cap_ppm=300_000, epoch_blocks=5, trade_fee_ppm=100, request_ms_max=60_000)
        risk = whole_requirement().risk if seed % 2 else None
        self.world: World = funded(genesis=make_genesis(market, risk), dollars=20_000)
        self.btc, self.eth = 790_000, 20_000
        self.asked: list[Transaction] = []
        self.done: set[tuple[int, ...]] = set()

    def some(self, low: int, high: int) -> int:
        """Mostly ordinary, sometimes at the edge of what the wire carries."""
        return self.chance.choice(EXTREMES) if self.chance.random() < 0.1 else self.chance.randint(low, high)

    def account(self) -> int:
        return self.chance.choice(MEMBERS) if self.chance.random() < 0.95 else self.chance.choice(EXTREMES)

    def request(self) -> Transaction:
        kind, world = self.chance.random(), self.world
        if self.asked and kind < 0.15:
            return self.chance.choice(self.asked)  # again, as it was
        if self.asked and kind < 0.25:
            return self.forged(self.chance.choice(self.asked))
        if kind < 0.75:
            instrument = self.chance.randint(1, 5)
            mark = world.state.marks.get(instrument)
            near = (mark.ticks if mark else 5) * self.chance.randint(880_000, 1_120_000) // 1_000_000
            ticks = near if self.chance.random() < 0.9 else self.some(0, 2_000_000)
            return world.trade(self.account(), self.account(), instrument, self.some(1, 8_000), ticks)
        if kind < 0.9:
            return world.withdrawal(self.account(), self.chance.choice((1, 2, 3, 9)), self.some(0, 10**10))
        return world.transfer(self.account(), self.account(), self.some(0, 10**10))

    def forged(self, request: Transaction) -> Transaction:
        """Another signature, another payee, or another time under the old signature."""
        if isinstance(request, Trade):
            flipped = bytearray(request.buyer_signature)
            flipped[self.chance.randrange(65)] ^= 1 << self.chance.randrange(8)
            changes = (
                {"buyer_signature": bytes(flipped)},
                {"buyer_signature": request.seller_signature},
                {"not_after_ms": self.world.time_ms + 50_000},
            )
            return msgspec.structs.replace(request, **self.chance.choice(changes))
        return msgspec.structs.replace(request, nonce=self.some(1, 2**40))

    def fact(self) -> Fact:
        chain, vault = self.chance.choice((*VAULTS.items(), (1, VAULTS[2]), (2**63 - 1, bytes(20))))
        kind, world = self.chance.random(), self.world
        if kind < 0.3:
            return world.deposit_fact(self.account(), self.chance.choice((USDC_1, USDC_2, WETH_1)), 10**11)
        token = self.chance.choice((b"\xc1" * 20, b"\xc2" * 20, b"\xc3" * 20, bytes(20)))
        amount = u256(self.chance.choice(AMOUNTS))
        if kind < 0.5:
            nonce = self.chance.choice((self.some(0, 40), world.deposit_nonces.get(chain, 0) + 1))
            return DepositSeen(chain, vault, nonce, token, self.account(), amount, 100, bytes(32), bytes(32), DEPOSITOR)
        if kind < 0.6:
            return ChainHeartbeat(chain, self.some(0, 1000), bytes(32))
        if kind < 0.7:
            return self.chance.choice(
                (executed(1, self.some(0, 9)), WithdrawalExecuted(chain, vault, 0, 1, bytes(32), bytes(32)))
            )
        if kind < 0.9:
            return self.chance.choice(world.custody_facts(4 * self.chance.randint(1, 200)))
        counters = (amount, u256(self.chance.choice(AMOUNTS)), u256(self.chance.choice(AMOUNTS)))
        return CustodySeen(chain, vault, token, self.some(0, 200) & ~3, bytes(32), *counters)

    def extension(self, time_ms: int, facts: tuple[Fact, ...]) -> VoteExtension | None:
        """An honest one, or a lone liar's."""
        if self.chance.random() < 0.1:
            return None
        if self.chance.random() < 0.85:
            return VoteExtension(
                (PriceReport(BTC, self.btc, 0, 3, time_ms), PriceReport(ETH, self.eth, 0, 3, time_ms)), facts
            )
        when = self.chance.choice((0, time_ms, time_ms + 2_000, time_ms - 5_000, 2**63 - 1))
        lies = tuple(PriceReport(feed, self.some(1, 10**6), self.some(0, 10), 0, when) for feed in (BTC, ETH, 77))
        return VoteExtension(lies, tuple(self.fact() for _ in range(3)))

    def block(self) -> BlockInput:
        chance = self.chance
        if chance.random() < 0.9:
            self.btc = min(max(self.btc * chance.randint(850_000, 1_160_000) // 1_000_000, 1), 2**40 - 1)
            self.eth = min(max(self.eth * chance.randint(850_000, 1_160_000) // 1_000_000, 1), 2**40 - 1)
        elif chance.random() < 0.2:
            self.btc = chance.choice((1, 2, 1000, 790_000, 2_000_000))
        after_ms = chance.choice((0, 1, 1_000, 1_000, 1_000, 5_001, 70_000, 3_600_000 if chance.random() < 0.1 else 10))
        facts = tuple(self.fact() for _ in range(chance.randint(0, 3)))
        time_ms = self.world.state.now.time_ms + after_ms
        extensions = [self.extension(time_ms, facts) for _ in range(chance.choice((0, 2, 3, 4, 4, 4, 4)))]
        requests = [self.request() for _ in range(chance.randint(0, 6))]
        self.asked = (self.asked + requests)[-40:]
        block = self.world.make_block(requests, extensions, after_ms)
        return msgspec.structs.replace(block, total_power=0) if chance.random() < 0.01 else block

    def step(self) -> None:
        block = self.block()
        before = self.world.state
        try:
            other = apply_block(before, msgspec.structs.replace(block, extensions=block.extensions[::-1]))
        except RemoteFault:
            assert block.total_power == 0
            return
        known = {account: before.nonces[account].nonce for account in MEMBERS if account in before.nonces}
        roots = other[0].module_roots()
        result = self.world.apply(block)  # checked against every invariant
        assert other[1] == result
        assert roots == self.world.state.module_roots(), "the order in which extensions are listed does not count"
        assert decode(encode(result), BlockResult, 1 << 24) == result
        self.check_once(result, known)
        self.check_value(block)

    def check_once(self, result: BlockResult, nonces: dict[int, int]) -> None:
        """No request is applied twice."""
        for receipt in result.receipts:
            if isinstance(receipt, TradeNovated):
                key = (receipt.venue, receipt.venue_trade_id)
                assert key not in self.done
                self.done.add(key)
            elif isinstance(receipt, CashTransferred):
                assert receipt.nonce > nonces.get(receipt.account, -1)
                nonces[receipt.account] = receipt.nonce
            elif isinstance(receipt, Refused):
                assert len(encode(receipt)) < 1024
        released = [receipt.nonce for receipt in result.receipts if isinstance(receipt, WithdrawalReleased)]
        assert released == list(range(result.withdrawals_count - len(released), result.withdrawals_count))

    def check_value(self, block: BlockInput) -> None:
        """Nothing owed by nobody, nobody left short who could be liquidated, the snapshot provable."""
        state = self.world.state
        context = BlockContext(state, block)
        for account in MEMBERS:
            own = current_holdings(state, account)
            assert all(0 <= units < 2**56 for units in own.tokens)
            if account != HOUSE_ACCOUNT and not self.world.margin(account).maintenance_ok:
                assert not may_liquidate(context, own), f"account {account} is left short"
        for asset in state.terms.assets.values():
            assert 0 <= inventory_units(state, asset) <= asset.cap_units
        if is_snapshot_possible(state):
            check_provable(state)

    def check_restart(self) -> None:
        """A state read from its export goes on as the one it was written from."""
        copy, first = self.world.restored(), len(self.world.blocks)
        for _ in range(2):
            block = self.block()
            if block.total_power:
                self.world.apply(block)
        self.world.check_replay(copy, first)


def check_provable(state: State) -> None:
    """Every slot and row of the snapshot lies in its range, and is what anybody reads out of its rulebook."""
    assert custody_terms(state) is not None
    snapshot = take_snapshot(state)
    arrays = current_arrays(state)
    cash, tokens = len(arrays.cash_groups), len(arrays.cash_groups) + len(arrays.assets)
    assert decode(encode(snapshot), RiskSnapshot, 1 << 24) == snapshot
    statement = snapshot.statement
    rulebook = read_rulebook(statement.rules, len(statement.slots))
    assert rulebook.slots_and_rows() == (statement.slots, statement.rows)
    assert (rulebook.slots(), rulebook.row_count) == (statement.slots, len(statement.rows))
    check_price_bounds(rulebook, listed_ms=state.terms.genesis.time_ms)
    for each in snapshot.accounts:
        own = each.values[:cash], each.values[cash:tokens], each.values[tokens:]
        assert 0 <= each.shortfall < 2**63
        values = (*each.values, *group_maxima(arrays, *own), *each.auxiliary)
        assert len(values) == len(statement.slots)
        for row in statement.rows:
            assert 0 <= row_value(row, values, each.shortfall) < 2**64, (row.name, each.account)
