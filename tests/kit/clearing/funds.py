"""What worlds with a default fund do: size it, pay it in, let members fail, and wait for what defaults come to."""

from clearing.context.member_status import member_status
from clearing.default_fund.contributions import contribution_micros, required_contribution
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Refused
from clearing.schema.records.default import DefaultRecord, MemberStatus
from clearing.state.ledger import FUND_ACCOUNT
from tests.kit.clearing.genesis import ALICE, ALICE_CLIENT, BOB, BTC_PERP, CAROL, DOLLAR, HOUSE, USDC_1
from tests.kit.clearing.requests import PRICE

DAVE, KEYED_CLIENT = 5, 6
"""Account of a fourth member; a client of Alice's with a key of its own."""
BOLD = 40_000
"""Lots that 100,000 dollars are margin for, and too little in a stress."""
NAMED = {"house": HOUSE, "alice": ALICE, "bob": BOB, "carol": CAROL, "dave": DAVE, "client": ALICE_CLIENT}
NAMED |= {"keyed": KEYED_CLIENT}


class Funds:
    """Verbs of a world with a fund and with defaults."""

    stride = 0

    def pass_epoch(self) -> BlockResult:
        """Blocks until an epoch has closed and the fund was sized after it; the block of the sizing."""
        before = self.state.now.epoch
        while self.state.now.epoch == before:
            self.stride += 4
            self.block(facts=self.custody_facts(self.stride))
        return self.block()

    def until_snapshot(self) -> None:
        """Blocks until custody is known for the epoch that closes in the last of them."""
        while self.state.now.snapshot_height != self.state.now.height:
            self.stride += 4
            self.block(facts=self.custody_facts(self.stride))

    def open_positions(self, lots: int = BOLD) -> None:
        self.block(self.trade(ALICE, BOB, BTC_PERP, lots, PRICE))

    def close_positions(self, lots: int = BOLD) -> None:
        self.block(self.trade(BOB, ALICE, BTC_PERP, lots, PRICE))

    def pay_required(self) -> None:
        """Alice, Bob and Carol pay in all that is required of them."""
        assert not self.refusals(*(self.pay(each, self.required(each)) for each in (ALICE, BOB, CAROL)))

    def required(self, member: int) -> int:
        record = self.state.contributions.get(member)
        return record.required if record else 0

    @property
    def fund(self) -> int:
        return self.cash(FUND_ACCOUNT)

    def bring(self, **dollars: int) -> BlockResult:
        """Deposit so many dollars for accounts by name in lower case."""
        return self.block(
            facts=[self.deposit_fact(NAMED[name], USDC_1, each * DOLLAR) for name, each in dollars.items()]
        )

    def fund_paid_in(self) -> None:
        """Size the fund, and let everybody pay what it is called for."""
        self.pass_epoch()
        calls = [
            (account, required_contribution(self.state, member) - contribution_micros(self.state, member))
            for account, member in ((ALICE, 1), (BOB, 2), (CAROL, 3), (DAVE, 4))
        ]
        result = self.block(*(self.pay(account, micros) for account, micros in calls if micros > 0))
        assert not [each for each in result.receipts if isinstance(each, Refused)]

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
        return sum(self.cash(each) for each in NAMED.values()) + self.fund
