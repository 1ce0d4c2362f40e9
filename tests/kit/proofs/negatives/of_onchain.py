"""Files for contracts: the keys of an epoch beside its package, and one account's proof; and what must be refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from proofs.algebra.field import ORDER
from proofs.algebra.group import GENERATOR, encode_point
from proofs.errors import ProofCode
from proofs.linear.statement import weights_of
from proofs.onchain.file import OnchainAccount, OnchainEpoch, account_file, epoch_file, sign_keys, write_file
from proofs.onchain.keys import DerivedEpoch, EpochKeys, account_witness, derive_epoch, row_challenge
from proofs.onchain.presentation import Audience, present
from proofs.onchain.prover import prove_leaf
from tests.kit.proofs import small_market as market
from tests.kit.proofs.negatives.making import SMALL, TIME, replace
from tests.kit.proofs.vector_files import edited

EPOCH_FILE, ACCOUNT_FILE = "three-accounts.cco", "account-1.cca"
AUDIENCE = Audience(31337, bytes([1]) * 20, bytes([2]) * 20, bytes([3]) * 32)


@dataclass(frozen=True)
class OnchainVector:
    """A `.cco` file beside its package, or a `.cca` file; and the code that refuses it."""

    name: str
    changed: str
    code: str
    file: bytes
    base: str

    def as_json(self, bases: dict[str, bytes]) -> dict[str, Any]:
        """As it is written."""
        found: dict[str, Any] = {"name": self.name, "changed": self.changed}
        found["kind"] = "onchain_epoch" if self.base == EPOCH_FILE else "onchain_account"
        if self.base == EPOCH_FILE:
            found["package"] = edited(SMALL, bases[SMALL], bases[SMALL])
        found["file"] = edited(self.base, bases[self.base], self.file)
        found["code"] = self.code
        return found


@cache
def derived() -> DerivedEpoch:
    return derive_epoch(market.snapshot(), market.seeds(), market.N)


@cache
def epoch() -> OnchainEpoch:
    """All leaves of the small market, and the shares of its validators."""
    of, validators = derived(), market.validator_set()
    shares = [sign_keys(of.keys, validators, i, secret, TIME // 1000) for i, secret in enumerate(market.SECRETS)]
    return epoch_file(of.keys, of.leaves, TIME // 1000, shares)


@cache
def account() -> OnchainAccount:
    """Account 1's proof, presented."""
    return account_under(derived().keys)


def account_under(keys: EpochKeys) -> OnchainAccount:
    """Account 1's proof under these keys, presented."""
    of, shot, index = derived(), market.snapshot(), 1
    seed, linear = market.seeds()[1], of.statement.linear
    witness = account_witness(shot.statement, linear.layout, shot.accounts[index], seed)
    weights = weights_of(linear.layout, row_challenge(linear.context, linear.layout.digest, of.keys.leaves_root))
    proof = prove_leaf(linear.layout, weights, keys, of.leaves[index], witness, seed)
    shown = present(AUDIENCE, keys.hash, of.leaves[index], seed, linear.context)
    return account_file(replace(epoch(), keys=keys), index, proof, shown)


def files() -> dict[str, bytes]:
    """The good ones."""
    return {EPOCH_FILE: write_file(epoch()), ACCOUNT_FILE: write_file(account())}


def positive() -> Iterator[OnchainVector]:
    """What must be accepted."""
    for name, data in files().items():
        yield OnchainVector(name, "nothing", "", data, name)


def negative() -> Iterator[OnchainVector]:
    """What must be refused."""
    yield from _of_epochs()
    yield from _of_accounts()


