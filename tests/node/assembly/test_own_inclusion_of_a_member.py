"""Rules of own inclusion: a member gets from its node what it checks its account in a package with, and nobody else."""

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
from structlog.testing import capture_logs

from clearing.genesis.json import genesis_to_json
from clearing.state.holdings import current_holdings
from cli.main import run
from member.api.proofs import InclusionView
from member.codes import NodeCode
from node.agreement.application import DecidedHeight
from node.api.view import NodeView
from node.app.persister import Persister
from node.config import Api
from node.epochs.member_files import AccountHoldingsRecord, EpochHoldings, EpochHoldingsRecord, epoch_holdings
from node.epochs.service import write_package
from node.http.server import build_api, serve_api
from node.store.store import Store
from tests.kit.clearing.signer import secret
from tests.kit.node.fake_view import ALICE, BOB, NOW, FakeView
from tests.kit.node.keeping_view import FAKE_OWNERS, first_deposits, record_all, seed_of
from tests.kit.node.live_view import live_view
from tests.kit.node.proving import CARRIED, ProverAtOnce, decide, prove_now
from tests.kit.node.secret_answers import ask_view, problem
from tests.kit.node.station import MARKET, QuickProver, Station, make_home

HELD = {"cash:USD": 9_000, "position:BTC-PERP": -2}


def held(epoch: int, owner: bytes = FAKE_OWNERS[1]) -> EpochHoldingsRecord:
    accounts = (AccountHoldingsRecord(1, owner, ((0, 9_000), (2, -2))), AccountHoldingsRecord(2, FAKE_OWNERS[2], ()))
    return EpochHoldingsRecord(epoch, 5 * epoch, ("cash:USD", "token:1:WETH", "position:BTC-PERP"), accounts)


@pytest.fixture
def kept(tmp_path: Path) -> EpochHoldings:
    return EpochHoldings(tmp_path / "holdings", seed_of)


async def ask(holdings: EpochHoldings | None, target: str, key: bytes = ALICE, **settings: Any) -> httpx.Response:
    return await ask_view(FakeView(holdings=holdings), target, key, **settings)


async def test_a_member_gets_seed_and_holdings_of_its_own_account(kept: EpochHoldings) -> None:
    kept.write_epoch(held(1))
    for epoch in ("1", "latest"):
        response = await ask(kept, f"/v1/accounts/1/inclusion/{epoch}")
        assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
        told = msgspec.json.decode(response.content, type=InclusionView)
        assert (told.epoch, told.height, told.account, told.seed) == (1, 5, 1, seed_of(1).hex())
        assert told.holdings == {name: str(amount) for name, amount in HELD.items()}


async def test_an_account_of_another_member_is_refused_like_one_that_is_not_there(kept: EpochHoldings) -> None:
    kept.write_epoch(held(1))
    for account in (1, 99):
        response = await ask(kept, f"/v1/accounts/{account}/inclusion/1", BOB)
        assert problem(response) == (403, NodeCode.API_FORBIDDEN.label)
        assert seed_of(account).hex() not in response.text


async def test_a_request_that_nobody_signed_is_refused(kept: EpochHoldings) -> None:
    app = build_api(FakeView(holdings=kept), Api(), lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        response = await client.get("/v1/accounts/1/inclusion/latest")
    assert problem(response) == (401, NodeCode.API_UNAUTHENTICATED.label)


async def test_an_epoch_that_is_not_kept_is_not_found(kept: EpochHoldings) -> None:
    assert problem(await ask(kept, "/v1/accounts/1/inclusion/latest")) == (404, NodeCode.API_NOT_FOUND.label)
    kept.write_epoch(held(1))
    assert problem(await ask(kept, "/v1/accounts/1/inclusion/2")) == (404, NodeCode.API_NOT_FOUND.label)
    assert problem(await ask(kept, "/v1/accounts/1/inclusion/-1")) == (400, NodeCode.API_PARAMETER.label)


async def test_latest_is_the_epoch_of_the_newest_package_here(kept: EpochHoldings) -> None:
    for epoch in (1, 2):
        kept.write_epoch(held(epoch))
    for epoch, expected in (("latest", (1, True)), ("2", (2, False))):
        told = (await ask(kept, f"/v1/accounts/1/inclusion/{epoch}")).json()
        assert (told["epoch"], told["package"]) == expected
    later = EpochHoldings(kept._folder.parent / "later", seed_of)
    later.write_epoch(held(3))
    assert (await ask(later, "/v1/accounts/1/inclusion/latest")).json()["epoch"] == 3


async def test_who_was_ported_an_account_learns_nothing_of_the_time_before(kept: EpochHoldings) -> None:
    kept.write_epoch(held(1, FAKE_OWNERS[2]))
    assert problem(await ask(kept, "/v1/accounts/1/inclusion/1")) == (404, NodeCode.API_NOT_FOUND.label)


async def test_a_node_without_seeds_says_so() -> None:
    assert problem(await ask(None, "/v1/accounts/1/inclusion/latest")) == (501, NodeCode.API_NO_SEEDS.label)


@pytest.mark.parametrize(
    ("host", "behind_tls", "status"),
    [
        ("127.0.0.1", False, 200),
        ("127.9.9.9", False, 200),
        ("::1", False, 200),
        ("[::1]", False, 200),
        ("localhost", False, 200),
        ("0.0.0.0", False, 403),  # noqa: S104 - that is the point
        ("::", False, 403),
        ("192.0.2.7", False, 403),
        ("localhost.example.org", False, 403),
        ("0.0.0.0", True, 200),  # noqa: S104
    ],
)
async def test_secrets_are_told_only_where_nobody_reads_along(
    kept: EpochHoldings, host: str, behind_tls: bool, status: int
) -> None:
    kept.write_epoch(held(1))
    response = await ask(kept, "/v1/accounts/1/inclusion/1", host=host, behind_tls=behind_tls)
    assert response.status_code == status
    if status == 403:
        assert problem(response) == (403, NodeCode.API_IN_CLEAR.label)


def test_what_is_kept_is_closed_to_others_and_outlives_a_restart(kept: EpochHoldings) -> None:
    kept.write_epoch(held(1))
    folder = kept._folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]
    found = EpochHoldings(folder, seed_of).account_at(1, 1)
    assert found is not None
    assert (found.holdings, found.height, found.seed) == (HELD, 5, seed_of(1))


