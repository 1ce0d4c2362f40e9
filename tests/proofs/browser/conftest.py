"""One verifier in TypeScript for all tests of this folder, built from the sources as they are."""

from collections.abc import Iterator

import pytest

from devnet.toolchain import install_browser
from tests.kit.proofs.second_verifier import SecondVerifier


@pytest.fixture(scope="session")
def built_verifier() -> None:
    install_browser()


@pytest.fixture(scope="session")
def second(built_verifier: None) -> Iterator[SecondVerifier]:
    with SecondVerifier() as verifier:
        yield verifier
