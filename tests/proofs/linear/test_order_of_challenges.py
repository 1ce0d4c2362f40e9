"""Which challenges each message moves: all that come after it, by the notes' table, and none before.

Rule: a message that moves no later challenge could be chosen last; one that moves an earlier challenge would mean that
the prover was asked before it had answered. Bytes are changed without being points: challenges look at bytes alone.
"""

from dataclasses import replace

import msgspec
import pytest

from proofs.algebra.group import GENERATOR, encode_point, multiply
from proofs.algebra.transcript import Transcript
from proofs.cover.verifier import LINK_BYTES, PROTOCOL, after_openings, after_running_sum, begin_link
from proofs.linear.layout import RowRange, SlotRange, lay_out
from proofs.linear.messages import AccountPart, LinearProof
from proofs.linear.statement import LinearStatement
from proofs.linear.verifier import Equation
from proofs.onchain.keys import EpochKeys, Leaf, leaves_root
from proofs.onchain.messages import proof_bytes, replay, split_rounds
from tests.kit.proofs.forgers.onchain import CUTS

LINEAR = ("alpha", "y", "beta", "delta", "gamma", "zeta", "r", "mu")
ONCHAIN = ("alpha", "beta", "delta", "gamma", "zeta", "r", "mu")
SLOTS, ROW = (SlotRange(8, 2**63),) * 40, RowRange(8, ((0, 1), (1, 3), (2, -900)), 10, shortfall=True)
LAYOUT = lay_out(256, SLOTS, (ROW, RowRange(8, ((0, 1),), 0, shortfall=True)))
"""Two columns of digits."""
STATEMENT = LinearStatement(LAYOUT, bytes(32), (1, 2), (0, 0), (bytes(48), bytes(48)))
PART = AccountPart((bytes(48),) * 2, (bytes(48),) * 2, (0, 0))
PROOF = LinearProof((PART, PART), bytes(48), bytes(48), bytes(48), bytes(48), 0, bytes(48), bytes(48))
OTHER = b"\1" * 48


def drawn(statement=STATEMENT, proof=PROOF):
    equation = Equation(statement, proof, [])
    equation.draw(statement.transcript())
    return {name: getattr(equation.first if name in ("alpha", "y", "beta") else equation, name) for name in LINEAR}


def moved(before, after):
    return tuple(name for name in before if before[name] != after[name])


def from_on(challenge, order=LINEAR):
    return order[order.index(challenge) :]


def with_part(account, column, name):
    values, parts = list(getattr(PART, name)), list(PROOF.parts)
    values[column] = 1 if name == "d_bar" else OTHER
    parts[account] = replace(PART, **{name: tuple(values)})
    return replace(PROOF, parts=tuple(parts))


