"""A small market: three accounts, two instruments in two risk groups, cash on two chains, one collateral token."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import msgspec
import pytest

from clearing.base import bls
from clearing.base.certificate import Certificate, VoteKind, vote_digest
from clearing.base.codec import u256
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from clearing.epochs.snapshot import take_snapshot
from clearing.margin.statement.rulebook import VERSION, FeedLevel, MarkPrice, Rulebook, write_rulebook
from clearing.margin.statement.snapshot import (
    AccountHoldings,
    CustodyTerm,
    PublicTotal,
    RiskSnapshot,
    RiskStatement,
    Row,
    RowKind,
    Slot,
    SlotKind,
)
from clearing.schema.risk.parameters import JointCredit, RiskGroup, RiskParameters, Scenario
from clearing.schema.terms.assets import Asset, CashGroup
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.state.state import State
from proofs.algebra.commitment import blinders, commit
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.epoch.package import commitments_root
from proofs.epoch.prover import assemble, commit_epoch, prove_epoch
from proofs.linear.statement import Witness, make_witness
from proofs.statement.arithmetization import DOMAIN, complete_holdings, context_of, layout_of
from proofs.verify.package_verifier import verify_package
from tests.kit.certificates import make_certificate
from tests.kit.complete import COMPLETE
from tests.kit.proofs import cheated_package
from tests.kit.proofs.slow_package import failed_check
from tests.kit.validator_records import made_validator

N = 256
NETWORK = bytes([7]) * 32
UNIT = 100
"""Base units in a clearing unit of every token."""
CASH, TOKEN, BTC, ETH, R_BTC, R_ETH = range(6)
SLOTS = (
    Slot("cash:USD", SlotKind.CASH),
    Slot("token:31337:WETH", SlotKind.TOKEN),
    Slot("position:BTC-PERP", SlotKind.POSITION),
    Slot("position:ETH-PERP", SlotKind.POSITION),
    Slot("max:BTC", SlotKind.GROUP_MAX, 1),
    Slot("max:ETH", SlotKind.GROUP_MAX, 2),
)
MOVES = {"BTC": (BTC, R_BTC, (900, -700)), "ETH": (ETH, R_ETH, (80, -60))}
TOKEN_VALUE = 3


def rows(moves: Mapping[str, tuple[int, int, tuple[int, ...]]] = MOVES) -> tuple[Row, ...]:
    found = [
        Row(f"{name}/{s}", RowKind.AT_LEAST_ZERO, ((slot, move), (maximum, 1)))
        for name, (slot, maximum, changes) in moves.items()
        for s, move in enumerate(changes)
    ]
    # equity·10 − 8·Σ r_g + σ ≥ 0
    maintenance = ((CASH, 10), (TOKEN, 10 * TOKEN_VALUE), (R_BTC, -8), (R_ETH, -8))
    found.append(Row("maintenance", RowKind.AT_LEAST_ZERO, maintenance, 0, shortfall=True))
    found.append(Row("cash-limit", RowKind.AT_LEAST_ZERO, ((CASH, 1),), 10**12, shortfall=True))
    return tuple(found)


def _group(number: int, name: str, changes: tuple[int, ...], mark: int) -> RiskGroup:
    """Scenarios of a group whose perpetual, marked at so many ticks of one micro, changes by these."""
    grid = tuple(Scenario(change, mark, 0, of_index=True) for change in changes)
    return RiskGroup(number, name, number, 1, 1, 0, scenarios=grid)


MARKS = {"BTC": 1_000, "ETH": 100}


def rulebook_of(moves: Mapping[str, tuple[int, int, tuple[int, ...]]] = MOVES) -> Rulebook:
    """Parameters and prices that make `rows(moves)`."""
    names = dict(enumerate(moves, start=1))
    return Rulebook(
        version=VERSION,
        parameters=RiskParameters(
            tuple(_group(at, name, moves[name][2], MARKS[name]) for at, name in names.items()),
            scenarios=(Scenario(1, 1, 0),),
            maintenance_numerator=8,
            maintenance_denominator=10,
            cash_limit_micros=10**12,
            joint=JointCredit(keep_largest=False),  # as it is in the frozen files
        ),
        instruments=tuple(
            Instrument(at, f"{name}-PERP", InstrumentKind.PERPETUAL, at, at, 1, 1) for at, name in names.items()
        ),
        cash_groups=(CashGroup(1, "USD"),),
        tokens=(Asset(3, "WETH", 31337, bytes(20), bytes(20), 18, 6, 0, 3, 0, 10**15),),
        feeds=(
            FeedLevel(1, "BTC", MARKS["BTC"], used=True),
            FeedLevel(2, "ETH", MARKS["ETH"], used=True),
            FeedLevel(3, "WETH", 100 * TOKEN_VALUE, used=True),
        ),
        marks=tuple(MarkPrice(at, MARKS[name]) for at, name in names.items()),
        time_ms=1_584_000_000_000,
    )


RULEBOOK = rulebook_of()
HOLDINGS = ((0, (5_000, 10, 0, 3)), (1, (9_000, 40, -2, 0)), (5, (2_000, 700, 2, -3)))
BROKE = (HOLDINGS[0], (1, (-200, 40, -2, 0)), HOLDINGS[2])
SHORT = 10 * 80 + 8 * 1800
"""What account 1 is short of there: its equity is −200 + 120, its requirement 2·900."""


def statement(holdings=HOLDINGS, shortfalls=(), system=None) -> RiskStatement:
    sums = [sum(values[j] for _, values in holdings) for j in range(4)]
    first = sums[CASH] // 2

    def term(chain, token, slot, held):
        return CustodyTerm(
            chain_id=chain,
            vault=bytes([chain]) * 20,
            token=bytes([token]) * 20,
            slot=slot,
            block_number=100 + chain,
            block_hash=bytes([chain + 50]) * 32,
            deposited=u256(UNIT * held + 11 + 7 + 5 + 3 + 900),
            withdrawn=u256(900),
            balance=u256(UNIT * held + 11 + 7 + 5 + 3 + 2),
            balances=BalanceLocation(BalanceOrder.KEY_FIRST),
            unit=UNIT,
            held=held,
            released=u256(7),
            later=u256(11),
            strays=u256(5),
            dust=u256(3),
        )

    return RiskStatement(
        network=NETWORK,
        height=40,
        epoch=4,
        state_root=bytes([9]) * 32,
        scenarios=2,
        groups=("BTC", "ETH"),
        slots=SLOTS,
        rows=rows() if system is None else system,
        prices=RULEBOOK.prices,
        totals=tuple(PublicTotal(j, sums[j]) for j in range(4)),
        custody=(term(1, 1, CASH, first), term(2, 1, CASH, sums[CASH] - first), term(2, 2, TOKEN, sums[TOKEN])),
        shortfalls=tuple(shortfalls),
        rules=write_rulebook(RULEBOOK),
        assumptions=RULEBOOK.assumptions,
    )


def snapshot(holdings=HOLDINGS, shortfalls=(), system=None) -> RiskSnapshot:
    listed = dict(shortfalls)
    accounts = tuple(
        AccountHoldings(account, values, listed.get(account, 0), owner=owner(account)) for account, values in holdings
    )
    return RiskSnapshot(statement(holdings, shortfalls, system), accounts)


def owner(account: int) -> bytes:
    """The address that owns an account; the house's account is the ledger's own here."""
    return bytes([account + 0x40]) * 20 if account else bytes(20)


def seeds(holdings=HOLDINGS) -> dict[int, bytes]:
    return {account: bytes([account + 1]) * 32 for account, _ in holdings}


SECRETS = tuple(bls.secret_from_seed(bytes([i + 1]) * 32) for i in range(2))


def validator_set() -> ValidatorSet:
    return ValidatorSet(tuple(made_validator(bytes([i]) * 32, secret, 10) for i, secret in enumerate(SECRETS)))


def certified(root: bytes, **changes) -> tuple[Header, Certificate, ValidatorSet]:
    validators = validator_set()
    fields = {
        "network": NETWORK,
        "parent": bytes([1]) * 32,
        "height": 43,
        "time_ms": 1_584_000_000_000,
        "payload_root": bytes([2]) * 32,
        "module_roots": (bytes([3]) * 32, bytes([4]) * 32),
        "commitments_root": root,
        "commitments_height": 40,
        "withdrawals_root": bytes(32),
        "withdrawals_count": 0,
        "exit_root": bytes(32),
        "epoch": 4,
        "validators_hash": validators.hash,
        "next_validators_hash": validators.hash,
        "deposit_cursors": (),
    }
    header = Header(**{**fields, **changes})
    digest = vote_digest(header.network, validators.hash, VoteKind.PRECOMMIT, header.height, 1, header.hash)
    shares = {i: bls.sign(secret, digest) for i, secret in enumerate(SECRETS)}
    return header, make_certificate(VoteKind.PRECOMMIT, header.height, 1, header.hash, validators, shares), validators


def honest(shot: RiskSnapshot, keys=None, *, size=N, time_ms=1_584_000_000_000, **options) -> bytes:
    """The package of a snapshot, certified three blocks later; every account has a seed of its own by default."""
    stated = shot.statement
    keys = keys or seeds((each.account, each.values) for each in shot.accounts)
    head = certified(
        commitments_root(stated, commit_epoch(shot, keys, size), size),
        height=stated.height + 3,
        commitments_height=stated.height,
        epoch=stated.epoch,
        time_ms=time_ms,
    )
    return prove_epoch(shot, keys, *head, domain=size, **options)


def package_of_state(state: State) -> SimpleNamespace:
    """A state's own snapshot, as if of this market's network: statement, accounts, seeds, and its package proven.

    Of a state in which no epoch has closed, it is that of the first one: verifiers refuse epoch 0."""
    shot = take_snapshot(state)
    statement = msgspec.structs.replace(shot.statement, network=NETWORK, epoch=max(shot.statement.epoch, 1))
    shot = msgspec.structs.replace(shot, statement=statement)
    keys = {each.account: bytes([number + 1]) * 32 for number, each in enumerate(shot.accounts)}
    data = honest(shot, keys, size=DOMAIN, time_ms=state.now.arrays_time_ms + 1)
    return SimpleNamespace(statement=statement, accounts=shot.accounts, keys=keys, data=data)


@dataclass
class Cheat:
    """A prover without its checks: every account's full values and digits may be replaced before it proves."""

    shot: RiskSnapshot

    def witnesses(self, values: Mapping[int, Mapping[int, int]] | None = None) -> list[Witness]:
        stated = self.shot.statement
        layout, found = layout_of(stated, N), []
        for account in self.shot.accounts:
            full = list(complete_holdings(stated, account))
            for slot, value in ((values or {}).get(account.account) or {}).items():
                full[slot] = value
            hiding = blinders(seeds(HOLDINGS)[account.account], context_of(stated, account.account, account.owner))
            found.append(make_witness(layout, full, account.shortfall, hiding, check=False))
        return found

    def package(self, witnesses: list[Witness], shown: RiskStatement | None = None, proven=None) -> bytes:
        """Commit to the witnesses, have it certified, prove the statement without checks, and put it together."""
        stated = shown or self.shot.statement
        points = basis(N)
        commitments = tuple(
            (account.account, encode_point(commit(points, witness.values, witness.blinders)))
            for account, witness in zip(self.shot.accounts, witnesses, strict=True)
        )
        head = certified(commitments_root(stated, commitments, N))
        return assemble(proven or stated, commitments, witnesses, *head, domain=N, check_witness=False)


