"""Runs a story on replicas beside each other, which must agree on every root."""

from clearing.apply_block import apply_block
from clearing.state.export import export_state, import_state
from clearing.state.holdings import current_arrays, current_holdings, holdings_margin, margin_book
from tests.kit.clearing.genesis import SALT
from tests.kit.clearing.world import World


def agreed_everywhere(house: World) -> None:
    """The state read back has the same roots, terms, margins and answers."""
    copy = import_state(house.genesis, SALT, export_state(house.state))
    assert copy.module_roots() == house.state.module_roots()
    assert copy.terms.genesis == house.state.terms.genesis
    for account in (0, 1, 2, 3):
        mine, read = (
            holdings_margin(current_arrays(each), current_holdings(each, account)) for each in (house.state, copy)
        )
        assert mine == read
        if account:
            assert margin_book(house.state).margin(account) == mine
    block = house.make_block()
    assert apply_block(house.state, block)[1] == apply_block(copy, block)[1]
