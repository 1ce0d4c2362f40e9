"""Whatever is deposited, withdrawn, cancelled, refunded or expires, honest epochs explain how claims moved."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.accounts.lifecycle import opened_id
from clearing.base.codec import u256
from clearing.base.header import DepositCursor
from clearing.base.secp256k1 import address
from clearing.deposits.custody import custody_terms
from clearing.epochs.snapshot import is_snapshot_possible, take_snapshot
from clearing.genesis.effective_terms import Terms
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.state.state import State
from clearing.withdrawals.refunds import is_withdrawal_open
from proofs.algebra.srs import CEREMONY_SHA256
from proofs.epoch.package import FORMAT, EpochPackage
from proofs.errors import ProofCode
from proofs.history.ordering import Entry, entry_of
from proofs.history.token_flows import outflow_limits
from proofs.history.transition import movements, reappeared, unexplained
from tests.kit.clearing.collateral_stories import Story
from tests.kit.clearing.detached import gone, stuck, waited
from tests.kit.clearing.fuzz import Fuzz
from tests.kit.clearing.gated import gated_genesis, not_executed
from tests.kit.clearing.genesis import ALICE, BOB, DOLLAR, USDC_1, VAULTS, WETH_1, make_genesis
from tests.kit.clearing.guarded import guarded, leave
from tests.kit.clearing.signer import secret
from tests.kit.clearing.strays import EDITH
from tests.kit.clearing.world import World, executed
from tests.kit.proofs.small_market import certified

OPENED = opened_id(1, 0)
OWNER_KEY = address(secret(1))
MOST = 1_200 * DOLLAR
"""What may leave of the first token in a window of so many blocks."""
WINDOW = 10
UNITS = {USDC_1: 1, WETH_1: 10**12}
"""Base units of a clearing unit."""
ANY = st.sampled_from([USDC_1, WETH_1])


def closed(state: State, epoch: int) -> Entry:
    """What a history keeps of the package that the network would make of this state."""
    snapshot = take_snapshot(state)
    statement = msgspec.structs.replace(snapshot.statement, epoch=epoch)
    cursors = tuple(DepositCursor(*at, each.nonce) for at, each in state.deposit_cursors.ordered())
    header, certificate, validators = certified(
        bytes(32),
        network=statement.network,
        height=state.now.height + 1,
        commitments_height=state.now.height,
        epoch=epoch,
        withdrawals_count=state.now.withdrawals_released,
        deposit_cursors=cursors,
    )
    package = EpochPackage(
        format=FORMAT,
        header=header,
        certificate=certificate,
        validators=validators,
        srs=CEREMONY_SHA256,
        domain=256,
        statement=statement,
        commitments=tuple((each.account, bytes(48)) for each in snapshot.accounts),
        proof=b"",
        book=b"",
    )
    entry = entry_of(epoch, f"{epoch}.ccp", package, stated=True, proven=True)
    return replace(entry, outflow=outflow_limits(state.terms.genesis))


class Epochs(World):
    """Two tokens in one vault that is counted here too, whose epochs close whenever the vault was counted."""

    def __init__(self) -> None:
        base = make_genesis({"withdrawal_valid_ms": 60_000, "epoch_blocks": WINDOW})
        usdc, *others = base.assets
        base = msgspec.structs.replace(base, assets=(msgspec.structs.replace(usdc, cap_units=3_000 * DOLLAR), *others))
        limits = AssetWithdrawalLimits(USDC_1, 10**15, MOST, 100 * DOLLAR, 3, refund_units_min=5 * DOLLAR)
        super().__init__(gated_genesis(limits, base=base, stray_blocks=3, give_back_expired=True), beating=True)
        self.prices(790_000)
        self.deposited, self.withdrawn = dict.fromkeys(UNITS, 0), dict.fromkeys(UNITS, 0)
        self.head = 100
        self.entries: list[Entry] = []

    def come(self, account: int, asset: int, amount: int, depositor: bytes) -> None:
        self.deposited[asset] += amount
        self.block(facts=(self.deposit_fact(account, asset, amount, depositor),))

    def go_out(self, account: int, asset: int, units: int) -> None:
        self.block(self.withdrawal(account, asset, units))

    def cancel(self, account: int) -> None:
        queue = [number for number, each in self.state.delayed_withdrawals.ordered() if each.account == account]
        self.block(*(self.withdrawal_cancellation(account, number) for number in queue[:1]))

    def regret(self, units: int) -> None:
        """An epoch closes while a withdrawal is delayed, and then it is cancelled."""
        self.go_out(ALICE, USDC_1, units)
        self.count()
        self.cancel(ALICE)
        self.count()

    def open_withdrawals(self) -> list[int]:
        return [nonce for nonce in range(self.state.now.withdrawals_released) if is_withdrawal_open(self.state, nonce)]

    def is_over(self, nonce: int) -> bool:
        return self.state.withdrawals[nonce].not_after_s * 1_000 < self.state.now.time_ms

    def pay_out(self, which: int) -> None:
        """The vault pays one, if its time is not over."""
        claims = [each for each in self.open_withdrawals() if not self.is_over(each)]
        if claims:
            nonce = claims[which % len(claims)]
            paid = self.state.withdrawals[nonce]
            self.withdrawn[paid.asset] += int.from_bytes(paid.amount, "big")
            self.block(facts=(executed(1, nonce),))

    def expire(self) -> None:
        """Time passes over all that is open, and the validators say what was not paid."""
        self.block(after_ms=100_000)
        self.block(facts=[not_executed(self, nonce) for nonce in self.open_withdrawals() if self.is_over(nonce)])

    def cap(self, dollars: int) -> None:
        terms = self.state.terms
        usdc, *others = terms.genesis.assets
        smaller = msgspec.structs.replace(usdc, cap_units=dollars * DOLLAR)
        genesis = msgspec.structs.replace(terms.genesis, assets=(smaller, *others))
        self.state.terms = Terms(genesis, terms.original_genesis)
        self.block()

    def open_or_close(self) -> None:
        self.block(self.closing(OPENED) if OPENED in self.state.accounts else self.opening(ALICE))

    def count(self) -> None:
        """The vault's own counters, and with them an epoch closes."""
        self.head += 4
        facts = []
        for fact in self.custody_facts(self.head):
            (asset,) = [each.id for each in self.genesis.assets if each.token == fact.token]
            if asset in UNITS:
                came, went = self.deposited[asset], self.withdrawn[asset]
                fact = msgspec.structs.replace(
                    fact, deposited=u256(came), withdrawn=u256(went), balance=u256(came - went)
                )
            facts.append(fact)
        self.block(facts=facts)
        if custody_terms(self.state) is not None:
            self.entries.append(closed(self.state, len(self.entries) + 1))


