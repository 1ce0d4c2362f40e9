"""A world with a paid-in fund of minimum contributions, and what attackers brought into it and got out of it."""

import msgspec

from clearing.context.unresolved_losses import defaults_under_way
from clearing.default_fund.contributions import contribution_micros
from clearing.schema.terms.default import DefaultTerms, FundTerms
from clearing.schema.terms.genesis import AccountTerms, Genesis, MemberTerms
from tests.kit.clearing.defaults import TERMS, default_genesis
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.funds import DAVE
from tests.kit.clearing.genesis import ALICE, BOB, CAROL, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.world import World

INTO_FUND = 1_000
"""Dollars that every member without positions contributes."""


def attack_genesis(
    *, pool: bool = False, growth: bool = False, net: bool = False, default: DefaultTerms = TERMS
) -> Genesis:
    """With the rules against attacks of one owner behind several accounts, or without."""
    default = msgspec.structs.replace(default, pool_affiliates=pool)
    fund: FundTerms = msgspec.structs.replace(FUND, cover_growth=growth, net_affiliates=net)
    return default_genesis(default, fund)


def with_member(genesis: Genesis, member: int, **changes: object) -> Genesis:
    """Other terms of one member."""
    members: list[MemberTerms] = list(genesis.members)
    members[member] = msgspec.structs.replace(members[member], **changes)
    return msgspec.structs.replace(genesis, members=tuple(members))


def with_account(genesis: Genesis, account: int, **changes: object) -> Genesis:
    """Other terms of one account."""
    member = next(each for each in genesis.members if any(own.id == account for own in each.accounts))
    accounts: list[AccountTerms] = [
        msgspec.structs.replace(each, **changes) if each.id == account else each for each in member.accounts
    ]
    return with_member(genesis, member.id, accounts=tuple(accounts))


def attack_world(genesis: Genesis | None = None) -> World:
    """Bob, Carol, Dave and the house well off; Alice has only her minimum contribution; the fund is sized and paid."""
    world = World(genesis or attack_genesis(), fresh=True)
    world.prices(790_000)
    world.endow(100_000, HOUSE, BOB, CAROL, DAVE)
    world.pay_in(ALICE, INTO_FUND)
    world.fund_paid_in()
    assert contribution_micros(world.state, 1) == INTO_FUND * DOLLAR
    return world


class Attack:
    """What some accounts of one attacker brought in, and what they have got or could get out; in micros.

    `members`: whose contributions are the attacker's. `keys`: of accounts that others than their members sign for.
    """

    def __init__(self, world: World, *accounts: int, members: tuple[int, ...] = (1,)) -> None:
        self.world, self.accounts, self.members = world, accounts, members
        self.keys: dict[int, bytes] = {}
        self.withdrawn = 0
        self.paid_in = self.out()

    def bring(self, *dollars: int) -> None:
        """Deposits for the accounts, in their order."""
        facts = []
        for account, each in zip(self.accounts, dollars, strict=True):
            self.paid_in += each * DOLLAR
            facts.append(self.world.deposit_fact(account, USDC_1, each * DOLLAR))
        self.world.block(facts=facts)

    def withdraw_all(self, account: int) -> None:
        """Withdraw the account's cash as far as that is accepted: all of it, or smaller and smaller parts."""
        part = max(self.world.cash(account), 0)
        while part >= DOLLAR:
            before = self.world.cash(account)
            request = self.world.withdrawal(account, USDC_1, part, key=self.keys.get(account))
            if self.world.refusals(request):
                part //= 2
            else:
                self.withdrawn += before - self.world.cash(account)
                part = min(part, max(self.world.cash(account), 0))

    def fall(self, *ticks: int) -> None:
        """The price falls step by step; after each step all accounts withdraw what they can. Then all defaults end."""
        for each in ticks:
            self.world.prices(each)
            for account in self.accounts:
                self.withdraw_all(account)
        for _ in range(60):
            self.world.block()
            if not defaults_under_way(self.world.state):
                break
        for account in self.accounts:
            self.withdraw_all(account)
        assert not defaults_under_way(self.world.state)

    def out(self) -> int:
        """Withdrawn, and what the accounts and the contribution still have; what they owe counts for nothing."""
        left = sum(max(self.world.margin(account).equity, 0) for account in self.accounts)
        return self.withdrawn + left + sum(contribution_micros(self.world.state, each) for each in self.members)

    @property
    def gain(self) -> int:
        """Dollars, rounded up."""
        return -(-(self.out() - self.paid_in) // DOLLAR)
