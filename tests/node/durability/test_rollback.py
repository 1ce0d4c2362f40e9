"""Rules of stepping back a height, and of comparing states."""

import json
from pathlib import Path

import msgspec
import pytest

from clearing.base.codec import decode
from clearing.base.errors import LocalFault
from clearing.base.header import Header
from clearing.schema.blocks.block import VoteExtension
from clearing.schema.facts import Fact
from cli.main import run
from consensus.codes import ConsensusCode
from consensus.messages import CommittedBlock
from member.codes import NodeCode
from node.app.process import refuse_lost_sign_state
from node.config_sources import load_config
from node.offline.recovery import roll_back
from node.offline.state_at import state_at, state_diff
from node.signer.sign_state import SignedStep, SignStateFile
from node.store.store import Store
from node.sync.restore import SavedState, encode_saved
from tests.kit.clearing.genesis import ALICE, BOB, BTC, BTC_PERP, DOLLAR, ETH, HOUSE, USDC_1
from tests.kit.clearing.world import World, reports
from tests.kit.node.station import Home, Station, make_home, time_of
from tests.kit.refusals import refused

HEIGHTS = 18


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A stopped node's home with some heights of trading, a saved state and receipts."""
    made = make_home(tmp_path / "net")
    live(made, HEIGHTS)
    guard = SignStateFile(made.path / "sign-state")
    guard.advance(SignedStep(HEIGHTS + 1, 2, 1), b"d" * 32)
    guard.close()
    return made


def live(home: Home, heights: int) -> list[CommittedBlock]:
    words = World(home.genesis)
    blocks = []
    with Store(home.path / "node.sqlite", home.network) as store:
        station = Station(home, store)
        for height in range(1, heights + 1):
            words.state, words.time_ms = station.state, time_of(height)
            prices = reports((BTC, 790_000), (ETH, 20_000), time_ms=time_of(height))
            facts: list[Fact] = [
                words.deposit_fact(each, USDC_1, 100_000 * DOLLAR) for each in (HOUSE, ALICE, BOB) if height == 2
            ]
            if height % 2:
                facts += words.custody_facts(4 * height)
            trades = (words.trade(ALICE, BOB, BTC_PERP, height, 790_000),) if height > 5 else ()
            blocks.append(station.decide(VoteExtension(prices, tuple(facts)), trades))
            record(station)
    return blocks


def record(station: Station) -> None:
    """What the recorder would write, at once."""
    while True:
        try:
            outcome = station.recorder._receive.receive_nowait()
        except Exception:
            return
        station.store.save_results(outcome.receipts, outcome.saved)


def test_the_node_comes_back_one_height_lower_and_reaches_the_same_root(home: Home) -> None:
    with Store(home.path / "node.sqlite", home.network) as store:
        station = Station(home, store)
        newest = store.block(HEIGHTS)
        roots, receipts = station.state.module_roots(), store.receipts_at(HEIGHTS)
        last = station.chain
        assert receipts
    done = roll_back(home.config, home.genesis)
    assert (done.height, done.removed, done.removed_hash) == (HEIGHTS - 1, HEIGHTS, last.parent)
    with Store(home.path / "node.sqlite", home.network) as store:
        assert store.height() == HEIGHTS - 1
        assert store.receipts_at(HEIGHTS) == ()
        found = store.snapshot()
        assert found is None or found[0] < HEIGHTS
        station = Station(home, store)
        assert station.application.height == HEIGHTS - 1
        assert _header(store, HEIGHTS - 1).state_root == done.state_root
        assert newest is not None
        station.follow(_committed(newest))
        record(station)
        assert station.state.module_roots() == roots
        assert store.receipts_at(HEIGHTS) == receipts


def test_what_was_signed_stays_signed(home: Home) -> None:
    before = (home.path / "sign-state").read_bytes()
    roll_back(home.config, home.genesis)
    assert (home.path / "sign-state").read_bytes() == before
    guard = SignStateFile(home.path / "sign-state")
    for height in (HEIGHTS, HEIGHTS + 1):
        with refused(ConsensusCode.DOUBLE_SIGN, LocalFault):
            guard.advance(SignedStep(height, 0, 1), b"e" * 32)
    guard.close()


def test_it_goes_down_to_genesis_height_by_height_and_no_further(home: Home) -> None:
    for height in range(HEIGHTS - 1, -1, -1):
        assert roll_back(home.config, home.genesis).height == height
    with refused(NodeCode.NOTHING_BELOW, LocalFault):
        roll_back(home.config, home.genesis)


