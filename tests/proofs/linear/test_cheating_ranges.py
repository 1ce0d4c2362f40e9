"""False ranges and rows, each by every way of cheating that we know; and what an unbounded A would let through."""

from dataclasses import replace

import pytest

from proofs.algebra.field import ORDER, inverse
from proofs.errors import ProofCode, VerificationFailed
from proofs.linear.layout import COEFFICIENT_MAX, LayoutTable, ProofLayout, RowRange, lay_out
from proofs.linear.statement import weights_of
from tests.kit.complete import COMPLETE
from tests.kit.proofs.bad_ranges import (
    GOOD,
    LAYOUT,
    LIES,
    ROWS,
    WAYS,
    LiesAboutADigitColumn,
    ProvesOfOthers,
    Remainders,
    SpreadsTheLack,
)
from tests.kit.proofs.cheating import Secret, believed, bytes_of, heaps_of, proven, secret
from tests.kit.proofs.linear_statements import CASH, FREE, SLOTS, TOKEN, N
from tests.kit.refusals import refused

# With COMPLETE each way; the ordinary run leaves out those that differ little.


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_cheating_proves_what_is_true(way):
    """Or else the refusals below would say nothing: the prover works, it is the lie that does not."""
    for layout in (LAYOUT, lay_out(N, SLOTS * 12, ROWS * 10)):
        vectors = [GOOD * (len(layout.table.slots) // 3)] * 2
        if way is ProvesOfOthers and layout is not LAYOUT:
            continue
        secrets = [
            secret(layout, vector, digits=digits) for vector, digits in zip(vectors, (bytes_of, heaps_of), strict=True)
        ]
        assert believed(*proven(layout, secrets, way))


@pytest.mark.parametrize("digits", [bytes_of, heaps_of])
@pytest.mark.parametrize("lie", LIES)
def test_no_way_of_cheating_proves_a_range_or_row_that_is_false(lie, digits):
    own = secret(LAYOUT, LIES[lie], digits=digits)
    for way in WAYS if COMPLETE or digits is bytes_of else WAYS[:4]:
        assert not believed(*proven(LAYOUT, [own], way)), way.__name__


@pytest.mark.parametrize("lie", LIES if COMPLETE else list(LIES)[::3])
def test_a_liar_does_not_hide_behind_honest_accounts(lie):
    secrets = [secret(LAYOUT, GOOD), secret(LAYOUT, LIES[lie], digits=heaps_of), secret(LAYOUT, (5, 6, 0))]
    for way in (Remainders, SpreadsTheLack, LiesAboutADigitColumn):
        assert not believed(*proven(LAYOUT, secrets, way)), way.__name__


def test_a_shortfall_that_is_not_listed_is_not_proven():
    """σ is public and covers so much and no more; it makes no slot's range wider."""
    for vector, sigma in (((-16, 0, 0), 5), ((100, -1, 0), 2**40)):
        own = secret(LAYOUT, vector, sigma)
        for way in WAYS:
            assert not believed(*proven(LAYOUT, [own], way, sigmas=(sigma,))), way.__name__
    statement, proof = proven(LAYOUT, [secret(LAYOUT, (-16, 0, 0), 6)], Remainders, sigmas=(6,))
    assert believed(statement, proof)
    assert not believed(replace(statement, shortfalls=(0,)), proof)


def test_forged_digits_of_one_column_are_found_among_several():
    layout = lay_out(N, SLOTS * 12, ROWS * 10)
    assert layout.columns > 1
    for column in range(layout.columns):
        own = secret(layout, GOOD * 12)
        own.digits[column][3] += 256
        own.digits[column][4] -= 1
        for way in WAYS[:-1]:
            assert not believed(*proven(layout, [own], way)), (way.__name__, column)


class Unbounded(ProofLayout):
    """A layout that no codec bounds either."""

    digest = bytes(32)


def unchecked(slots, rows) -> ProofLayout:
    """A layout as `lay_out` would place it, had it no bounds."""
    places, at = [], 0
    for width in (each.width for each in (*slots, *rows)):
        places.append((0, at) if width else (0, 0))
        at += width
    return Unbounded(LayoutTable(N, slots, rows, tuple(places)), 1)


def wraps(layout: ProofLayout, vector) -> bool:
    """Whether a prover gets this vector through, with every digit a byte, by reducing modulo p."""
    own = Secret([value % ORDER for value in vector], [[0] * N], [3, 4])
    table = layout.table
    found = [value + slot.offset for value, slot in zip(vector, table.slots, strict=True)]
    found += [sum(a * vector[j] for j, a in row.coefficients) + row.constant for row in table.rows]
    for value, width, (_, start) in zip(found, layout.widths, table.places, strict=True):
        if width:
            own.digits[0][start : start + width] = (value % ORDER % 256**width).to_bytes(width, "little")
    return believed(*proven(layout, [own], Remainders))


def test_an_unbounded_matrix_would_wrap_around_and_is_refused():
    """A coefficient a little above p/7 makes a negative row a small positive one: 7·a − p."""
    a = (ORDER + 7) // 7
    assert 0 < 7 * a - ORDER < 256
    row = RowRange(8, ((0, 1), (1, a)), 0, shortfall=False)
    vector = (0, 7)
    layout = unchecked((CASH, TOKEN), (row,))
    assert vector[1] * a >= 256**8, "the row is false over the integers: it is beyond its range"
    assert wraps(layout, vector), "and true modulo p"
    with refused(ProofCode.BAD_LAYOUT, VerificationFailed):
        lay_out(N, (CASH, TOKEN), (row,))


@pytest.mark.parametrize("coefficient", [COEFFICIENT_MAX, -COEFFICIENT_MAX, ORDER - 1, ORDER + 1, inverse(3)])
def test_a_coefficient_beyond_its_bound_is_refused(coefficient):
    with refused(ProofCode.BAD_LAYOUT, VerificationFailed):
        lay_out(N, (CASH, TOKEN), (RowRange(8, ((1, coefficient),), 0, shortfall=False),))


@pytest.mark.parametrize("constant", [2**63, -(2**63), ORDER, inverse(2)])
def test_a_constant_beyond_its_bound_is_refused(constant):
    with refused(ProofCode.BAD_LAYOUT, VerificationFailed):
        lay_out(N, (CASH, TOKEN), (RowRange(8, ((1, 1),), constant, shortfall=False),))


def test_a_slot_without_digits_would_pay_for_everything_and_is_refused():
    """Half a row's lack: a slot that no range holds may be any residue, so any row with it is true of somebody."""
    rows = (RowRange(8, ((0, 1), (1, 2)), 0, shortfall=False),)
    assert wraps(unchecked((TOKEN, FREE), rows), (0, inverse(2)))
    with refused(ProofCode.BAD_LAYOUT, VerificationFailed):
        lay_out(N, (TOKEN, FREE), rows)


def test_the_bounds_of_a_layout_keep_every_row_below_half_the_order():
    """Of slots with digits, then of slots tied to them: the largest sums that a layout can state."""
    slots, slot, coefficient, rest = 2048, 2**64, COEFFICIENT_MAX, 2**63 + 2**63
    tied = slots * coefficient * slot + rest
    assert 2 * (slots * coefficient * tied + rest + 2**64) < ORDER


def test_a_value_at_a_position_without_a_slot_enters_no_row():
    """It may be anything, and says nothing; over all accounts the book makes such values sum to zero."""
    own = secret(LAYOUT, GOOD)
    own.values += [0, inverse(3)]
    assert believed(*proven(LAYOUT, [own], Remainders))
    assert len(weights_of(LAYOUT, 5).v) == len(SLOTS)
