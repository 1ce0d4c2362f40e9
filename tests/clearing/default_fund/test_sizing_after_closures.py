"""Accounts that were emptied and closed are no part of a sizing, whoever still remembers them."""

import msgspec

from clearing.apply_block import apply_block
from clearing.schema.receipts.default_fund import FundSized
from clearing.schema.requests.accounts import AccountClosing, CashTransfer
from clearing.state.export import export_state, import_state
from tests.kit.clearing.defaults import default_world
from tests.kit.clearing.genesis import ALICE, BOB, DOLLAR, SALT
from tests.kit.clearing.signer import secret
from tests.kit.clearing.world import World, codes, of_kind


def test_the_fund_is_sized_after_an_account_was_closed_as_by_who_never_knew_of_it() -> None:
    """Any member can open an account, use it and close it again: no later block may stop for that."""
    world = default_world()
    world.block(world.perp_trade(ALICE, BOB, 40_000))
    other = world.open_account(ALICE)
    assert codes(world.block(moved(world, ALICE, other, 7 * DOLLAR))) == []
    assert codes(world.block(moved(world, other, ALICE, 7 * DOLLAR))) == []
    assert codes(world.block(closing(world, other))) == []
    assert other not in world.state.accounts
    result = world.pass_epoch()
    (sized,) = of_kind(result, FundSized)
    assert sized.target > 0
    world.pass_epoch()
    world.state.fund_sizes.put(0, msgspec.structs.replace(world.state.fund_sizes[0], epoch=0))
    stranger = import_state(world.genesis, SALT, export_state(world.state))
    block = world.make_block()
    (fork, told), (other_fork, other_told) = apply_block(world.state, block), apply_block(stranger, block)
    assert of_kind(told, FundSized), "sized again"
    assert told == other_told
    assert fork.module_roots() == other_fork.module_roots()


def moved(world: World, account: int, recipient: int, micros: int) -> CashTransfer:
    request = world.transfer(account, recipient, micros)
    return world.sign(request, secret(1))


def closing(world: World, account: int) -> AccountClosing:
    world.nonce += 1
    bare = AccountClosing(account, world.nonce, world.time_ms + 60_000, bytes(65))
    return world.sign(bare, secret(1))
