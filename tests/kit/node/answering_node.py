"""A node with something to show under nearly every route: trades, a withdrawal, a proposal, a package, a submission."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import trio

from clearing.base.hashing import sha256
from clearing.base.ids import FUND_ACCOUNT
from clearing.base.secp256k1 import address
from clearing.schema.blocks.transaction import Transaction, transaction_hash
from clearing.schema.requests.governance import GovernanceProposal
from clearing.schema.terms.default import FundTerms
from clearing.schema.terms.genesis import CrisisParameters
from clearing.schema.terms.governance import GovernanceTerms
from clearing.state.state import State
from member.api.types import hexed
from member.signing.governance import sign_proposal
from node.agreement.application import DecidedHeight
from node.api.view import NodeView
from node.chains.submissions import CollateralEvent, Submission, Submissions, SubmissionStatus
from node.epochs.member_files import (
    AccountHoldingsRecord,
    EpochExits,
    EpochHoldings,
    EpochHoldingsRecord,
    exit_tree_record,
)
from node.epochs.seeds import AccountSeeds
from node.pool.fates import Fates, NotedBlock
from node.store.fate_table import FateTable
from node.store.records import PackageRecord
from tests.kit.clearing.exits import closed
from tests.kit.clearing.fund import stressed
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, DOLLAR, USD, USDC_1, VAULTS
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, funded
from tests.kit.node.fake_view import HASH, NOW, FakeView
from tests.kit.node.keeping_view import FAKE_OWNERS, seed_of
from tests.kit.node.live_view import live_view
from tests.kit.node.proving import decided
from tests.kit.node.station import Station, new_station, time_of, vote_of_one

HEIGHTS = 9
GOVERNANCE = GovernanceTerms(vote_ms=60_000, timelock_ms=60_000, timelock_floor_ms=1_000)
FUND = FundTerms(cash_group=USD, minimum_micros=1_000 * DOLLAR, call_blocks=100)
CRISIS = CrisisParameters(governance=GOVERNANCE, fund=FUND)
PACKAGE = b"package"


class OneSubmission:
    """Submissions, of which all but one can be forgotten: a node takes few that it does not find."""

    def __init__(self) -> None:
        self._submissions = Submissions()

    def begin(self) -> None:
        """Forget them. Called where there is a clock."""
        self._submissions = Submissions()
        self._submissions.submit(CollateralEvent(1, bytes.fromhex(HASH[2:]), "another"))

    def submit(self, event: CollateralEvent) -> Submission:
        return self._submissions.submit(event)

    def status(self, chain_id: int, reference: bytes, state: State) -> SubmissionStatus | None:
        return self._submissions.status(chain_id, reference, state)


@dataclass(frozen=True)
class AnsweringNode:
    """Its view, and values of parameters under which it has something: the first of each is account 1's or newest."""

    view: NodeView
    submissions: OneSubmission
    known: Mapping[str, tuple[str, ...]]


class _Story:
    """What is requested, height by height."""

    def __init__(self, station: Station) -> None:
        self._keys = station.home.keys
        self._home = station.home
        self.sent: list[Transaction] = []

    def deposits(self, words: World, height: int) -> tuple[Any, ...]:
        return tuple(words.deposit_fact(each, USDC_1, 100_000 * DOLLAR) for each in (ALICE, BOB) if height == 2)

    def requests(self, words: World, height: int) -> tuple[Transaction, ...]:
        if height == 4:
            change = words.changes(("risk.groups.1.range_ppm", 300_000))
            self.proposal: GovernanceProposal = sign_proposal(
                change, "", time_of(height) + 60_000, words.network, 0, self._keys.envelope
            )
            return (self.proposal,)
        if height == 5:
            return (vote_of_one(self._home, self.proposal),)
        if height == 6:
            self.sent = [
                words.trade(ALICE, BOB, BTC_PERP, 1, 790_000),
                words.transfer(ALICE, BOB, 2**50),
                words.withdrawal(ALICE, USDC_1, 5 * DOLLAR),
            ]
            return tuple(self.sent)
        return ()


@contextmanager
def answering_node(folder: Path) -> Iterator[AnsweringNode]:
    """A station of this folder after nine heights, and the files that its view reads."""
    with (
        new_station(folder, crisis=CRISIS, risk=stressed()) as station,
        FateTable(folder / "fates.sqlite", station.home.network) as table,
    ):
        fates, story = Fates(table, lambda: NOW, 7, 1_000), _Story(station)

        def note(height: DecidedHeight) -> None:
            hashes = [transaction_hash(each) for each in height.block.transactions]
            fates.decided(NotedBlock(height.header.height, height.header.time_ms, hashes, height.result.receipts))

        station.application.listen(note)
        fake, submissions = FakeView(), OneSubmission()
        view = live_view(
            station,
            submit=fake.submit,
            peers=fake.peers,
            checks=fake.checks,
            render_metrics=fake.render_metrics,
            submit_attack=fake.submit_attack,
            look_for_event=submissions.submit,
            submission_status=submissions.status,
            find_fate=fates.find,
            fates_complete=lambda: True,
            holdings=_holdings(folder),
            exits=_exits(folder),
        )
        assert len(list(decided(station, HEIGHTS, story.deposits, story.requests))) == HEIGHTS
        trio.run(station.write_results)
        _save_package(station)
        known = {
            "account": (str(ALICE), "4", str(BOB)),
            "height": ("latest", "1"),
            "epoch": ("latest", "1"),
            "day": (_day_of(station),),
            "chain_id": ("1",),
            "vault": (hexed(VAULTS[1]),),
            "nonce": ("0", "1"),
            "count": ("1",),
            "after": ("0:0", "0"),
            "number": ("1",),
            "hash": tuple(hexed(transaction_hash(each)) for each in story.sent),
            "reference": (HASH,),
        }
        yield AnsweringNode(view, submissions, known)


def _day_of(station: Station) -> str:
    return datetime.fromtimestamp(station.state.now.time_ms / 1000, UTC).strftime("%Y-%m-%d")


def _holdings(folder: Path) -> EpochHoldings:
    kept = EpochHoldings(folder / "holdings", seed_of, seal_key=AccountSeeds(bytes(32)).seal_key)
    accounts = (
        AccountHoldingsRecord(ALICE, FAKE_OWNERS[1], ((0, 9_000), (1, -2))),
        AccountHoldingsRecord(FUND_ACCOUNT, address(secret(0)), ((0, 600),)),
    )
    kept.write_epoch(EpochHoldingsRecord(1, 5, ("cash:USD", "position:BTC-PERP"), accounts))
    return kept


def _exits(folder: Path) -> EpochExits:
    world = funded()
    closed(world)
    kept = EpochExits(folder / "exits")
    record = exit_tree_record(world.state)
    kept.write_epoch(msgspec.structs.replace(record, epoch=1, owners=((ALICE, FAKE_OWNERS[1]),)))
    return kept


def _save_package(station: Station) -> None:
    (station.home.path / "1.ccp").write_bytes(PACKAGE)
    station.store.save_package(PackageRecord(1, 5, "1.ccp", len(PACKAGE), sha256(PACKAGE)))
