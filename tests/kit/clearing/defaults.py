"""A network with defaults: terms, a fund that is paid in, and verbs for bids, rescues, readmission and exit."""

from typing import Any

import msgspec

from clearing.base.secp256k1 import address
from clearing.context.member_status import member_status
from clearing.default_fund.contributions import contribution_micros, required_contribution
from clearing.schema.blocks.block import BlockResult
from clearing.schema.receipts.accounts import AccountOpened
from clearing.schema.records.default import DefaultRecord, MemberStatus
from clearing.schema.requests.accounts import AccountOpening
from clearing.schema.requests.auctions import DefaultBid
from clearing.schema.requests.default import ClientRescue, MemberExit, MemberReadmission
from clearing.schema.requests.withdrawals import Withdrawal
from clearing.schema.risk.parameters import RiskParameters
from clearing.schema.terms.default import DefaultTerms, FundTerms
from clearing.schema.terms.genesis import (
    AccountKind,
    AccountTerms,
    CrisisParameters,
    Genesis,
    MarketParameters,
    crisis_checks,
)
from clearing.schema.terms.margin_calls import LiquidationTerms
from tests.kit.clearing.fund import CRASH, GROUPS, RALLY, FundWorld
from tests.kit.clearing.fund import TERMS as FUND
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import (
    ALICE,
    ALICE_CLIENT,
    BOB,
    BTC_PERP,
    CAROL,
    DOLLAR,
    HOUSE,
    OWNER,
    START_MS,
    USDC_1,
    make_genesis,
)

DAVE = 5
"""Account of a fourth member."""
CLIENT_SECRET = (77).to_bytes(32, "big")
KEYED_CLIENT = 6
"""A client of Alice's with a key of its own."""
OWNERS = OWNER | {DAVE: 4, KEYED_CLIENT: 1}
TERMS = DefaultTerms(
    enabled=True,
    house_capital_micros=500 * DOLLAR,
    assessment_ppm=1_000_000,
    assessment_blocks=3,
    auction_blocks=4,
    auction_slices=100,
    porting_blocks=6,
    halt_blocks=5,
    replenishment_blocks=5,
)
NO_FUND = FundTerms()
NOTHING = DefaultTerms(enabled=True)
"""Every loss is borne by gains at once."""


def default_genesis(terms: DefaultTerms = TERMS, fund: FundTerms = FUND, **changes: Any) -> Genesis:
    """Four members with an account each, Alice with two clients; what is insolvent stays for the auction."""
    risk = RiskParameters(GROUPS, cash_limit_micros=1_000 * DOLLAR, stress=(CRASH, RALLY))
    market = MarketParameters(**{"move_cap_ppm": 400_000, "epoch_blocks": 5, "request_ms_max": 600_000} | changes)
    crisis = CrisisParameters(default=terms, fund=fund, liquidation=LiquidationTerms(insolvent_to_default=True))
    assert all(good for _, _, good in crisis_checks(crisis))
    genesis = make_genesis(market, risk)
    alice = genesis.members[1]
    keyed = AccountTerms(KEYED_CLIENT, AccountKind.CLIENT, address(CLIENT_SECRET))
    alice = msgspec.structs.replace(alice, accounts=(*alice.accounts, keyed))
    carol = genesis.members[3]
    dave = msgspec.structs.replace(
        carol,
        id=4,
        name="member-4",
        trade_address=address(secret(4)),
        accounts=(AccountTerms(DAVE, AccountKind.HOUSE),),
    )
    members = (genesis.members[0], alice, *genesis.members[2:], dave)
    return msgspec.structs.replace(genesis, crisis=crisis, members=members)