STEPS = st.one_of(
    st.tuples(
        st.just("come"),
        st.sampled_from([ALICE, BOB, OPENED, 999]),
        st.just(USDC_1),
        st.integers(1, 2_000 * DOLLAR),
        st.sampled_from([EDITH, OWNER_KEY]),
    ),
    st.tuples(
        st.just("come"),
        st.sampled_from([ALICE, BOB, OPENED]),
        st.just(WETH_1),
        st.integers(1, 10**19),
        st.just(OWNER_KEY),
    ),
    st.tuples(st.just("go_out"), st.sampled_from([ALICE, BOB]), st.just(USDC_1), st.integers(1, 900 * DOLLAR)),
    st.tuples(st.just("go_out"), st.sampled_from([ALICE, BOB, OPENED]), st.just(WETH_1), st.integers(1, 10**6)),
    st.tuples(st.just("regret"), st.integers(90 * DOLLAR, 500 * DOLLAR)),
    st.tuples(st.just("cancel"), st.sampled_from([ALICE, BOB])),
    st.tuples(st.just("pay_out"), st.integers(0, 9)),
    st.tuples(st.just("expire")),
    st.tuples(st.just("cap"), st.sampled_from([0, 500, 3_000])),
    st.tuples(st.just("open_or_close")),
    st.tuples(st.just("count")),
    st.tuples(st.just("count")),
)


def played(script: list[tuple[Any, ...]]) -> Epochs:
    world = Epochs()
    funds = [
        ("come", account, asset, 1_000 * DOLLAR * unit, OWNER_KEY)
        for account in (ALICE, BOB)
        for asset, unit in UNITS.items()
    ]
    for name, *arguments in (*funds, ("count",), *script, ("count",)):
        getattr(world, name)(*arguments)
    return world


