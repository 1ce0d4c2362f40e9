"""What a node really writes, epoch after epoch, is one history to the tools, and enough for a member's own proof.

Under amended terms it is believed from genesis with the certified amendments, from nothing less.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearing.governance.certified_amendments import read_amendments, write_amendments
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.governance import GovernanceProposal
from clearing.schema.terms.genesis import CrisisParameters
from clearing.schema.terms.governance import GovernanceTerms
from clearing.schema.terms.instruments import Instrument, InstrumentKind
from clearing.state.holdings import Holdings, current_holdings
from consensus.light_client import LightBlock
from member.light.store import LightStore
from member.signing.governance import sign_proposal
from node.api.governance import amendments_file
from node.epochs.seeds import AccountSeeds
from node.store.blocks import light_block_at
from proofs.epoch.package import read_package
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.genesis import USD
from tests.kit.clearing.world import World
from tests.kit.command_line import CommandLine
from tests.kit.node.keeping_view import FAKE_OWNERS
from tests.kit.node.proving import ProverAtOnce, own_options, write_epochs
from tests.kit.node.recorded import Recorded
from tests.kit.node.station import Home, Station, new_station, time_of, vote_of_one

EPOCHS = 2


def package_of(folder: Path, epoch: int = EPOCHS) -> Path:
    return folder / "packages" / f"epoch-{epoch:06d}.ccp"


def rules_detail(verdict: dict[str, Any]) -> str:
    return next(check["detail"] for check in verdict["checks"] if check["name"] == "rules")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with genesis, the packages of a station, and one member's files as of the last epoch."""
    folder = tmp_path_factory.mktemp("history")
    holdings: list[Holdings] = []
    with new_station(folder, ProverAtOnce()) as station:
        log = Recorded(station, folder)
        write_epochs(station, folder, EPOCHS, lambda _: holdings.append(current_holdings(station.state, 1)))
        log.write()
    seed = AccountSeeds(bytes(32)).at(1, EPOCHS)
    own_options(folder, package_of(folder), seed, holdings[-1], FAKE_OWNERS[1])
    return folder


@pytest.fixture(scope="module")
def anchor(written: Path) -> list[str]:
    return ["--genesis", str(written / "genesis.json")]


@pytest.fixture(autouse=True)
def at_the_networks_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages are judged a minute after the last block."""
    monkeypatch.setattr("cli.verdict_options.now_ms", lambda: time_of(100))


def test_the_packages_of_a_node_are_one_history(written: Path, anchor: list[str], cli: CommandLine) -> None:
    history = cli("proof", "history", str(written / "packages"), *anchor, "--no-strict", "--output", "json").json
    assert (history["epochs"], history["findings"]) == (list(range(1, EPOCHS + 1)), [])


def test_a_member_of_a_real_network_proves_its_account(
    written: Path, anchor: list[str], tmp_path: Path, cli: CommandLine
) -> None:
    package, out = package_of(written), tmp_path / "mine.ccs"
    own = [
        "--account",
        "1",
        "--owner",
        FAKE_OWNERS[1].hex(),
        "--seed-file",
        written / "seed",
        "--holdings",
        written / "holdings.json",
    ]
    cli("verify", package, *own, *anchor)
    cli("proof", "make", package, *own, *anchor, "--out", out)
    cli("proof", "verify", out, "--package", package, *anchor)
    cli("proof", "show", package)
    assert verify_package(package.read_bytes()).ok


def test_a_genesis_and_what_was_followed_from_it_go_together(
    written: Path, anchor: list[str], tmp_path: Path, cli: CommandLine
) -> None:
    package = read_package(package_of(written).read_bytes())
    block = LightBlock(package.header, package.certificate, package.validators, package.validators)
    foreign = msgspec.structs.replace(block, header=msgspec.structs.replace(block.header, network=bytes(32)))
    for name, each in (("light.sqlite", block), ("foreign.sqlite", foreign)):
        with LightStore(tmp_path / name) as store:
            store.add([each])
    verify = ["verify", str(package_of(written)), *anchor, "--light-store"]
    verdict = cli(*verify, str(tmp_path / "light.sqlite"), "--no-strict", "--output", "json").json
    assert rules_detail(verdict).endswith("under the genesis' parameters")
    assert verdict["checks"][-1]["name"] == "light_client"
    cli(*verify, tmp_path / "foreign.sqlite", code=2)


class Council:
    """The only validator: it proposes an amendment at height 4 and votes for it at 5."""

    places = (
        ("risk.groups.1.range_ppm", 300_000),
        ("instruments.9", Instrument(9, "BTC-9", InstrumentKind.PERPETUAL, 1, 1, USD, 10)),
    )

    def __init__(self, home: Home) -> None:
        self.home = home

    def requests(self, words: World, height: int) -> tuple[Transaction, ...]:
        if height == 4:
            envelope = self.home.keys.envelope
            until_ms = time_of(height) + 60_000
            self.proposal: GovernanceProposal = sign_proposal(
                words.changes(*self.places), "", until_ms, words.network, 0, envelope
            )
            return (self.proposal,)
        return (vote_of_one(self.home, self.proposal),) if height == 5 else ()


@pytest.fixture(scope="module")
def amended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Genesis, packages before and after an amendment, and the amendments with their certificate."""
    folder = tmp_path_factory.mktemp("amended")
    terms = GovernanceTerms(vote_ms=60_000, timelock_ms=2_000, timelock_floor_ms=1_000)
    with new_station(folder, ProverAtOnce(), crisis=CrisisParameters(governance=terms)) as station:
        log = Recorded(station, folder)
        write_epochs(station, folder, EPOCHS, requests=Council(station.home).requests)
        assert station.state.terms.risk.groups[0].range_ppm == 300_000
        assert station.state.amendments[1].height == 7
        file = amendments_file(station.state, light_block_at(station.store, station.application.height))
        (folder / "amendments.bin").write_bytes(file)
        log.write()
        again = Station(station.home, station.store, ProverAtOnce())
        assert again.state.terms.genesis == station.state.terms.genesis, "a node comes back with the terms in force"
        assert again.state.module_roots() == station.state.module_roots()
    return folder