def _of_epochs() -> Iterator[OnchainVector]:
    good = epoch()
    first, *others = good.leaves
    point = encode_point(GENERATOR)

    def bad(name: str, changed: str, code: ProofCode, **changes: Any) -> OnchainVector:
        return OnchainVector(name, changed, code.name, write_file(replace(good, **changes)), EPOCH_FILE)

    differ, statement = ProofCode.KEYS_DIFFER, ProofCode.BAD_STATEMENT
    keys = good.keys
    yield bad("keys-with-another-v", "[v] is another point", differ, keys=replace(keys, v=point))
    yield bad("keys-with-another-constant", "`constant` is 0", differ, keys=replace(keys, constant=bytes(32)))
    yield bad("keys-of-another-epoch", "`epoch` of the keys is 9", differ, keys=replace(keys, epoch=9))
    yield bad("keys-of-an-older-header", "`time_s` is a second less than the header's", differ, time_s=good.time_s - 1)
    moved = (replace(first, presenter=bytes([9]) * 20), *others)
    yield bad("leaf-of-another-presenter", "the first leaf has another presenter", differ, leaves=moved)
    other = (replace(first, c_d=(point,)), *others)
    yield bad("leaf-with-other-digits", "C_D of the first leaf is another point", differ, leaves=other)
    yield bad("leaf-missing", "the first leaf is missing", statement, leaves=tuple(others))
    short = (replace(first, shortfall=1), *others)
    yield bad("leaf-with-a-shortfall", "the first leaf has a shortfall that is not listed", statement, leaves=short)
    twice = write_file(replace(good, shares=good.shares[:1] * 2))
    yield OnchainVector("share-twice", "one share stands twice", "MALFORMED", twice, EPOCH_FILE)


def _of_accounts() -> Iterator[OnchainVector]:
    good = account()
    proof, presentation = good.proof, good.presentation
    last = int.from_bytes(proof[-288:-256], "big")

    def bad(name: str, changed: str, code: ProofCode, **changes: Any) -> OnchainVector:
        return OnchainVector(name, changed, code.name, write_file(replace(good, **changes)), ACCOUNT_FILE)

    def to(**changes: Any) -> dict[str, Any]:
        return {"presentation": replace(presentation, audience=replace(AUDIENCE, **changes))}

    root, shown = ProofCode.WRONG_ROOT, ProofCode.NOT_PRESENTED
    yield bad("path-of-another-leaf", "`index` is 2", root, index=2)
    yield bad("path-cut", "the last sibling is missing", root, path=good.path[:-1])
    yield bad("leaf-changed", "σ of the leaf is 1", root, leaf=replace(good.leaf, shortfall=1))
    columns = replace(good.leaf, c_d=good.leaf.c_d * 2)
    yield bad(
        "leaf-of-two-columns", "the leaf has C_D of two columns, the keys of one", ProofCode.BAD_STATEMENT, leaf=columns
    )
    yield bad("onchain-proof-cut", "the last byte of the proof is missing", ProofCode.BAD_LENGTH, proof=proof[:-1])
    large = proof[:-288] + b"\xff" * 32 + proof[-256:]
    yield bad("onchain-proof-with-a-large-scalar", "S̄ is 2^256 − 1", ProofCode.BAD_SCALAR, proof=large)
    more = proof[:-288] + ((last + 1) % ORDER).to_bytes(32, "big") + proof[-256:]
    yield bad("onchain-proof-with-another-evaluation", "S̄ is one more", ProofCode.PROOF_REFUSED, proof=more)
    infinite = bytes(128) + proof[128:]
    yield bad("onchain-proof-with-infinity", "C_m is 128 zero bytes", ProofCode.BAD_POINT, proof=infinite)
    under = replace(good.keys, sigma=(1).to_bytes(32, "big"))
    yield bad("proof-under-other-keys", "`sigma` of the keys is 1", ProofCode.PROOF_REFUSED, keys=under)
    yield bad(
        "shown-to-another-caller",
        "the presentation names another caller than was signed",
        shown,
        **to(caller=bytes([9]) * 20),
    )
    yield bad("shown-for-another-purpose", "it names another purpose than was signed", shown, **to(purpose=bytes(32)))
    yield bad("shown-on-another-chain", "it names another chain than was signed", shown, **to(chain_id=1))
    yield bad("shown-to-another-contract", "it names another verifier than was signed", shown, **to(verifier=bytes(20)))
    yield bad("shown-without-a-signature", "r is 0", shown, presentation=replace(presentation, r=bytes(32)))
    no_point = replace(good.leaf, c_w=bytes(48))
    yield bad("leaf-without-a-point", "C_W of the leaf is no point, so the leaf is in no tree", root, leaf=no_point)
    for epoch in (0, 41):
        yield OnchainVector(
            f"keys-of-epoch-{epoch}-at-height-40",
            f"the keys are of epoch {epoch} at height 40; proven and presented under them",
            ProofCode.EPOCH_IMPOSSIBLE.name,
            write_file(account_under(replace(good.keys, epoch=epoch))),
            ACCOUNT_FILE,
        )
