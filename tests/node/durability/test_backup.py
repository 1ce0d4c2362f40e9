"""Rules of backups: whole or refused, checked block by block, without keys, and restored only where nothing is lost."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import trio

from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault
from clearing.base.hashing import sha256
from clearing.schema.facts import Fact
from consensus.messages import BLOCK_BYTES_MAX, Block
from member.codes import NodeCode
from node.config import NodeConfig
from node.config_sources import load_config
from node.offline.backup import GENESIS, MANIFEST, STORE, create_backup, not_proven, restore_backup, verify_backup
from node.signer.sign_state import SIGN_STATE, SignStateFile
from node.store.store import FrozenStore, Store
from tests.kit.clearing.genesis import ALICE, DOLLAR, USDC_1
from tests.kit.clearing.world import World
from tests.kit.command_line import CommandLine
from tests.kit.node.proving import decided
from tests.kit.node.station import Home, new_station
from tests.kit.refusals import refused

HEIGHTS = 12


def unseen(_height: int, _last: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The home of a network of one that decided `HEIGHTS`."""
    with new_station(tmp_path_factory.mktemp("source")) as station:
        for _ in decided(station, HEIGHTS, deposits):
            pass
        trio.run(station.write_results)
        return station.home


def deposits(words: World, height: int) -> tuple[Fact, ...]:
    return (words.deposit_fact(ALICE, USDC_1, 1_000 * DOLLAR),) if height == 1 else ()


def config_of(home: Path) -> NodeConfig:
    return load_config(home / "node.toml", {}).config


@pytest.fixture
def backup(source: Home, tmp_path: Path) -> Path:
    create_backup(config_of(source.path), source.genesis, tmp_path / "backup", unseen)
    return tmp_path / "backup"


@pytest.fixture
def home(source: Home, tmp_path: Path) -> Path:
    """The same home without blocks."""
    copied = Path(shutil.copytree(source.path, tmp_path / "home"))
    for path in copied.glob("node.sqlite*"):
        path.unlink()
    return copied


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_a_restored_home_has_all_that_the_first_one_had(source: Home, backup: Path, home: Path) -> None:
    seen: list[tuple[int, int]] = []
    manifest = restore_backup(backup, config_of(home), source.genesis, lambda *at: seen.append(at))
    assert (manifest.first_height, manifest.height) == (1, HEIGHTS)
    assert seen == [(height, HEIGHTS) for height in range(1, HEIGHTS + 1)]
    for table in ("blocks", "receipts", "receipt_accounts", "validator_sets", "snapshots", "meta"):
        query = f"SELECT * FROM {table} ORDER BY 1, 2"  # noqa: S608 - the names above
        assert rows(home / STORE, query) == rows(source.path / STORE, query)
        assert rows(home / STORE, query), table
    assert (home / STORE).stat().st_mode & 0o777 == 0o600
    with Store(home / STORE, source.network) as store:
        assert store.height() == HEIGHTS


def test_a_backup_is_closed_to_others_and_has_no_key(backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in backup.iterdir()} == {
        STORE: 0o600,
        GENESIS: 0o600,
        MANIFEST: 0o600,
    }


def test_a_backup_is_only_read(backup: Path) -> None:
    before = {path.name: path.read_bytes() for path in backup.iterdir()}
    verify_backup(backup, unseen)
    assert {path.name: path.read_bytes() for path in backup.iterdir()} == before


def test_what_is_decided_meanwhile_is_left_out(tmp_path: Path) -> None:
    with new_station(tmp_path) as station:
        for _ in decided(station, 3):
            pass

        def go_on(_height: int, _last: int) -> None:
            for _ in decided(station, 1):
                pass

        made = create_backup(config_of(station.home.path), station.home.genesis, tmp_path / "backup", go_on)
        assert station.store.height() > 3
    assert verify_backup(tmp_path / "backup", unseen) == made
    assert made.height == 3


def sealed_again(backup: Path) -> None:
    """A manifest that agrees with the files: what is wrong is not found by digests."""
    manifest = json.loads((backup / MANIFEST).read_bytes())
    manifest["files"] = {name: sha256((backup / name).read_bytes()).hex() for name in (STORE, GENESIS)}
    (backup / MANIFEST).write_text(json.dumps(manifest))


