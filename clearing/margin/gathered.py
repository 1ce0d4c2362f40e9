"""Margins out of the gathered columns of a margin book: of accounts as they stood when the columns were read.

Rule: a function of what it is given. The columns are a copy, so the book may go on meanwhile. It must not know how a
book keeps them.
"""

import numpy as np

from clearing.margin.add_ons import terms_of
from clearing.margin.arrays import RiskArrays
from clearing.margin.kernel import Exact, Integers
from clearing.margin.layout import EQUITY, INITIAL, WIDE, Layout
from clearing.margin.requirement import AccountMargin, MarginBatch, account_margin


def batch_of(table: Integers, arrays: RiskArrays, layout: Layout) -> MarginBatch:
    """The margins of the accounts whose columns these are, in that order."""
    equity: Exact = table[EQUITY]
    losses: Exact = table[layout.losses].T
    initial: Exact = table[INITIAL]
    wide = np.flatnonzero(table[WIDE]).tolist()
    if wide:
        equity, losses, initial = (each.astype(object) for each in (equity, losses, initial))
    for at in wide:
        defined = defined_margin(arrays, layout, table[:, at])
        equity[at], initial[at] = defined.equity, defined.initial
        losses[at] = defined.group_losses
    lots, tokens = table[layout.lots][layout.rank], table[layout.tokens]
    terms = None if arrays.tariff.is_off else terms_of(arrays, losses.T, lots, tokens)
    return MarginBatch(equity, losses, initial, arrays.parameters, terms)


def defined_margin(arrays: RiskArrays, layout: Layout, column: Integers) -> AccountMargin:
    """One account's margin by its definition, for numbers that int64 does not hold."""
    positions = column[layout.lots][layout.rank].tolist()
    return account_margin(arrays, column[layout.cash].tolist(), column[layout.tokens].tolist(), positions)
