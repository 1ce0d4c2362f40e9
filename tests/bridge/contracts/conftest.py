"""Fixtures of the contracts' tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devnet.anvil import Anvil, anvil_chain
from tests.kit.bridge.vault_chain import FOUR, VaultChain
from tests.kit.chains import anvil, anvil_binary, put_back

__all__ = ["anvil", "anvil_binary"]


@pytest.fixture(scope="session")
def shared_vault(anvil_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultChain]:
    with anvil_chain(31337, tmp_path_factory.mktemp("chain")) as chain:
        yield VaultChain(chain, FOUR)


@pytest.fixture
def vault(shared_vault: VaultChain) -> Iterator[VaultChain]:
    """A vault as it was deployed; what a test does to it, and to the clock of its chain, is taken back."""
    with put_back(shared_vault.chain):
        yield shared_vault


@pytest.fixture
def own_vault(anvil: Callable[..., Anvil]) -> VaultChain:
    """A vault on a chain of the test's own, whose old blocks' state no other test pushes out."""
    return VaultChain(anvil(), FOUR)
