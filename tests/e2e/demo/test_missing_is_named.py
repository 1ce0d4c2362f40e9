"""A demonstration that lacks one requirement is told which: from counts, and from its own receipts."""

import dataclasses
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from clearing.base import bls, ed25519
from clearing.base.validators import ValidatorSet
from clearing.schema.blocks.block import BlockResult
from clearing.schema.blocks.receipt import Receipt
from clearing.schema.receipts.collateral import DepositCredited
from clearing.schema.receipts.default import DefaultDeclared
from clearing.schema.receipts.liquidation import LiquidationOpened
from clearing.schema.receipts.trades import TradeNovated
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed, WithdrawalReleased
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.instruments import InstrumentKind
from devnet.demo.report import LogTally, count, missing
from devnet.genesis import DeployedChain, MemberIdentity, build_genesis
from devnet.market import load_market
from tests.kit.e2e.demo_folder import DemoFolder
from tests.kit.validator_records import made_validator

LeftOut = Callable[[Receipt, dict[int, InstrumentKind]], bool]
CHECKS = {"the last epoch package must verify": True, "the roots must be equal": True}


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    secret = bls.secret_from_seed(b"\1" * 32)
    one = made_validator(ed25519.public_key(b"\1" * 32), secret)
    chains = tuple(
        DeployedChain(31337 + at, f"chain{at}", bytes([at + 1]) * 20, 0, {"USDC": b"\x11" * 20, "WETH": b"\x12" * 20})
        for at in range(2)
    )
    members = tuple(MemberIdentity(index, f"member{index}", bytes([index]) * 20) for index in range(1, 9))
    house = MemberIdentity(0, "house", b"\xaa" * 20)
    return build_genesis(
        load_market(),
        name="devnet",
        time_ms=1,
        validators=ValidatorSet((one,)),
        chains=chains,
        house=house,
        members=members,
    )


def complete() -> LogTally:
    return LogTally(
        heights=9,
        deposits=Counter({31337: 1, 31338: 1}),
        trades=Counter(perpetual=1, future=1, option=1),
        called=Counter({5: 1}),
        opened=Counter({5: 1}),
        contributed=Counter({1: 500_000_000}),
        released=1,
        confirmed=1,
        crossed=[(1, 6)],
    )


def test_a_complete_demonstration_lacks_nothing(genesis: Genesis) -> None:
    assert missing(genesis, complete(), CHECKS) == ()


@pytest.mark.parametrize(
    ("without", "named"),
    [
        ({"deposits": Counter({31338: 1})}, "no deposit on chain chain0"),
        ({"deposits": Counter({31337: 7})}, "no deposit on chain chain1"),
        ({"trades": Counter(future=1, option=1)}, "no trade in a perpetual"),
        ({"trades": Counter(perpetual=1, option=1)}, "no trade in a future"),
        ({"trades": Counter(perpetual=1, future=1)}, "no trade in an option"),
        ({"called": Counter()}, "no margin call"),
        ({"opened": Counter()}, "no liquidation"),
        ({"contributed": Counter()}, "nothing paid into the default fund"),
        ({"crossed": []}, "no withdrawal paid on another chain than the one deposited on"),
    ],
)
def test_each_missing_receipt_is_named(genesis: Genesis, without: dict[str, object], named: str) -> None:
    assert missing(genesis, dataclasses.replace(complete(), **without), CHECKS) == (named,)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_each_failed_check_is_named(genesis: Genesis, name: str) -> None:
    assert missing(genesis, complete(), {**CHECKS, name: False}) == (name,)


def test_an_empty_demonstration_is_told_all_that_it_lacks(genesis: Genesis) -> None:
    assert len(missing(genesis, LogTally(), dict.fromkeys(CHECKS, False))) == 9 + len(CHECKS)


@pytest.mark.network
@pytest.mark.chain
@pytest.mark.parametrize(
    ("left_out", "named"),
    [
        (
            lambda each, kinds: is_deposit(each, 31337),
            "no deposit on chain chain0",
        ),
        (
            lambda each, kinds: is_deposit(each, 31338),
            "no deposit on chain chain1",
        ),
        (lambda each, kinds: is_trade(each, kinds, InstrumentKind.PERPETUAL), "no trade in a perpetual"),
        (lambda each, kinds: is_trade(each, kinds, InstrumentKind.FUTURE), "no trade in a future"),
        (lambda each, kinds: is_trade(each, kinds, InstrumentKind.CALL, InstrumentKind.PUT), "no trade in an option"),
        (lambda each, kinds: isinstance(each, LiquidationOpened | DefaultDeclared), "no liquidation"),
        (
            lambda each, kinds: isinstance(each, WithdrawalConfirmed),
            "no withdrawal paid on another chain than the one deposited on",
        ),
    ],
)
def test_a_run_whose_receipts_lack_a_kind_is_told_which(
    demo_run: DemoFolder, results: list[BlockResult], left_out: LeftOut, named: str
) -> None:
    kinds = {each.id: each.kind for each in demo_run.genesis.instruments}
    cut = [
        msgspec.structs.replace(result, receipts=tuple(each for each in result.receipts if not left_out(each, kinds)))
        for result in results
    ]
    assert missing(demo_run.genesis, count(demo_run.genesis, results), CHECKS) == ()
    assert missing(demo_run.genesis, count(demo_run.genesis, cut), CHECKS) == (named,)


@pytest.mark.network
@pytest.mark.chain
def test_a_withdrawal_to_a_chain_that_the_account_deposited_on_does_not_count(
    demo_run: DemoFolder, results: list[BlockResult]
) -> None:
    ((_, account),) = count(demo_run.genesis, results).crossed
    receipts = [receipt for result in results for receipt in result.receipts]
    released = next(each for each in receipts if isinstance(each, WithdrawalReleased) and each.account == account)

    def moved(receipt: Receipt) -> Receipt:
        ours = isinstance(receipt, DepositCredited) and receipt.account == released.account
        return msgspec.structs.replace(receipt, chain_id=released.chain_id) if ours else receipt

    changed = [msgspec.structs.replace(each, receipts=tuple(map(moved, each.receipts))) for each in results]
    tally = count(demo_run.genesis, changed)
    assert tally.confirmed > 0
    assert missing(demo_run.genesis, tally, CHECKS) == (
        "no withdrawal paid on another chain than the one deposited on",
    )


@pytest.fixture(scope="module")
def results(demo_run: DemoFolder) -> list[BlockResult]:
    found: list[BlockResult] = []
    demo_run.replayed(demo_run.block_logs[0], lambda decided: found.append(decided.result))
    return found


def is_deposit(receipt: Receipt, chain_id: int) -> bool:
    return isinstance(receipt, DepositCredited) and receipt.chain_id == chain_id


def is_trade(receipt: Receipt, kinds: dict[int, InstrumentKind], *wanted: InstrumentKind) -> bool:
    return isinstance(receipt, TradeNovated) and kinds[receipt.instrument] in wanted
