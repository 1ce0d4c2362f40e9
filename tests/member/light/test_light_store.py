"""Rules of the light store's file, and of verifying packages against it."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from clearing.base.certificate import VoteKind
from clearing.base.errors import LocalFault, RemoteFault
from consensus.codes import ConsensusCode
from consensus.light_client import LightBlock, TrustPolicy
from member.codes import NodeCode
from member.light import store as store_module
from member.light.package_trust import package_trust
from member.light.store import LightStore
from proofs.epoch.package import read_package
from tests.kit.command_line import CommandLine
from tests.kit.member.packages import AT, heavy_imports
from tests.kit.node.light_chain import NETWORK, NOW_MS, POLICY, Node, certified, chain_of, header_of, serving, shown
from tests.kit.refusals import refused

replace = msgspec.structs.replace
CHAIN = chain_of([range(4)] * 12)


def test_what_was_added_is_there_after_reopening_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "light.sqlite"
    with LightStore(path) as store:
        assert (store.network, store.newest(), store.lowest(), store.heights()) == (None, None, None, ())
        store.add(CHAIN[3:6])
        store.add(CHAIN[3:4])  # again is no change
    assert path.stat().st_mode & 0o777 == 0o600
    with LightStore(path, create=False) as store:
        assert store.network == NETWORK
        assert store.heights() == (4, 5, 6)
        assert (store.lowest(), store.newest()) == (CHAIN[3], CHAIN[5])
        assert (store.at(5), store.at(7)) == (CHAIN[4], None)
        assert (store.at_or_below(9), store.at_or_below(3)) == (CHAIN[5], None)
        assert (store.above(3), store.above(6)) == (CHAIN[3], None)


def test_it_keeps_where_trust_began_and_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "KEPT", 4)
    with LightStore(tmp_path / "light.sqlite") as store:
        for block in CHAIN:
            store.add([block])
        assert store.heights() == (1, 9, 10, 11, 12)


def test_a_second_header_of_a_height_and_another_network_are_refused_whole(tmp_path: Path) -> None:
    forked, foreign = chain_of([range(4)] * 8, b"other"), chain_of([range(4)] * 9, network=bytes(32))
    with LightStore(tmp_path / "light.sqlite") as store:
        store.add(CHAIN[:6])
        for blocks in ([CHAIN[6], forked[4]], [CHAIN[7], foreign[8]]):
            with refused(NodeCode.LIGHT_STORE_UNUSABLE, LocalFault):
                store.add(blocks)
            assert store.heights() == tuple(range(1, 7)), "nothing of a step that fails is kept"


def _forged(height: int, time_ms: int, parent: bytes = bytes(32)) -> LightBlock:
    people = frozenset(range(4))
    return certified(header_of(height, parent, people, people, b"forged", time_ms=time_ms), people, people, people)


LATE = CHAIN[11].header.time_ms


@pytest.mark.parametrize("forged_first", [False, True])
@pytest.mark.parametrize(
    "forged", [_forged(6, LATE), _forged(10, CHAIN[9].header.time_ms)], ids=["later than above", "no parent of above"]
)
def test_of_two_writers_the_second_keeps_nothing_that_contradicts_the_first(
    tmp_path: Path, forged: LightBlock, forged_first: bool
) -> None:
    """Both look while the store has its first header only: each finds its own header good."""
    path, true = tmp_path / "light.sqlite", CHAIN[10]
    first, second = (forged, true) if forged_first else (true, forged)
    with LightStore(path) as one, LightStore(path) as other:
        one.add([CHAIN[0]])
        assert one.above(1) is None
        assert other.above(1) is None
        one.add([first])
        with refused(ConsensusCode.BROKEN_LINK, RemoteFault):
            other.add([second])
        assert one.heights() == (1, first.header.height)


@pytest.mark.parametrize(
    "forged", [_forged(6, 1), _forged(2, CHAIN[1].header.time_ms)], ids=["not later than below", "another parent"]
)
def test_what_contradicts_the_header_below_is_not_kept(tmp_path: Path, forged: LightBlock) -> None:
    with LightStore(tmp_path / "light.sqlite") as store:
        store.add([CHAIN[0]])
        with refused(ConsensusCode.BROKEN_LINK, RemoteFault):
            store.add([CHAIN[1], forged] if forged.header.height > 2 else [forged])
        assert store.heights() == (1,), "nothing of a step that fails is kept"


def test_trust_that_begins_below_what_is_trusted_may_not_contradict_it(tmp_path: Path) -> None:
    with LightStore(tmp_path / "light.sqlite") as store:
        store.add([CHAIN[5]])
        for wrong in (_forged(3, LATE), _forged(5, CHAIN[4].header.time_ms)):
            with refused(ConsensusCode.BROKEN_LINK, RemoteFault):
                store.add([wrong])
        store.add([CHAIN[4]])
        store.add([CHAIN[2]])
        assert store.heights() == (3, 5, 6)


def spoil(path: Path, statement: str) -> None:
    with LightStore(path) as store:
        store.add(CHAIN[:3])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE blocks SET data = X'00'",
        "UPDATE blocks SET digest = X'00'",
        "UPDATE meta SET value = X'00' WHERE name = 'version'",
    ],
)
def test_a_damaged_store_is_told_and_not_believed(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "light.sqlite"
    spoil(path, statement)
    with refused(NodeCode.LIGHT_STORE_UNUSABLE, LocalFault), LightStore(path) as store:
        store.newest()


def test_a_store_that_lost_its_blocks_has_none(tmp_path: Path) -> None:
    spoil(tmp_path / "light.sqlite", "DROP TABLE blocks")
    with LightStore(tmp_path / "light.sqlite") as store:
        assert store.newest() is None


def test_bytes_that_are_no_store_are_refused_and_none_is_made_unasked(tmp_path: Path) -> None:
    path = tmp_path / "light.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with refused(NodeCode.LIGHT_STORE_UNUSABLE, LocalFault):
        LightStore(path)
    with refused(NodeCode.LIGHT_NO_TRUST, LocalFault):
        LightStore(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


@pytest.fixture
def block(package: Path) -> LightBlock:
    """The light block that the package was certified by."""
    found = read_package(package.read_bytes())
    return LightBlock(found.header, found.certificate, found.validators, found.validators)


def store_with(folder: Path, *blocks: LightBlock) -> list[object]:
    """The option of a store that holds these."""
    path = folder / "light.sqlite"
    with LightStore(path) as store:
        store.add(blocks)
    return ["--light-store", path]


def test_a_package_of_a_trusted_header_verifies_offline(
    package: Path, block: LightBlock, tmp_path: Path, cli: CommandLine
) -> None:
    store = store_with(tmp_path, block)
    assert (
        cli("verify", package, *store, "--no-strict", "--output", "json").json["checks"][-1]["name"] == "light_client"
    )
    text = cli("verify", package, *store).out
    assert "nothing but the file itself was trusted" not in text
    assert f"the header of height {block.header.height} is trusted" in text


def test_a_package_of_another_header_than_the_trusted_one_fails(
    package: Path, block: LightBlock, tmp_path: Path, cli: CommandLine
) -> None:
    other = replace(block, header=replace(block.header, payload_root=b"\7" * 32))
    assert "FAIL light_client" in cli("verify", package, *store_with(tmp_path, other), code=6).out


def test_below_a_package_the_set_that_is_named_next_vouches_while_it_is_young(
    block: LightBlock, tmp_path: Path
) -> None:
    below = replace(block.header, height=block.header.height - 5, time_ms=NOW_MS)
    certificate = replace(block.certificate, height=below.height, value=below.hash)
    assert certificate.kind is VoteKind.PRECOMMIT
    policy = TrustPolicy(trusting_period_ms=1000)
    with LightStore(tmp_path / "light.sqlite") as store:
        with refused(NodeCode.LIGHT_NO_TRUST, LocalFault):
            package_trust(store, block.header, policy, NOW_MS)
        store.add([replace(block, header=below, certificate=certificate)])
        found = package_trust(store, block.header, policy, NOW_MS + 999)
        assert (found.header_hash, found.validators_hash) == (None, block.validators.hash)
        with refused(ConsensusCode.TRUST_EXPIRED, LocalFault):
            package_trust(store, block.header, policy, NOW_MS + 1000)
        for changes in ({"validators_hash": b"\7" * 32}, {"height": below.height - 1}):
            with refused(NodeCode.LIGHT_NO_TRUST, LocalFault):
                package_trust(store, replace(block.header, **changes), policy, NOW_MS)
        assert package_trust(store, block.header, policy, NOW_MS, lambda _: block).header_hash == block.header.hash


def test_a_server_may_show_what_the_store_lacks(
    package: Path, block: LightBlock, tmp_path: Path, cli: CommandLine
) -> None:
    """Downwards from a trusted header above: the parents' hashes bind it."""
    header = block.header
    above = replace(header, height=header.height + 1, parent=header.hash, time_ms=header.time_ms + 1)
    words = ["verify", package, *store_with(tmp_path, replace(block, header=above))]
    node = Node([], lambda path: (200, shown(block)) if path.endswith(f"/{block.header.height}") else None)
    assert "R0869" in cli(*words, code=3).err
    with serving(node) as (url,):
        cli(*words, "--light-url", url)
    cli(*words)  # it is kept