def flipped(name: str) -> Callable[[Path], None]:
    def flip(backup: Path) -> None:
        data = bytearray((backup / name).read_bytes())
        data[len(data) // 2] ^= 1
        (backup / name).write_bytes(data)

    return flip


def lacking(name: str) -> Callable[[Path], None]:
    return lambda backup: (backup / name).unlink()


def changed(statement: str, *, stated: tuple[str, object] | None = None) -> Callable[[Path], None]:
    def change(backup: Path) -> None:
        with closing(sqlite3.connect(backup / STORE)) as connection:
            connection.execute(statement)
            connection.commit()
        sealed_again(backup)
        if stated is not None:
            manifest = json.loads((backup / MANIFEST).read_bytes()) | dict([stated])
            (backup / MANIFEST).write_text(json.dumps(manifest))

    return change


def stated(name: str, value: object) -> Callable[[Path], None]:
    def state(backup: Path) -> None:
        manifest = json.loads((backup / MANIFEST).read_bytes()) | {name: value}
        (backup / MANIFEST).write_text(json.dumps(manifest))

    return state


def carrying(**fields: object) -> Callable[[Path], None]:
    """A block under its honest header and certificate, with other contents."""

    def change(backup: Path) -> None:
        with closing(sqlite3.connect(backup / STORE)) as connection:
            query = "SELECT block, certificate, extended_commit FROM blocks WHERE height = 7"
            block, certificate, extended = connection.execute(query).fetchone()
            forged = encode(msgspec.structs.replace(decode(block, Block, 2 * BLOCK_BYTES_MAX), **fields))
            assert forged != block
            values = (forged, sha256(forged + certificate + extended))
            connection.execute("UPDATE blocks SET block = ?, digest = ? WHERE height = 7", values)
            connection.commit()
        sealed_again(backup)

    return change


DAMAGES = {
    "store": flipped(STORE),
    "genesis": flipped(GENESIS),
    "manifest": flipped(MANIFEST),
    "no store": lacking(STORE),
    "no genesis": lacking(GENESIS),
    "no manifest": lacking(MANIFEST),
    "a block less": changed("DELETE FROM blocks WHERE height = 7"),
    "the newest less": changed("DELETE FROM blocks WHERE height = 12"),
    "the newest less, and said so": changed("DELETE FROM blocks WHERE height = 12", stated=("height", 11)),
    "another certificate": changed(
        "UPDATE blocks SET certificate = (SELECT certificate FROM blocks WHERE height = 6) WHERE height = 7"
    ),
    "a block without its digest": changed("UPDATE blocks SET digest = zeroblob(32) WHERE height = 3"),
    "another payload": carrying(payload=b"\x80"),
    "no commit of the parent": carrying(last_commit=None),
    "a trigger": changed("CREATE TRIGGER t AFTER INSERT ON blocks BEGIN DELETE FROM receipts; END"),
    "a view": changed("CREATE VIEW v AS SELECT * FROM blocks"),
    "another column": changed("ALTER TABLE receipts ADD COLUMN more BLOB"),
    "a package, whose file the node would delete one day": changed(
        "INSERT INTO packages VALUES (1, 5, 'sign-state', 3, zeroblob(32))"
    ),
    "a state above the blocks": changed("UPDATE snapshots SET height = height + 100"),
    "no validators": changed("DELETE FROM validator_sets"),
    "another network": changed("UPDATE meta SET value = zeroblob(32) WHERE name = 'network'"),
    "no table": changed("DROP TABLE blocks"),
    "format": stated("format", "crossclear/backup/v9"),
    "network": stated("network", "00" * 32),
    "header": stated("header_hash", "00" * 32),
    "first height": stated("first_height", 2),
    "more": stated("more", 1),
    "no files": stated("files", {}),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_backup_restores_nothing(
    source: Home, backup: Path, home: Path, damage: Callable[[Path], None]
) -> None:
    damage(backup)
    before = sorted(path.name for path in home.iterdir())
    for act in (
        lambda: verify_backup(backup, unseen),
        lambda: restore_backup(backup, config_of(home), source.genesis, unseen),
    ):
        with refused(NodeCode.BAD_BACKUP, LocalFault):
            act()
    assert sorted(path.name for path in home.iterdir()) == before


def test_what_is_restored_is_what_was_checked(
    source: Home, backup: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who can change the folder shows the good store while its blocks are read, and another before and after."""
    good = backup.with_name("good.sqlite")
    shutil.copyfile(backup / STORE, good)
    changed("UPDATE blocks SET certificate = zeroblob(9) WHERE height = 7")(backup)
    forged = backup.with_name("forged.sqlite")
    shutil.copyfile(backup / STORE, forged)

    class ShownAnother(FrozenStore):
        def __init__(self, path: Path, network: bytes) -> None:
            shutil.copyfile(good, backup / "shown")
            (backup / "shown").replace(backup / STORE)
            super().__init__(path, network)
            shutil.copyfile(forged, backup / "shown")
            (backup / "shown").replace(backup / STORE)

    monkeypatch.setattr("node.offline.backup.FrozenStore", ShownAnother)
    with refused(NodeCode.BAD_BACKUP, LocalFault):
        restore_backup(backup, config_of(home), source.genesis, unseen)
    assert not list(home.glob(f"{STORE}*"))


def test_nothing_is_restored_over_blocks_or_without_a_sign_state_or_while_the_node_runs(
    source: Home, backup: Path, home: Path, cli: CommandLine
) -> None:
    (home / STORE).touch()
    with refused(NodeCode.OUTPUT_EXISTS, LocalFault):
        restore_backup(backup, config_of(home), source.genesis, unseen)
    (home / STORE).unlink()
    with closing(SignStateFile(home / SIGN_STATE)):
        cli("backup", "restore", backup, "--home", home, code=7)
    kept = (home / SIGN_STATE).read_bytes()
    (home / SIGN_STATE).unlink()
    with refused(NodeCode.SIGN_STATE_MISSING, LocalFault):
        restore_backup(backup, config_of(home), source.genesis, unseen)
    (home / SIGN_STATE).write_bytes(kept)
    assert not (home / STORE).exists()


def test_of_two_restores_at_once_one_is_refused_and_the_other_keeps_what_it_checked(
    source: Home, backup: Path, home: Path
) -> None:
    """Keys in a process of their own leave no sign state here that would be locked."""
    (home / SIGN_STATE).unlink()
    config = config_of(home)
    config = msgspec.structs.replace(config, signer=msgspec.structs.replace(config.signer, address="signer:1"))
    worse = Path(shutil.copytree(backup, backup.with_name("worse")))
    changed("UPDATE blocks SET certificate = zeroblob(9) WHERE height = 7")(worse)
    refusals = []

    def meanwhile(height: int, _last: int) -> None:
        if not refusals:
            with refused(NodeCode.OUTPUT_EXISTS, LocalFault) as second:
                restore_backup(worse, config, source.genesis, unseen)
            refusals.append((height, str(second.value)))

    restore_backup(backup, config, source.genesis, meanwhile)
    assert len(refusals) == 1
    everything = "SELECT height, certificate FROM blocks ORDER BY height"
    assert rows(home / STORE, everything) == rows(backup / STORE, everything)
    assert not list(home.glob(f"{STORE}.*"))


def test_what_no_certificate_covers_is_named_by_check_and_restore(backup: Path, home: Path, cli: CommandLine) -> None:
    changed("UPDATE receipts SET data = x'80'")(backup)
    for command in (("verify", backup), ("restore", backup, "--home", home)):
        err = cli("backup", *command).err
        assert "not proven: receipts, saved states" in err
        assert "not proven: that the validator sets were in force" in err
        assert "begin above genesis" not in err


def test_blocks_that_begin_above_genesis_are_named_as_the_folders_word(backup: Path) -> None:
    changed("DELETE FROM blocks WHERE height < 3", stated=("first_height", 3))(backup)
    assert "height 3 and its validators" in not_proven(verify_backup(backup, unseen))[-1]


def test_the_commands_make_check_and_restore(source: Home, home: Path, tmp_path: Path, cli: CommandLine) -> None:
    folder = tmp_path / "made"
    made = cli("backup", "create", folder, "--home", source.path, "--output", "json").json
    assert made["height"] == HEIGHTS
    cli("backup", "create", folder, "--home", source.path, code=7)
    assert cli("backup", "verify", folder, "--output", "json").json == made
    assert cli("backup", "restore", folder, "--home", home, "--output", "json").json == made
    flipped(STORE)(folder)
    assert "R0904" in cli("backup", "verify", folder, code=6).err
