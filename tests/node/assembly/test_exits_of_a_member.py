"""Rules of exit leaves: a member gets its own, whoever trusts the validators can check them, nobody else learns any."""

import json
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from clearing.base import secp256k1
from clearing.base.errors import Bug, RemoteFault
from clearing.epochs.exit_tree import exit_tree
from clearing.genesis.json import genesis_to_json
from cli.main import run
from member.api.proofs import ExitView
from member.codes import NodeCode
from member.verifying.exits import block_of, exit_file, read_exit_file, verify_exit
from member.verifying.package import TrustAnchor
from node.api.view import NodeView
from node.app.persister import Persister
from node.config import Api
from node.epochs.member_files import EpochExits, ExitTreeRecord, exit_tree_record
from node.http.server import build_api, serve_api
from node.store.block_log import write_block_log
from node.store.store import Store
from tests.kit.clearing.exits import closed
from tests.kit.clearing.genesis import CAROL, WETH_1
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import funded
from tests.kit.node.fake_view import ALICE, BOB, FakeView
from tests.kit.node.keeping_view import first_deposits, record_all
from tests.kit.node.live_view import live_view
from tests.kit.node.proving import CARRIED, ProverAtOnce, decide, prove_now
from tests.kit.node.secret_answers import ask_view, problem
from tests.kit.node.station import Station, make_home

OWNERS = {1: secp256k1.address(ALICE), 2: secp256k1.address(BOB)}
MEMBER, CLIENT = 1, 4
"""Accounts of member 1; the second is empty."""


def told_of(epoch: int, owner: bytes = OWNERS[1]) -> ExitTreeRecord:
    """The leaves of a story, as if they were of this epoch, account 1 being this owner's."""
    world = funded()
    world.deposit(1, WETH_1, 3_000_000)
    closed(world)
    kept = exit_tree_record(world.state)
    return msgspec.structs.replace(kept, epoch=epoch, owners=((1, owner), (2, OWNERS[2])))


@pytest.fixture
def kept(tmp_path: Path) -> EpochExits:
    return EpochExits(tmp_path / "exits")


async def ask(exits: EpochExits | None, target: str, key: bytes = ALICE, **settings: Any) -> httpx.Response:
    return await ask_view(FakeView(exits=exits), target, key, **settings)


def test_what_is_kept_gives_the_root_of_the_header_again(kept: EpochExits) -> None:
    world = funded()
    world.deposit(CAROL, WETH_1, 3_000_000)
    result = closed(world)
    kept.write_epoch(exit_tree_record(world.state))
    assert stat.S_IMODE(kept._folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in kept._folder.iterdir()] == [0o600]
    tree = exit_tree(world.state)
    found = EpochExits(kept._folder).account_at(CAROL, 1)
    assert found is not None
    assert (found.root, found.count, found.height) == (result.exit_root, len(tree.leaves), result.height)
    for own in found.leaves:
        leaf = tree.leaves[own.index]
        assert own.leaf.encoded(1) == leaf.encoded(1)
        assert own.path == tree.proof(own.index)
    assert sum(own.leaf.amount for own in found.leaves) == sum(leaf.amount for _, leaf in tree.of_account(CAROL)) > 0


def test_a_state_that_went_on_is_not_taken_for_the_one_that_closed() -> None:
    world = funded()
    closed(world)
    world.deposit(CAROL, WETH_1, 1_000_000)
    with pytest.raises(Bug):
        exit_tree_record(world.state)


async def test_a_member_gets_the_leaves_of_its_own_account(kept: EpochExits) -> None:
    kept.write_epoch(told_of(1))
    for query in ("?epoch=1", ""):
        response = await ask(kept, f"/v1/accounts/1/exit{query}")
        assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
        told = msgspec.json.decode(response.content, type=ExitView)
        assert (told.epoch, told.account, len(told.leaves)) == (1, 1, 2)
        assert {each.amount for each in told.leaves} >= {str(3_000_000 * 10**12)}


async def test_others_and_unknown_accounts_are_refused_alike(kept: EpochExits) -> None:
    kept.write_epoch(told_of(1))
    for account in (1, 99):
        response = await ask(kept, f"/v1/accounts/{account}/exit", BOB)
        assert problem(response) == (403, NodeCode.API_FORBIDDEN.label)
        assert "salt" not in response.text