@pytest.mark.parametrize("more", ["--network", "--validators-hash"])
def test_one_anchor_is_enough(package: Path, block: LightBlock, tmp_path: Path, more: str, cli: CommandLine) -> None:
    cli("verify", package, *store_with(tmp_path, block), more, "11" * 32, code=2)
    cli("verify", package, "--light-url", "http://127.0.0.1:1", code=2)


def test_verifying_offline_imports_no_network(package: Path, block: LightBlock, tmp_path: Path) -> None:
    assert heavy_imports("verify", package, *AT, *store_with(tmp_path, block)) == (0, [])


def test_policy_of_the_tests_is_wide() -> None:
    assert POLICY.trusting_period_ms > CHAIN[-1].header.time_ms


@pytest.mark.parametrize(
    ("changes", "contradicts"),
    [
        ({}, ""),
        ({"time_ms": NOW_MS}, "of height 3 is not earlier"),
        ({"time_ms": NOW_MS + 10_000}, "of height 10 is not later"),
        ({"height": 4}, "of height 3 is not its parent"),
        ({"height": 9}, "of height 10 has another parent"),
    ],
)
def test_a_header_between_trusted_ones_that_contradicts_them_is_none_of_the_chain(
    block: LightBlock, tmp_path: Path, changes: dict[str, int], contradicts: str
) -> None:
    """A set that was retired in between could sign it, dated now or in the place of a header that is known."""
    below = replace(block.header, height=3, time_ms=NOW_MS)
    above = replace(block.header, height=10, time_ms=NOW_MS + 10_000, parent=b"\7" * 32)
    header = replace(block.header, **{"height": 6, "time_ms": NOW_MS + 5000} | changes)
    with LightStore(tmp_path / "light.sqlite") as store:
        store.add([replace(block, header=below), replace(block, header=above)])
        found = package_trust(store, header, POLICY, NOW_MS)
    assert contradicts in found.contradiction
    assert bool(contradicts) == bool(found.contradiction)


