"""The on-chain proof with each absorbed item left out in turn, and with a y that its digits were forged for.

Rule: as in `test_transcript_omissions`. What a certified tree and certified keys bind besides is not counted here:
`verify_leaf` is judged alone, as if keys and leaf were the forger's.
"""

from dataclasses import replace

import msgspec
import pytest

from proofs.algebra.commitment import commit
from proofs.algebra.field import ORDER, scalar_bytes
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import ProofLayout, lay_out
from proofs.linear.prover import random_scalar
from proofs.linear.statement import LinearStatement, Witness, constraint_values, make_witness, u_values, weights_of
from proofs.onchain import keys as keys_module
from proofs.onchain.keys import (
    EpochKeys,
    EpochStatement,
    Leaf,
    check_keys,
    derive_keys,
    leaf_path,
    leaves_root,
    make_leaf,
    row_challenge,
    row_polynomials,
)
from proofs.onchain.messages import split_rounds
from proofs.onchain.prover import prove_leaf
from proofs.onchain.verifier import verify_account
from tests.kit.proofs.forgers.lattice import forge_digits, small_solution
from tests.kit.proofs.forgers.onchain import CUTS, OnchainForger, cutting_out
from tests.kit.proofs.linear_statements import SLOTS, N
from tests.kit.proofs.omissions import LAYOUT, RUINED
from tests.kit.proofs.onchain_epoch import refusal


def refused(keys: EpochKeys, leaf: Leaf, proof: bytes) -> bool:
    """Whether the proof's equation does not hold."""
    code = refusal(keys, leaf, proof)
    assert code in (None, ProofCode.PROOF_REFUSED)
    return code is not None


@pytest.mark.parametrize("item", [*CUTS, "leaf"])
def test_without_one_item_in_the_chain_a_ruined_account_is_proven_and_the_real_one_refuses_it(item: str) -> None:
    forger = OnchainForger(LAYOUT, RUINED)
    with cutting_out(item):
        keys, leaf, proof = forger.forge(item)
        assert not refused(keys, leaf, proof)
    assert keys == forger.keys
    assert leaf.c_w == encode_point(commit(basis(N), RUINED, forger.rho))
    assert any(value < 0 for value in constraint_values(LAYOUT, RUINED, 0))
    assert refused(keys, leaf, proof)
    assert refused(*OnchainForger(LAYOUT, RUINED).forge(item))


def test_the_items_that_are_left_out_are_all_bytes_of_a_proof() -> None:
    rounds = split_rounds(bytes(range(256)) * 4 + bytes(32), 1)
    parts = (rounds.table, rounds.lookups, rounds.quotient, rounds.evaluations, rounds.openings)
    assert b"".join(parts[number][start:stop] for number, start, stop in CUTS.values()) == rounds.data
    assert [len(part) for part in parts] == [
        max(stop for number, _, stop in CUTS.values() if number == n) for n in range(len(parts))
    ]


def test_without_the_keys_in_the_chain_their_constant_is_chosen_after_the_challenges() -> None:
    forger = OnchainForger(LAYOUT, RUINED)
    with cutting_out("keys"):
        keys, leaf, proof = forger.forge("keys")
        assert not refused(keys, leaf, proof)
    assert keys.constant != forger.keys.constant
    assert refused(keys, leaf, proof)


SEED = bytes(range(32))


def forged_leaf(y: int) -> tuple[LinearStatement, Witness, Leaf]:
    """An account of equity −1 whose digits fit every row, and the token's range, for this one y."""
    values, rho = (-1, 0, 0), (random_scalar(), random_scalar())
    linear = LinearStatement(LAYOUT, bytes(32), (1,), (0,), (encode_point(commit(basis(N), values, rho)),))
    witness = Witness(values, forge_digits(LAYOUT, y, values, 0), rho)
    return linear, witness, make_leaf(linear, 0, witness, SEED, basis(N))


def keys_for(linear: LinearStatement, leaf: Leaf, y: int) -> EpochKeys:
    """Keys with the row weights of some y, whatever the leaves say."""
    weights = weights_of(LAYOUT, y)
    u, v = row_polynomials(LAYOUT, weights, basis(N))
    derived = derive_keys(EpochStatement(linear, bytes(32), 3, 7), [leaf])
    constant, sigma = scalar_bytes(weights.constant), scalar_bytes(weights.shortfall)
    return msgspec.structs.replace(derived, constant=constant, sigma=sigma, u=u, v=v)


