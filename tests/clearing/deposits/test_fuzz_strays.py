"""Random deposits, caps, silences, payments and expiries: every stray ends once, and every base unit is counted."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.accounts.lifecycle import opened_id
from clearing.base.codec import u256
from clearing.base.secp256k1 import address
from clearing.deposits.custody import custody_terms
from clearing.epochs.exit_tree import exit_tree
from clearing.genesis.effective_terms import Terms
from clearing.schema.facts import DepositSeen
from clearing.schema.receipts.collateral import DepositCredited, DepositRefundDue, DepositStray
from clearing.schema.records.stray_deposits import RefundStage
from clearing.state.ledger import inventory_units
from clearing.withdrawals.refunds import is_withdrawal_open
from tests.kit.clearing.gated import not_executed
from tests.kit.clearing.genesis import ALICE, BOB, DOLLAR, USDC_1, VAULTS
from tests.kit.clearing.signer import secret
from tests.kit.clearing.strays import EDITH, FRANK, UNLISTED, refund_of, tight_genesis
from tests.kit.clearing.world import World, executed

SMALLEST = 5 * DOLLAR
OPENED = opened_id(1, 0)
OWNER_KEY = address(secret(1))
USDC = b"\xc1" * 20


class Strays(World):
    """A vault that is counted here too, deposit by deposit."""

    def __init__(self) -> None:
        genesis = tight_genesis(smallest=SMALLEST, stray_blocks=3, give_back_expired=True)
        first, second = genesis.chains
        first = msgspec.structs.replace(first, heartbeat_ms_max=10_000)
        super().__init__(msgspec.structs.replace(genesis, chains=(first, second)), beating=True)
        self.prices(790_000)
        self.deposited, self.withdrawn = 0, 0
        self.deposits: dict[int, DepositSeen] = {}
        self.credited: list[int] = []
        self.silent: tuple[int, ...] = ()
        self.head = 100

    def step(self, *requests: Any, facts: tuple[Any, ...] = (), after_ms: int = 1_000) -> None:
        result = self.block(*requests, facts=facts, silent=self.silent, after_ms=after_ms)
        self.credited += [each.nonce for each in result.receipts if isinstance(each, DepositCredited)]

    def come(self, account: int, amount: int, depositor: bytes, token: bytes) -> None:
        fact = self.deposit_fact(account, USDC_1, amount, depositor)
        fact = msgspec.structs.replace(fact, token=token)
        self.deposits[fact.nonce] = fact
        self.deposited += amount if token == USDC else 0
        self.step(facts=(fact,))

    def go_out(self, account: int, dollars: int) -> None:
        self.step(self.withdrawal(account, USDC_1, dollars * DOLLAR))

    def open_withdrawals(self) -> list[int]:
        return [nonce for nonce in range(self.state.now.withdrawals_released) if is_withdrawal_open(self.state, nonce)]

    def pay_out(self, which: int) -> None:
        """The vault pays one, if its time is not over."""
        claims = [each for each in self.open_withdrawals() if not self.is_over(each)]
        if claims:
            nonce = claims[which % len(claims)]
            paid = self.state.withdrawals[nonce]
            self.withdrawn += int.from_bytes(paid.amount, "big") if paid.token == USDC else 0
            self.step(facts=(executed(1, nonce),))

    def is_over(self, nonce: int) -> bool:
        return self.state.withdrawals[nonce].not_after_s * 1_000 < self.state.now.time_ms

    def expire(self) -> None:
        """Time passes over all that is open, and the validators say what was not paid."""
        self.step(after_ms=100_000)
        facts = [not_executed(self, nonce) for nonce in self.open_withdrawals() if self.is_over(nonce)]
        self.step(facts=tuple(facts))

    def cap(self, dollars: int) -> None:
        terms = self.state.terms
        usdc, *others = terms.genesis.assets
        changed = msgspec.structs.replace(usdc, cap_units=dollars * DOLLAR)
        genesis = msgspec.structs.replace(terms.genesis, assets=(changed, *others))
        self.state.terms = Terms(genesis, terms.original_genesis)
        self.step()

    def hush(self, chains: tuple[int, ...]) -> None:
        self.silent = chains
        self.step(after_ms=11_000)

    def open_it(self) -> None:
        if OPENED not in self.state.accounts:
            self.step(self.opening(ALICE))

    def rest(self, blocks: int) -> None:
        for _ in range(blocks):
            self.step()

    def count(self) -> None:
        """The reserves of the vault, from its own counters."""
        self.head += 4
        *others, _ = self.custody_facts(self.head)
        first = msgspec.structs.replace(
            others[0],
            deposited=u256(self.deposited),
            withdrawn=u256(self.withdrawn),
            balance=u256(self.deposited - self.withdrawn),
        )
        self.step(facts=(first, *others[1:], self.custody_facts(self.head)[-1]))
        terms = custody_terms(self.state)
        assert terms is not None
        (term,) = [each for each in terms if each.token == USDC]
        strays = sum(self.amount(nonce) for nonce in self.deposits if self.is_stray(nonce))
        released = sum(
            int.from_bytes(self.state.withdrawals[nonce].amount, "big")
            for nonce in self.open_withdrawals()
            if self.state.withdrawals[nonce].token == USDC
        )
        due = {refund.asset for _, refund in self.state.refunds_due.ordered()}
        assert term.held == inventory_units(self.state, self.state.terms.assets[USDC_1])
        assert int.from_bytes(term.strays, "big") == strays
        assert due or int.from_bytes(term.released, "big") == released
        assert int.from_bytes(term.later, "big") == int.from_bytes(term.dust, "big") == 0
        assert term.owed == term.accounted
        (exits,) = [totals for totals in exit_tree(self.state).totals if totals.token == USDC]
        unpaid = sum(
            int.from_bytes(self.state.withdrawals[nonce].amount, "big")
            for nonce, _ in self.state.unpaid_withdrawals.ordered()
            if self.state.withdrawals[nonce].token == USDC
        )
        assert exits.seniors == strays + unpaid
        assert exits.accounts <= self.state.terms.assets[USDC_1].to_amount(term.held)

    def amount(self, nonce: int) -> int:
        return int.from_bytes(self.deposits[nonce].amount, "big")

    def is_stray(self, nonce: int) -> bool:
        key = 1, VAULTS[1], nonce
        refund = refund_of(self.state, key)
        waits = refund is not None and refund.stage in (RefundStage.BELOW_MINIMUM, RefundStage.QUEUED)
        return self.deposits[nonce].token == USDC and (key in self.state.stray_deposits or waits)

    def finish(self) -> None:
        """All is heard of, and the vault pays everything: nothing stays but what is below the smallest refund."""
        self.hush(())
        for _ in range(4):
            self.rest(4)
            while self.open_withdrawals():
                if all(self.is_over(nonce) for nonce in self.open_withdrawals()):
                    self.expire()
                else:
                    self.pay_out(0)
        self.count()
        assert not list(self.state.stray_deposits.ordered())
        for nonce in self.deposits:
            refund = refund_of(self.state, (1, VAULTS[1], nonce))
            assert self.credited.count(nonce) == (refund is None), "credited once, or refunded"
            if refund is not None and refund.stage is not RefundStage.PAID:
                assert refund.stage is RefundStage.BELOW_MINIMUM
                assert int.from_bytes(refund.amount, "big") < SMALLEST
                assert refund.token == USDC
        due_nonces = [each.nonce for each in self.every(DepositRefundDue)]
        assert len(due_nonces) == len(set(due_nonces))
        assert set(due_nonces) <= {each.nonce for each in self.every(DepositStray)}
        paid = [released for _, released in self.state.withdrawals.ordered() if released.executed]
        for depositor in (EDITH, FRANK, OWNER_KEY):
            for token in (USDC, UNLISTED):
                refunds = [each for _, each in self.state.deposit_refunds.ordered()]
                owed = sum(
                    int.from_bytes(each.amount, "big")
                    for each in refunds
                    if (each.depositor, each.token, each.stage) == (depositor, token, RefundStage.PAID)
                )
                received = sum(
                    int.from_bytes(each.amount, "big")
                    for each in paid
                    if each.deposit_refund and (each.to, each.token) == (depositor, token)
                )
                assert owed == received


AMOUNTS = st.one_of(st.integers(1, 10 * DOLLAR), st.integers(1, 2_000 * DOLLAR))
ACCOUNTS = st.sampled_from([ALICE, BOB, OPENED, 999, 2**48 + 1])
STEPS = st.one_of(
    st.tuples(
        st.just("come"),
        ACCOUNTS,
        AMOUNTS,
        st.sampled_from([EDITH, FRANK, OWNER_KEY]),
        st.sampled_from([USDC, USDC, USDC, UNLISTED]),
    ),
    st.tuples(st.just("go_out"), st.sampled_from([ALICE, BOB]), st.integers(1, 900)),
    st.tuples(st.just("pay_out"), st.integers(0, 9)),
    st.tuples(st.just("expire")),
    st.tuples(st.just("cap"), st.sampled_from([0, 500, 1_000, 3_000])),
    st.tuples(st.just("hush"), st.sampled_from([(), (1,), (2,)])),
    st.tuples(st.just("open_it")),
    st.tuples(st.just("rest"), st.integers(1, 4)),
    st.tuples(st.just("count")),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(STEPS, min_size=20, max_size=50))
def test_every_stray_ends_once_and_every_base_unit_is_counted(script: list[tuple[Any, ...]]) -> None:
    world = Strays()
    for name, *arguments in script:
        getattr(world, name)(*arguments)
    world.finish()
