"""Custody in a whole package: proven by made-up chain states, and every lie about them found by name.

The chains' real states are in `tests/bridge/contracts/test_storage_proofs.py`; here the lies have a quorum behind them.
"""

import json
from collections import Counter
from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clearing.base.codec import encode, u256
from clearing.base.errors import RemoteFault
from clearing.base.evm import trie
from clearing.base.evm.evidence import (
    NATIVE,
    BlockEvidence,
    Custodian,
    OrderedNodes,
    PooledNodes,
    ProvenState,
    select_evidence,
)
from clearing.base.evm.rlp_coding import decode
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.base.hashing import keccak256
from clearing.genesis.custody_listing import ListedCustody, listed_custody
from proofs.epoch.package import attach_custody, read_package
from proofs.errors import ProofCode
from proofs.statement.custody import CustodyAssurance, check_custody, custody_assurances, custody_limits
from proofs.verify.file_view import view_of
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing import gated as gated_kit
from tests.kit.clearing import guarded as guarded_kit
from tests.kit.clearing.genesis import ALICE, BOB, BTC_PERP, CAROL, DOLLAR, USDC_1
from tests.kit.clearing.world import executed
from tests.kit.evm_state import MadeState
from tests.kit.proofs.proven_custody import chains_of, proven, words_of

FLAGGED = BalanceLocation(BalanceOrder.SLOT_FIRST, u256(9), 255)


@pytest.fixture(scope="module")
def stated(market):
    return proven(market.statement())


@pytest.fixture(scope="module")
def proven_package(market, stated):
    statement, evidence = stated
    shot = replace(market.snapshot(), statement=statement)
    return attach_custody(market.honest(shot), evidence)


def refused(statement, evidence, code):
    with pytest.raises(RemoteFault) as caught:
        check_custody(statement, evidence)
    assert caught.value.code == code


def with_term(statement, place=0, **changes):
    """The statement with one of its custody terms changed."""
    custody = list(statement.custody)
    custody[place] = replace(custody[place], **changes)
    return replace(statement, custody=tuple(custody))


def limits_of(verdict):
    return " | ".join(verdict.not_proven)


def test_a_package_with_evidence_says_how_much_of_custody_is_proven(proven_package):
    verdict = verify_package(proven_package)
    assert verdict.ok, verdict.checks[-1]
    assert "3 of which the chains' states prove" in verdict.claim
    details = {check.name: check.detail for check in verdict.checks}
    assert details["custody"] == "3 of 3 custody balances proven by the chains' states"
    assert "final on their chains" in limits_of(verdict)
    assert "attested by the quorum" not in limits_of(verdict)


def test_a_package_that_lost_its_evidence_claims_less_and_names_what_is_attested(proven_package, stated):
    verdict = verify_package(attach_custody(proven_package, stated[1][:1]))
    assert verdict.ok
    assert "1 of which the chains' states prove" in verdict.claim
    (said,) = [limit for limit in verdict.not_proven if "attested by the quorum, not proven" in limit]
    for term in stated[0].custody[1:]:
        assert f"{term.token.hex()} on chain {term.chain_id}" in said
    without = verify_package(attach_custody(proven_package, ()))
    assert without.ok
    assert "0 of which the chains' states prove" in without.claim
    assert "final on their chains" not in limits_of(without)


def test_a_quorum_that_certifies_another_number_than_the_chain_holds_is_found_out(market, stated):
    """The validators agree on a balance that no chain ever had: the package itself says so."""
    statement, evidence = stated
    deposited, _, balance = words_of(statement.custody[0])
    richer = {"deposited": u256(deposited + 10**6), "balance": u256(balance + 10**6), "later": u256(10**6 + 11)}
    data = market.honest(replace(market.snapshot(), statement=with_term(statement, **richer)))
    assert verify_package(data).ok, "without evidence nobody can tell"
    last = verify_package(attach_custody(data, evidence)).checks[-1]
    assert (last.name, last.code) == ("custody", ProofCode.CUSTODY_DIFFERS)
    assert "deposited" in last.detail


@pytest.mark.parametrize("field", ["deposited", "withdrawn", "balance"])
@pytest.mark.parametrize("place", range(3))
def test_each_number_of_each_term_is_compared(stated, place, field):
    statement, evidence = stated
    number = int.from_bytes(getattr(statement.custody[place], field), "big")
    for other in (number + 1, number - 1):
        refused(with_term(statement, place, **{field: u256(other)}), evidence, ProofCode.CUSTODY_DIFFERS)


