"""Every term of the reserves by itself, against vaults that are counted independently of the ledger."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import u256
from clearing.deposits.custody import custody_terms
from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.snapshot import CustodyTerm
from clearing.schema.facts import DepositSeen
from clearing.schema.receipts.collateral import CustodyAgreed, DepositCredited, EpochClosed
from tests.kit.clearing.gated import gated_genesis
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, HOUSE, WETH_1
from tests.kit.clearing.world import World, executed, funded, of_kind

UNIT = 10**12
"""Base units of a clearing unit of WETH."""
CAP = 10**13


@dataclass
class Vault:
    """What the contract would count of one token."""

    deposited: int = 0
    withdrawn: int = 0
    gifts: int = 0
    waiting: list[DepositSeen] = field(default_factory=list)
    """In the vault, not yet reported to the ledger."""
    reported: dict[int, int] = field(default_factory=dict)
    """Amounts by nonce of the deposits that were reported."""


class Chain(World):
    """A world whose WETH vault is counted here too."""

    def __init__(self) -> None:
        super().__init__(gated_genesis(stray_blocks=10**6))
        self.prices(790_000)
        self.endow(10**6, HOUSE, ALICE, BOB)
        self.vault = Vault()
        self.number = 400
        self.unpaid: list[tuple[int, int]] = []
        """Nonces and amounts of withdrawals."""

    def come(self, account: int, amount: int) -> None:
        self.vault.deposited += amount
        self.vault.waiting.append(self.deposit_fact(account, WETH_1, amount))

    def tell(self, count: int) -> None:
        deposits, self.vault.waiting = self.vault.waiting[:count], self.vault.waiting[count:]
        for deposit in deposits:
            self.vault.reported[deposit.nonce] = int.from_bytes(deposit.amount, "big")
            self.block(facts=(deposit,))

    def strays(self) -> int:
        """What was reported and never credited."""
        return sum(self.vault.reported.values()) - sum(self.credited().values())

    def dust(self) -> int:
        return sum(amount % UNIT for amount in self.credited().values())

    def credited(self) -> dict[int, int]:
        nonces = {each.nonce for each in self.every(DepositCredited)}
        return {nonce: amount for nonce, amount in self.vault.reported.items() if nonce in nonces}

    def release(self, units: int) -> None:
        nonce = self.state.now.withdrawals_released
        if not self.refused(self.withdrawal(ALICE, WETH_1, units)):
            self.unpaid.append((nonce, units * UNIT))

    def pay_out(self, count: int) -> None:
        paid, self.unpaid = self.unpaid[:count], self.unpaid[count:]
        for nonce, amount in paid:
            self.vault.withdrawn += amount
            self.block(facts=(executed(1, nonce),))

    def held_units(self) -> int:
        return sum(self.weth(account) for account in (HOUSE, ALICE, BOB, CAROL))

    def count(self, gift: int = 0) -> CustodyTerm | None:
        self.number += 4
        vault = self.vault
        vault.gifts += gift
        *others, weth = self.custody_facts(self.number)
        balance = vault.deposited - vault.withdrawn + vault.gifts
        counters = {"deposited": vault.deposited, "withdrawn": vault.withdrawn, "balance": balance}
        seen = msgspec.structs.replace(weth, **{name: u256(counter) for name, counter in counters.items()})
        self.block(facts=(*others, seen))
        terms = custody_terms(self.state)
        return None if terms is None else next(term for term in terms if term.token == weth.token)


def numbers(term: CustodyTerm) -> dict[str, int]:
    names = ("released", "later", "strays", "dust")
    return {name: int.from_bytes(getattr(term, name), "big") for name in names} | {"held": term.held}


STEPS = st.one_of(
    st.tuples(st.just("come"), st.sampled_from([ALICE, BOB, 999]), st.integers(1, 10**19)),
    st.tuples(st.just("come"), st.just(ALICE), st.integers(CAP * UNIT - 10**15, CAP * UNIT + 10**15)),
    st.tuples(st.just("tell"), st.integers(1, 4)),
    st.tuples(st.just("release"), st.integers(1, 10**6)),
    st.tuples(st.just("pay_out"), st.integers(1, 3)),
    st.tuples(st.just("count"), st.integers(0, 10**18)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_every_term_is_what_the_vault_and_the_ledger_count_each_for_itself(script: list[tuple[Any, ...]]) -> None:
    chain = Chain()
    for name, *arguments in (*script, ("count", 0)):
        term = getattr(chain, name)(*arguments)
        if name != "count":
            continue
        assert term is not None
        assert numbers(term) == {
            "released": sum(amount for _, amount in chain.unpaid),
            "later": sum(int.from_bytes(deposit.amount, "big") for deposit in chain.vault.waiting),
            "strays": chain.strays(),
            "dust": chain.dust(),
            "held": chain.held_units(),
        }
        assert term.owed == term.accounted == chain.vault.deposited - chain.vault.withdrawn
        assert int.from_bytes(term.balance, "big") == term.accounted + chain.vault.gifts, "gifts count for nothing"


def test_each_term_shows_up_in_its_own_place() -> None:
    chain = Chain()
    for account, amount in ((ALICE, 5 * UNIT + 7), (999, 2 * UNIT), (ALICE, CAP * UNIT)):
        chain.come(account, amount)
    chain.tell(3)
    chain.release(2)
    chain.release(1)
    chain.come(BOB, 10**15)
    chain.pay_out(1)
    term = chain.count(gift=3)
    assert term is not None
    strays = (CAP + 2) * UNIT
    assert numbers(term) == {"released": UNIT, "later": 10**15, "strays": strays, "dust": 7, "held": 2}
    assert int.from_bytes(term.balance, "big") - term.accounted == 3


def test_counters_from_before_a_credit_or_after_a_payment_never_asked_for_are_no_evidence() -> None:
    chain = Chain()
    chain.come(ALICE, 3 * UNIT + 5)
    chain.tell(1)
    assert chain.count() is not None
    vault = chain.vault
    chain.vault = Vault(deposited=2 * UNIT)
    assert chain.count() is None, "the ledger credited more than the vault had taken"
    chain.vault = Vault(deposited=vault.deposited, withdrawn=1)
    assert chain.count() is None, "the vault paid what the ledger never released"
    chain.vault = vault
    assert chain.count() is not None


@pytest.mark.parametrize("counter", [2**63, 2**128, 2**256 - 1])
def test_counters_beyond_63_bits_close_an_epoch_as_any_others(counter: int) -> None:
    """Vault counters of any size are carried as they are: nobody's deposit or gift stops the epochs."""
    world = funded()
    first, *others = world.custody_facts(4)
    huge = msgspec.structs.replace(first, deposited=u256(counter), balance=u256(counter))
    results = [world.block(facts=(huge, *others)) for _ in range(6)]
    assert of_kind(results[0], CustodyAgreed)
    assert any(of_kind(result, EpochClosed) for result in results)
    terms = custody_terms(world.state)
    assert terms is not None
    assert terms[0].owed == terms[0].accounted == counter
    assert int.from_bytes(terms[0].later, "big") == counter - int.from_bytes(first.deposited, "big")
    take_snapshot(world.state).statement.digest()