def test_digits_forged_for_a_y_that_does_not_come_from_the_leaves_pass_and_such_keys_are_refused() -> None:
    """y from the statement and layout alone is known before the digits: the equation holds, the derivation does not."""
    y = row_challenge(bytes(32), LAYOUT.digest, bytes(32))
    linear, witness, leaf = forged_leaf(y)
    keys = keys_for(linear, leaf, y)
    proof = prove_leaf(LAYOUT, weights_of(LAYOUT, y), keys, leaf, witness, SEED)  # the prover's checks find nothing
    verify_account(keys, leaf, 0, leaf_path([leaf], 0), proof)
    with pytest.raises(VerificationFailed) as fault:
        check_keys(keys, EpochStatement(linear, bytes(32), 3, 7), [leaf])
    assert fault.value.at == "epoch keys: constant"
    derived = derive_keys(EpochStatement(linear, bytes(32), 3, 7), [leaf])
    assert refused(derived, leaf, proof)
    true = row_challenge(bytes(32), LAYOUT.digest, derived.leaves_root)
    assert true != y
    again = prove_leaf(LAYOUT, weights_of(LAYOUT, true), derived, leaf, witness, SEED, check_witness=False)
    assert refused(derived, leaf, again)


@pytest.fixture
def y_of_the_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A y that knows neither statement nor rows."""
    monkeypatch.setattr(keys_module, "row_challenge", lambda context, layout, root: of_root_alone(root))


def of_root_alone(root: bytes) -> int:
    return row_challenge(bytes(32), bytes(32), root)


def rows_fitted(witness: Witness, y: int) -> ProofLayout:
    """Rows whose constants, proper integers, make these digits fit these values in the one combination of y."""
    bare = tuple(msgspec.structs.replace(row, constant=0) for row in LAYOUT.table.rows)
    layout = lay_out(N, SLOTS, bare)
    weights = weights_of(layout, y)
    found = sum(weight * witness.digits[0][at] for at, weight in u_values(layout, weights)[0].items())
    wanted = found - sum(map(int.__mul__, weights.v, witness.values)) - weights.constant
    constants = small_solution(weights.rho[len(SLOTS) :], wanted % ORDER, -(2**62), 2**62)
    fitted = (msgspec.structs.replace(row, constant=b) for row, b in zip(bare, constants, strict=True))
    return lay_out(N, SLOTS, tuple(fitted))


def test_with_a_y_that_does_not_know_the_rows_they_are_fitted_to_it(y_of_the_root_alone: None) -> None:
    """The leaf is there first, of a negative token, and its root makes y; the statement is written afterwards."""
    values, rho = (5, -1, 0), (random_scalar(), random_scalar())
    commitment = encode_point(commit(basis(N), values, rho))
    first = LinearStatement(LAYOUT, bytes(32), (1,), (0,), (commitment,))
    witness = Witness(values, make_witness(LAYOUT, values, 0, rho, check=False).digits, rho)
    leaf = make_leaf(first, 0, witness, SEED, basis(N))
    y = of_root_alone(leaves_root([leaf]))
    fitted = replace(first, layout=rows_fitted(witness, y))
    statement = EpochStatement(fitted, bytes(32), 3, 7)
    keys = derive_keys(statement, [leaf])
    proof = prove_leaf(fitted.layout, weights_of(fitted.layout, y), keys, leaf, witness, SEED)
    check_keys(keys, statement, [leaf])
    verify_account(keys, leaf, 0, leaf_path([leaf], 0), proof)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys_module, "row_challenge", row_challenge)
        with pytest.raises(VerificationFailed, match="epoch keys"):
            check_keys(keys, statement, [leaf])
        assert refused(derive_keys(statement, [leaf]), leaf, proof)


def test_y_depends_on_every_digit_of_every_leaf() -> None:
    linear, _, leaf = forged_leaf(random_scalar())
    roots = {derive_keys(EpochStatement(linear, bytes(32), 3, 7), [leaf]).leaves_root}
    _, _, other = forged_leaf(random_scalar())
    moved = Leaf(leaf.account, leaf.shortfall, leaf.c_w, other.c_d)
    roots.add(derive_keys(EpochStatement(linear, bytes(32), 3, 7), [moved]).leaves_root)
    assert len({row_challenge(bytes(32), LAYOUT.digest, root) % ORDER for root in roots}) == 2
