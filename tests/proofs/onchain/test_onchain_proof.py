"""The proof of one account for a contract, in Python: complete, bound to everything, and refused to who cheats."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.codec import decode, encode
from clearing.base.errors import Bug, LocalFault, RemoteFault
from proofs.algebra.field import ORDER, inverse, scalar_bytes
from proofs.algebra.group import GENERATOR, GENERATOR_2, encode_point, multi_scalar, multiply, pairings_equal
from proofs.algebra.srs import basis, tau_g2
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import RowRange
from proofs.linear.statement import Weights, Witness, constraint_values, weights_of
from proofs.onchain import verifier
from proofs.onchain.keys import (
    EpochKeys,
    Leaf,
    check_keys,
    derive_keys,
    digit_blinders,
    leaf_path,
    leaves_root,
    make_leaf,
    row_challenge,
    row_polynomials,
)
from proofs.onchain.messages import (
    PADDED_BYTES,
    check_alpha,
    pad_encoded,
    padded_point,
    proof_bytes,
    read_padded,
    read_rounds,
    replay,
    split_rounds,
)
from proofs.onchain.prover import prove_account, prove_leaf
from proofs.onchain.verifier import verify_account
from tests.kit.proofs.forgers.lattice import forge_digits
from tests.kit.proofs.onchain_epoch import ROWS, Epoch, confirmed, make_epoch, opening, refusal
from tests.kit.proofs.onchain_lies import BAD_POINTS, POINTS, SCALARS, FalseClaim
from tests.kit.refusals import refused

OTHER = encode_point(multiply(GENERATOR, 77))
TWO_COLUMNS = ROWS * 15


@pytest.fixture(scope="module")
def epoch() -> Epoch:
    return make_epoch()


def why(
    epoch: Epoch, index: int, proof: bytes, *, keys: EpochKeys | None = None, leaf: Leaf | None = None
) -> ProofCode | None:
    """Why a proof of the account at this place is refused."""
    return refusal(keys or epoch.keys, leaf or epoch.leaves[index], proof)


@pytest.mark.parametrize("rows", [ROWS, TWO_COLUMNS], ids=["one column", "two columns"])
def test_every_account_can_be_shown_with_its_shortfall(rows: tuple[RowRange, ...]) -> None:
    epoch = make_epoch(rows=rows)
    for index in range(len(epoch.leaves)):
        keys, proof = prove_account(epoch.statement, epoch.leaves, index, epoch.witnesses[index], epoch.seeds[index])
        assert keys == epoch.keys
        assert len(proof) == proof_bytes(epoch.layout.columns)
        verify_account(keys, epoch.leaves[index], index, epoch.path(index), proof)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**20), st.integers(-1000, 1000)), min_size=1, max_size=3)
)
def test_whatever_is_solvent_can_be_shown(holdings: list[tuple[int, int, int]]) -> None:
    rich = [(cash + 10**6, token, position) for cash, token, position in holdings]
    epoch = make_epoch(holdings=rich, shortfalls=(0,) * len(rich))
    for index in range(len(rich)):
        verify_account(epoch.keys, epoch.leaves[index], index, epoch.path(index), epoch.prove(index))


def test_a_leaf_has_one_proof_however_often_it_is_asked_for(epoch: Epoch) -> None:
    assert epoch.prove(1) == epoch.prove(1)
    assert make_epoch().leaves == epoch.leaves


def test_a_second_opening_of_the_same_digits_would_let_holdings_be_guessed(epoch: Epoch) -> None:
    """Why nothing is drawn at random and the prover takes no keys: two openings use up both blinders of C_D."""
    other = msgspec.structs.replace(epoch.keys, epoch=99)
    openings = [opening(keys, epoch.leaves[0], epoch.prove(0, keys=keys)) for keys in (epoch.keys, other)]
    assert confirmed(epoch, epoch.witnesses[0].values, openings)
    assert not confirmed(epoch, (999, 5, -1), openings)
    context, (seed, another, *_) = epoch.statement.linear.context, epoch.seeds
    drawn = {
        tuple(digit_blinders(*of))
        for of in (
            (seed, context, 1, 0),
            (seed, bytes(32), 1, 0),
            (seed, context, 2, 0),
            (seed, context, 1, 1),
            (another, context, 1, 0),
        )
    }
    assert len(drawn) == 5


FALSE_HOLDINGS = {
    "equity of minus one": (-11, 0, 0),
    "a negative token": (10**6, -1, 0),
    "a third of a token": (10**6, inverse(3), 0),
    "minus one modulo p": (10**6, ORDER - 1, 0),
    "a position out of range": (2**62, 0, 2**39),
    "a loss that ruins": (0, 0, 2**38),
}


@pytest.mark.parametrize("case", FALSE_HOLDINGS)
def test_what_breaks_a_range_or_a_row_is_refused(case: str) -> None:
    epoch = make_epoch(holdings=[FALSE_HOLDINGS[case]], shortfalls=(0,), check=False)
    values = constraint_values(epoch.layout, FALSE_HOLDINGS[case], 0)
    assert any(not 0 <= v < 256**width for v, width in zip(values, epoch.layout.widths, strict=True))
    assert why(epoch, 0, epoch.prove(0))
    with pytest.raises(Bug):
        prove_account(epoch.statement, epoch.leaves, 0, epoch.witnesses[0], epoch.seeds[0])


def test_a_digit_that_is_no_byte_is_refused() -> None:
    honest = make_epoch().witnesses[0]
    digits = list(honest.digits[0])
    digits[0], digits[1] = digits[0] + 256, digits[1] - 1  # the same value
    forged = Witness(honest.values, (tuple(d % ORDER for d in digits),), honest.blinders)
    epoch = make_epoch(holdings=[honest.values], shortfalls=(0,), witnesses=[forged])
    assert why(epoch, 0, epoch.prove(0))


def test_a_hidden_shortfall_is_refused(epoch: Epoch) -> None:
    hidden = replace(epoch.leaves[4], shortfall=0)
    assert not why(epoch, 4, epoch.prove(4))
    assert why(epoch, 4, epoch.prove(4), leaf=hidden)
    proof = prove_leaf(
        epoch.layout, epoch.weights, epoch.keys, hidden, epoch.witnesses[4], epoch.seeds[4], check_witness=False
    )
    assert why(epoch, 4, proof, leaf=hidden)


def test_digits_forged_for_a_known_y_pass_under_its_keys_and_not_under_those_of_their_own_root() -> None:
    """The quorum's part: who signs keys for another y lets false digits through, and anybody can see that he did."""
    values, rows = (-11, 0, 0), ROWS * 4
    early = row_challenge(bytes(32), bytes(32), bytes(32))
    plain = make_epoch(holdings=[values], shortfalls=(0,), rows=rows, check=False)
    digits = forge_digits(plain.layout, early, values, 0)
    assert all(0 <= digit < 256 for column in digits for digit in column)
    forged = Witness(values, digits, plain.witnesses[0].blinders)
    epoch = make_epoch(holdings=[values], shortfalls=(0,), rows=rows, witnesses=[forged])
    assert why(epoch, 0, epoch.prove(0))
    lying, weights = keys_of_y(epoch, early)
    proof = epoch.prove(0, keys=lying, weights=weights)
    verify_account(lying, epoch.leaves[0], 0, epoch.path(0), proof)
    with refused(ProofCode.KEYS_DIFFER, VerificationFailed):
        check_keys(lying, epoch.statement, epoch.leaves)