def test_evidence_of_one_chain_alone_proves_its_terms_and_leaves_the_others_attested(stated):
    statement, (_, second) = stated
    attested, proven_one = CustodyAssurance.ATTESTED, CustodyAssurance.PROVEN
    assert check_custody(statement, (second,)) == (attested, proven_one, proven_one)


def test_one_block_hash_on_two_chains_is_two_blocks(stated):
    """Two forks of one chain may share a block: evidence of the one says nothing of the other."""
    statement, (first, second) = stated
    shown = replace(statement, custody=(*statement.custody, replace(statement.custody[0], chain_id=9)))
    assert check_custody(shown, (first, second))[-1] is CustodyAssurance.ATTESTED
    third = replace(first, chain_id=9)
    assert check_custody(shown, (first, second, third))[-1] is CustodyAssurance.PROVEN


NO_HEADERS = {
    "an empty list as MessagePack": encode(()),
    "lists in lists": b"\xc1" * 100,
    "fifteen empty fields": b"\xcf" + b"\x80" * 15,
    "a state root that is too short": MadeState().header(101, f3=bytes(31)),
    "a state root that is too long": MadeState().header(101, f3=bytes(33)),
    "a number that is too long": MadeState().header(101, f8=bytes(9)),
    "the root of no state": MadeState().header(101, f3=bytes(32)),
}


@pytest.mark.parametrize("header", NO_HEADERS.values(), ids=NO_HEADERS)
def test_headers_of_no_block_prove_nothing(market, header):
    """Also where the quorum certified their hash."""
    statement, evidence = proven(market.statement())
    term = replace(statement.custody[0], block_hash=keccak256(header))
    for nodes in ((), evidence[0].nodes):
        shown = (BlockEvidence(term.chain_id, header, nodes),)
        refused(replace(statement, custody=(term,)), shown, ProofCode.CUSTODY_NOT_PROVEN)


def test_a_vault_or_token_that_the_state_does_not_hold_is_no_custody(market):
    statement = market.statement()
    term = statement.custody[0]
    empty, no_token = MadeState(), MadeState()
    empty.of(b"\x77" * 20).balance = 1
    no_token.of(term.vault).storage[bytes(32)] = 1
    zeros = dict.fromkeys(("deposited", "withdrawn", "balance"), bytes(32))
    for state in (empty, no_token, MadeState()):
        header = state.header(term.block_number)
        zero = replace(term, block_hash=keccak256(header), **zeros)
        evidence = BlockEvidence(term.chain_id, header, tuple(state.nodes.values())[:1])
        refused(replace(statement, custody=(zero,)), (evidence,), ProofCode.CUSTODY_NOT_PROVEN)


def test_flags_beside_a_balance_are_not_money(market):
    """Some tokens keep a blacklist's bit in the balance's word: it is never counted."""
    statement = market.statement()
    term = replace(statement.custody[0], balances=FLAGGED)
    state = MadeState()
    state.hold(term.vault, term.token, FLAGGED, words_of(term))
    state.of(term.token).storage[FLAGGED.place(term.vault)] |= 2**255
    header = state.header(term.block_number)
    shown = replace(statement, custody=(replace(term, block_hash=keccak256(header)),))
    evidence, _ = select_evidence(term.chain_id, header, state.nodes, (Custodian(term.vault, term.token, FLAGGED),))
    assert check_custody(shown, (evidence,)) == (CustodyAssurance.PROVEN,)
    flag = with_term(shown, balance=u256(words_of(term)[2] + 2**255))
    refused(flag, (evidence,), ProofCode.CUSTODY_DIFFERS)


def test_what_is_not_proven_is_said_for_each_kind_of_term(market):
    statement = market.statement()
    one, two, three = statement.custody
    evidence = BlockEvidence(two.chain_id, b"", ())
    unplaced = {"balances": BalanceLocation(), "block_hash": evidence.block_hash}
    custody = (one, replace(two, **unplaced), replace(three, **unplaced, token=NATIVE))
    named = replace(statement, custody=custody)
    found = custody_assurances(named, (evidence,))
    assert found == (CustodyAssurance.ATTESTED, CustodyAssurance.COUNTERS_PROVEN, CustodyAssurance.PROVEN)
    limits = " ".join(custody_limits(named, found))
    assert f"{one.token.hex()} on chain 1: counters and balance are attested" in limits
    assert f"of the balances of {two.token.hex()} on chain 2: the balance is attested" in limits
    assert NATIVE.hex() not in limits


