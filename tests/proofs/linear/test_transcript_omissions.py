"""Every item that the transcript absorbs, left out in turn: the forgery that this admits, and the real refusal of it.

Rule: each forgery is built, accepted by the verifier without that one item, false, and refused by the real verifier.
`test_omissions_are_complete` holds the tests against all items that packages and batches absorb.

| what the item is | what leaving it out admits |
|---|---|
| C_W, C_D, C_m, C_f, C_S, C_t1, C_t2, D̄, S̄, π_1, π_2 | any false row: one equation is solved for the item |
| σ, the layout with its rows | any false row: a lattice finds small numbers that meet the equation |
| R of the book | any book, matched or not |
| total, parent of the book | a book that is matched modulo p by full-size numbers |
| μ of the batch, the weights' name | two false proofs whose errors cancel |
| the names of the link's challenges | losses that move from one member and stress to another |
| protocol, context, account | a true proof told about something else: replay |
| C_G, C_q, Ḡ, π_1, π_2 of the cover proof's link | a fund that covers nothing |
| what came before the cover proof, or its link | a fund that covers nothing: a lattice fits small numbers |
| SRS hash | a true proof told about commitments in another basis |
| n, number of accounts, the book's slots | nothing alone: bound twice, or few choices; tests say so |
"""

from dataclasses import replace

import pytest

from proofs.algebra.commitment import commit
from proofs.algebra.domain import domain_of
from proofs.algebra.group import encode_point
from proofs.algebra.srs import basis
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear import statement as linear_statement_module
from proofs.linear.layout import BASE, RowRange, lay_out
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import LinearStatement, make_witness
from proofs.linear.verifier import verify
from tests.kit.proofs.forgers.linear import Forger, is_false
from tests.kit.proofs.forgers.weakened import leaving_out, without_protocol
from tests.kit.proofs.omissions import CASH, LAYOUT, PER_ACCOUNT, RUINED, SHARED, TOKEN, N, honest

TWO_COLUMNS = lay_out(N, (TOKEN,) * 40, (RowRange(8, ((0, 1),), 0, shortfall=False),))


def refused(statement: LinearStatement, proof: bytes) -> bool:
    try:
        verify(statement, proof)
    except VerificationFailed as fault:
        assert fault.code is ProofCode.PROOF_REFUSED
        return True
    return False


@pytest.mark.parametrize("accounts", [1, 3])
@pytest.mark.parametrize("item", SHARED)
def test_without_one_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it(
    item: str, accounts: int
) -> None:
    forger = Forger(LAYOUT, [RUINED] * accounts)
    with leaving_out(item):
        statement, proof = forger.forge(item)
        assert not refused(statement, proof)
    assert is_false(statement, forger.vectors, forger.rho)
    assert refused(statement, proof)
    assert refused(*Forger(LAYOUT, [RUINED] * accounts).forge(item))  # the same forger against the real transcript


@pytest.mark.parametrize(("accounts", "which"), [(1, 0), (3, 0), (3, 1), (3, 2)])
@pytest.mark.parametrize("item", PER_ACCOUNT)
def test_without_one_accounts_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it(
    item: str, accounts: int, which: int
) -> None:
    forger = Forger(LAYOUT, [RUINED] * accounts, which=which)
    with leaving_out(item, only=which):
        statement, proof = forger.forge(item)
        assert not refused(statement, proof)
    assert is_false(statement, forger.vectors, forger.rho)
    assert refused(statement, proof)
    assert refused(*Forger(LAYOUT, [RUINED] * accounts, which=which).forge(item))


@pytest.mark.parametrize("which", [0, 1, 3])
@pytest.mark.parametrize("item", ["C_D", "C_f", "D(zeta)"])
def test_without_one_columns_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it(
    item: str, which: int
) -> None:
    assert TWO_COLUMNS.columns == 2
    vectors = [(-1,) * 40] * 2
    forger = Forger(TWO_COLUMNS, vectors, which=which)
    with leaving_out(item, only=which):
        statement, proof = forger.forge(item)
        assert not refused(statement, proof)
    assert is_false(statement, forger.vectors, forger.rho)
    assert refused(statement, proof)
    assert refused(*Forger(TWO_COLUMNS, vectors, which=which).forge(item))