def keys_of_y(epoch: Epoch, y: int) -> tuple[EpochKeys, Weights]:
    """Keys that a dishonest quorum would sign for a y of its choice."""
    weights = weights_of(epoch.layout, y)
    u, v = row_polynomials(epoch.layout, weights, basis(epoch.layout.size))
    constants = {"constant": scalar_bytes(weights.constant), "sigma": scalar_bytes(weights.shortfall)}
    return msgspec.structs.replace(epoch.keys, u=u, v=v, **constants), weights


def holds_without(epoch: Epoch, proof: bytes, left_out: int) -> bool:
    """A verifier that opens all but one of D, U, V, T."""
    rounds = split_rounds(proof, 1)
    read, drawn = read_rounds(rounds, 1), replay(epoch.keys.hash, epoch.leaves[0].hash, rounds)
    points, scalars = verifier._right_side(epoch.keys, epoch.leaves[0], read, drawn)
    claimed = (*read.d_bar, *read.u_bar, read.v_bar, read.t_bar)[left_out]
    scalars[-1] += pow(drawn.r, left_out + 1, ORDER) * claimed
    scalars[left_out] = 0
    left = read.pi_1 + multiply(read.pi_2, drawn.mu)
    return pairings_equal(left, tau_g2(), multi_scalar(points, scalars), GENERATOR_2)