def test_the_oldest_epochs_are_forgotten(tmp_path: Path) -> None:
    by_count = EpochHoldings(tmp_path / "count", seed_of, epochs_max=3)
    for epoch in range(1, 6):
        by_count.write_epoch(held(epoch))
    assert by_count.epochs == (3, 4, 5)
    assert by_count.account_at(1, 2) is None
    size = next((tmp_path / "count").iterdir()).stat().st_size
    by_bytes = EpochHoldings(tmp_path / "bytes", seed_of, bytes_max=2 * size)
    for epoch in range(1, 6):
        by_bytes.write_epoch(held(epoch))
    assert by_bytes.epochs == (4, 5)
    tight = EpochHoldings(tmp_path / "tight", seed_of, bytes_max=1)
    for epoch in (1, 2):
        tight.write_epoch(held(epoch))
    assert tight.epochs == (2,)


def test_a_damaged_file_is_an_epoch_that_is_not_kept(kept: EpochHoldings) -> None:
    kept.write_epoch(held(1))
    path = next(kept._folder.iterdir())
    for data in (b"", path.read_bytes()[:-1], path.read_bytes() + b"x"):
        path.write_bytes(data)
        with capture_logs() as logs:
            assert kept.account_at(1, 1) is None
        assert [(each["event"], each["epoch"]) for each in logs] == [("holdings of an epoch are damaged", 1)]


async def test_a_node_keeps_each_epoch_before_its_saved_state_and_tells_no_log(tmp_path: Path) -> None:
    home = make_home(tmp_path / "net")
    with Store(home.path / "s.sqlite", home.network) as store:
        station = Station(home, store)
        kept = EpochHoldings(home.path / "holdings", station.epochs.seed_of)
        recorder = Persister(store, station.epochs, holdings=kept)
        station.application.listen(recorder.decided)
        decide(station, MARKET.epoch_blocks, first_deposits)
        with capture_logs() as logs:
            await record_all(recorder)
        assert kept.epochs == (1,)
        assert logs == []
        found = kept.account_at(1, 1)
        assert found is not None
        own = current_holdings(station.state, 1)
        assert sorted(found.holdings.values()) == sorted(each for each in (*own.cash, *own.tokens, *own.lots) if each)


async def test_a_state_that_peers_gave_is_kept_when_the_node_starts(tmp_path: Path) -> None:
    home = make_home(tmp_path / "net")
    with Store(home.path / "s.sqlite", home.network) as store:
        station = Station(home, store)
        decide(station, MARKET.epoch_blocks, first_deposits)
        await record_all(station.recorder)
        again = Station(home, store)
        kept = EpochHoldings(home.path / "holdings", again.epochs.seed_of)
        Persister(store, again.epochs, holdings=kept).restored(again.restored.height, again.restored.state)
        assert kept.epochs == (1,)


async def test_a_full_disk_does_not_end_the_node(tmp_path: Path) -> None:
    home = make_home(tmp_path / "net")
    with Store(home.path / "s.sqlite", home.network) as store:
        station = Station(home, store, QuickProver())
        (home.path / "holdings").write_text("in the way")
        recorder = Persister(store, station.epochs, holdings=EpochHoldings(home.path / "holdings", seed_of))
        station.application.listen(recorder.decided)
        decide(station, MARKET.epoch_blocks, first_deposits)
        with capture_logs() as logs:
            await record_all(recorder)
        assert [each["event"] for each in logs] == ["holdings of an epoch are not kept"]
        assert store.snapshot(MARKET.epoch_blocks) is not None