def test_shortfalls_left_out_are_chosen_after_the_challenges() -> None:
    """One σ of 63 bits would not meet the equation; those of six accounts do."""
    forger = Forger(LAYOUT, [RUINED] * 6)
    with leaving_out("sigma"):
        statement, proof = forger.forge("sigma")
        assert not refused(statement, proof)
    assert all(0 <= sigma < 2**62 for sigma in statement.shortfalls)
    assert is_false(statement, forger.vectors, forger.rho)
    assert refused(statement, proof)
    assert refused(replace(statement, shortfalls=(0,) * 6), proof)


def test_a_domain_left_out_with_its_layout_is_chosen_after_the_challenges() -> None:
    """C_W was made for n = 256; for n = 512 the same points hold other values, and any of them are "proven"."""
    forger = Forger(LAYOUT, [RUINED])
    with leaving_out("n", "layout"):
        statement, proof = forger.forge("n")
        assert not refused(statement, proof)
    assert statement.layout.size == 512
    read = [int(forger.committed(0)(root)) for root in domain_of(512).roots[:3]]
    assert any(not 0 <= v + slot.offset < BASE**slot.width for v, slot in zip(read, LAYOUT.table.slots, strict=True))
    assert refused(statement, proof)


def test_the_layout_names_its_domain_so_that_n_alone_may_be_left_out() -> None:
    statement, proof = honest()
    other = replace(statement, layout=lay_out(512, LAYOUT.table.slots, LAYOUT.table.rows))
    with leaving_out("n"):
        assert other.transcript().challenge("x") != statement.transcript().challenge("x")
        assert refused(other, proof)


def test_each_accounts_own_items_tell_how_many_there_are() -> None:
    statement, _ = honest(3)
    with leaving_out("accounts"):
        drawn = {
            replace(
                statement,
                accounts=statement.accounts[:count],
                shortfalls=statement.shortfalls[:count],
                commitments=statement.commitments[:count],
            )
            .transcript()
            .challenge("x")
            for count in (1, 2, 3)
        }
    assert len(drawn) == 3


def test_without_the_protocol_a_proof_for_a_drill_passes_for_a_real_one() -> None:
    """A member proves a supposed book to another program, with the same equation; whoever saw it shows it here."""
    with without_protocol():
        statement, proof = honest(protocol="crossclear/drill/v1")
        assert not refused(statement, proof)
    assert refused(statement, proof)
    assert refused(*honest(protocol="crossclear/drill/v1"))
    assert refused(*honest(protocol="crossclear/linear/v2"))


def test_without_the_context_a_proof_of_one_epoch_passes_for_another() -> None:
    with leaving_out("context"):
        statement, proof = honest(context=bytes([4]) * 32)
        assert not refused(statement, proof)
        later = replace(statement, context=bytes([5]) * 32)
        assert not refused(later, proof)
    assert refused(later, proof)
    statement, proof = honest(context=bytes([4]) * 32)
    assert not refused(statement, proof)
    assert refused(replace(statement, context=bytes([5]) * 32), proof)


def test_without_the_account_one_accounts_proof_passes_for_another_account() -> None:
    with leaving_out("account"):
        statement, proof = honest()
        other = replace(statement, accounts=(77,))
        assert not refused(other, proof)
    assert refused(other, proof)


def test_without_the_reference_string_a_proof_passes_for_commitments_in_another_basis(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two basis points change places: a member reads its own C_W as 5 of debt, where 7 of cash are proven."""
    layout = lay_out(N, (CASH, CASH), (RowRange(8, ((0, 1),), 0, shortfall=False),))
    points, rho = basis(N), (random_scalar(), random_scalar())
    swapped = replace(points, lagrange=(points.lagrange[1], points.lagrange[0], *points.lagrange[2:]))
    c_w = encode_point(commit(swapped, (-5, 7), rho))
    statement = LinearStatement(layout, bytes(32), (1,), (0,), (c_w,))
    witness = make_witness(layout, (7, -5), 0, rho)
    assert encode_point(commit(points, witness.values, rho)) == c_w
    proof, _ = prove(statement, [witness])
    with leaving_out("srs"):
        weak, _ = prove(statement, [witness])
        monkeypatch.setattr(linear_statement_module, "CEREMONY_SHA256", bytes(32))  # a verifier with the other basis
        assert not refused(statement, weak)
    assert refused(statement, weak)
    assert refused(statement, proof)
