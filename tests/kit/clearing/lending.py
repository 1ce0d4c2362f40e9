"""A member with soft collateral whose cash is lent to it."""

from typing import Any

from tests.kit.clearing.vaults import SOFT, Vaults, genesis_with, opened


def lending(**changes: Any) -> Vaults:
    terms = {"soft": SOFT, "soft_ppm": 800_000, **changes}
    return opened(genesis_with(**terms), dollars=20_000)
