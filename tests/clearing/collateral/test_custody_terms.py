"""Every term of the reserves by itself, against vaults that are counted independently of the ledger."""

from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import u256
from clearing.deposits.custody import custody_terms
from clearing.margin.statement.snapshot import CustodyTerm
from clearing.schema.facts import CustodySeen, DepositSeen
from clearing.state.ledger import SUSPENSE_ACCOUNT
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, HOUSE, START_MS, USDC_1, WETH_1
from tests.kit.clearing.world import World, executed

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
    """In the vault, not yet told to the ledger."""
    strays: int = 0
    dust: int = 0


class Chain:
    """A world whose WETH vault is counted here too."""

    def __init__(self) -> None:
        self.world = World()
        self.world.prices(790_000)
        self.world.block(facts=[self.world.deposit_fact(each, USDC_1, 10**6 * DOLLAR) for each in (HOUSE, ALICE, BOB)])
        self.vault = Vault()
        self.number = 400
        self.released: list[tuple[int, int]] = []

    def deposit(self, account: int, amount: int) -> None:
        self.vault.deposited += amount
        self.vault.waiting.append(self.world.deposit_fact(account, WETH_1, amount))

    def tell(self, count: int) -> None:
        told, self.vault.waiting = self.vault.waiting[:count], self.vault.waiting[count:]
        for fact in told:
            amount = int.from_bytes(fact.amount, "big")
            if self.held_units() + amount // UNIT > CAP:
                self.vault.strays += amount
            else:
                self.vault.dust += amount % UNIT
            self.world.block(facts=(fact,))

    def release(self, units: int) -> None:
        before = self.world.state.now.withdrawals_released
        self.world.block(self.world.withdrawal(ALICE, WETH_1, units))
        if self.world.state.now.withdrawals_released > before:
            self.released.append((before, units * UNIT))

    def pay(self, count: int) -> None:
        paid, self.released = self.released[:count], self.released[count:]
        for nonce, amount in paid:
            self.vault.withdrawn += amount
            self.world.block(facts=(executed(1, nonce),))

    def held_units(self) -> int:
        return sum(self.world.weth(account) for account in (HOUSE, ALICE, BOB, CAROL, SUSPENSE_ACCOUNT))

    def count(self, *, gift: int = 0) -> CustodyTerm | None:
        self.number += 4
        self.vault.gifts += gift
        facts = list(self.world.custody_facts(self.number))
        at = next(i for i, fact in enumerate(facts) if fact.token == self.world.state.terms.assets[WETH_1].token)
        facts[at] = self.seen(facts[at])
        self.world.block(facts=facts)
        terms = custody_terms(self.world.state)
        return None if terms is None else next(term for term in terms if term.token == facts[at].token)

    def seen(self, fact: CustodySeen) -> CustodySeen:
        held = self.vault.deposited - self.vault.withdrawn + self.vault.gifts
        return msgspec.structs.replace(
            fact, deposited=u256(self.vault.deposited), withdrawn=u256(self.vault.withdrawn), balance=u256(held)
        )


def numbers(term: CustodyTerm) -> dict[str, int]:
    names = ("released", "later", "strays", "dust")
    return {name: int.from_bytes(getattr(term, name), "big") for name in names} | {"held": term.held}


steps = st.one_of(
    st.tuples(st.just("deposit"), st.sampled_from([ALICE, BOB, 999]), st.integers(1, 10**19)),
    st.tuples(st.just("deposit"), st.just(ALICE), st.integers(CAP * UNIT - 10**15, CAP * UNIT + 10**15)),
    st.tuples(st.just("tell"), st.integers(1, 4)),
    st.tuples(st.just("release"), st.integers(1, 10**6)),
    st.tuples(st.just("pay"), st.integers(1, 3)),
    st.tuples(st.just("count"), st.integers(0, 10**18)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, max_size=14))
def test_every_term_is_what_the_vault_and_the_ledger_count_each_for_itself(script: list[tuple]) -> None:  # type: ignore[type-arg]
    chain = Chain()
    for name, *arguments in (*script, ("count", 0)):
        if name != "count":
            getattr(chain, name)(*arguments)
            continue
        term = chain.count(gift=arguments[0])
        assert term is not None
        assert numbers(term) == {
            "released": sum(amount for _, amount in chain.released),
            "later": sum(int.from_bytes(fact.amount, "big") for fact in chain.vault.waiting),
            "strays": chain.vault.strays,
            "dust": chain.vault.dust,
            "held": chain.held_units(),
        }
        assert term.owed == term.accounted == chain.vault.deposited - chain.vault.withdrawn
        assert int.from_bytes(term.balance, "big") == term.accounted + chain.vault.gifts, "gifts count for nothing"


def test_each_term_shows_up_in_its_own_place() -> None:
    chain = Chain()
    chain.deposit(ALICE, 5 * UNIT + 7)
    chain.deposit(999, 2 * UNIT)
    chain.deposit(ALICE, CAP * UNIT)
    chain.tell(3)
    chain.release(2)
    chain.release(1)
    chain.deposit(BOB, 10**15)
    chain.pay(1)
    term = chain.count(gift=3)
    assert term is not None
    wanted = {"released": UNIT, "later": 10**15, "strays": CAP * UNIT, "dust": 7, "held": 2 + 2}
    assert numbers(term) == wanted
    assert int.from_bytes(term.balance, "big") - term.accounted == 3


def test_counters_from_before_a_credit_or_after_a_payment_never_asked_for_are_no_evidence() -> None:
    chain = Chain()
    chain.deposit(ALICE, 3 * UNIT + 5)
    chain.tell(1)
    assert chain.count() is not None
    ahead = chain.vault
    chain.vault = Vault(deposited=2 * UNIT)
    assert chain.count() is None, "the ledger credited more than the vault had taken"
    chain.vault = Vault(deposited=ahead.deposited, withdrawn=1)
    assert chain.count() is None, "the vault paid what the ledger never released"
    chain.vault = ahead
    assert chain.count() is not None
    assert chain.world.state.now.time_ms > START_MS
