"""The arithmetic of a loss allocation, line by line, is that of the rulebook."""

from hypothesis import given
from hypothesis import strategies as st

from clearing.default.waterfall import allocate_capped
from member.explaining.loss_allocation import Payer, allocation_lines

PAYERS = st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=7)


def paid_by(payers: list[tuple[int, int]], paid: list[int]) -> list[Payer]:
    """Payers of (weight, most) who were told to pay so much."""
    return [Payer(f"m{at}", *each, share) for at, (each, share) in enumerate(zip(payers, paid, strict=True))]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=7), st.integers(0, 10**7))
def test_the_arithmetic_told_is_that_of_the_rulebook(payers, total):
    paid = allocate_capped(total, [weight for weight, _ in payers], [most for _, most in payers])
    lines = allocation_lines(total, paid_by(payers, paid))
    assert all(line.ok is not False for line in lines)
    assert sum(line.ok is True for line in lines) == len(payers), "every share is recomputed"


@given(PAYERS, st.integers(1, 10**7), st.data())
def test_a_share_that_is_off_by_a_unit_is_told(payers, total, data):
    paid = allocate_capped(total, [weight for weight, _ in payers], [most for _, most in payers])
    wrong = data.draw(st.integers(0, len(payers) - 1))
    paid[wrong] += data.draw(st.sampled_from([-1, 1]))
    (failed,) = (line.text for line in allocation_lines(total, paid_by(payers, paid)) if line.ok is False)
    assert failed.startswith(f"m{wrong}:")
    assert f"BUT THE RECEIPT STATES {paid[wrong]}" in failed
