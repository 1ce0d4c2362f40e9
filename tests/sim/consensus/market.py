"""What happens outside of the simulated clearing house: prices, deposits, vaults, and what members ask for.

Rule: all of it follows from the seed and the virtual clock; honest nodes are told the truth, each late and in its own
way. It must not know consensus.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

import msgspec

from clearing.base import ed25519
from clearing.base.codec import u256
from clearing.base.validators import Validator, ValidatorSet
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.facts import ChainHeartbeat, CustodySeen, DepositSeen, Fact, ValidatorsRotated, WithdrawalExecuted
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.receipts.validators import ValidatorsChanged
from clearing.schema.receipts.withdrawals import WithdrawalReleased
from clearing.schema.requests.validators import ValidatorChange, with_approval
from clearing.schema.terms.genesis import Genesis, MarketParameters, network_id
from clearing.state.state import State
from clearing.validators.validator_sets import stored_set
from member.signing.requests import sign_approval
from node.agreement.application import DecidedHeight
from tests.kit.clearing.genesis import (
    ALICE,
    BOB,
    BTC,
    BTC_CALL,
    BTC_FUT,
    BTC_PERP,
    CAROL,
    DOLLAR,
    ETH,
    ETH_PERP,
    HOUSE,
    USDC_1,
    USDC_2,
    VAULTS,
    WETH_1,
    make_genesis,
)
from tests.kit.clearing.validators import plain_change
from tests.kit.clearing.world import World
from tests.kit.consensus.crypto import secrets_of

MARKET = MarketParameters(move_cap_ppm=300_000, epoch_blocks=5, snapshot_delay_blocks=2, trade_fee_ppm=50)
CHAIN_BLOCK_MS = 1000
STRIDE = 2
FINAL_MS = 300
PRICES = {BTC: 790_000, ETH: 20_000}
TRADERS = (HOUSE, ALICE, BOB, CAROL)
VALIDATORS_ALL = 16
"""More than any seed has."""


@lru_cache(maxsize=64)
def genesis_of(validators: ValidatorSet) -> Genesis:
    """The small market of the rulebook's tests without its option and its token, under these validators."""
    small = make_genesis(MARKET)
    listed = tuple(each for each in small.instruments if each.id != BTC_CALL)
    assets = tuple(each for each in small.assets if each.id != WETH_1)
    return msgspec.structs.replace(small, instruments=listed, assets=assets, validators=validators)


