"""A verifier of standalone proofs, written from `docs/specification` alone by a second reader.

It shares nothing with `proofs`, `clearing` or the runner beside it, and is as plain as the text: hashlib, Keccak,
secp256k1 and py-ecc. It checks `encoding` (without the types of fields), `certificate`, `roots`, `statement` (layout,
and of the shapes the rules 1 to 4), `listed` and `solvency`; `freshness` and `rules` are the runner's. Where the text
fell short is in the README of the folder above.

    python -m tests.vectors.proofs.one_account PACKAGE.ccp PROOF.ccs
"""

import sys
from pathlib import Path

from tests.vectors.proofs.one_account.verify import verify

answer = verify(*(Path(each).read_bytes() for each in sys.argv[1:3]))
print("accepted" if answer == ("", "") else f"refused by {answer[0]}: {answer[1]}")
