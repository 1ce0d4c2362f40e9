"""What a node really writes, epoch after epoch, is one history to the tools, and enough for a member's own proof."""

import json
from pathlib import Path

import msgspec
import pytest

from clearing.genesis.json import genesis_to_json
from clearing.state.holdings import current_holdings
from cli.main import run
from consensus.light_client import LightBlock
from member.light.store import LightStore
from node.epochs.service import account_seed
from node.store.store import Store
from proofs.epoch.package import read_package
from proofs.verify.package_verifier import verify_package
from tests.kit.node.proving import ProverAtOnce, write_epochs
from tests.kit.node.station import Station, make_home

EPOCHS = 2


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with genesis, the packages of a station, and one member's files as of each epoch."""
    folder = tmp_path_factory.mktemp("history")
    home = make_home(folder / "net")
    (folder / "genesis.json").write_bytes(genesis_to_json(home.genesis))
    with Store(folder / "s.sqlite", home.network) as store:
        station = Station(home, store, ProverAtOnce())

        def keep(epoch: int) -> None:
            held = current_holdings(station.state, 1)
            (folder / f"held-{epoch}.json").write_text(json.dumps([*held.cash, *held.tokens, *held.lots]))

        write_epochs(station, folder, EPOCHS, keep)
    (folder / "seed").touch(mode=0o600)
    (folder / "seed").write_text(account_seed(bytes(32), 1).hex())
    return folder


def test_the_packages_of_a_node_are_one_history(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    anchor = ["--genesis", str(written / "genesis.json"), "--output", "json"]
    assert run(["proof", "history", str(written / "packages"), *anchor]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["epochs"] == list(range(1, EPOCHS + 1))
    assert report["findings"] == []


def test_a_member_of_a_real_network_proves_its_account(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = written / "packages" / f"epoch-{EPOCHS:06d}.ccp"
    statement = read_package(package.read_bytes()).statement
    names = [slot.name for slot in statement.slots if slot.is_public]
    values = json.loads((written / f"held-{EPOCHS}.json").read_text())
    (written / "holdings.json").write_text(json.dumps(dict(zip(names, map(str, values), strict=True))))
    own = ["--account", "1", "--seed-file", str(written / "seed"), "--holdings", str(written / "holdings.json")]
    anchor = ["--genesis", str(written / "genesis.json")]
    out = written / "mine.ccs"
    assert run(["verify", str(package), *own, *anchor]) == 0, capsys.readouterr().out
    assert run(["proof", "make", str(package), *own, *anchor, "--out", str(out)]) == 0
    assert run(["proof", "verify", str(out), "--package", str(package), *anchor]) == 0
    assert run(["proof", "show", str(package)]) == 0
    assert verify_package(package.read_bytes()).ok


def test_a_genesis_and_what_was_followed_from_it_go_together(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written / "packages" / f"epoch-{EPOCHS:06d}.ccp"
    package = read_package(path.read_bytes())
    block = LightBlock(package.header, package.certificate, package.validators, package.validators)
    with LightStore(tmp_path / "light.sqlite") as store:
        store.add([block])
    both = ["--genesis", str(written / "genesis.json"), "--light-store", str(tmp_path / "light.sqlite")]
    assert run(["verify", str(path), *both, "--output", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    rules = next(check for check in report["checks"] if check["name"] == "rules")
    assert rules["detail"].endswith("under the genesis' parameters")
    assert report["checks"][-1]["name"] == "light_client"
    foreign = msgspec.structs.replace(block, header=msgspec.structs.replace(block.header, network=bytes(32)))
    with LightStore(tmp_path / "foreign.sqlite") as store:
        store.add([foreign])
    both[-1] = str(tmp_path / "foreign.sqlite")
    assert run(["verify", str(path), *both]) == 2
