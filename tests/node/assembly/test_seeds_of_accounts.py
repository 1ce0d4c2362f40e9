"""Seeds of a node: each epoch has its own, and the one that an owner chose and sealed is the one in use."""

from pathlib import Path

from clearing.schema.blocks.transaction import Transaction
from clearing.state.holdings import current_holdings
from member.signing.sealed_seeds import seal_seed
from node.epochs.seeds import AccountSeeds
from proofs.algebra.commitment import epoch_seed
from proofs.epoch.package import read_package
from proofs.verify.package_verifier import verify_package
from proofs.verify.verdict import OwnAccount
from tests.kit.clearing.world import World
from tests.kit.node.keeping_view import FAKE_OWNERS
from tests.kit.node.proving import ProverAtOnce, write_epochs
from tests.kit.node.station import MARKET, new_station

SEEDS = AccountSeeds(bytes(32))
ROOTS = (bytes([5]) * 32, bytes([6]) * 32)


def sealed(root: bytes, account: int = 1) -> tuple[bytes, bytes, bytes]:
    found = seal_seed(root, account, SEEDS.seal_key)
    return found.ephemeral, found.masked, found.mac


def test_a_seed_is_an_accounts_and_an_epochs_own_and_no_other() -> None:
    assert len({SEEDS.at(account, epoch) for account in (0, 1, 2) for epoch in (1, 2, 3)}) == 9
    assert SEEDS.at(1, 1) != AccountSeeds(bytes([1]) * 32).at(1, 1)


def test_a_sealed_seed_that_does_not_open_counts_as_not_chosen() -> None:
    good = b"".join(sealed(ROOTS[0]))
    assert SEEDS.at(1, 3, good) == epoch_seed(ROOTS[0], 1, 3)
    for other in (b"".join(sealed(ROOTS[0], account=2)), bytes(96), good[:-1] + bytes([good[-1] ^ 1])):
        assert SEEDS.at(1, 3, other) == SEEDS.at(1, 3)


def test_an_owner_finds_its_leaf_by_the_root_that_it_chose_and_rotated_and_by_no_other(tmp_path: Path) -> None:
    """Epoch 1 has the validators' seed, 2 the first root, 3 the second; each opens its own period and no other."""
    blocks, words = MARKET.epoch_blocks, (sealed(ROOTS[0]), sealed(ROOTS[1]))

    def requests(world: World, height: int) -> tuple[Transaction, ...]:
        at = {blocks + 1: 0, 2 * blocks + 1: 1}.get(height)
        return () if at is None else (world.seed_rotation(1, words[at]),)

    with new_station(tmp_path, ProverAtOnce()) as station:
        write_epochs(station, tmp_path, 3, requests=requests)
        held = current_holdings(station.state, 1)
    values = (*held.cash, *held.tokens, *held.lots)
    packages = [path.read_bytes() for path in sorted((tmp_path / "packages").iterdir())]
    assert [read_package(data).statement.epoch for data in packages] == [1, 2, 3]
    roots = {"the validators'": None, "the first": ROOTS[0], "the second": ROOTS[1]}
    opened = {
        name: [
            epoch
            for epoch, data in enumerate(packages, start=1)
            if verify_package(
                data,
                own=OwnAccount(
                    1, values, SEEDS.at(1, epoch) if root is None else epoch_seed(root, 1, epoch), FAKE_OWNERS[1]
                ),
            ).ok
        ]
        for name, root in roots.items()
    }
    assert opened == {"the validators'": [1], "the first": [2], "the second": [3]}
