"""The verifier from the text, without the slow pairings of a certificate that a test made itself."""

import pytest

from clearing.base.codec import encode
from tests.kit.proofs.file_answers import Answer
from tests.kit.proofs.named_bases import Base
from tests.vectors.proofs.runner import certificates, genesis
from tests.vectors.proofs.runner.encoding import Reader
from tests.vectors.proofs.runner.verify import Trusted, failed_standalone


def answer_of_text(proof: bytes, package: bytes, base: Base) -> Answer:
    """The check that refuses a standalone proof beside a package, and its code; pairings and keys count as good."""
    trusted = base.trusted["genesis"]
    kinds = {**genesis.KINDS, **({"surfaces": genesis.SURFACES} if trusted.surfaces else {})}  # type: ignore[union-attr]
    parts = {name: Reader(encode(getattr(trusted, name))).whole(kind) for name, kind in kinds.items()}
    parts["time_ms"] = trusted.time_ms  # type: ignore[union-attr]
    known = Trusted(base.network, base.trusted["validators_hash"], parts)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "check_set", lambda _: None)
        patch.setattr(certificates, "signed", lambda *_: True)
        check, code = failed_standalone(proof, package, known)
    return Answer(check, code)