@pytest.mark.parametrize("part", "DUVT")
def test_a_false_claim_that_would_close_a_false_row_is_opened(part: str) -> None:
    epoch = make_epoch(holdings=[(-11, 0, 0)], shortfalls=(0,), check=False)
    proof = FalseClaim(epoch, 0, part).run(check=False).data
    assert holds_without(epoch, proof, "DUVT".index(part))
    assert why(epoch, 0, proof)


def with_another(name: str, keys: EpochKeys) -> EpochKeys:
    """The keys with another value in this field."""
    value = getattr(keys, name)
    changed = {"u": (OTHER,), "v": OTHER}.get(name, bytes(32) if isinstance(value, bytes) else 9)
    assert changed != value
    return msgspec.structs.replace(keys, **{name: changed})


def test_a_proof_is_of_its_epoch_and_its_account_alone(epoch: Epoch) -> None:
    proof = epoch.prove(0)
    for name in set(EpochKeys.__struct_fields__) - {"size"}:
        assert why(epoch, 0, proof, keys=with_another(name, epoch.keys)), name
    leaf = epoch.leaves[0]
    for changes in ({"account": 2}, {"shortfall": 1}, {"c_w": OTHER}, {"c_d": (OTHER,)}):
        assert why(epoch, 0, proof, leaf=replace(leaf, **changes)), changes
    assert why(epoch, 1, proof)
    assert why(make_epoch(number=4), 0, proof)


def test_a_leaf_stands_at_its_place_under_the_certified_root(epoch: Epoch) -> None:
    proof, path = epoch.prove(1), epoch.path(1)
    verify_account(epoch.keys, epoch.leaves[1], 1, path, proof)
    wrong = [(0, path), (2, path), (5, path), (-1, path), (1, path[:-1]), (1, (*path, path[0])), (1, path[::-1])]
    wrong += [(1, leaf_path(make_epoch(number=4).leaves, 1))]
    for index, shown in wrong:
        with refused(ProofCode.WRONG_ROOT, VerificationFailed):
            verify_account(epoch.keys, epoch.leaves[1], index, shown, proof)


def test_every_c_d_changes_y(epoch: Epoch) -> None:
    linear, seen = epoch.statement.linear, set()
    for index in range(5):
        changed = list(epoch.leaves)
        changed[index] = replace(changed[index], c_d=(OTHER,))
        seen.add(row_challenge(linear.context, linear.layout.digest, leaves_root(changed)))
    for context, layout in ((bytes(32), linear.layout.digest), (linear.context, bytes(32))):
        seen.add(row_challenge(context, layout, epoch.keys.leaves_root))
    seen.add(row_challenge(linear.context, linear.layout.digest, epoch.keys.leaves_root))
    assert len(seen) == 8


def test_keys_that_do_not_follow_from_the_statement_are_named(epoch: Epoch) -> None:
    check_keys(epoch.keys, epoch.statement, epoch.leaves)
    for name in EpochKeys.__struct_fields__:
        with pytest.raises(VerificationFailed, match=name):
            check_keys(with_another(name, epoch.keys), epoch.statement, epoch.leaves)


def test_leaves_of_another_statement_give_no_keys(epoch: Epoch) -> None:
    leaves = list(epoch.leaves)
    wrong = [leaves[:-1], leaves[::-1], [*leaves, leaves[-1]], []]
    wrong += [
        [replace(leaves[0], **changes), *leaves[1:]]
        for changes in ({"account": 9}, {"shortfall": 1}, {"c_w": OTHER}, {"c_d": ()}, {"c_d": (OTHER, OTHER)})
    ]
    for shown in wrong:
        with refused(ProofCode.BAD_STATEMENT, VerificationFailed):
            derive_keys(epoch.statement, shown)


