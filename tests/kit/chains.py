"""Real chains for every test that wants one; a conftest imports the fixtures by name.

A missing chain fails under CI=true and else skips, saying how to install it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clearing.base.errors import LocalFault
from devnet.anvil import Anvil, start_anvil
from devnet.toolchain import INSTALL_COMMAND, anvil_path


@pytest.fixture(scope="session")
def anvil_binary() -> Path:
    """The program of the installed toolchain."""
    try:
        return anvil_path()
    except LocalFault as fault:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{fault}: run {INSTALL_COMMAND}")
        pytest.skip(f"no chain to test against: run {INSTALL_COMMAND}")


@pytest.fixture
def anvil(anvil_binary: Path, tmp_path: Path) -> Iterator[Callable[..., Anvil]]:
    """Starts chains, `anvil(chain_id, **options of start_anvil)`, and ends them after the test."""
    chains: list[Anvil] = []

    def start(chain_id: int = 31337, **options: Any) -> Anvil:
        folder = tmp_path / f"chain-{chain_id}-{len(chains)}"
        chains.append(start_anvil(chain_id, folder, **options))
        return chains[-1]

    yield start
    for chain in chains:
        chain.stop()


@contextmanager
def put_back(chain: Anvil) -> Iterator[None]:
    """What is done to a chain inside is taken back, transactions that wait for a block included. May be nested.

    A revert leaves the pool as it is. A mined transaction stays in the pool for a moment after its receipt can be read;
    reverted then, it would be mined once more with the next one.
    """
    before = chain.rpc("evm_snapshot")
    yield
    assert chain.rpc("evm_revert", before)
    chain.rpc("anvil_dropAllTransactions")
