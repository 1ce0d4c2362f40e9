"""Writes the vectors of format v1 anew: `python -m tests.proofs.write_vectors`. Only until they are frozen.

The test market, its blinders out of a counter: the same bytes on every machine.
"""

import sys

from proofs.package import read_package
from proofs.standalone_prover import prove_account
from proofs.verdict import OwnAccount
from tests.proofs import conftest as market
from tests.proofs.test_frozen_proofs import VECTORS, counted_scalars


def vectors() -> dict[str, bytes]:
    """Each file by its name."""
    package = market.honest(market.snapshot(), scalars=counted_scalars())
    own = OwnAccount(1, dict(market.HOLDINGS)[1], market.seeds()[1])
    alone = prove_account(read_package(package), own, scalars=counted_scalars())
    return {"three-accounts.ccp": package, "account-1.ccs": alone}


if __name__ == "__main__":
    for name, data in vectors().items():
        (VECTORS / name).write_bytes(data)
        sys.stdout.write(f"{name}: {len(data)} bytes\n")