@dataclass(frozen=True)
class Place:
    """A station that has kept and proven its first epoch, and its genesis in a file."""

    view: NodeView
    folder: Path
    height: int

    @property
    def genesis(self) -> list[str]:
        return ["--genesis", str(self.folder / "genesis.json")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    home = make_home(folder / "net")
    (folder / "genesis.json").write_bytes(genesis_to_json(home.genesis))
    with Store(folder / "s.sqlite", home.network) as store:
        station = Station(home, store, ProverAtOnce())
        kept = EpochHoldings(folder / "holdings", station.epochs.seed_of)

        def keep(decided: DecidedHeight) -> None:
            snapshot = station.epochs.waiting_at(decided.header.height)
            if decided.result.snapshot_due and snapshot is not None:
                kept.write_epoch(epoch_holdings(snapshot, decided.state))

        station.application.listen(keep)
        committed = decide(station, CARRIED, first_deposits)
        snapshot = station.epochs.provable(CARRIED)
        assert snapshot is not None
        data = prove_now(station, snapshot, committed)
        store.save_package(write_package(home.path / "packages", home.path, 1, MARKET.epoch_blocks, data))
        view = live_view(station, holdings=kept)
        (folder / "epoch.ccp").write_bytes(data)
        (folder / "key").touch(mode=0o600)
        (folder / "key").write_text(secret(1).hex())
        yield Place(view, folder, MARKET.epoch_blocks)


async def proof_inputs(place: Place, out: Path, *more: str) -> int:
    """`crossclear proof inputs` of account 1 against a socket."""
    settings = Api(port=0)
    app = build_api(place.view, settings, lambda: time.time_ns() // 1_000_000)
    with trio.fail_after(600):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(serve_api, app, settings)
            argv = ["proof", "inputs", "--url", bound[0], "--secret-file", str(place.folder / "key"), "--out", str(out)]
            code = await trio.to_thread.run_sync(run, [*argv, *(more or ("--account", "1"))])
            nursery.cancel_scope.cancel()
    return code


async def test_what_the_command_writes_passes_the_inclusion_check(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "own"
    assert await proof_inputs(place, out) == 0
    told = capsys.readouterr()
    assert "your own records" in told.err
    assert "/v1/proofs/1" in told.err
    assert seed_of(1).hex() not in told.out + told.err
    assert [stat.S_IMODE((out / name).stat().st_mode) for name in ("seed", "holdings.json")] == [0o600, 0o600]
    held_then = json.loads((out / "holdings.json").read_text())
    assert sorted(held_then.values()) == ["1000000", "9000"]
    own = ["--account", "1", "--seed-file", str(out / "seed"), "--holdings", str(out / "holdings.json")]
    assert run(["verify", str(place.folder / "epoch.ccp"), *own, *place.genesis]) == 0
    assert "ok   inclusion" in capsys.readouterr().out


async def test_a_holding_that_differs_fails_the_inclusion_check(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "own"
    assert await proof_inputs(place, out, "--account", "1", "--epoch", "1") == 0
    true = json.loads((out / "holdings.json").read_text())
    own = ["--account", "1", "--seed-file", str(out / "seed"), "--holdings", str(out / "holdings.json")]
    for name, amount in true.items():
        (out / "holdings.json").write_text(json.dumps({**true, name: str(int(amount) + 1)}))
        capsys.readouterr()
        assert run(["verify", str(place.folder / "epoch.ccp"), *own, *place.genesis, "--output", "json"]) == 6
        last = json.loads(capsys.readouterr().out)["checks"][-1]
        assert (last["name"], last["ok"]) == ("inclusion", False)


async def test_the_command_overwrites_nothing_and_asks_nothing_in_clear(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "own"
    out.mkdir(mode=0o700)
    (out / "holdings.json").write_text("{}")
    assert await proof_inputs(place, out) == 7
    assert [path.name for path in out.iterdir()] == ["holdings.json"]
    for epoch in ("-1", "newest", "1" * 19, "\u00b2"):
        assert await proof_inputs(place, tmp_path / "other", "--account", "1", "--epoch", epoch) == 2
    assert await proof_inputs(place, tmp_path / "other", "--account", "2") == 1
    capsys.readouterr()
    elsewhere = ["--account", "1", "--secret-file", str(place.folder / "key"), "--out", str(tmp_path / "other")]
    assert run(["proof", "inputs", "--url", "http://node.example.org:26680", *elsewhere]) == 7
    assert NodeCode.API_IN_CLEAR.label in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
