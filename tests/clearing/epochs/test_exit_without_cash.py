"""A network without cash groups has an exit tree, too."""

import msgspec

from clearing.epochs.exit_tree import exit_tree
from clearing.schema.terms.genesis import AccountKind, AccountTerms, MemberTerms
from tests.kit.clearing.genesis import ALICE, make_genesis
from tests.kit.clearing.world import World
from tests.kit.node.house_alone import house_alone


def test_a_network_without_cash_closes_its_accounts_out() -> None:
    alone = house_alone(make_genesis().validators, time_ms=1_000)
    alice = MemberTerms(1, "alice", b"\x01" * 20, (AccountTerms(ALICE, AccountKind.HOUSE),))
    world = World(msgspec.structs.replace(alone, members=(*alone.members, alice)))
    assert exit_tree(world.state)
