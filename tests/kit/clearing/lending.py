"""A member with soft collateral whose cash is lent to it."""

from typing import Any

from tests.kit.clearing.vaults import SOFT, genesis_with, opened
from tests.kit.clearing.world import World


def lending(**changes: Any) -> World:
    terms = {"soft": SOFT, "soft_ppm": 800_000, **changes}
    return opened(genesis_with(**terms), dollars=20_000)
