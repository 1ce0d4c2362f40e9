"""A small network without a network: genesis, keys, and verbs to write tests as tables of what happens."""

from collections.abc import Iterable, Sequence
from typing import Any

from clearing.apply_block import apply_block
from clearing.base.codec import u256
from clearing.base.secp256k1 import address
from clearing.base.validators import Validator, ValidatorSet
from clearing.invariants import check_whole_state
from clearing.opening import initial_state
from clearing.schema.blocks.block import BlockExtension, BlockInput, BlockResult
from clearing.schema.blocks.receipt import Refused
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.blocks.vote_extension import PriceReport, VoteExtension
from clearing.schema.facts import CustodySeen, DepositSeen, Fact, WithdrawalExecuted
from clearing.schema.requests.accounts import CashTransfer
from clearing.schema.requests.trades import Trade
from clearing.schema.requests.withdrawals import Withdrawal
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.assets import Asset, CashGroup, Feed
from clearing.schema.terms.genesis import (
    AccountKind,
    AccountTerms,
    ChainTerms,
    Genesis,
    MarketParameters,
    MemberTerms,
    network_id,
)
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.state.ledger import balance, cash_currency, token_currency
from clearing.state.state import State
from tests.kit.clearing.signer import blank, secret, signed

SALT = bytes(range(32))
START_MS = 1_700_000_000_000
VAULTS = {1: b"\xa1" * 20, 2: b"\xa2" * 20}
USD = 1
USDC_1, USDC_2, WETH_1 = 1, 2, 3
BTC, ETH = 1, 2
BTC_PERP, BTC_FUT, BTC_CALL, ETH_PERP = 1, 2, 3, 4
DOLLAR = 1_000_000
HOUSE, ALICE, BOB, CAROL, ALICE_CLIENT = 0, 1, 2, 3, 4
EXPIRY_MS = START_MS + 3_600_000
POWERS = (10, 10, 10, 10)


def make_genesis(market: MarketParameters | None = None, risk: RiskParameters | None = None) -> Genesis:
    validators = tuple(
        Validator(bytes([i + 1]) * 32, bytes([i + 1]) * 48, power, bytes(96)) for i, power in enumerate(POWERS)
    )
    accounts = {0: (HOUSE,), 1: (ALICE, ALICE_CLIENT), 2: (BOB,), 3: (CAROL,)}
    return Genesis(
        name="test",
        time_ms=START_MS,
        validators=ValidatorSet(validators),
        chains=tuple(ChainTerms(chain, f"chain-{chain}", vault, 4) for chain, vault in VAULTS.items()),
        feeds=(Feed(BTC, "BTC"), Feed(ETH, "ETH")),
        cash_groups=(CashGroup(USD, "USD"),),
        assets=(
            Asset(USDC_1, "USDC-1", 1, VAULTS[1], b"\xc1" * 20, 6, 6, USD, 0, 0, 10**17),
            Asset(USDC_2, "USDC-2", 2, VAULTS[2], b"\xc2" * 20, 6, 6, USD, 0, 0, 10**17),
            Asset(WETH_1, "WETH-1", 1, VAULTS[1], b"\xc3" * 20, 18, 6, 0, ETH, 100_000, 10**13),
        ),
        instruments=(
            Instrument(BTC_PERP, "BTC-PERP", InstrumentKind.PERPETUAL, BTC, 1, USD, 10),
            Instrument(BTC_FUT, "BTC-FUT", InstrumentKind.FUTURE, BTC, 1, USD, 10, EXPIRY_MS),
            Instrument(
                BTC_CALL, "BTC-CALL", InstrumentKind.CALL, BTC, 1, USD, 10, EXPIRY_MS, 800_000, band_ppm=1_000_000
            ),
            Instrument(ETH_PERP, "ETH-PERP", InstrumentKind.PERPETUAL, ETH, 2, USD, 100),
        ),
        risk=risk
        or RiskParameters(
            (RiskGroup(1, "BTC", BTC, 200_000, 800_000, 200_000), RiskGroup(2, "ETH", ETH, 250_000, 900_000, 200_000)),
            cash_limit_micros=1_000 * DOLLAR,
        ),
        market=market or MarketParameters(move_cap_ppm=300_000, epoch_blocks=5),
        members=tuple(
            MemberTerms(
                member,
                f"member-{member}",
                address(secret(member)),
                tuple(AccountTerms(a, AccountKind.CLIENT if a == ALICE_CLIENT else AccountKind.HOUSE) for a in owned),
            )
            for member, owned in accounts.items()
        ),
    )


OWNER = {HOUSE: 0, ALICE: 1, ALICE_CLIENT: 1, BOB: 2, CAROL: 3}


def reports(*prices: tuple[int, int], time_ms: int, confidence: int = 0) -> tuple[PriceReport, ...]:
    return tuple(PriceReport(feed, ticks, confidence, 3, time_ms) for feed, ticks in sorted(prices))


