"""Custody in a whole package: proven by made-up chain states, and every lie about them found by name.

The chains' real states are in `tests/bridge/contracts/test_storage_proofs.py`; here the lies have a quorum behind them.
"""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode, u256
from clearing.base.errors import RemoteFault
from clearing.base.evm.evidence import (
    NATIVE,
    BlockEvidence,
    Custodian,
    OrderedNodes,
    PooledNodes,
    ProvenState,
    select_evidence,
)
from clearing.base.evm.storage import BalanceLocation, BalanceOrder
from clearing.base.hashing import keccak256
from clearing.genesis.custody_listing import ListedCustody, listed_custody
from proofs.epoch.package import attach_custody, read_package
from proofs.errors import ProofCode
from proofs.statement.custody import CustodyAssurance, check_custody, custody_assurances, custody_limits
from proofs.verify.file_view import view_of
from proofs.verify.package_verifier import verify_package
from tests.kit.clearing.guarded import guarded
from tests.kit.evm_state import MadeState
from tests.kit.proofs.proven_custody import proven, words_of

FLAGGED = BalanceLocation(BalanceOrder.SLOT_FIRST, u256(9), 255)


@pytest.fixture(scope="module")
def stated(market):
    return proven(market.statement())


@pytest.fixture(scope="module")
def proven_package(market, stated):
    statement, evidence = stated
    shot = msgspec.structs.replace(market.snapshot(), statement=statement)
    return attach_custody(market.honest(shot), evidence)


def code_of(statement, evidence):
    with pytest.raises(RemoteFault) as caught:
        check_custody(statement, evidence)
    return caught.value.code


def test_a_package_with_evidence_says_how_much_of_custody_is_proven(proven_package):
    verdict = verify_package(proven_package)
    assert verdict.ok, verdict.checks[-1]
    assert "3 of which the chains' states prove" in verdict.claim
    (custody,) = [check for check in verdict.checks if check.name == "custody"]
    assert custody.detail == "3 of 3 custody balances proven by the chains' states"
    assert any("final on their chains" in limit for limit in verdict.not_proven)
    assert not any("attested by the quorum" in limit for limit in verdict.not_proven)


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
    assert not any("final on their chains" in limit for limit in without.not_proven)


def test_a_quorum_that_certifies_another_number_than_the_chain_holds_is_found_out(market, stated):
    """The validators agree on a balance that no chain ever had: the package itself says so."""
    statement, evidence = stated
    term = statement.custody[0]
    richer = msgspec.structs.replace(
        term, deposited=u256(words_of(term)[0] + 10**6), balance=u256(words_of(term)[2] + 10**6), later=u256(10**6 + 11)
    )
    shown = msgspec.structs.replace(statement, custody=(richer, *statement.custody[1:]))
    shot = msgspec.structs.replace(market.snapshot(), statement=shown)
    data = market.honest(shot)
    assert verify_package(data).ok, "without evidence nobody can tell"
    verdict = verify_package(attach_custody(data, evidence))
    assert verdict.failed == "custody"
    assert verdict.checks[-1].code == ProofCode.CUSTODY_DIFFERS
    assert "deposited" in verdict.checks[-1].detail


@pytest.mark.parametrize("field", ["deposited", "withdrawn", "balance"])
@pytest.mark.parametrize("place", range(3))
def test_each_number_of_each_term_is_compared(stated, place, field):
    statement, evidence = stated
    term = statement.custody[place]
    for change in (1, -1):
        word = u256(int.from_bytes(getattr(term, field), "big") + change)
        custody = list(statement.custody)
        custody[place] = msgspec.structs.replace(term, **{field: word})
        shown = msgspec.structs.replace(statement, custody=tuple(custody))
        assert code_of(shown, evidence) == ProofCode.CUSTODY_DIFFERS


def test_the_block_number_is_the_headers(market):
    statement, evidence = proven(market.statement())
    custody = tuple(msgspec.structs.replace(term, block_number=term.block_number + 1) for term in statement.custody)
    assert code_of(msgspec.structs.replace(statement, custody=custody), evidence) == ProofCode.CUSTODY_DIFFERS


def test_evidence_stands_in_the_order_of_the_terms_and_once(stated):
    statement, (first, second) = stated
    for evidence in ((second, first), (first, first), (first, second, second), (first, second, first)):
        assert code_of(statement, evidence) == ProofCode.CUSTODY_STRAY
    assert check_custody(statement, (second,)) == (
        CustodyAssurance.ATTESTED,
        CustodyAssurance.PROVEN,
        CustodyAssurance.PROVEN,
    )