@settings(max_examples=60)
@given(data=st.data())
def test_evidence_with_anything_changed_is_refused_or_is_the_same(stated, data):
    statement, evidence = stated
    at = data.draw(st.integers(0, len(evidence) - 1))
    honest, nodes = evidence[at], list(evidence[at].nodes)
    place, other = (data.draw(st.integers(0, len(nodes) - 1)) for _ in range(2))
    before, node, after = nodes[:place], nodes[place], nodes[place + 1 :]
    swapped = [*before, nodes[other], *after]
    swapped[other] = node
    bent = [*before, changed_byte(node, data), *after]
    shown = data.draw(st.sampled_from([[*before, *after], [*before, node, node, *after], swapped, before, bent, nodes]))
    header = changed_byte(honest.header, data) if shown is nodes else honest.header
    forged = replace(honest, header=header, nodes=tuple(shown))
    with nullcontext() if forged == honest else pytest.raises(RemoteFault):
        check_custody(statement, (*evidence[:at], forged, *evidence[at + 1 :]))


def changed_byte(value, data):
    at = data.draw(st.integers(0, len(value) - 1))
    return value[:at] + bytes((data.draw(st.integers(0, 255)),)) + value[at + 1 :]


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.binary(min_size=20, max_size=20),
        st.dictionaries(st.integers(0, 40).map(u256), st.integers(0, 2**256 - 1), max_size=6),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 45).map(u256)), max_size=12),
    st.binary(min_size=20, max_size=20),
)
def test_whatever_a_state_holds_is_read_and_shown_nodes_are_all_needed(held, asked, stranger):
    state = MadeState()
    for address, storage in held.items():
        state.of(address).storage |= storage
    addresses = [*held, stranger]
    pooled = PooledNodes(state.nodes)

    questions = [(addresses[index % len(addresses)], place) for index, place in asked]

    def read(nodes):
        found = []
        reader = ProvenState(state.header(5), nodes)
        for address, place in questions:
            account = reader.account(address)
            found.append(None if account is None else reader.word(account, place))
        return found

    wanted = [held[address].get(place, 0) if address in held else None for address, place in questions]
    assert read(pooled) == wanted

    def read_all(nodes):
        found = read(nodes)
        nodes.check_all_used()
        return found

    nodes = tuple(pooled.needed.values())
    assert read_all(OrderedNodes(nodes)) == wanted
    for extra in ((*nodes, b"\x80"), nodes[:-1]) if nodes else ():
        with pytest.raises(RemoteFault):
            read_all(OrderedNodes(extra))


def test_many_terms_under_the_same_nodes_decode_each_node_once(market, monkeypatch):
    """A list of nodes that every key leads through costs its bytes once, however many terms look up in it."""
    (first,) = [term for term in market.statement().custody if term.slot == market.TOKEN]
    terms = tuple(replace(first, token=bytes([at]) * 20) for at in range(1, 60))
    chain = chains_of(terms)[first.chain_id]
    evidence = chain.evidence(terms)
    statement = replace(
        market.statement(), custody=tuple(replace(term, block_hash=evidence.block_hash) for term in terms)
    )
    read = Counter()
    monkeypatch.setattr(trie, "decode", lambda encoded: read.update([encoded]) or decode(encoded))
    check_custody(statement, (evidence,))
    assert sorted(read) == sorted(evidence.nodes)
    assert set(read.values()) == {1}


def test_evidence_survives_the_file(proven_package, stated):
    assert read_package(proven_package).custody == stated[1]


def listed_of(statement):
    return frozenset(
        ListedCustody(term.chain_id, term.vault, term.token, term.balances, term.unit, statement.slots[term.slot].name)
        for term in statement.custody
    )


