"""A node whose large bounded tables are small: `python -m benchmarks.soak.small_tables start …`.

Rule: only sizes differ. Tables of recovered signers, digests, decided transactions and lines of statements fill for an
hour under load, as the database's pages do, and what fills looks like what leaks. Small ones are full within
the warm-up.
"""

import runpy
import sys
from functools import lru_cache, partial

from clearing.base import eip712, secp256k1

ENTRIES = 2048
CACHE_KIB = 1024
"""Of each connection with the database."""


def main() -> None:
    """Before anything else imports them by name."""
    secp256k1.recover = lru_cache(maxsize=ENTRIES)(secp256k1.recover.__wrapped__)
    eip712.typed_data_digest = lru_cache(maxsize=ENTRIES)(eip712.typed_data_digest.__wrapped__)
    from node.api import view
    from node.pool import mempool
    from node.store import database

    mempool.DONE_MAX = 2 * ENTRIES
    database._CACHE_KIB = CACHE_KIB  # noqa: SLF001
    view.StatementDays = partial(view.StatementDays, lines_max=4 * ENTRIES)
    sys.argv = ["cli", *sys.argv[1:]]
    runpy.run_module("cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
