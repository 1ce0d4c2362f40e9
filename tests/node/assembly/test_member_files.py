"""What a node keeps of each epoch for its members, holdings with seeds and leaves of exits: each owner gets its own."""

import stat
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from clearing.base.errors import Bug
from clearing.epochs.exit_tree import exit_tree
from clearing.state.holdings import current_holdings
from member.api.proofs import ExitView, InclusionView
from member.codes import NodeCode
from node.app.persister import Persister
from node.epochs.member_files import (
    AccountHoldingsRecord,
    EpochExits,
    EpochHoldings,
    EpochHoldingsRecord,
    ExitTreeRecord,
    exit_tree_record,
)
from tests.kit.clearing.exits import closed
from tests.kit.clearing.genesis import CAROL, WETH_1
from tests.kit.clearing.world import funded
from tests.kit.node.fake_view import ALICE, BOB, FakeView, ask_view, client_of, problem
from tests.kit.node.keeping_view import FAKE_OWNERS, seed_of
from tests.kit.node.proving import decide, first_deposits
from tests.kit.node.station import MARKET, Station, new_station

HELD = {"cash:USD": 9_000, "position:BTC-PERP": -2}


def holdings_record(epoch: int, owner: bytes = FAKE_OWNERS[1]) -> EpochHoldingsRecord:
    accounts = (AccountHoldingsRecord(1, owner, ((0, 9_000), (2, -2))), AccountHoldingsRecord(2, FAKE_OWNERS[2], ()))
    return EpochHoldingsRecord(epoch, 5 * epoch, ("cash:USD", "token:1:WETH", "position:BTC-PERP"), accounts)


@cache
def closed_exits() -> ExitTreeRecord:
    world = funded()
    world.deposit(1, WETH_1, 3_000_000)
    closed(world)
    return exit_tree_record(world.state)


def exits_record(epoch: int, owner: bytes = FAKE_OWNERS[1]) -> ExitTreeRecord:
    """The leaves of a story, as if they were of this epoch, account 1 being this owner's."""
    return msgspec.structs.replace(closed_exits(), epoch=epoch, owners=((1, owner), (2, FAKE_OWNERS[2])))


class KeptHoldings:
    """The folder of holdings, with those of epoch 1, and the API over it."""

    name = "holdings"
    record = staticmethod(holdings_record)

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.files: Any = self.open()
        self.files.write_epoch(self.record(1))

    def open(self) -> Any:
        return EpochHoldings(self.folder, seed_of)

    def target(self, epoch: object, account: int = 1) -> str:
        return f"/v1/accounts/{account}/inclusion/{epoch}"

    @property
    def view(self) -> FakeView:
        return FakeView(**{self.name: self.files})

    async def ask(self, epoch: object, key: bytes = ALICE, account: int = 1, **settings: Any) -> httpx.Response:
        return await ask_view(self.view, self.target(epoch, account), key, **settings)


class KeptExits(KeptHoldings):
    """The same of exits."""

    name = "exits"
    record = staticmethod(exits_record)

    def open(self) -> Any:
        return EpochExits(self.folder)

    def target(self, epoch: object, account: int = 1) -> str:
        return f"/v1/accounts/{account}/exit" + ("" if epoch == "latest" else f"?epoch={epoch}")


@pytest.fixture
def holdings(tmp_path: Path) -> KeptHoldings:
    return KeptHoldings(tmp_path)


@pytest.fixture
def exits(tmp_path: Path) -> KeptExits:
    return KeptExits(tmp_path)


@pytest.fixture(params=[KeptHoldings, KeptExits], ids=lambda kind: kind.name)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> KeptHoldings:
    return request.param(tmp_path)


@pytest.mark.parametrize("epoch", ["1", "latest"])
async def test_a_member_gets_seed_and_holdings_of_its_own_account(holdings: KeptHoldings, epoch: str) -> None:
    response = await holdings.ask(epoch)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    view = msgspec.json.decode(response.content, type=InclusionView)
    assert (view.epoch, view.height, view.account, view.seed) == (1, 5, 1, seed_of(1).hex())
    assert view.holdings == {name: str(amount) for name, amount in HELD.items()}


