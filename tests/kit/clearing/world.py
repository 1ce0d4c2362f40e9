"""The one world of clearing's tests: a state with verbs, and every block checked against all invariants."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from clearing.apply_block import apply_block
from clearing.base.codec import u256
from clearing.base.protocol import RELEASE_VERSIONS
from clearing.context.block_context import BlockContext
from clearing.initial_state import initial_state
from clearing.margin.requirement.account_margin import AccountMargin
from clearing.schema.blocks.block import BlockExtension, BlockInput, BlockResult, PriceReport, VoteExtension
from clearing.schema.blocks.deposit_batch import WrittenFact
from clearing.schema.blocks.receipt import Refused
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import ChainHeartbeat, CustodySeen, DepositSeen, DepositSighted, Fact, WithdrawalExecuted
from clearing.schema.terms.genesis import Genesis, network_id
from clearing.state.export import export_state, import_state
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin
from clearing.state.ledger import balance, cash_currency, token_currency
from clearing.state.state import State
from clearing.validators.validator_sets import validator_sets
from tests.kit.clearing.funds import Funds
from tests.kit.clearing.genesis import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC,
    BTC_CALL,
    BTC_FUT,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    ETH_PERP,
    EVERYBODY,
    EXPIRY_MS,
    HOUSE,
    OWNER,
    POWERS,
    SALT,
    START_MS,
    USD,
    USDC_1,
    USDC_2,
    VAULTS,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.requests import Requests
from tests.kit.clearing.signer import secret
from tests.kit.clearing.validators import Validators
from tests.kit.clearing.whole_state import check_whole_state

R = TypeVar("R")
DEPOSITOR = b"\xde" * 20
"""Who pays in where a test does not say."""


def reports(*prices: tuple[int, int], time_ms: int, confidence: int = 0) -> tuple[PriceReport, ...]:
    return tuple(PriceReport(feed, ticks, confidence, 3, time_ms) for feed, ticks in sorted(prices))


class World(Requests, Validators, Funds):
    """`fresh`: blocks repeat the last prices, those of no other feed. `beating`: chains are heard of in every block."""

    def __init__(
        self, genesis: Genesis | None = None, check: bool = True, *, fresh: bool = False, beating: bool = False
    ) -> None:
        self.genesis = genesis or make_genesis()
        self.network = network_id(self.genesis)
        self.state = initial_state(self.genesis, SALT)
        self.blocks: list[BlockInput] = []
        self.results: list[BlockResult] = []
        self.time_ms = self.genesis.time_ms
        self.trade_ids = self.report_ids = self.nonce = 0
        self.deposit_nonces = dict.fromkeys(VAULTS, 0)
        self.check, self.fresh = check, fresh
        self.ticks = {BTC: 790_000, ETH: 20_000}
        """What is reported of each feed when prices are fresh."""
        self.heads = dict.fromkeys(VAULTS, 100) if beating else {}
        """The newest block of each chain that is heard of."""
        self.versions = RELEASE_VERSIONS
        """The protocol versions that the program has."""
        self.owner = OWNER | {each.id: member.id for member in self.genesis.members for each in member.accounts}
        """Which member's key signs for an account."""

    def make_block(
        self,
        transactions: Iterable[Transaction] = (),
        extensions: Sequence[VoteExtension | None] = (),
        after_ms: int = 1_000,
    ) -> BlockInput:
        """By the validators that certified the height below, in their order."""
        certified, now = validator_sets(self.state).last, self.state.now
        observed = tuple(
            BlockExtension(at, each.power, said)
            for at, (each, said) in enumerate(zip(certified.validators, extensions, strict=False))
        )
        return BlockInput(now.height + 1, now.time_ms + after_ms, observed, certified.total_power, tuple(transactions))

    def apply(self, block: BlockInput) -> BlockResult:
        fork, result = apply_block(self.state, block, self.versions)
        self.state = fork.absorb()
        self.time_ms = block.time_ms
        self.blocks.append(block)
        self.results.append(result)
        if self.check:
            check_whole_state(self.state)
        return result

    def restored(self) -> State:
        """The state as read from its export."""
        return import_state(self.genesis, SALT, export_state(self.state))

    def check_replay(self, copy: State | None = None, first: int = 0) -> None:
        """The blocks from number `first` on give the same again: to genesis, or to a copy taken before them."""
        copy = copy or initial_state(self.genesis, SALT)
        for block, result in zip(self.blocks[first:], self.results[first:], strict=True):
            fork, again = apply_block(copy, block, self.versions)
            assert again == result
            copy = fork.absorb()
        assert roots(copy) == roots(self.state)

    def fork_with(self, block: BlockInput) -> BlockResult:
        """The outcome of a block that is not decided."""
        return apply_block(self.state, block, self.versions)[1]

    def context(self) -> BlockContext:
        """An empty block under way that is not decided."""
        return BlockContext(self.state.fork(), self.make_block())

    def read_back(self) -> State:
        """The state read from its export, which has the same roots."""
        copy = import_state(self.genesis, SALT, export_state(self.state))
        assert copy.module_roots() == self.state.module_roots()
        return copy

    def block(
        self,
        *transactions: Transaction,
        prices: Sequence[tuple[int, int]] = (),
        facts: Sequence[WrittenFact] = (),
        after_ms: int = 1_000,
        attesting: int | None = None,
        names: Sequence[int] = (),
        silent: Sequence[int] = (),
        unpriced: Sequence[int] = (),
    ) -> BlockResult:
        """One block in which all validators, the first `attesting` or these `names` tell the same prices and facts.

        Chains in `silent` are not heard of; of feeds in `unpriced` nothing is reported.
        """
        if self.fresh:
            self.ticks = dict(prices) or self.ticks
            prices = tuple((feed, ticks) for feed, ticks in self.ticks.items() if feed not in unpriced)
        facts = (*facts, *self.heartbeats(silent))
        said = VoteExtension(reports(*prices, time_ms=self.state.now.time_ms + after_ms), facts)
        if names:
            return self.hear(dict.fromkeys(names, said), *transactions, after_ms=after_ms)
        count = len(validator_sets(self.state).last.validators) if attesting is None else attesting
        return self.apply(self.make_block(transactions, [said] * count, after_ms))

    def refused(self, *transactions: Transaction, **more: Any) -> list[int]:
        """A block with these; the codes of those that it refuses."""
        return codes(self.block(*transactions, **more))

    def heartbeats(self, silent: Sequence[int] = ()) -> list[ChainHeartbeat]:
        """Of all chains that go on."""
        for chain in self.heads.keys() - set(silent):
            self.heads[chain] += 1
        return [ChainHeartbeat(chain, head, bytes(32)) for chain, head in self.heads.items() if chain not in silent]

    def prices(self, btc: int, eth: int = 20_000, **more: int) -> BlockResult:
        return self.block(prices=((BTC, btc), (ETH, eth)), **more)

    def go(self, *transactions: Transaction, btc: int, **more: Any) -> BlockResult:
        """A block with another price of BTC."""
        return self.block(*transactions, prices=tuple((self.ticks | {BTC: btc}).items()), **more)

    def deposit_fact(self, account: int, asset_id: int, amount: int, depositor: bytes = DEPOSITOR) -> DepositSeen:
        asset = self.state.terms.assets[asset_id]
        self.deposit_nonces[asset.chain_id] += 1
        nonce = self.deposit_nonces[asset.chain_id]
        return deposit_seen(asset.chain_id, nonce, asset.token, account, amount, depositor)

    def deposit(self, account: int, asset: int, units: int) -> BlockResult:
        amount = self.state.terms.assets[asset].to_amount(units)
        return self.block(facts=(self.deposit_fact(account, asset, amount),))

    def pay_in(self, account: int, dollars: int) -> BlockResult:
        """A deposit of cash, in a block of its own."""
        return self.deposit(account, USDC_1, dollars * DOLLAR)

    def endow(self, dollars: int, *accounts: int) -> BlockResult:
        """Cash for each of these, by default for everybody, in one block."""
        facts = [self.deposit_fact(each, USDC_1, dollars * DOLLAR) for each in accounts or EVERYBODY]
        return self.block(facts=facts)

    def sighted(self, account: int, asset: int, units: int, block: int = 200) -> tuple[DepositSighted, Fact]:
        """The same deposit as sighted before it is final, and as final."""
        final = self.deposit_fact(account, asset, self.state.terms.assets[asset].to_amount(units))
        final = msgspec.structs.replace(final, block_number=block)
        return as_sighted(final), final

    def cash(self, account: int) -> int:
        return balance(self.state, account, cash_currency(USD))

    def units(self, account: int, asset: int) -> int:
        """Of a token that is no cash."""
        return balance(self.state, account, token_currency(asset))

    def weth(self, account: int) -> int:
        return balance(self.state, account, token_currency(WETH_1))

    def lots(self, account: int, instrument: int) -> int:
        book = self.state.books.get(account)
        return dict(book.lots).get(instrument, 0) if book else 0

    def custody_facts(self, block_number: int) -> tuple[CustodySeen, ...]:
        """What honest vaults would count, had everything been credited and nothing been paid yet."""
        facts = []
        for asset in self.genesis.assets:
            deposited = self.state.asset_flows[asset.id].deposited_amount
            block = u256(asset.chain_id << 64 | block_number)
            facts.append(
                CustodySeen(
                    asset.chain_id, asset.vault, asset.token, block_number, block, deposited, u256(0), deposited
                )
            )
        return tuple(facts)

    def margin(self, account: int) -> AccountMargin:
        """The account's margin now."""
        return holdings_margin(current_arrays(self.state), current_holdings(self.state, account))

    def last(self, kind: type[R]) -> list[R]:
        """Receipts of a kind in the last block."""
        return of_kind(self.results[-1], kind)

    def every(self, kind: type[R]) -> list[R]:
        """Receipts of a kind in all blocks."""
        return of_all(self.results, kind)

    def refusals(self, *transactions: Transaction) -> list[int]:
        """Codes of what a block with these requests refuses."""
        return codes(self.block(*transactions))