class World:
    """A state with verbs. Every block applied is checked against all invariants."""

    def __init__(self, genesis: Genesis | None = None, check: bool = True) -> None:
        self.genesis = genesis or make_genesis()
        self.network = network_id(self.genesis)
        self.state = initial_state(self.genesis, SALT)
        self.blocks: list[BlockInput] = []
        self.results: list[BlockResult] = []
        self.time_ms = START_MS
        self.trade_ids = 0
        self.nonce = 0
        self.deposit_nonces = dict.fromkeys(VAULTS, 0)
        self.check = check
        self.owner = dict(OWNER)
        """Which member's key signs for an account."""

    def key_of(self, account: int) -> bytes:
        """Of the account's member; an account that nobody has is signed for by the house."""
        return secret(self.owner.get(account, 0))

    def request(self, kind: type[Any], *fields: Any, key: bytes | None = None, **named: Any) -> Any:
        """A request with the next nonce, good for a minute, its `signature` by `key` or else by its account's."""
        if "nonce" in kind.__struct_fields__:
            self.nonce += 1
            named = {"nonce": self.nonce} | named
        words = blank(kind, *fields, **{"not_after_ms": self.time_ms + 60_000} | named)
        return self.sign(words, key) if hasattr(words, "signature") else words

    def sign(self, words: Any, key: bytes | None = None, **keys: bytes) -> Any:
        """The request with its `signature`, unless `keys` name other fields alone; by default the account's own."""
        if key is None and not keys:
            key = self.key_of(words.account)
        return signed(words, self.network, key, **keys)

    def make_block(
        self,
        transactions: Iterable[Transaction] = (),
        extensions: Sequence[VoteExtension | None] = (),
        after_ms: int = 1_000,
    ) -> BlockInput:
        observed = tuple(BlockExtension(i, POWERS[i], each) for i, each in enumerate(extensions))
        height = self.state.now.height + 1
        return BlockInput(height, self.state.now.time_ms + after_ms, observed, sum(POWERS), tuple(transactions))

    def apply(self, block: BlockInput) -> BlockResult:
        fork, result = apply_block(self.state, block)
        self.state = fork.absorb()
        self.time_ms = block.time_ms
        self.blocks.append(block)
        self.results.append(result)
        if self.check:
            check_whole_state(self.state)
        return result

    def block(
        self,
        *transactions: Transaction,
        prices: Sequence[tuple[int, int]] = (),
        facts: Sequence[Fact] = (),
        after_ms: int = 1_000,
        attesting: int = 4,
    ) -> BlockResult:
        """One block in which `attesting` validators tell the same prices and facts."""
        said = VoteExtension(reports(*prices, time_ms=self.state.now.time_ms + after_ms), tuple(facts))
        return self.apply(self.make_block(transactions, [said] * attesting, after_ms))

    def prices(self, btc: int, eth: int = 20_000, **more: int) -> BlockResult:
        return self.block(prices=((BTC, btc), (ETH, eth)), **more)

    def deposit_fact(self, account: int, asset_id: int, amount: int) -> DepositSeen:
        asset = self.state.terms.assets[asset_id]
        self.deposit_nonces[asset.chain_id] += 1
        nonce = self.deposit_nonces[asset.chain_id]
        return deposit_seen(asset.chain_id, nonce, asset.token, account, amount)

    def deposit(self, account: int, asset: int, units: int) -> BlockResult:
        amount = self.state.terms.assets[asset].to_amount(units)
        return self.block(facts=(self.deposit_fact(account, asset, amount),))

    def trade(
        self, buyer: int, seller: int, instrument: int, lots: int, ticks: int, trade_id: int = 0, **changes: Any
    ) -> Trade:
        self.trade_ids += 1
        words = self.request(Trade, 1, trade_id or self.trade_ids, buyer, seller, instrument, lots, ticks, **changes)
        return self.sign(words, buyer_signature=self.key_of(buyer), seller_signature=self.key_of(seller))

    def withdrawal(self, account: int, asset: int, units: int, to: bytes = b"\x77" * 20, **changes: Any) -> Withdrawal:
        return self.request(Withdrawal, account, asset, units, to, **changes)

    def transfer(self, account: int, recipient: int, micros: int, **changes: Any) -> CashTransfer:
        return self.request(CashTransfer, account, recipient, USD, micros, **changes)

    def cash(self, account: int) -> int:
        return balance(self.state, account, cash_currency(USD))

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


def deposit_seen(chain_id: int, nonce: int, token: bytes, account: int, amount: int) -> DepositSeen:
    source = nonce.to_bytes(32, "big")
    return DepositSeen(chain_id, VAULTS[chain_id], nonce, token, account, u256(amount), 100, b"\x0b" * 32, source)


def executed(chain_id: int, nonce: int) -> WithdrawalExecuted:
    return WithdrawalExecuted(chain_id, VAULTS[chain_id], nonce, 200, b"\x0b" * 32, b"\x0c" * 32)


def codes(result: BlockResult) -> list[int]:
    return [receipt.code for receipt in result.receipts if isinstance(receipt, Refused)]


def kinds(result: BlockResult) -> list[str]:
    return [type(receipt).__name__ for receipt in result.receipts]


def of_kind(result: BlockResult, kind: type) -> list:  # type: ignore[type-arg]
    return [receipt for receipt in result.receipts if isinstance(receipt, kind)]


def funded(check: bool = True, genesis: Genesis | None = None, dollars: int = 100_000) -> World:
    """Prices at BTC 7,900.00 and ETH 200.00; everybody with cash."""
    world = World(genesis, check)
    world.prices(790_000)
    world.block(facts=[world.deposit_fact(each, USDC_1, dollars * DOLLAR) for each in (HOUSE, ALICE, BOB, CAROL)])
    return world


def roots(state: State) -> list[str]:
    return [root.hex() for root in state.module_roots()]