def test_it_is_refused_while_the_node_runs_and_without_a_sign_state(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(home.path / "node.toml")]
    guard = SignStateFile(home.path / "sign-state")
    assert run(["rollback", *config]) == 7
    assert "R0520" in capsys.readouterr().err
    guard.close()
    kept = (home.path / "sign-state").read_bytes()
    for lost in (Path.unlink, Path.touch):
        lost(home.path / "sign-state")
        assert run(["rollback", *config]) == 7
        assert "R0816" in capsys.readouterr().err
        with pytest.raises(LocalFault, match="sign_state_missing"):
            refuse_lost_sign_state(load_config(home.path / "node.toml", {}).config, home.genesis)
    (home.path / "sign-state").write_bytes(kept)
    assert run(["rollback", *config, "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["height"] == HEIGHTS - 1
    with Store(home.path / "node.sqlite", home.network) as store:
        assert store.height() == HEIGHTS - 1


def test_it_is_refused_where_no_state_leads_to_the_height_below(home: Home) -> None:
    """A node that joined with a state has no block to execute below it."""
    with Store(home.path / "node.sqlite", home.network) as store:
        found = store.snapshot()
        assert found is not None
        saved_at = found[0]
        store._database.write(
            lambda connection: (
                connection.execute("DELETE FROM blocks WHERE height < ?", (saved_at,)),
                connection.execute("DELETE FROM snapshots WHERE height < ?", (saved_at,)),
            )
        )
    for _ in range(HEIGHTS - saved_at):
        roll_back(home.config, home.genesis)
    with refused(NodeCode.NOTHING_BELOW, LocalFault):
        roll_back(home.config, home.genesis)
    with Store(home.path / "node.sqlite", home.network) as store:
        assert store.height() == saved_at


def _header(store: Store, height: int) -> Header:
    record_ = store.block(height)
    assert record_ is not None
    return _committed(record_).block.header


def _committed(record_: object) -> CommittedBlock:
    from consensus.blocks.store import load_committed
    from tests.kit.consensus.memory_store import MemoryBlockStore

    memory = MemoryBlockStore()
    memory.save(record_.height, record_.block, record_.certificate, record_.extended_commit)  # type: ignore[attr-defined]
    found = load_committed(memory, record_.height)  # type: ignore[attr-defined]
    assert found is not None
    return found


def test_equal_homes_have_no_difference_at_any_height(home: Home) -> None:
    with Store(home.path / "node.sqlite", home.network) as store:
        for height in (0, 1, 7, HEIGHTS):
            found = state_at(home.genesis, home.salt, store, height)
            assert found.differences == ()
            assert state_diff(found.state, found.state).equal
            if height:
                assert found.state.module_roots() == _header(store, height).module_roots


def tampered(home: Home) -> int:
    """Another balance in the newest saved state, as a failing disk below the checksums or a bug would leave it."""
    with Store(home.path / "node.sqlite", home.network) as store:
        found = store.snapshot()
        assert found is not None
        saved = decode(found[1], SavedState, 1 << 30)
        state = state_at(home.genesis, home.salt, store, found[0]).state
        key, balance = next(iter(state.balances.ordered()))
        state.balances.put(key, msgspec.structs.replace(balance, credits=balance.credits + 1))
        store.save_snapshot(found[0], encode_saved(found[0], state, saved.epochs))
        return found[0]


def test_the_record_that_differs_is_named_with_its_module_and_the_height(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(home.path, other)
    saved_at = tampered(home)
    assert run(["debug", "statediff", str(home.path), str(other), "--output", "json"]) == 6
    answer = json.loads(capsys.readouterr().out)
    assert answer["height"] == HEIGHTS
    assert any(f"A: at height {saved_at} the header states other roots of LEDGER" in line for line in answer["headers"])
    assert not any(line.startswith("B:") for line in answer["headers"])
    differing = {each["module"] for each in answer["diff"]["modules"] if not each["equal"]}
    assert "LEDGER" in differing
    tables = {each["table"]: each for each in answer["diff"]["tables"]}
    assert tables["balances"]["changed"] == 1
    assert (tables["balances"]["only_a"], tables["balances"]["only_b"]) == (0, 0)
    assert run(["debug", "statediff", str(other), str(other)]) == 0


def test_a_state_is_compared_by_its_exported_file(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "exports"
    folder.mkdir(mode=0o700)
    for height in (9, 10):
        to = str(folder / f"{height}.state")
        assert run(["debug", "export", "--home", str(home.path), "--height", str(height), "--to", to]) == 0
    assert (folder / "9.state").stat().st_mode & 0o777 == 0o600
    assert run(["debug", "statediff", str(home.path), str(folder / "9.state")]) == 0
    capsys.readouterr()
    genesis = ["--genesis", str(home.path / "genesis.json")]
    assert run(["debug", "statediff", str(folder / "9.state"), str(folder / "9.state"), *genesis]) == 0
    assert run(["debug", "statediff", str(folder / "9.state"), str(folder / "10.state"), *genesis]) == 2
    (folder / "bad").write_bytes(b"nonsense")
    assert run(["debug", "statediff", str(home.path), str(folder / "bad")]) == 6