async def test_an_epoch_that_is_not_kept_is_not_found(kept: EpochExits) -> None:
    assert problem(await ask(kept, "/v1/accounts/1/exit")) == (404, NodeCode.API_NOT_FOUND.label)
    assert problem(await ask(None, "/v1/accounts/1/exit")) == (404, NodeCode.API_NOT_FOUND.label)
    kept.write_epoch(told_of(1))
    assert problem(await ask(kept, "/v1/accounts/1/exit?epoch=2")) == (404, NodeCode.API_NOT_FOUND.label)
    assert problem(await ask(kept, "/v1/accounts/1/exit?epoch=-1")) == (400, NodeCode.API_PARAMETER.label)
    assert problem(await ask(kept, "/v1/accounts/1/exit?salt=1")) == (400, NodeCode.API_PARAMETER.label)


async def test_who_was_ported_an_account_learns_nothing_of_the_time_before(kept: EpochExits) -> None:
    kept.write_epoch(told_of(1, OWNERS[2]))
    assert problem(await ask(kept, "/v1/accounts/1/exit?epoch=1")) == (404, NodeCode.API_NOT_FOUND.label)


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 200), ("192.0.2.7", 403)])
async def test_salts_are_told_only_where_nobody_reads_along(kept: EpochExits, host: str, status: int) -> None:
    kept.write_epoch(told_of(1))
    assert (await ask(kept, "/v1/accounts/1/exit", host=host)).status_code == status


def test_a_damaged_file_is_an_epoch_that_is_not_kept(kept: EpochExits) -> None:
    kept.write_epoch(told_of(1))
    path = next(kept._folder.iterdir())
    for data in (b"", path.read_bytes()[:-1], path.read_bytes() + b"x"):
        path.write_bytes(data)
        with capture_logs() as logs:
            assert kept.account_at(1, 1) is None
        assert [(each["event"], each["epoch"]) for each in logs] == [("exits of an epoch are damaged", 1)]


@dataclass(frozen=True)
class Place:
    """A node of one validator that has closed and proven an epoch; genesis, package and blocks in files."""

    view: NodeView
    folder: Path
    home: Path

    @property
    def genesis(self) -> list[str]:
        return ["--genesis", str(self.folder / "genesis.json")]

    @property
    def log(self) -> list[str]:
        return ["--log", str(self.folder / "blocks.log"), "--home", str(self.home), "--devnet", *self.genesis]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    home = make_home(folder / "net")
    (folder / "genesis.json").write_bytes(genesis_to_json(home.genesis))
    with Store(folder / "s.sqlite", home.network) as store:
        station = Station(home, store, ProverAtOnce())
        exits = EpochExits(folder / "exits")
        recorder = Persister(store, station.epochs, exits=exits)
        station.application.listen(recorder.decided)
        committed = decide(station, CARRIED, first_deposits)
        snapshot = station.epochs.provable(CARRIED)
        assert snapshot is not None
        (folder / "epoch.ccp").write_bytes(prove_now(station, snapshot, committed))
        trio.run(record_all, recorder)
        view = live_view(station, exits=exits)
        write_block_log(folder / "blocks.log", home.network, store.blocks())
        (folder / "key").touch(mode=0o600)
        (folder / "key").write_text(secret(1).hex())
        yield Place(view, folder, home.path)


