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
from proofs.linear import statement as linear_statement_module
from proofs.linear.layout import BASE, RowRange, lay_out
from proofs.linear.prover import prove, random_scalar
from proofs.linear.statement import LinearStatement, make_witness
from tests.kit.proofs.forgers.linear import Forger, is_false
from tests.kit.proofs.forgers.weakened import leaving_out, proves_only_in, without_protocol
from tests.kit.proofs.linear_statements import CASH, TOKEN, N, refused
from tests.kit.proofs.omissions import LAYOUT, PER_ACCOUNT, RUINED, SHARED, honest

AT_LEAST_ZERO = RowRange(8, ((0, 1),), 0, shortfall=False)
TWO_COLUMNS = lay_out(N, (TOKEN,) * 40, (AT_LEAST_ZERO,))


def forge_without(item, layout, vectors, which=None):
    """A false statement is proven only where this item, or one of several such ones, is not absorbed."""
    makers = []

    def forge():
        makers.append(Forger(layout, vectors, which=which or 0))
        return makers[-1].forge(item)

    statement, proof = proves_only_in(leaving_out(item, only=which), forge)
    assert is_false(statement, makers[0].vectors, makers[0].rho)
    return statement, proof


@pytest.mark.parametrize("accounts", [1, 3])
@pytest.mark.parametrize("item", SHARED)
def test_without_one_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it(item, accounts):
    assert forge_without(item, LAYOUT, [RUINED] * accounts)


@pytest.mark.parametrize(("accounts", "which"), [(1, 0), (3, 0), (3, 1), (3, 2)])
@pytest.mark.parametrize("item", PER_ACCOUNT)
def test_without_one_accounts_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it(
    item, accounts, which
):
    assert forge_without(item, LAYOUT, [RUINED] * accounts, which)


@pytest.mark.parametrize("which", [0, 1, 3])
@pytest.mark.parametrize("item", ["C_D", "C_f", "D(zeta)"])
def test_without_one_columns_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it(item, which):
    assert TWO_COLUMNS.columns == 2
    assert forge_without(item, TWO_COLUMNS, [(-1,) * 40] * 2, which)


def test_shortfalls_left_out_are_chosen_after_the_challenges():
    """One σ of 63 bits would not meet the equation; those of six accounts do."""
    statement, proof = forge_without("sigma", LAYOUT, [RUINED] * 6)
    assert all(0 <= sigma < 2**62 for sigma in statement.shortfalls)
    assert refused(replace(statement, shortfalls=(0,) * 6), proof)


def test_a_domain_left_out_with_its_layout_is_chosen_after_the_challenges():
    """C_W was made for n = 256; for n = 512 the same points hold other values, and any of them are "proven"."""
    forger = Forger(LAYOUT, [RUINED])
    with leaving_out("n", "layout"):
        statement, proof = forger.forge("n")
        assert not refused(statement, proof)
    assert statement.layout.size == 512
    read = [int(forger.committed(0)(root)) for root in domain_of(512).roots[:3]]
    assert any(not 0 <= v + slot.offset < BASE**slot.width for v, slot in zip(read, LAYOUT.table.slots, strict=True))
    assert refused(statement, proof)


def test_the_layout_names_its_domain_so_that_n_alone_may_be_left_out():
    statement, proof = honest()
    other = replace(statement, layout=lay_out(512, LAYOUT.table.slots, LAYOUT.table.rows))
    with leaving_out("n"):
        assert other.transcript().challenge("x") != statement.transcript().challenge("x")
        assert refused(other, proof)


def test_each_accounts_own_items_tell_how_many_there_are():
    statement, _ = honest(3)
    listed = ("accounts", "shortfalls", "commitments")
    cut = [replace(statement, **{name: getattr(statement, name)[:count] for name in listed}) for count in (1, 2, 3)]
    with leaving_out("accounts"):
        assert len({each.transcript().challenge("x") for each in cut}) == 3


def test_without_the_protocol_a_proof_for_a_drill_passes_for_a_real_one():
    """A member proves a supposed book to another program, with the same equation; somebody who saw it shows it here."""
    for protocol in ("crossclear/drill/v1", "crossclear/linear/v2"):
        proves_only_in(without_protocol(), lambda protocol=protocol: honest(protocol=protocol))


def replayed(**changes):
    """An honest proof, told about something else."""
    statement, proof = honest(context=bytes([4]) * 32)
    assert not refused(statement, proof)
    return replace(statement, **changes), proof


def test_without_the_context_a_proof_of_one_epoch_passes_for_another():
    assert proves_only_in(leaving_out("context"), lambda: replayed(context=bytes([5]) * 32))


def test_without_the_account_one_accounts_proof_passes_for_another_account():
    assert proves_only_in(leaving_out("account"), lambda: replayed(accounts=(77,)))


def test_without_the_reference_string_a_proof_passes_for_commitments_in_another_basis(monkeypatch):
    """Two basis points change places: a member reads its own C_W as 5 of debt, where 7 of cash are proven."""
    layout = lay_out(N, (CASH, CASH), (AT_LEAST_ZERO,))
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