class DefaultWorld(FundWorld):
    """Everybody with cash; `ready` pays the fund in."""

    def __init__(
        self, terms: DefaultTerms = TERMS, fund: FundTerms = FUND, dollars: int = 100_000, **changes: Any
    ) -> None:
        super().__init__(default_genesis(terms, fund, **changes), dollars)
        self.owner |= OWNERS
        self.block(facts=[self.deposit_fact(DAVE, USDC_1, dollars * DOLLAR)])
        assert self.time_ms > START_MS

    def bring(self, **dollars: int) -> BlockResult:
        """Deposit so many dollars for accounts by name in lower case."""
        names = {"house": HOUSE, "alice": ALICE, "bob": BOB, "carol": CAROL, "dave": DAVE, "client": ALICE_CLIENT}
        names["keyed"] = KEYED_CLIENT
        facts = [self.deposit_fact(names[name], USDC_1, each * DOLLAR) for name, each in dollars.items()]
        return self.block(facts=facts)

    def trades(self, buyer: int, seller: int, lots: int, instrument: int = BTC_PERP, ticks: int = 790_000) -> Any:
        return self.trade(buyer, seller, instrument, lots, ticks)

    def bid(self, account: int, number: int, slices: int, ask: int, **changes: Any) -> DefaultBid:
        return self.request(DefaultBid, account, number, slices, ask, **changes)

    def rescue(self, account: int, number: int, member: int, key: bytes | None = None, **changes: Any) -> ClientRescue:
        words = self.request(ClientRescue, account, number, member, **changes)
        return self.sign(words, member_signature=secret(member), client_signature=key or secret(0))

    def readmission(self, account: int, member: int, number: int, house: bytes | None = None) -> MemberReadmission:
        words = self.request(MemberReadmission, account, member, number, key=secret(member))
        return self.sign(words, house_signature=house or secret(0))

    def exit(self, account: int, member: int) -> MemberExit:
        return self.request(MemberExit, account, member, key=secret(member))

    def opened(self, account: int) -> int:
        """Open another account of the same member; its id."""
        request = self.request(AccountOpening, account, AccountKind.HOUSE, 0, bytes(20))
        (done,) = [each for each in self.block(request).receipts if isinstance(each, AccountOpened)]
        self.owner[done.account] = self.owner[account]
        return done.account

    def withdrawn_by(self, account: int, micros: int, key: bytes) -> Withdrawal:
        return self.withdrawal(account, USDC_1, micros, key=key)

    def fund_paid_in(self) -> None:
        """Size the fund, and let everybody pay what it is called for."""
        self.pass_epoch()
        calls = [
            (account, required_contribution(self.state, member) - contribution_micros(self.state, member))
            for account, member in ((ALICE, 1), (BOB, 2), (CAROL, 3), (DAVE, 4))
        ]
        result = self.block(*(self.pay(account, micros) for account, micros in calls if micros > 0))
        assert not [each for each in result.receipts if type(each).__name__ == "Refused"]

    def status(self, member: int) -> MemberStatus:
        return member_status(self.state, member)

    def default(self, number: int = 1) -> DefaultRecord:
        return self.state.defaults[number]

    def fall(self, ticks: int, declared: int = 1) -> BlockResult:
        """A price at which somebody fails; the block in which so many defaults are declared."""
        result = self.prices(ticks)
        for _ in range(3):
            clock = self.state.default_counters.get(0)
            if clock is not None and clock.declared >= declared:
                return result
            result = self.block()
        raise AssertionError("nobody has failed")

    def until_ended(self, number: int = 1) -> list[BlockResult]:
        """Blocks until the default has ended; it must by its deadline."""
        results = []
        deadline = self.default(number).deadline_height
        while not self.default(number).ended_height:
            assert self.state.now.height < deadline, "a default ends in bounded blocks"
            results.append(self.block())
        return results

    def everything(self) -> int:
        """Cash of all that the ledger owes to, the house and the fund included."""
        accounts = (HOUSE, ALICE, BOB, CAROL, DAVE, ALICE_CLIENT, KEYED_CLIENT)
        return sum(self.cash(each) for each in accounts) + self.fund