def test_a_header_that_contradicts_a_trusted_one_above_fails_by_command(
    package: Path, block: LightBlock, tmp_path: Path, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("member.light.package_trust._now_ms", lambda: block.header.time_ms)
    below = replace(block.header, height=1, time_ms=block.header.time_ms - 1000)
    above = replace(block.header, height=block.header.height + 100)
    stored = store_with(tmp_path, replace(block, header=below), replace(block, header=above))
    assert "FAIL light_client" in cli("verify", package, *AT, *stored, code=6).out


def test_the_set_of_a_store_is_known_since_its_header(
    package: Path, block: LightBlock, tmp_path: Path, cli: CommandLine
) -> None:
    """Judged later than now, it may have retired."""
    below = replace(block.header, height=1, time_ms=time.time_ns() // 1_000_000)
    stored = store_with(tmp_path, replace(block, header=below))
    later = ["--at", "2100-01-01T00:00:00Z", "--max-age", "any"]
    assert "R0758" in cli("verify", package, *stored, *later, code=6).out


def test_a_block_in_the_place_of_another_height_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "light.sqlite"
    with LightStore(path) as store:
        store.add(CHAIN[2:4])
    with closing(sqlite3.connect(path)) as rows, rows:
        rows.execute("UPDATE blocks SET height = 9 WHERE height = 3")
    with LightStore(path) as store, refused(NodeCode.LIGHT_STORE_UNUSABLE, LocalFault):
        store.at(9)