def test_with_a_genesis_every_vault_token_unit_and_slot_must_be_its_own(proven_package, stated):
    listed = listed_of(stated[0])
    verdict = verify_package(proven_package, listed=listed)
    assert verdict.ok, verdict.checks[-1]
    assert "trusted genesis" not in limits_of(verdict)
    assert "trusted genesis" in limits_of(verify_package(proven_package))
    first, *others = sorted(listed)
    for other in (
        {"vault": b"\xee" * 20},
        {"token": b"\xee" * 20},
        {"chain_id": 3},
        {"balances": BalanceLocation(BalanceOrder.SLOT_FIRST)},
        {"unit": 10**6},
        {"slot": "cash:EUR"},
    ):
        last = verify_package(proven_package, listed=frozenset((first._replace(**other), *others))).checks[-1]
        assert (last.name, last.code) == ("custody", ProofCode.CUSTODY_UNLISTED)
    more = frozenset((*listed, first._replace(token=b"\xee" * 20)))
    assert verify_package(proven_package, listed=more).checks[-1].code == ProofCode.CUSTODY_UNLISTED
    left = frozenset((*listed, first._replace(unit=10**6, slot="token:1:USD")))
    assert verify_package(proven_package, listed=left).ok, "a token may be cash or collateral: one of them is stated"


def test_a_genesis_lists_each_asset_as_it_is_and_as_it_may_become():
    genesis = guarded_kit.guarded().genesis
    listed = listed_custody(genesis)
    assert {(each.chain_id, each.token) for each in listed} == {(a.chain_id, a.token) for a in genesis.assets}
    leaving = [asset for asset in genesis.assets if asset.has_depeg_guard]
    assert leaving
    for asset in leaving:
        both = {(each.slot, each.unit) for each in listed if each.token == asset.token}
        assert both == {("cash:USD", 1), (f"token:{asset.chain_id}:{asset.name}", asset.as_collateral.base_units)}


def test_people_read_amounts_as_numbers_and_what_vouches_for_them(proven_package, stated):
    shown = view_of(attach_custody(proven_package, stated[1][1:]))
    first, second, _ = shown["statement"]["custody"]
    deposited, withdrawn, balance = words_of(stated[0].custody[0])
    assert {name: first[name] for name in ("deposited", "balance", "owed", "backs", "vouched_by")} == {
        "deposited": str(deposited),
        "balance": str(balance),
        "owed": str(deposited - withdrawn),
        "backs": "cash:USD",
        "vouched_by": "attested by the quorum: no storage proof",
    }
    assert (first["released"], first["later"], first["strays"], first["dust"]) == ("7", "11", "5", "3")
    assert second["vouched_by"] == "storage proofs of counters and balance"
    (evidence,) = shown["custody"]
    assert evidence["nodes"] == len(stated[1][1].nodes)
    json.dumps(shown)


def proven_term(market, world):
    """The package of a world's state, proven, and what it says of the first asset."""
    package = market.package_of_state(world.state)
    verdict = verify_package(package.data, network=package.statement.network)
    assert verdict.ok, verdict.checks[-1]
    (term,) = [each for each in package.statement.custody if each.token == world.genesis.assets[0].token]
    return package, term


def test_a_package_after_a_token_left_verifies_and_names_its_reserves(market):
    world = guarded_kit.guarded(dollars=20_000)
    world.block(world.withdrawal(ALICE, USDC_1, 1_234_567), world.trade(ALICE, BOB, BTC_PERP, 1_000, 790_000))
    guarded_kit.leave(world)
    world.block(facts=gated_kit.counted(world, 400))
    package, term = proven_term(market, world)
    assert package.statement.slots[term.slot].name == "token:1:USDC-1"
    assert term.held == sum(each.values[term.slot] for each in package.accounts) > 0
    assert int.from_bytes(term.released, "big") == 1_234_567, "under way, exactly"


def test_what_waits_and_what_is_out_is_released_and_what_came_back_is_owed(market):
    world = gated_kit.gated(gated_kit.GATE, give_back_expired=True)
    small = [world.withdrawal(each, USDC_1, 700 * DOLLAR) for each in (ALICE, BOB, CAROL)]
    world.block(*small)
    world.block(after_ms=62_000)
    world.block(facts=[gated_kit.not_executed(world, 0), executed(1, 1)])
    large = world.block(world.withdrawal(ALICE, USDC_1, 9_000 * DOLLAR), prices=((1, 790_000), (2, 20_000)))
    assert [type(each).__name__ for each in large.receipts][-1] == "WithdrawalDelayed"
    world.block(facts=gated_kit.counted(world, 100, paid=[1]))
    _, term = proven_term(market, world)
    assert term.withdrawn == u256(700 * DOLLAR), "Bob's was paid"
    assert term.released == u256((700 + 9_000) * DOLLAR), "Carol's is out, Alice's waits"
    assert term.held == (400_000 - 700 - 700 - 9_000) * DOLLAR, "Alice's small one is owed to her again"
    assert world.cash(ALICE) == (100_000 - 9_000) * DOLLAR
