"""What the solvency verifier on a chain takes for proven: exactly what its twin in Python does."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.devnet.anvil import anvil_chain
from tests.bridge.contracts.solvency_chain import SolvencyChain
from tests.bridge.contracts.vault_chain import Refused, Signers, VaultChain
from tests.proofs.onchain_epoch import SHORTFALLS, Epoch, make_epoch

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def epoch() -> Epoch:
    return make_epoch(2048, shortfalls=SHORTFALLS)


@pytest.fixture(scope="module")
def solvency(
    anvil_binary: Path, tmp_path_factory: pytest.TempPathFactory, four: Signers, epoch: Epoch
) -> Iterator[SolvencyChain]:
    with anvil_chain(31337, tmp_path_factory.mktemp("chain")) as chain:
        found = SolvencyChain(VaultChain(chain, four))
        found.certify(epoch.keys)
        yield found


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.name


@pytest.mark.parametrize("index", range(5))
def test_every_account_of_a_certified_epoch_can_be_shown(solvency: SolvencyChain, epoch: Epoch, index: int) -> None:
    receipt = solvency.show(epoch, index, epoch.prove(index))
    assert solvency.shown(receipt) == (3, index + 1, epoch.leaves[index].shortfall)