def check_movements(entries: list[Entry]) -> None:
    """Every movement adds up, and none is unexplained."""
    for moved in movements(entries):
        out = moved.deposits - moved.withdrawals - moved.strays - moved.dust
        assert moved.claims_after - moved.claims_before == out
    assert list(unexplained(entries)) == list(reappeared(entries)) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(STEPS, min_size=15, max_size=40))
def test_honest_epochs_are_explained_however_many_lie_between(script: list[tuple[Any, ...]]) -> None:
    world = played(script)
    assert len(world.entries) >= 2
    check_movements(world.entries)
    check_movements([world.entries[0], world.entries[-1]])


@settings(max_examples=20, deadline=None)
@given(st.lists(STEPS, min_size=10, max_size=25), st.data())
def test_claims_hidden_in_one_of_the_epochs_are_found_or_within_the_limits_of_withdrawals(
    script: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    """What can be hidden without a finding is what limits let out, and as strays what was unpaid or came in besides."""
    world = played([*script, ("count",), ("count",)])
    entries = world.entries
    at = data.draw(st.integers(1, len(entries) - 2), "epoch")
    label = data.draw(st.sampled_from(["counted", "strays", "dust", "given_out"]), "label")
    place = next(n for n, flow in enumerate(entries[at].flows) if flow.place == (1, VAULTS[1], b"\xc1" * 20))
    before, now = entries[at - 1].flows[place], entries[at].flows[place]
    slack = now.counted - before.counted
    slack += before.unpaid - (now.strays - before.strays) if label == "strays" else 0
    slack = 0 if label == "dust" else slack  # a unit of this token is a base unit
    if label == "given_out":
        windows = entries[at].snapshot_height // WINDOW - (entries[at - 1].snapshot_height + 1) // WINDOW + 1
        slack = MOST * windows - (before.claims - now.claims)
    if now.claims <= slack:
        return
    hidden = slack + data.draw(st.integers(1, now.claims - slack), "hidden")
    changes = {"claims": now.claims - hidden, label: getattr(now, label) + (-hidden if label == "counted" else hidden)}
    flows = list(entries[at].flows)
    flows[place] = replace(now, **changes)
    lied = [*entries[:at], replace(entries[at], flows=tuple(flows)), *entries[at + 1 :]]
    wanted = ProofCode.ABOVE_LIMITS if label == "given_out" else ProofCode.CLAIMS_UNEXPLAINED
    assert wanted in {finding.code for finding in unexplained(lied)}
    assert list(unexplained(entries)) == []


@pytest.mark.parametrize("waiting", [0, 2])
def test_a_token_that_leaves_its_cash_group_leaves_dust_that_is_explained(waiting: int) -> None:
    """Its units become coarser: of its inventory, and of each withdrawal that comes back, less than one is left."""
    world = guarded()
    world.block(facts=[world.deposit_fact(ALICE, USDC_1, 5_000 * DOLLAR + 7)])
    for _ in range(waiting):
        world.block(world.withdrawal(ALICE, USDC_1, 11))
    entries = []
    for step in range(2):
        world.block(facts=world.custody_facts(400 + 4 * step))
        assert custody_terms(world.state) is not None
        entries.append(closed(world.state, step + 1))
        leave(world)
    flows = [next(flow for flow in entry.flows if flow.place[2] == b"\xc1" * 20) for entry in entries]
    assert flows[1].unit > flows[0].unit
    assert flows[1].dust > flows[0].dust == 0
    check_movements(entries)


def test_a_vault_that_is_detached_leaves_its_flows_as_they_were() -> None:
    world = waited(stuck())
    world.until_snapshot()
    before = closed(world.state, 1)
    gone(world)
    assert custody_terms(world.state) is not None
    after = closed(world.state, 2)
    assert {flow.place for flow in before.flows} == {flow.place for flow in after.flows}
    check_movements([before, after])


@pytest.mark.parametrize("seed", [0, 6])
@pytest.mark.parametrize("story", [Fuzz, partial(Story, inside=False), partial(Story, inside=True)])
def test_random_blocks_with_hostile_facts_are_explained(story: Callable[[int], Fuzz | Story], seed: int) -> None:
    blocks, entries = story(seed), []
    for _ in range(40):
        blocks.step()
        if is_snapshot_possible(blocks.world.state):
            entries.append(closed(blocks.world.state, len(entries) + 1))
    assert len(entries) > 2
    check_movements(entries)