def test_evidence_of_another_chain_or_block_is_refused(stated, market):
    statement, (first, _) = stated
    _, (other, _) = proven(market.statement(), f12=b"another block")
    assert code_of(statement, (other,)) == ProofCode.CUSTODY_STRAY
    assert code_of(statement, (msgspec.structs.replace(first, chain_id=3),)) == ProofCode.CUSTODY_STRAY


def test_one_block_hash_on_two_chains_is_two_blocks(market):
    """Two forks of one chain may share a block: evidence of the one says nothing of the other."""
    statement, (first, second) = proven(market.statement())
    custody = (*statement.custody, msgspec.structs.replace(statement.custody[0], chain_id=9))
    shown = msgspec.structs.replace(statement, custody=custody)
    assert check_custody(shown, (first, second))[-1] is CustodyAssurance.ATTESTED
    third = msgspec.structs.replace(first, chain_id=9)
    assert check_custody(shown, (first, second, third))[-1] is CustodyAssurance.PROVEN


@pytest.mark.parametrize(
    "header", [b"", b"\x80", b"\xc0", encode(()), b"\xf9\xff\xff", b"\xc1" * 100, b"\xcf" + b"\x80" * 15]
)
def test_headers_of_no_block_prove_nothing(market, header):
    """Also where the quorum certified their hash."""
    statement = market.statement()
    term = msgspec.structs.replace(statement.custody[0], block_hash=keccak256(header))
    shown = msgspec.structs.replace(statement, custody=(term,))
    assert code_of(shown, (BlockEvidence(term.chain_id, header, ()),)) == ProofCode.CUSTODY_NOT_PROVEN


@pytest.mark.parametrize("change", [{"f3": bytes(31)}, {"f3": bytes(33)}, {"f8": bytes(9)}, {"f3": bytes(32)}])
def test_a_header_with_fields_of_other_sizes_proves_nothing(market, change):
    statement, evidence = proven(market.statement())
    state = MadeState()
    header = state.header(101, **change)
    term = msgspec.structs.replace(statement.custody[0], block_hash=keccak256(header))
    shown = msgspec.structs.replace(statement, custody=(term,))
    forged = msgspec.structs.replace(evidence[0], header=header)
    assert code_of(shown, (forged,)) == ProofCode.CUSTODY_NOT_PROVEN


def test_a_vault_or_token_that_the_state_does_not_hold_is_no_custody(market):
    statement = market.statement()
    term = statement.custody[0]
    empty = MadeState()
    empty.of(b"\x77" * 20).balance = 1
    no_token = MadeState()
    no_token.of(term.vault).storage[bytes(32)] = 1
    for state in (empty, no_token, MadeState()):
        header = state.header(term.block_number)
        zero = msgspec.structs.replace(
            term, block_hash=keccak256(header), deposited=bytes(32), withdrawn=bytes(32), balance=bytes(32)
        )
        shown = msgspec.structs.replace(statement, custody=(zero,))
        evidence = BlockEvidence(term.chain_id, header, tuple(state.nodes.values())[:1])
        assert code_of(shown, (evidence,)) == ProofCode.CUSTODY_NOT_PROVEN


def test_flags_beside_a_balance_are_not_money(market):
    """Some tokens keep a blacklist's bit in the balance's word: it is never counted."""
    statement = market.statement()
    term = msgspec.structs.replace(statement.custody[0], balances=FLAGGED)
    state = MadeState()
    state.hold(term.vault, term.token, FLAGGED, words_of(term))
    state.of(term.token).storage[FLAGGED.place(term.vault)] |= 2**255
    header = state.header(term.block_number)
    shown = msgspec.structs.replace(statement, custody=(msgspec.structs.replace(term, block_hash=keccak256(header)),))
    evidence, _ = select_evidence(term.chain_id, header, state.nodes, (Custodian(term.vault, term.token, FLAGGED),))
    assert check_custody(shown, (evidence,)) == (CustodyAssurance.PROVEN,)
    flag = msgspec.structs.replace(shown.custody[0], balance=u256(words_of(term)[2] + 2**255))
    assert code_of(msgspec.structs.replace(shown, custody=(flag,)), (evidence,)) == ProofCode.CUSTODY_DIFFERS