def deposit_seen(
    chain_id: int, nonce: int, token: bytes, account: int, amount: int, depositor: bytes = DEPOSITOR
) -> DepositSeen:
    source = nonce.to_bytes(32, "big")
    return DepositSeen(
        chain_id, VAULTS[chain_id], nonce, token, account, u256(amount), 100, b"\x0b" * 32, source, depositor
    )


def as_sighted(final: DepositSeen) -> DepositSighted:
    """The same deposit, before it is final."""
    fields = msgspec.structs.asdict(final)
    del fields["depositor"]
    return DepositSighted(**fields)


def executed(chain_id: int, nonce: int) -> WithdrawalExecuted:
    return WithdrawalExecuted(chain_id, VAULTS[chain_id], nonce, 200, b"\x0b" * 32, b"\x0c" * 32)


def codes(result: BlockResult) -> list[int]:
    return [receipt.code for receipt in result.receipts if isinstance(receipt, Refused)]


def kinds(result: BlockResult) -> list[str]:
    return [type(receipt).__name__ for receipt in result.receipts]


def of_kind(result: BlockResult, kind: type[R]) -> list[R]:
    return [receipt for receipt in result.receipts if isinstance(receipt, kind)]


def of_all(results: Iterable[BlockResult], kind: type[R]) -> list[R]:
    return [receipt for result in results for receipt in of_kind(result, kind)]


def funded(check: bool = True, genesis: Genesis | None = None, dollars: int = 100_000, *, fresh: bool = False) -> World:
    """Prices at BTC 7,900.00 and ETH 200.00; everybody with cash."""
    world = World(genesis, check, fresh=fresh)
    world.prices(790_000)
    world.endow(dollars)
    return world


def roots(state: State) -> list[str]:
    return [root.hex() for root in state.module_roots()]


__all__ = [
    "ALICE", "ALICE_CLIENT", "BOB", "BTC", "BTC_CALL", "BTC_FUT", "BTC_PERP", "CAROL", "DOLLAR", "ETH", "ETH_PERP",
    "EXPIRY_MS", "HOUSE", "OWNER", "POWERS", "SALT", "START_MS", "USD", "USDC_1", "USDC_2", "VAULTS", "WETH_1",
    "World", "codes", "deposit_seen", "executed", "funded", "kinds", "make_genesis", "of_all", "of_kind", "reports",
    "roots", "secret",
]  # fmt: skip