@pytest.mark.parametrize("epoch", ["1", "latest"])
async def test_a_member_gets_the_leaves_of_its_own_account(exits: KeptExits, epoch: str) -> None:
    response = await exits.ask(epoch)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    view = msgspec.json.decode(response.content, type=ExitView)
    assert (view.epoch, view.account, len(view.leaves)) == (1, 1, 2)
    assert {each.amount for each in view.leaves} >= {str(3_000_000 * 10**12)}


@pytest.mark.parametrize("account", [1, 99])
async def test_anothers_account_is_refused_like_one_that_is_not_there(kept: KeptHoldings, account: int) -> None:
    response = await kept.ask(1, BOB, account)
    assert problem(response) == (403, NodeCode.API_FORBIDDEN.label)
    assert seed_of(account).hex() not in response.text
    assert "salt" not in response.text


async def test_a_request_that_nobody_signed_is_refused(kept: KeptHoldings) -> None:
    async with client_of(kept.view) as client:
        response = await client.get(kept.target("latest"))
    assert problem(response) == (401, NodeCode.API_UNAUTHENTICATED.label)


async def test_an_epoch_that_is_not_kept_is_not_found(kept: KeptHoldings, exits: KeptExits) -> None:
    assert problem(await kept.ask(2)) == (404, NodeCode.API_NOT_FOUND.label)
    assert problem(await kept.ask(-1)) == (400, NodeCode.API_PARAMETER.label)
    assert problem(await exits.ask("1&salt=1")) == (400, NodeCode.API_PARAMETER.label)
    for path in kept.folder.iterdir():
        path.unlink()
    assert problem(await kept.ask("latest")) == (404, NodeCode.API_NOT_FOUND.label)


async def test_a_node_that_keeps_none_says_so(holdings: KeptHoldings, exits: KeptExits) -> None:
    view = FakeView(holdings=None, exits=None)
    assert problem(await ask_view(view, exits.target("latest"))) == (404, NodeCode.API_NOT_FOUND.label)
    assert problem(await ask_view(view, holdings.target("latest"))) == (501, NodeCode.API_NO_SEEDS.label)


async def test_who_was_ported_an_account_learns_nothing_of_the_time_before(kept: KeptHoldings) -> None:
    kept.files.write_epoch(kept.record(1, FAKE_OWNERS[2]))
    assert problem(await kept.ask(1)) == (404, NodeCode.API_NOT_FOUND.label)


@pytest.mark.parametrize(
    ("host", "behind_tls", "is_told"),
    [
        ("127.0.0.1", False, True),
        ("127.9.9.9", False, True),
        ("::1", False, True),
        ("[::1]", False, True),
        ("localhost", False, True),
        ("0.0.0.0", False, False),  # noqa: S104 - that is the point
        ("::", False, False),
        ("192.0.2.7", False, False),
        ("localhost.example.org", False, False),
        ("0.0.0.0", True, True),  # noqa: S104
    ],
)
async def test_secrets_are_told_only_where_nobody_reads_along(
    kept: KeptHoldings, host: str, behind_tls: bool, is_told: bool
) -> None:
    response = await kept.ask(1, host=host, behind_tls=behind_tls)
    assert is_told or problem(response) == (403, NodeCode.API_IN_CLEAR.label)
    assert (response.status_code == 200) == is_told


def test_what_is_kept_is_closed_to_others(kept: KeptHoldings) -> None:
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in kept.folder.iterdir()] == [0o600]


def test_what_is_kept_outlives_a_restart(holdings: KeptHoldings) -> None:
    found = holdings.open().account_at(1, 1)
    assert (found.holdings, found.height, found.seed) == (HELD, 5, seed_of(1))


def test_what_is_kept_gives_the_root_of_the_header_again(exits: KeptExits) -> None:
    world = funded()
    world.deposit(CAROL, WETH_1, 3_000_000)
    result = closed(world)
    root = world.state.exits[1].root
    exits.files.write_epoch(exit_tree_record(world.state))
    tree = exit_tree(world.state)
    found = exits.open().account_at(CAROL, 1)
    assert (found.root, found.count, found.height) == (root, tree.count, result.height)
    for own in found.leaves:
        assert own.leaf.encoded(1) == tree.leaves[own.index - len(tree.totals)].encoded(1)
        assert own.path == tree.proof(own.index)
    assert sum(own.leaf.amount for own in found.leaves) == sum(leaf.amount for _, leaf in tree.of_account(CAROL)) > 0