async def shown(place: Place, *more: str) -> int:
    """`crossclear exit show` against a socket."""
    settings = Api(port=0)
    app = build_api(place.view, settings, lambda: time.time_ns() // 1_000_000)
    with trio.fail_after(600):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(serve_api, app, settings)
            argv = ["exit", "show", "--url", bound[0], "--secret-file", str(place.folder / "key"), *more]
            code = await trio.to_thread.run_sync(run, argv)
            nursery.cancel_scope.cancel()
    return code


async def test_what_a_node_shows_passes_the_check_by_genesis_alone(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "exit.json"
    assert await shown(place, str(MEMBER), "--out", str(out)) == 0
    told = capsys.readouterr()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    file = read_exit_file(out.read_bytes())
    assert [each.amount for each in file.exit.leaves] == ["9000", str(10**18)]
    assert all(each.salt not in told.out + told.err for each in file.exit.leaves)
    assert run(["exit", "verify", str(out), *place.genesis]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("ok   certificate")
    assert "if everything ended at this epoch" in told.out
    assert "nothing but the file itself" not in told.out
    assert run(["exit", "verify", str(out)]) == 0
    assert "nothing but the file itself" in capsys.readouterr().out
    assert await shown(place, str(MEMBER), "--out", str(out)) == 7, "never overwritten"
    assert await shown(place, "2") == 1, "of another member"
    assert await shown(place, str(CLIENT)) == 0
    assert "nothing to take out" in capsys.readouterr().out
    assert run(["exit", "show", "1", "--url", "http://node.example.org", "--secret-file", str(out)]) == 7


async def test_a_light_store_is_trust_enough(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, store = tmp_path / "exit.json", str(tmp_path / "light.sqlite")
    assert run(["exit", "show", str(MEMBER), "--out", str(out), *place.log]) == 0
    settings = Api(port=0)
    app = build_api(place.view, settings, lambda: time.time_ns() // 1_000_000)
    forever = ["--trusting-period-s", str(10**9)]
    with trio.fail_after(600):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(serve_api, app, settings)
            argv = ["light", "follow", "--once", "--store", store, "--url", bound[0], *place.genesis, *forever]
            assert await trio.to_thread.run_sync(run, argv) == 0
            argv = ["light", "verify", "5", "--store", store, "--url", bound[0], *forever]
            assert await trio.to_thread.run_sync(run, argv) == 0
            nursery.cancel_scope.cancel()
    capsys.readouterr()
    assert run(["exit", "verify", str(out), "--light-store", store]) == 0
    told = capsys.readouterr().out
    assert "light_client" in told
    assert "the header of height 5 is trusted" in told


def test_the_file_is_closed_in_a_folder_that_is_not(place: Place, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    out = tmp_path / "exit.json"
    assert run(["exit", "show", str(MEMBER), "--out", str(out), *place.log]) == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_a_package_of_the_epoch_shows_the_root_too(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "exit.json"
    assert run(["exit", "show", str(MEMBER), "--out", str(out), *place.log]) == 0
    file = json.loads(out.read_text())
    out.write_text(json.dumps({**file, "block": "0x"}))
    assert run(["exit", "verify", str(out), *place.genesis]) == 6
    capsys.readouterr()
    package = ["--package", str(place.folder / "epoch.ccp")]
    assert run(["exit", "verify", str(out), *package, *place.genesis, "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["height"] == CARRIED


async def test_the_blocks_alone_give_the_same_file(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked_for, made = tmp_path / "asked.json", tmp_path / "made.json"
    assert await shown(place, str(MEMBER), "--out", str(asked_for)) == 0
    assert run(["exit", "show", str(MEMBER), "--out", str(made), *place.log]) == 0
    assert made.read_bytes() == asked_for.read_bytes()
    capsys.readouterr()
    assert run(["exit", "show", str(MEMBER), "--epoch", "7", *place.log]) == 1
    assert "R0840" in capsys.readouterr().err


LIES: dict[str, Any] = {
    "amount": "9001",
    "salt": "0x" + "00" * 32,
    "to": "0x" + "66" * 20,
    "vault": "0x" + "66" * 20,
    "token": "0x" + "66" * 20,
    "chain_id": 7,
    "index": 1,
    "path": [],
}


@pytest.mark.parametrize("field", [*LIES, "account", "leaf_count", "epoch", "twice", "none"])
def test_a_file_that_differs_anywhere_is_refused(
    place: Place, field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "exit.json"
    assert run(["exit", "show", str(MEMBER), "--out", str(out), *place.log]) == 0
    file = json.loads(out.read_text())
    if field in LIES:
        assert file["exit"]["leaves"][0][field] != LIES[field]
        file["exit"]["leaves"][0][field] = LIES[field]
    elif field == "twice":
        file["exit"]["leaves"] *= 2
    elif field == "none":
        file["exit"]["leaves"] = []
    else:
        file["exit"][field] += 1
    out.write_text(json.dumps(file))
    capsys.readouterr()
    assert run(["exit", "verify", str(out), *place.genesis, "--output", "json"]) == 6
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["claim"] == ""
    assert report["checks"][-1]["name"] == ("root" if field == "epoch" else "leaves")


def test_validators_that_are_not_trusted_convince_nobody(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "exit.json"
    assert run(["exit", "show", str(MEMBER), "--out", str(out), *place.log]) == 0
    capsys.readouterr()
    assert run(["exit", "verify", str(out), "--validators-hash", "11" * 32, "--output", "json"]) == 6
    assert [each["name"] for each in json.loads(capsys.readouterr().out)["checks"]] == ["certificate"]
    file = read_exit_file(out.read_bytes())
    block = block_of(file)
    forged = msgspec.structs.replace(block.header, exit_root=bytes(32))
    report = verify_exit(file, 1, TrustAnchor(), msgspec.structs.replace(block, header=forged))
    assert [each.ok for each in report.checks] == [False]


@given(st.binary(max_size=400))
def test_bytes_that_are_no_exit_file_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteFault):
        read_exit_file(data)


def test_a_block_that_is_none_is_refused(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "exit.json"
    assert run(["exit", "show", str(MEMBER), "--out", str(out), *place.log]) == 0
    file = read_exit_file(out.read_bytes())
    out.write_bytes(msgspec.json.encode(exit_file(file.exit, b"\xc1")))
    assert run(["exit", "verify", str(out)]) == 6
