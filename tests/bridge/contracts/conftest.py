"""Fixtures of the contracts' tests."""

from collections.abc import Callable

import pytest

from node.devnet.anvil import Anvil
from tests.bridge.contracts.vault_chain import Signers, VaultChain, make_signers
from tests.chain_fixtures import anvil, anvil_binary

__all__ = ["anvil", "anvil_binary"]


@pytest.fixture(scope="session")
def four() -> Signers:
    return make_signers((1, 1, 1, 1))


@pytest.fixture
def vault(anvil: Callable[..., Anvil], four: Signers) -> VaultChain:
    return VaultChain(anvil(), four)