@pytest.fixture(scope="module")
def from_genesis(amended: Path) -> list[str]:
    return ["--genesis", str(amended / "genesis.json")]


@pytest.fixture(scope="module")
def from_amendments(amended: Path, from_genesis: list[str]) -> list[str]:
    return [*from_genesis, "--amendments", str(amended / "amendments.bin")]


def test_genesis_alone_believes_the_epoch_before_and_not_the_one_after(
    amended: Path, from_genesis: list[str], cli: CommandLine
) -> None:
    cli("verify", package_of(amended, 1), *from_genesis)
    cli("verify", package_of(amended, 2), *from_genesis, code=6)


@pytest.mark.parametrize("epoch", [1, 2])
def test_with_the_amendments_both_are_believed(
    amended: Path, from_amendments: list[str], epoch: int, cli: CommandLine
) -> None:
    verdict = cli("verify", package_of(amended, epoch), *from_amendments, "--no-strict", "--output", "json").json
    assert rules_detail(verdict).endswith("under the genesis' parameters")


def test_a_history_across_an_amendment_is_one_history(
    amended: Path, from_genesis: list[str], from_amendments: list[str], cli: CommandLine
) -> None:
    judge = ["proof", "history", str(amended / "packages"), "--no-strict"]
    cli(*judge, *from_genesis, code=6)
    assert cli(*judge, *from_amendments, "--output", "json").json["epochs"] == [1, 2]


def test_another_story_of_the_amendments_is_not(
    amended: Path, from_genesis: list[str], tmp_path: Path, cli: CommandLine
) -> None:
    file = read_amendments((amended / "amendments.bin").read_bytes())
    (tmp_path / "none.bin").write_bytes(write_amendments(msgspec.structs.replace(file, amendments=())))
    (tmp_path / "cut.bin").write_bytes(write_amendments(file)[:-1])
    package = package_of(amended)
    for name in ("none.bin", "cut.bin"):
        cli("verify", package, *from_genesis, "--amendments", tmp_path / name, code=6)
    cli("verify", package, "--amendments", amended / "amendments.bin", code=2)  # what would they amend?


def test_an_operator_tries_a_change_out_on_its_own_disk(amended: Path, cli: CommandLine) -> None:
    dry_run = ["governance", "dry-run", "--home", amended / "net" / "n0", "--output", "json", "--set"]
    assert cli(*dry_run, "risk.groups.1.range_ppm=400000").json["called"] == []
    assert "bounds" in cli(*dry_run, "risk.groups.1.range_ppm=1", code=6).json["refused"]
