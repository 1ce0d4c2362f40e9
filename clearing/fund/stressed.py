"""What many accounts' holdings are worth in every stress scenario, at once.

Rule: exactly `clearing.margin.stress.stressed_equity` of each, whatever the sizes: in 64 bits where no sum can leave
them, else one by one. It must not know whose the holdings are.
"""

from collections.abc import Sequence

import numpy as np

from clearing.holdings import Holdings
from clearing.margin.stress import StressArrays, stressed_equity

_SAFE = 2**62


def stressed_equities(stress: StressArrays, held: Sequence[Holdings]) -> list[list[int]]:
    """[n][S] micros, in the order of `held`."""
    if not held or not _fits(stress, held):
        return [stressed_equity(stress, own.cash, own.tokens, own.lots) for own in held]
    cash = np.array([sum(own.cash) for own in held], np.int64)
    worth = cash[:, None] + np.zeros((1, len(stress.names)), np.int64)
    for values, amounts in (
        (stress.tokens, [own.tokens for own in held]),
        (stress.instruments, [own.lots for own in held]),
    ):
        if values and values[0]:
            worth += np.array(amounts, np.int64) @ np.array(values, np.int64).T
    found: list[list[int]] = worth.tolist()
    return found


def _fits(stress: StressArrays, held: Sequence[Holdings]) -> bool:
    """Whether the sum of the largest of every term stays far inside 64 bits."""
    most = max(sum(map(abs, own.cash)) for own in held)
    for values, amounts in (
        (stress.tokens, [own.tokens for own in held]),
        (stress.instruments, [own.lots for own in held]),
    ):
        columns = zip(zip(*values, strict=True), zip(*amounts, strict=True), strict=True)
        most += sum(max(map(abs, of_value)) * max(map(abs, of_amount)) for of_value, of_amount in columns)
    return most < _SAFE
