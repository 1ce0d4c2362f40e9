"""The page, built from the sources as they are, for all tests of this folder."""

import pytest

from devnet.toolchain import install_browser, install_client, install_page


@pytest.fixture(scope="session")
def built_page() -> None:
    install_browser()
    install_client()
    install_page()