@pytest.mark.parametrize(("account", "column"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize(("name", "first"), [("c_d", "alpha"), ("c_f", "delta"), ("d_bar", "r")])
def test_a_message_of_any_account_and_column_moves_every_later_challenge_and_no_earlier_one(
    name, first, account, column
):
    assert moved(drawn(), drawn(proof=with_part(account, column, name))) == from_on(first)


FIRST_MOVED = {"c_m": "alpha", "c_s": "gamma", "c_t1": "zeta", "c_t2": "zeta", "s_bar": "r", "pi_1": "mu", "pi_2": "mu"}


@pytest.mark.parametrize(("name", "first"), FIRST_MOVED.items())
def test_a_message_of_all_moves_every_later_challenge_and_no_earlier_one(name, first):
    changed = 1 if name == "s_bar" else OTHER
    assert moved(drawn(), drawn(proof=replace(PROOF, **{name: changed}))) == from_on(first)


LAST_ROW = LAYOUT.table.rows[1]
ROWS = {
    "a row less": (ROW,),
    "no rows": (),
    "the order of rows": (LAST_ROW, ROW),
    "a row's width": (msgspec.structs.replace(ROW, width=7), LAST_ROW),
    "a row's constant": (msgspec.structs.replace(ROW, constant=11), LAST_ROW),
    "a row's shortfall": (msgspec.structs.replace(ROW, shortfall=False), LAST_ROW),
    "a row's coefficients": (msgspec.structs.replace(ROW, coefficients=((0, 1), (1, 3), (2, -901))), LAST_ROW),
    "how many slots a row has": (msgspec.structs.replace(ROW, coefficients=((0, 1), (1, 3))), LAST_ROW),
}
CHANGES = {
    **{what: {"layout": lay_out(256, SLOTS, rows)} for what, rows in ROWS.items()},
    "n": {"layout": lay_out(512, SLOTS, LAYOUT.table.rows)},
    "a slot's width": {"layout": lay_out(256, (*SLOTS[1:], SlotRange(7, 2**55)), LAYOUT.table.rows)},
    "a slot's offset": {"layout": lay_out(256, (*SLOTS[1:], SlotRange(8, 2**63 - 1)), LAYOUT.table.rows)},
    "the context": {"context": b"\1" * 32},
    "the last account": {"accounts": (1, 3)},
    "the first account": {"accounts": (0, 2)},
    "the last shortfall": {"shortfalls": (0, 1)},
    "the first shortfall": {"shortfalls": (1, 0)},
    "the last commitment": {"commitments": (bytes(48), OTHER)},
    "the first commitment": {"commitments": (OTHER, bytes(48))},
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_item_of_the_statement_moves_every_challenge(change):
    assert moved(drawn(), drawn(replace(STATEMENT, **CHANGES[change]))) == LINEAR


def test_no_two_statements_have_one_challenge():
    statements = [STATEMENT, *(replace(STATEMENT, **change) for change in CHANGES.values())]
    assert len({each.transcript().challenge("alpha") for each in statements}) == len(statements)


def test_no_two_challenges_of_a_proof_are_equal():
    assert len(set(drawn().values())) == len(LINEAR)


def of_chain(data, keys=bytes(32), leaf=bytes(32)):
    found = replay(keys, leaf, split_rounds(data, 1))
    return {name: getattr(found, name) for name in ONCHAIN}


@pytest.mark.parametrize("item", CUTS)
def test_every_byte_of_an_on_chain_item_moves_every_later_challenge_and_no_earlier_one(item):
    first = ("alpha", "delta", "zeta", "r", "mu")[CUTS[item][0]]
    sizes = (128, 256, 256, 160, 256)
    base = bytearray(proof_bytes(1))
    assert sum(sizes) == len(base)
    offset = sum(sizes[: CUTS[item][0]])
    before = of_chain(bytes(base))
    for place in (CUTS[item][1], CUTS[item][2] - 1):
        changed = bytearray(base)
        changed[offset + place] ^= 1
        assert moved(before, of_chain(bytes(changed))) == from_on(first, ONCHAIN)


def test_keys_and_leaf_move_every_challenge_of_an_on_chain_proof():
    base = bytes(proof_bytes(1))
    for other in (of_chain(base, keys=b"\1" * 32), of_chain(base, leaf=b"\1" * 32)):
        assert moved(of_chain(base), other) == ONCHAIN


POINT, OTHER_POINT = encode_point(GENERATOR), encode_point(multiply(GENERATOR, 2))
KEYS = EpochKeys(
    network=bytes(32),
    epoch=1,
    height=1,
    commitments_root=bytes(32),
    layout=bytes(32),
    size=256,
    leaves_root=bytes(32),
    accounts=1,
    constant=bytes(32),
    sigma=bytes(32),
    u=(POINT,),
    v=POINT,
)


@pytest.mark.parametrize("name", EpochKeys.__struct_fields__)
def test_every_field_of_the_keys_moves_their_hash(name):
    value = getattr(KEYS, name)
    plain = value + 1 if isinstance(value, int) else b"\1" * 32
    other = {"u": (OTHER_POINT,), "v": OTHER_POINT}.get(name, plain)
    assert msgspec.structs.replace(KEYS, **{name: other}).hash != KEYS.hash


def test_every_part_of_a_leaf_moves_its_hash_and_the_root():
    leaf = Leaf(1, 0, POINT, (POINT,))
    others = [
        Leaf(2, 0, POINT, (POINT,)),
        Leaf(1, 1, POINT, (POINT,)),
        Leaf(1, 0, OTHER_POINT, (POINT,)),
        Leaf(1, 0, POINT, (OTHER_POINT,)),
        Leaf(1, 0, POINT, (POINT, POINT)),
    ]
    assert len({each.hash for each in (leaf, *others)}) == 6
    assert len({leaves_root([each, leaf]) for each in (leaf, *others)} | {leaves_root([leaf])}) == 7


def of_link(parent, c_g, c_q, g_bar, pi_1, pi_2):
    own = Transcript("crossclear/test/v1")
    own.append_bytes("joint", parent)
    link = begin_link(own)
    found = {name: link.challenge(name) for name in ("r", "y")}
    found["zeta"] = after_running_sum(link, c_g, c_q)
    found["mu"] = after_openings(link, g_bar, pi_1, pi_2)
    return found


def test_each_message_of_the_covers_link_moves_every_later_challenge_and_no_earlier_one():
    messages = {"parent": b"", "c_g": bytes(48), "c_q": bytes(48), "g_bar": 0, "pi_1": bytes(48), "pi_2": bytes(48)}
    firsts = {"parent": "r", "c_g": "zeta", "c_q": "zeta", "g_bar": "mu", "pi_1": "mu", "pi_2": "mu"}
    before = of_link(**messages)
    for name, first in firsts.items():
        other = 1 if name == "g_bar" else OTHER
        assert moved(before, of_link(**messages | {name: other})) == from_on(first, tuple(before))
    assert LINK_BYTES == 4 * 48 + 32
    assert PROTOCOL == "crossclear/cover-link/v1"


def test_a_fork_moves_with_its_parent_and_leaves_it_alone():
    def states(data, then=lambda parent: None):
        parent = Transcript("crossclear/test/v1")
        parent.append_bytes("item", data)
        then(parent)
        return parent.fork("crossclear/test/fork").challenge("x"), parent.challenge("x")

    alone = states(b"a")
    assert alone == states(b"a", lambda parent: parent.fork("crossclear/test/other").challenge("x"))
    assert all(one != other for one, other in zip(alone, states(b"b"), strict=True))
