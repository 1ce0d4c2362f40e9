"""What a node proves under amended terms is believed from genesis with the certified amendments, from nothing less."""

import json
from pathlib import Path

import msgspec
import pytest

from clearing.genesis.json import genesis_to_json
from clearing.genesis.paths import change_at
from clearing.governance.certified_amendments import read_amendments, write_amendments
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.governance import GovernanceVote, TermsAmendment
from clearing.schema.terms.genesis import CrisisParameters
from clearing.schema.terms.governance import GovernanceTerms
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from cli.main import run
from member.signing.governance import sign_proposal
from member.signing.requests import signed_by_validator
from node.api.governance import amendments_file
from node.epochs.service import write_package
from node.store.blocks import light_block_at
from node.store.store import Store
from tests.kit.clearing.genesis import BTC, ETH, USD
from tests.kit.clearing.world import World, reports
from tests.kit.node.proving import ProverAtOnce, prove_now
from tests.kit.node.station import MARKET, Station, make_home, time_of

GOVERNED = GovernanceTerms(vote_ms=60_000, timelock_ms=2_000, timelock_floor_ms=1_000)
PLACES = (
    ("risk.groups.1.range_ppm", 300_000),
    ("instruments.9", Instrument(9, "BTC-9", InstrumentKind.PERPETUAL, 1, 1, USD, 10)),
)
EPOCHS = 2
AMENDED_AT = 7


def heights(station: Station, folder: Path, count: int) -> None:
    """Decide, propose at 4, vote at 5, and write what can be proven."""
    words = World(station.home.genesis)
    envelope, network = station.home.keys.envelope, station.home.network
    proposal = None
    for _ in range(count):
        height = station.application.height + 1
        words.state = station.state
        until = time_of(height) + 60_000
        transactions: tuple[Transaction, ...] = ()
        if height == 4:
            amendment = TermsAmendment(tuple(change_at(station.state.terms.genesis, *place) for place in PLACES))
            proposal = sign_proposal(amendment, "", until, network, 0, envelope)
            transactions = (proposal,)
        elif height == 5 and proposal is not None:
            plain = GovernanceVote(
                proposal.content(network), 0, approve=True, revision=1, not_after_ms=until, signature=bytes(64)
            )
            transactions = (signed_by_validator(network, plain, envelope),)
        prices = reports((BTC, 790_000 + height), (ETH, 20_000), time_ms=time_of(height))
        committed = station.decide(VoteExtension(prices, words.custody_facts(4 * height)), transactions)
        snapshot = station.epochs.provable(height)
        if snapshot is not None:
            data = prove_now(station, snapshot, committed)
            write_package(folder / "packages", folder, snapshot.statement.epoch, height, data)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Genesis, packages before and after an amendment, and the amendments with their certificate."""
    folder = tmp_path_factory.mktemp("amended")
    home = make_home(folder / "net", crisis=CrisisParameters(governance=GOVERNED))
    (folder / "genesis.json").write_bytes(genesis_to_json(home.genesis))
    with Store(folder / "s.sqlite", home.network) as store:
        station = Station(home, store, ProverAtOnce())
        heights(station, folder, (EPOCHS - 1) * MARKET.epoch_blocks + MARKET.epoch_blocks + 3)
        assert station.state.terms.risk.groups[0].range_ppm == 300_000
        assert station.state.amendments[1].height == AMENDED_AT
        found = amendments_file(station.state, light_block_at(store, station.application.height))
        assert found is not None
        (folder / "amendments.bin").write_bytes(found)
        # A node that comes back from its disk has the terms in force.
        again = Station(home, store, ProverAtOnce())
        assert again.state.terms.genesis == station.state.terms.genesis
        assert again.state.module_roots() == station.state.module_roots()
    return folder


def verified(folder: Path, epoch: int, *more: str) -> int:
    return run(["verify", str(folder / "packages" / f"epoch-{epoch:06d}.ccp"), *more])


def test_genesis_alone_believes_the_epoch_before_and_not_the_one_after(written: Path) -> None:
    anchor = ("--genesis", str(written / "genesis.json"))
    assert verified(written, 1, *anchor) == 0
    assert verified(written, 2, *anchor) == 6


def test_with_the_amendments_both_are_believed(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    anchor = ("--genesis", str(written / "genesis.json"), "--amendments", str(written / "amendments.bin"))
    for epoch in (1, 2):
        capsys.readouterr()
        assert verified(written, epoch, *anchor, "--output", "json") == 0
        report = json.loads(capsys.readouterr().out)
        rules = next(check for check in report["checks"] if check["name"] == "rules")
        assert rules["detail"].endswith("under the genesis' parameters")


def test_a_history_across_an_amendment_is_one_history(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged = ["proof", "history", str(written / "packages"), "--genesis", str(written / "genesis.json")]
    assert run(judged) == 6
    capsys.readouterr()
    assert run([*judged, "--amendments", str(written / "amendments.bin"), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == [1, 2]


def test_another_story_of_the_amendments_is_not(written: Path, tmp_path: Path) -> None:
    file = read_amendments((written / "amendments.bin").read_bytes())
    none = msgspec.structs.replace(file, amendments=())
    (tmp_path / "none.bin").write_bytes(write_amendments(none))
    (tmp_path / "cut.bin").write_bytes(write_amendments(file)[:-1])
    anchor = ("--genesis", str(written / "genesis.json"))
    for name in ("none.bin", "cut.bin"):
        assert verified(written, 2, *anchor, "--amendments", str(tmp_path / name)) == 6
    assert verified(written, 2, "--amendments", str(written / "amendments.bin")) == 2, "what would they amend?"


def test_an_operator_tries_a_change_out_on_its_own_disk(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = written / "net" / "n0"
    (home / "node.sqlite").write_bytes((written / "s.sqlite").read_bytes())
    tried = ["governance", "dry-run", "--home", str(home), "--output", "json"]
    assert run([*tried, "--set", "risk.groups.1.range_ppm=400000"]) == 0
    assert json.loads(capsys.readouterr().out)["called"] == []
    assert run([*tried, "--set", "risk.groups.1.range_ppm=1"]) == 6
    assert "bounds" in json.loads(capsys.readouterr().out)["refused"]