def test_a_state_that_went_on_is_not_taken_for_the_one_that_closed() -> None:
    world = funded()
    closed(world)
    world.deposit(CAROL, WETH_1, 1_000_000)
    with pytest.raises(Bug):
        exit_tree_record(world.state)


async def test_latest_is_the_epoch_of_the_newest_package_here(holdings: KeptHoldings) -> None:
    holdings.files.write_epoch(holdings.record(2))
    for epoch, expected in (("latest", (1, True)), ("2", (2, False))):
        view = (await holdings.ask(epoch)).json()
        assert (view["epoch"], view["package"]) == expected
    next(iter(sorted(holdings.folder.iterdir()))).unlink()
    assert (await holdings.ask("latest")).json()["epoch"] == 2


@pytest.mark.parametrize(
    ("files_max", "bytes_max", "epochs"),
    [
        pytest.param(3, 9, (3, 4, 5), id="there_are_too_many"),
        pytest.param(9, 2, (4, 5), id="they_are_too_large"),
        pytest.param(9, 0, (4, 5), id="the_newest_two_are_too_large"),
    ],
)
def test_the_oldest_epochs_are_forgotten_when(
    holdings: KeptHoldings, files_max: int, bytes_max: int, epochs: tuple[int, ...]
) -> None:
    """`bytes_max`: as many times as one file has."""
    size = next(holdings.folder.iterdir()).stat().st_size
    files = EpochHoldings(holdings.folder, seed_of, epochs_max=files_max, bytes_max=bytes_max * size)
    for epoch in range(2, 6):
        files.write_epoch(holdings.record(epoch))
    assert files.epochs == epochs
    assert files.account_at(1, 2) is None


def test_a_damaged_file_is_an_epoch_that_is_not_kept(kept: KeptHoldings) -> None:
    (path,) = kept.folder.iterdir()
    for data in (b"", path.read_bytes()[:-1], path.read_bytes() + b"x"):
        path.write_bytes(data)
        with capture_logs() as logs:
            assert kept.files.account_at(1, 1) is None
        assert [(each["event"], each["epoch"]) for each in logs] == [(f"{kept.name} of an epoch are damaged", 1)]


async def written(station: Station, files: EpochHoldings) -> list[str]:
    """Events of the log while the first epoch is written."""
    persister = Persister(station.store, station.epochs, holdings=files)
    station.application.listen(persister.decided)
    decide(station, MARKET.epoch_blocks, first_deposits)
    with capture_logs() as logs:
        await station.write_results(persister)
    return [each["event"] for each in logs]


async def test_a_node_keeps_each_epoch_before_its_saved_state_and_tells_no_log(tmp_path: Path) -> None:
    with new_station(tmp_path) as station:
        files = EpochHoldings(tmp_path / "holdings", station.epochs.seed_of)
        assert await written(station, files) == []
        assert files.epochs == (1,)
        own = current_holdings(station.state, 1)
        amounts = [each for each in (*own.cash, *own.tokens, *own.lots) if each]
        assert sorted(files.account_at(1, 1).holdings.values()) == sorted(amounts)


async def test_a_state_that_peers_gave_is_kept_when_the_node_starts(tmp_path: Path) -> None:
    with new_station(tmp_path) as station:
        decide(station, MARKET.epoch_blocks, first_deposits)
        await station.write_results()
        again = Station(station.home, station.store)
        files = EpochHoldings(tmp_path / "holdings", again.epochs.seed_of)
        Persister(station.store, again.epochs, holdings=files).restored(again.restored.height, again.restored.state)
        assert files.epochs == (1,)


async def test_a_full_disk_does_not_end_the_node(tmp_path: Path) -> None:
    with new_station(tmp_path) as station:
        (tmp_path / "holdings").write_text("in the way")
        logged = await written(station, EpochHoldings(tmp_path / "holdings", seed_of))
        assert logged == ["holdings of an epoch are not kept"]
        assert station.store.snapshot(MARKET.epoch_blocks) is not None