@dataclass
class Market:
    """One for all nodes of a seed."""

    validators: ValidatorSet
    random: Random
    start_ms: int
    facts: list[tuple[int, Fact]] = field(default_factory=list)
    """(virtual ms, fact), in order."""
    requests: list[Transaction] = field(default_factory=list)
    """All that members and validators asked for."""
    novated: dict[int, int] = field(default_factory=dict)
    """Trade id to the height that novated it."""
    changes: list[ValidatorsChanged] = field(default_factory=list)
    height: int = 0
    """The highest that was decided anywhere."""

    def __post_init__(self) -> None:
        self.genesis = genesis_of(self.validators)
        self.network = network_id(self.genesis)
        self._members = World(self.genesis, check=False)
        self._payments: dict[int, WithdrawalReleased] = {}
        self._phase = self.random.randrange(1 << 20)
        for account in TRADERS:
            self._deposit(0, account, USDC_1, 100_000 * DOLLAR)

    def happen(self, now_ms: int) -> Transaction | None:
        """One thing more: a deposit, or a request, which is given back."""
        members, random = self._members, self.random
        members.time_ms = self.start_ms + now_ms
        account, other = random.sample(TRADERS, 2)
        kind = random.randrange(10)
        if kind < 2:
            self._deposit(now_ms, account, random.choice((USDC_1, USDC_2)), random.randint(1, 5_000) * DOLLAR)
            return None
        request: Transaction
        if kind < 7:
            instrument = random.choice((BTC_PERP, BTC_FUT, ETH_PERP))
            price = self.price(ETH if instrument == ETH_PERP else BTC, now_ms)
            request = members.trade(account, other, instrument, random.randint(1, 20), price)
        elif kind < 9:
            request = members.withdrawal(account, USDC_1, random.randint(1, 1000) * DOLLAR)
        else:
            request = members.transfer(account, other, random.randint(1, 1000) * DOLLAR)
        self.requests.append(request)
        return request

    def change(
        self, state: State, left: tuple[bytes, ...], entered: tuple[Validator, ...], now_ms: int
    ) -> ValidatorChange:
        """A request of all validators in force that these go and those come."""
        change = plain_change(state, left, entered, self.start_ms + now_ms + 60_000)
        for index, validator in enumerate(stored_set(state, change.number - 1).validators):
            secret = envelope_secrets()[validator.envelope_key]
            change = with_approval(change, sign_approval(change, self.network, index, secret))
        self.requests.append(change)
        return change

    def price(self, feed: int, now_ms: int) -> int:
        """Ticks: up by a per cent in ten seconds, and down again."""
        base, step = PRICES[feed], (now_ms + self._phase) // 500 % 40
        return base + base * (step if step < 20 else 40 - step) // 2_000

    def beats_at(self, now_ms: int) -> list[Fact]:
        """The chains' newest blocks."""
        block = max(0, now_ms) // CHAIN_BLOCK_MS
        return [ChainHeartbeat(chain, block + 1, block.to_bytes(32, "big")) for chain in VAULTS]

    def custody_at(self, now_ms: int) -> list[Fact]:
        """Counters of the vaults at the last stride. A deposit counts from the block it is in."""
        number = max(0, now_ms) // CHAIN_BLOCK_MS // STRIDE * STRIDE
        until = number * CHAIN_BLOCK_MS
        totals = {(asset.chain_id, asset.vault, asset.token): 0 for asset in self.genesis.assets}
        paid = dict(totals)
        for at, fact in self.facts:
            if at <= until and isinstance(fact, DepositSeen):
                totals[fact.chain_id, fact.vault, fact.token] += int.from_bytes(fact.amount, "big")
            elif at <= until and isinstance(fact, WithdrawalExecuted):
                payment = self._payments[fact.nonce]
                paid[payment.chain_id, payment.vault, payment.token] += int.from_bytes(payment.amount, "big")
        return [
            CustodySeen(
                chain_id=chain_id,
                vault=vault,
                token=token,
                block_number=number + STRIDE,
                block_hash=number.to_bytes(32, "big"),
                deposited=u256(total),
                withdrawn=u256(paid[chain_id, vault, token]),
                balance=u256(total - paid[chain_id, vault, token]),
            )
            for (chain_id, vault, token), total in totals.items()
        ]

    def decided(self, decided: DecidedHeight, now_ms: int) -> None:
        """The first node has decided a height: vaults and chains follow it after a while."""
        if decided.header.height != self.height + 1:
            return
        self.height += 1
        block = 1 + now_ms // CHAIN_BLOCK_MS
        for receipt in decided.result.receipts:
            if isinstance(receipt, TradeNovated):
                if receipt.venue_trade_id in self.novated:
                    raise AssertionError(f"trade {receipt.venue_trade_id} was novated twice")
                self.novated[receipt.venue_trade_id] = self.height
            elif isinstance(receipt, WithdrawalReleased):
                self._payments[receipt.nonce] = receipt
                place = (block, bytes(32), bytes(32))
                self._tell(now_ms, WithdrawalExecuted(receipt.chain_id, receipt.vault, receipt.nonce, *place))
            elif isinstance(receipt, ValidatorsChanged):
                self.changes.append(receipt)
                for chain, vault in VAULTS.items():
                    place = (block, bytes(32), bytes(32))
                    self._tell(now_ms, ValidatorsRotated(chain, vault, self.height + 1, receipt.after, *place))

    def _deposit(self, now_ms: int, account: int, asset_id: int, amount: int) -> None:
        self._tell(now_ms, self._members.deposit_fact(account, asset_id, amount))

    def _tell(self, now_ms: int, fact: Fact) -> None:
        """Final on its chain a while later."""
        self.facts.append((now_ms + FINAL_MS, fact))


@lru_cache(maxsize=1)
def envelope_secrets() -> dict[bytes, bytes]:
    """Envelope key to secret, of all validators that a simulation may have."""
    return {ed25519.public_key(secret): secret for secret, _ in secrets_of(VALIDATORS_ALL)}