def test_every_byte_of_a_proof_counts(epoch: Epoch) -> None:
    proof = epoch.prove(0)
    for at in range(0, len(proof), 7):
        changed = bytearray(proof)
        changed[at] ^= 1 << at % 8
        assert why(epoch, 0, bytes(changed)), at


def put(proof: bytes, at: int, part: bytes) -> bytes:
    return proof[:at] + part + proof[at + len(part) :]


def test_every_point_and_scalar_of_a_proof_counts(epoch: Epoch) -> None:
    proof = epoch.prove(0)
    for at in POINTS:
        moved = padded_point(read_padded(proof[at : at + 128], "point") + GENERATOR)
        assert why(epoch, 0, put(proof, at, moved)), at
    for at in SCALARS:
        moved = scalar_bytes((int.from_bytes(proof[at : at + 32], "big") + 1) % ORDER)
        assert why(epoch, 0, put(proof, at, moved)), at


@pytest.mark.parametrize("change", [-1, 1, -128, 128, 192, -1056])
def test_a_proof_has_its_length(epoch: Epoch, change: int) -> None:
    proof = epoch.prove(0)
    assert why(epoch, 0, proof[:change] if change < 0 else proof + bytes(change)) is ProofCode.BAD_LENGTH


@pytest.mark.parametrize("kind", BAD_POINTS)
def test_a_point_that_is_not_canonical_is_refused(epoch: Epoch, kind: str) -> None:
    proof = epoch.prove(0)
    for at in POINTS:
        bad = BAD_POINTS[kind](proof[at : at + 128])
        assert why(epoch, 0, put(proof, at, bad)) is ProofCode.BAD_POINT, at


def test_a_scalar_that_is_not_reduced_is_refused(epoch: Epoch) -> None:
    proof = epoch.prove(0)
    for at in SCALARS:
        wrapped = (int.from_bytes(proof[at : at + 32], "big") + ORDER).to_bytes(33, "big")[-32:]
        assert why(epoch, 0, put(proof, at, wrapped)) in (ProofCode.BAD_SCALAR, ProofCode.PROOF_REFUSED)


@pytest.mark.parametrize("account", [-1, 2**63, 2**256])
def test_an_account_or_shortfall_out_of_range_is_refused(epoch: Epoch, account: int) -> None:
    proof = epoch.prove(0)
    for changes in ({"account": account}, {"shortfall": account}):
        leaf = replace(epoch.leaves[0], **changes)
        assert why(epoch, 0, proof, leaf=leaf) is ProofCode.BAD_STATEMENT
        with refused(ProofCode.BAD_STATEMENT, VerificationFailed):
            verify_account(epoch.keys, leaf, 0, epoch.path(0), proof)


def test_keys_of_too_many_or_no_columns_are_refused(epoch: Epoch) -> None:
    for columns in (0, 17):
        keys = msgspec.structs.replace(epoch.keys, u=(OTHER,) * columns)
        assert why(epoch, 0, epoch.prove(0), keys=keys, leaf=replace(epoch.leaves[0], c_d=(OTHER,) * columns))
        with pytest.raises(RemoteFault):
            decode(encode(keys), EpochKeys)


def test_a_challenge_on_a_forbidden_point_is_refused() -> None:
    for alpha in (0, ORDER - 1, ORDER - 255):
        with pytest.raises(VerificationFailed):
            check_alpha(alpha)
    check_alpha(1)
    check_alpha(ORDER - 256)


def test_points_are_padded_as_the_precompiles_take_them(epoch: Epoch) -> None:
    padded = pad_encoded(OTHER, "test")
    assert len(padded) == PADDED_BYTES
    assert padded[:16] == padded[64:80] == bytes(16)
    assert encode_point(read_padded(padded, "test")) == OTHER
    for data in (b"", padded[:-1], padded + b"\0", bytes(128)):
        with pytest.raises(VerificationFailed):
            read_padded(data, "test")
    with pytest.raises(LocalFault):
        digit_blinders(bytes(31), bytes(32), 1, 0)
    damaged = make_leaf(
        replace(epoch.statement.linear, commitments=(bytes(48),) * 5), 0, epoch.witnesses[0], bytes(32), basis(256)
    )
    with pytest.raises(VerificationFailed):
        assert damaged.words
