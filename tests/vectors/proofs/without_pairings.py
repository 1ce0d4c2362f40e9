"""The verifier from the text, without the slow pairings of a certificate that a test made itself."""

import pytest

from clearing.base.codec import encode
from clearing.schema.terms.genesis import Genesis
from tests.kit.proofs.file_answers import Answer
from tests.kit.proofs.named_bases import Base
from tests.vectors.proofs.runner import certificates, genesis
from tests.vectors.proofs.runner.encoding import Reader
from tests.vectors.proofs.runner.verify import NOTHING, Trusted, failed_standalone


def answer_of_text(proof: bytes, package: bytes, base: Base | None = None) -> Answer:
    """The check that refuses a standalone proof beside a package, and its code; pairings and keys count as good.
    `base`: whose genesis is trusted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "check_set", lambda _: None)
        patch.setattr(certificates, "signed", lambda *_: True)
        check, code = failed_standalone(proof, package, NOTHING if base is None else _trusted(base))
    return Answer(check, code)


def _trusted(base: Base) -> Trusted:
    known = base.trusted["genesis"]
    assert isinstance(known, Genesis)
    kinds = {**genesis.KINDS, **({"surfaces": genesis.SURFACES} if known.surfaces else {})}
    parts = {name: Reader(encode(getattr(known, name))).whole(kind) for name, kind in kinds.items()}
    return Trusted(base.network, known.validators.hash, {**parts, "time_ms": known.time_ms})