def test_what_is_not_proven_is_said_for_each_kind_of_term(market):
    statement = market.statement()
    one, two, three = statement.custody
    two = msgspec.structs.replace(two, balances=BalanceLocation())
    three = msgspec.structs.replace(three, balances=BalanceLocation(), token=NATIVE)
    shown = msgspec.structs.replace(statement, custody=(one, two, three))
    evidence = BlockEvidence(two.chain_id, b"", ())
    named = msgspec.structs.replace(
        shown,
        custody=tuple(
            msgspec.structs.replace(term, block_hash=evidence.block_hash) if term.chain_id == two.chain_id else term
            for term in shown.custody
        ),
    )
    found = custody_assurances(named, (evidence,))
    assert found == (CustodyAssurance.ATTESTED, CustodyAssurance.COUNTERS_PROVEN, CustodyAssurance.PROVEN)
    limits = " ".join(custody_limits(named, found))
    assert f"{one.token.hex()} on chain 1: counters and balance are attested" in limits
    assert f"of the balances of {two.token.hex()} on chain 2: the balance is attested" in limits
    assert NATIVE.hex() not in limits


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_evidence_with_anything_changed_is_refused_or_is_the_same(proven_package, stated, data):
    statement, evidence = stated
    at = data.draw(st.integers(0, len(evidence) - 1))
    each = evidence[at]
    nodes = list(each.nodes)
    kind = data.draw(st.sampled_from(["drop", "double", "swap", "byte", "header", "cut"]))
    place = data.draw(st.integers(0, len(nodes) - 1))
    header = each.header
    if kind == "drop":
        del nodes[place]
    elif kind == "double":
        nodes.insert(place, nodes[place])
    elif kind == "swap":
        other = data.draw(st.integers(0, len(nodes) - 1))
        nodes[place], nodes[other] = nodes[other], nodes[place]
    elif kind == "header":
        header = changed_byte(header, data)
    elif kind == "cut":
        nodes = nodes[:place]
    else:
        nodes[place] = changed_byte(nodes[place], data)
    forged = msgspec.structs.replace(each, header=header, nodes=tuple(nodes))
    shown = (*evidence[:at], forged, *evidence[at + 1 :])
    verdict = verify_custody(statement, shown)
    assert verdict is (forged == each)


def changed_byte(value, data):
    at = data.draw(st.integers(0, len(value) - 1))
    return value[:at] + bytes((data.draw(st.integers(0, 255)),)) + value[at + 1 :]


def verify_custody(statement, evidence):
    try:
        check_custody(statement, evidence)
    except RemoteFault:
        return False
    return True


@settings(max_examples=40, deadline=None)
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

    def read(nodes):
        found = []
        reader = ProvenState(state.header(5), nodes)
        for index, place in asked:
            account = reader.account(addresses[index % len(addresses)])
            found.append(None if account is None else reader.word(account, place))
        return found

    wanted = [
        held[address].get(place, 0) if (address := addresses[index % len(addresses)]) in held else None
        for index, place in asked
    ]
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
    assert not any("trusted genesis" in limit for limit in verdict.not_proven)
    assert any("trusted genesis" in limit for limit in verify_package(proven_package).not_proven)
    first, *others = sorted(listed)
    for other in (
        first._replace(vault=b"\xee" * 20),
        first._replace(token=b"\xee" * 20),
        first._replace(chain_id=3),
        first._replace(balances=BalanceLocation(BalanceOrder.SLOT_FIRST)),
        first._replace(unit=10**6),
        first._replace(slot="cash:EUR"),
    ):
        verdict = verify_package(proven_package, listed=frozenset((other, *others)))
        assert (verdict.failed, verdict.checks[-1].code) == ("custody", ProofCode.CUSTODY_UNLISTED)
    more = frozenset((*listed, first._replace(token=b"\xee" * 20)))
    assert verify_package(proven_package, listed=more).checks[-1].code == ProofCode.CUSTODY_UNLISTED
    left = frozenset((*listed, first._replace(unit=10**6, slot="token:1:USD")))
    assert verify_package(proven_package, listed=left).ok, "a token may be cash or collateral: one of them is stated"


def test_a_genesis_lists_each_asset_as_it_is_and_as_it_may_become():
    genesis = guarded().genesis
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
    term = stated[0].custody[0]
    assert (first["deposited"], first["balance"]) == tuple(map(str, (words_of(term)[0], words_of(term)[2])))
    assert (first["released"], first["later"], first["strays"], first["dust"]) == ("7", "11", "5", "3")
    assert first["owed"] == str(words_of(term)[0] - words_of(term)[1])
    assert first["backs"] == "cash:USD"
    assert first["vouched_by"] == "attested by the quorum: no storage proof"
    assert second["vouched_by"] == "storage proofs of counters and balance"
    (evidence,) = shown["custody"]
    assert evidence["nodes"] == len(stated[1][1].nodes)
    json.dumps(shown)
