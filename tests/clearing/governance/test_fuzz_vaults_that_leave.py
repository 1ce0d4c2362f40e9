"""Whatever is asked of a vault that is to be detached, paid or not paid meanwhile: no money twice, and an end."""

from collections.abc import Iterator
from itertools import count

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import u256
from clearing.schema.facts import ChainHeartbeat, Fact
from clearing.schema.receipts.governance import VaultLiability
from clearing.schema.receipts.withdrawals import RefundReason, WithdrawalRefunded, WithdrawalReleased
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.withdrawals.detached_vaults import owed_by_vault
from tests.kit.clearing.chamber import TIMELOCK_MS
from tests.kit.clearing.detached import GONE, VALID_MS, detached, stuck, waited
from tests.kit.clearing.gated import not_executed
from tests.kit.clearing.genesis import BOB, CAROL, DOLLAR, USDC_2, VAULTS
from tests.kit.clearing.whole_state import check_whole_ledger
from tests.kit.clearing.world import World, executed

HEARTBEAT_MS = 6_000
DEEDS = ("small", "large", "pay", "unpaid", "count", "hear", "pass", "pass", "doubt", "agree")


class Story:
    """One vault on its way out, with what its chain has seen."""

    def __init__(self, watched: bool) -> None:
        limits = AssetWithdrawalLimits(USDC_2, delay_above_units=100 * DOLLAR, delay_blocks=4)
        self.house: World = waited(stuck(limits, heartbeat_ms_max=HEARTBEAT_MS if watched else 0))
        self.blocks: Iterator[int] = count(10)
        self.paid: list[int] = []
        self.revision = count(2)
        self.proposal = self.house.agree(GONE)
        self.agreed = True

    def beat(self) -> Fact:
        return ChainHeartbeat(2, next(self.blocks), bytes(32))

    def open_nonces(self) -> list[int]:
        state = self.house.state
        known = (*self.paid, *(nonce for nonce, _ in state.expired_withdrawals.ordered()))
        return [nonce for nonce, _ in state.withdrawals.ordered() if nonce not in known]

    def counted(self) -> list[Fact]:
        """What the vault counts by now."""
        withdrawals = self.house.state.withdrawals
        out = sum(int.from_bytes(withdrawals[nonce].amount, "big") for nonce in self.paid)
        (seen,) = [each for each in self.house.custody_facts(100 * next(self.blocks)) if each.chain_id == 2]
        left = int.from_bytes(seen.deposited, "big") - out
        return [msgspec.structs.replace(seen, withdrawn=u256(out), balance=u256(left))]

    def do(self, deed: str) -> None:
        house = self.house
        open_nonces = self.open_nonces()
        expired = [n for n in open_nonces if house.state.withdrawals[n].not_after_s * 1_000 < house.time_ms]
        in_time = [n for n in open_nonces if n not in expired]
        if deed in ("small", "large"):
            dollars, account = (10, BOB) if deed == "small" else (200, CAROL)
            house.block(house.withdrawal(account, USDC_2, dollars * DOLLAR))
        elif deed == "pay" and in_time:
            self.paid.append(in_time[0])
            house.block(facts=[executed(2, in_time[0])])
        elif deed == "unpaid" and expired:
            house.block(facts=[not_executed(house, expired[0]), executed(2, expired[0])])
        elif deed == "count":
            house.block(facts=self.counted())
        elif deed == "hear":
            house.block(facts=[self.beat()])
        elif deed in ("doubt", "agree") and not detached(house) and self.agreed is (deed == "doubt"):
            self.agreed = not self.agreed
            house.block(house.vote(self.proposal, 3, self.agreed, next(self.revision)))
        else:
            house.block()


@settings(max_examples=40, deadline=None)
@given(st.booleans(), st.lists(st.sampled_from(DEEDS), max_size=40))
def test_no_money_comes_twice_and_the_vault_goes(watched: bool, deeds: list[str]) -> None:
    story = Story(watched)
    house = story.house
    for deed in deeds:
        story.do(deed)
    if not detached(house) and not story.agreed:
        story.do("agree")
    limit_ms = house.time_ms + 2 * TIMELOCK_MS + VALID_MS + 2_000
    while not detached(house) and house.time_ms <= limit_ms:
        house.block()
    # The proposal itself may have run out while it was in doubt; else the vault is gone.
    under_way = house.state.proposals.get(story.proposal.content(house.network))
    assert detached(house) or under_way is None or under_way.amendment is None
    check_whole_ledger(house.state)
    released = {each.nonce: each for each in house.every(WithdrawalReleased)}
    back = [each for each in house.every(WithdrawalRefunded) if each.reason is RefundReason.NOT_PAID]
    assert len({each.number for each in back}) == len(back)
    for nonce, held in house.state.withdrawals.ordered():
        assert not (held.executed and nonce in house.state.expired_withdrawals)
    for each in back:
        assert each.number not in story.paid
        assert each.units == released[each.number].units
    owed = {each.asset: int.from_bytes(each.amount, "big") for each in house.every(VaultLiability)}
    if detached(house):
        assert owed == dict(owed_by_vault(house.state, 2, VAULTS[2]))
