"""Rules of the light store's file, and of verifying packages against it."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from clearing.base.certificate import VoteKind
from clearing.base.errors import LocalFault
from cli.main import run
from consensus.codes import ConsensusCode
from consensus.light_client import LightBlock, TrustPolicy
from member.codes import NodeCode
from member.light import store as store_module
from member.light.package_trust import package_trust
from member.light.store import LightStore
from proofs.epoch.package import EpochPackage, read_package
from tests.kit.node.light_chain import NETWORK, NOW_MS, POLICY, Node, chain_of, serving, shown
from tests.kit.proofs import small_market
from tests.kit.refusals import refused

ROOT = Path(__file__).resolve().parents[3]
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


def _spoil(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE blocks SET data = X'00'",
        "UPDATE blocks SET digest = X'00'",
        "UPDATE meta SET value = X'00' WHERE name = 'version'",
        "DROP TABLE blocks",
    ],
)
def test_a_damaged_store_is_told_and_not_believed(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "light.sqlite"
    with LightStore(path) as store:
        store.add(CHAIN[:3])
    _spoil(path, statement)
    if statement.startswith("DROP"):
        with LightStore(path) as store:
            assert store.newest() is None
        return
    with refused(NodeCode.LIGHT_STORE_UNUSABLE, LocalFault), LightStore(path) as store:
        store.newest()


def test_bytes_that_are_no_store_are_refused_and_none_is_made_unasked(tmp_path: Path) -> None:
    path = tmp_path / "light.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with refused(NodeCode.LIGHT_STORE_UNUSABLE, LocalFault):
        LightStore(path)
    with refused(NodeCode.LIGHT_NO_TRUST, LocalFault):
        LightStore(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An honest package of the proofs' own test market."""
    path = tmp_path_factory.mktemp("package") / "epoch.ccp"
    path.write_bytes(small_market.honest(small_market.snapshot()))
    return path


def of_package(path: Path) -> tuple[EpochPackage, LightBlock]:
    found = read_package(path.read_bytes())
    block = LightBlock(
        header=found.header,
        certificate=found.certificate,
        validators=found.validators,
        next_validators=found.validators,
    )
    return found, block


def store_with(folder: Path, *blocks: LightBlock) -> str:
    path = folder / "light.sqlite"
    with LightStore(path) as store:
        store.add(blocks)
    return str(path)


def test_a_package_of_a_trusted_header_verifies_offline(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, block = of_package(package)
    store = store_with(tmp_path, block)
    assert run(["verify", str(package), "--light-store", store, "--output", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["checks"][-1]["name"] == "light_client"
    assert run(["verify", str(package), "--light-store", store]) == 0
    text = capsys.readouterr().out
    assert "nothing but the file itself was trusted" not in text
    assert f"the header of height {block.header.height} is trusted" in text


def test_a_package_of_another_header_than_the_trusted_one_fails(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, block = of_package(package)
    other = msgspec.structs.replace(block, header=msgspec.structs.replace(block.header, payload_root=b"\7" * 32))
    assert run(["verify", str(package), "--light-store", store_with(tmp_path, other)]) == 6
    assert "FAIL light_client" in capsys.readouterr().out


def _below(block: LightBlock, time_ms: int) -> LightBlock:
    header = msgspec.structs.replace(block.header, height=block.header.height - 5, time_ms=time_ms)
    certificate = msgspec.structs.replace(block.certificate, height=header.height, value=header.hash)
    return msgspec.structs.replace(block, header=header, certificate=certificate)


def test_below_a_package_the_set_that_is_named_next_vouches_while_it_is_young(package: Path, tmp_path: Path) -> None:
    _, block = of_package(package)
    trusted = _below(block, NOW_MS)
    assert trusted.certificate.kind is VoteKind.PRECOMMIT
    policy = TrustPolicy(trusting_period_ms=1000)
    with LightStore(tmp_path / "light.sqlite") as store:
        with refused(NodeCode.LIGHT_NO_TRUST, LocalFault):
            package_trust(store, block.header, policy, NOW_MS)
        store.add([trusted])
        found = package_trust(store, block.header, policy, NOW_MS + 999)
        assert (found.header_hash, found.validators_hash) == (None, block.validators.hash)
        with refused(ConsensusCode.TRUST_EXPIRED, LocalFault):
            package_trust(store, block.header, policy, NOW_MS + 1000)
        foreign = msgspec.structs.replace(block.header, validators_hash=b"\7" * 32)
        lower = msgspec.structs.replace(block.header, height=trusted.header.height - 1)
        for header in (foreign, lower):
            with refused(NodeCode.LIGHT_NO_TRUST, LocalFault):
                package_trust(store, header, policy, NOW_MS)
        assert package_trust(store, block.header, policy, NOW_MS, lambda _: block).header_hash == block.header.hash


def test_a_server_may_show_what_the_store_lacks(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Downwards from a trusted header above: the parents' hashes bind it."""
    _, block = of_package(package)
    header = msgspec.structs.replace(block.header, height=block.header.height + 1, parent=block.header.hash)
    above = msgspec.structs.replace(block, header=header)
    store = store_with(tmp_path, above)
    node = Node([], lambda path: (200, shown(block)) if path.endswith(f"/{block.header.height}") else None)
    assert run(["verify", str(package), "--light-store", store]) == 3
    assert "R0869" in capsys.readouterr().err
    with serving(node) as (url,):
        assert run(["verify", str(package), "--light-store", store, "--light-url", url]) == 0
    assert run(["verify", str(package), "--light-store", store]) == 0, "and it is kept"


@pytest.mark.parametrize("more", [["--network", "11" * 32], ["--validators-hash", "11" * 32]])
def test_one_anchor_is_enough(package: Path, tmp_path: Path, more: list[str]) -> None:
    _, block = of_package(package)
    assert run(["verify", str(package), "--light-store", store_with(tmp_path, block), *more]) == 2
    assert run(["verify", str(package), "--light-url", "http://127.0.0.1:1"]) == 2


def test_verifying_offline_imports_no_network(package: Path, tmp_path: Path) -> None:
    _, block = of_package(package)
    heavy = ("web3", "libp2p", "numpy", "trio", "httpx", "starlette", "hypercorn")
    script = (
        "import sys\nfrom cli.main import run\n"
        f"assert run(['verify', {str(package)!r}, '--light-store', {store_with(tmp_path, block)!r}]) == 0\n"
        f"assert not [name for name in {heavy!r} if name in sys.modules]\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_policy_of_the_tests_is_wide() -> None:
    assert POLICY.trusting_period_ms > CHAIN[-1].header.time_ms