NOT_JUDGED = ("statement", "rules", "inclusion")
"""Checks of which the slow verifier leaves something out: the rules, and what one account knows of itself."""


@pytest.fixture(scope="module", autouse=True)
def both_verifiers(request):
    """In a complete run, every package that a test verifies is shown to the slow verifier too."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (request.module, cheated_package):
            if COMPLETE and getattr(module, "verify_package", None) is verify_package:
                patch.setattr(module, "verify_package", verified_by_both)
        yield


def verified_by_both(data, **trusted):
    verdict, here = verify_package(data, **trusted), os.environ["PYTEST_CURRENT_TEST"]
    if "omissions" in here or "::test_without_" in here:
        return verdict  # by a fast verifier that the test has weakened
    if trusted.keys() & {"listed", "genesis"}:
        return verdict  # by what no package holds
    if len(data) < 1 << 18 and not (trusted and verdict.failed == "certificate"):
        found = failed_check(data)
        if verdict.ok or verdict.failed not in ("encoding", *NOT_JUDGED):
            assert found == (verdict.failed or "")
        else:
            assert found or verdict.failed in NOT_JUDGED
    return verdict


@pytest.fixture(scope="session")
def market() -> ModuleType:
    """All that stands above."""
    return sys.modules[__name__]


@pytest.fixture(scope="session")
def package(market) -> bytes:
    """An honest package of the small market."""
    return market.honest(market.snapshot())
