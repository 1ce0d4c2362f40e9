"""Storage proofs that are forged: headers, nodes and statements bent by a prover whose quorum certifies its numbers."""

import msgspec
import pytest

from clearing.base.codec import u256
from clearing.base.errors import BaseCode, RemoteFault
from clearing.base.evm.evidence import BlockEvidence
from clearing.base.evm.rlp_coding import decode, encode
from clearing.base.evm.storage import VAULT_DEPOSITED, VAULT_WITHDRAWN, BalanceLocation, BalanceOrder, vault_storage_key
from clearing.base.hashing import keccak256
from clearing.genesis.custody_listing import ListedCustody
from proofs.epoch.package import read_package, write_package
from proofs.errors import ProofCode, VerificationFailed
from proofs.statement.custody import CustodyAssurance, check_custody
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.proven_custody import chains_of, proven
from tests.kit.refusals import refused

replace = msgspec.structs.replace


class Shown:
    """A statement, the chains that it tells of, and the evidence."""

    def __init__(self, market, bend=None) -> None:
        stated = market.snapshot().statement
        self.chains = chains_of(stated.custody)
        if bend is not None:
            bend(self.chains)
        self.statement, self.evidence = proven(stated, self.chains)
        self.terms = self.statement.custody

    def refusal(self, *evidence: BlockEvidence, **changes) -> ProofCode:
        first, *rest = self.terms
        stated = replace(self.statement, custody=(replace(first, **changes), *rest))
        with pytest.raises(VerificationFailed) as fault:
            check_custody(stated, evidence or self.evidence)
        return fault.value.code


@pytest.fixture
def shown(market) -> Shown:
    return Shown(market)


def detail_of(verdict) -> str:
    return next(check.detail for check in verdict.checks if check.name == "custody")


def test_honest_evidence_proves_every_term_of_a_whole_package(market, shown):
    assert check_custody(shown.statement, shown.evidence) == (CustodyAssurance.PROVEN,) * 3
    shot = market.snapshot()
    good = read_package(market.honest(replace(shot, statement=shown.statement)))
    verdict = verify_package(write_package(replace(good, custody=shown.evidence)))
    assert verdict.ok, verdict.checks[-1]
    assert "3 of 3 custody balances proven" in detail_of(verdict)
    forged = replace(shown.evidence[0], nodes=shown.evidence[0].nodes[:-1])
    assert verify_package(write_package(replace(good, custody=(forged,)))).failed == "custody"
    verdict = verify_package(write_package(good))
    assert verdict.ok
    assert "not proven" in detail_of(verdict)
    assert any("attested by the quorum, not proven" in limit for limit in verdict.not_proven)


NUMBERS = ("deposited", "withdrawn", "balance")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("by", [1, -1, 10**9, 2**200])
def test_a_number_that_the_state_does_not_hold_is_refused(shown, name, by):
    number = int.from_bytes(getattr(shown.terms[0], name), "big") + by
    if number >= 0:
        assert shown.refusal(**{name: u256(number)}) is ProofCode.CUSTODY_DIFFERS


def test_a_block_number_that_the_header_does_not_hold_is_refused(shown):
    assert shown.refusal(block_number=shown.terms[0].block_number + 1) is ProofCode.CUSTODY_DIFFERS


@pytest.mark.parametrize("field", [3, 8])
def test_a_header_with_another_state_or_number_is_no_longer_of_that_block(shown, field):
    first, second = shown.evidence
    fields = decode(first.header)
    fields[field] = b"\x01" * 32 if field == 3 else b"\x05"
    assert shown.refusal(replace(first, header=encode(fields)), second) is ProofCode.CUSTODY_STRAY


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x80",
        encode([]),
        encode([b"a"] * 14),
        encode([b"a"] * 15),
        encode([bytes(32)] * 65),
        b"\xf9\xff\xff",
        b"x" * 99,
    ],
)
def test_bytes_that_are_no_header_prove_nothing_even_where_a_quorum_certifies_their_hash(shown, header):
    first, second = shown.evidence
    forged = replace(first, header=header)
    assert shown.refusal(forged, second, block_hash=keccak256(header)) is ProofCode.CUSTODY_NOT_PROVEN


def leaf_bent(evidence: BlockEvidence) -> BlockEvidence:
    """The last node, which is the balance's leaf, with another value."""
    *others, last = evidence.nodes
    path, value = decode(last)
    return replace(evidence, nodes=(*others, encode([path, encode(int.from_bytes(decode(value), "big") + 1)])))


BENT = {
    "a leaf with another value": leaf_bent,
    "a node missing at the end": lambda e: replace(e, nodes=e.nodes[:-1]),
    "a node missing at the top": lambda e: replace(e, nodes=e.nodes[1:]),
    "no nodes": lambda e: replace(e, nodes=()),
    "a node too many": lambda e: replace(e, nodes=(*e.nodes, encode([b"\x20", b"x"]))),
    "a node twice": lambda e: replace(e, nodes=(*e.nodes, e.nodes[-1])),
    "nodes in another order": lambda e: replace(e, nodes=e.nodes[::-1]),
    "nodes that are no lists": lambda e: replace(e, nodes=tuple(encode(b"z" * 40) for _ in e.nodes)),
    "empty nodes": lambda e: replace(e, nodes=(b"",) * len(e.nodes)),
}


@pytest.mark.parametrize("what", BENT)
def test_bent_nodes_prove_nothing(shown, what):
    first, second = shown.evidence
    assert shown.refusal(BENT[what](first), second) is ProofCode.CUSTODY_NOT_PROVEN


def test_the_nodes_of_one_chain_prove_nothing_on_another(shown):
    first, second = shown.evidence
    assert shown.refusal(replace(first, nodes=second.nodes), second) is ProofCode.CUSTODY_NOT_PROVEN
    assert shown.refusal(replace(second, chain_id=1), second) is ProofCode.CUSTODY_STRAY
    assert shown.refusal(replace(first, chain_id=2), second) is ProofCode.CUSTODY_STRAY


@pytest.mark.parametrize("order", [(1, 0), (0, 0), (0, 1, 1), (0, 1, 0), (1, 1)])
def test_evidence_out_of_order_or_twice_is_refused(shown, order):
    assert shown.refusal(*(shown.evidence[at] for at in order)) is ProofCode.CUSTODY_STRAY


def test_an_older_block_with_more_in_the_vault_is_not_the_certified_one(market, shown):
    """The vault was fuller last week."""

    def fuller(chains):
        chains[1].salt = b"last week"

    older = Shown(market, fuller)
    assert check_custody(older.statement, older.evidence)
    assert shown.refusal(older.evidence[0], shown.evidence[1]) is ProofCode.CUSTODY_STRAY


@pytest.mark.parametrize("time", [[], b"\x01" * 9, 0])
def test_a_header_that_states_no_time_dates_its_block_at_zero(shown, time):
    fields = decode(shown.evidence[0].header)
    fields[11] = time
    assert replace(shown.evidence[0], header=encode(fields)).time_s == 0


def test_another_contracts_counters_are_not_the_vaults(market):
    """A second vault on the chain, with all that the first lacks: it stands under its own address only."""
    decoy = bytes([77]) * 20

    def emptied(chains):
        chain = chains[1]
        vault, token = bytes([1]) * 20, bytes([1]) * 20
        chain.words(decoy).update(chain.words(vault))
        chain.words(vault).clear()
        chain.words(token)[BalanceLocation(BalanceOrder.KEY_FIRST).place(decoy)] = 10**9

    shown = Shown(market, emptied)
    assert shown.refusal() is ProofCode.CUSTODY_DIFFERS
    as_decoy = shown.chains[1].evidence([replace(shown.terms[0], vault=decoy)])
    assert shown.refusal(as_decoy, shown.evidence[1]) is ProofCode.CUSTODY_NOT_PROVEN


@pytest.mark.parametrize(
    ("stored", "read"),
    [(VAULT_WITHDRAWN, VAULT_DEPOSITED), (VAULT_DEPOSITED, VAULT_WITHDRAWN)],
)
def test_a_word_at_another_place_is_not_the_counter(market, stored, read):
    def moved(chains):
        words = chains[1].words(bytes([1]) * 20)
        token = bytes([1]) * 20
        words[vault_storage_key(stored, token)] = words.pop(vault_storage_key(read, token))

    assert Shown(market, moved).refusal() is ProofCode.CUSTODY_DIFFERS


def test_another_tokens_counter_is_not_this_ones(market):
    def moved(chains):
        words = chains[1].words(bytes([1]) * 20)
        words[vault_storage_key(VAULT_DEPOSITED, bytes([8]) * 20)] = words.pop(
            vault_storage_key(VAULT_DEPOSITED, bytes([1]) * 20)
        )

    assert Shown(market, moved).refusal() is ProofCode.CUSTODY_DIFFERS


@pytest.mark.parametrize("gone", ["vault", "token"])
def test_a_vault_or_token_that_is_not_there_proves_nothing(shown, gone):
    """The state proves that nothing is at the address, which is no counter of zero."""
    nobody = replace(shown.terms[0], **{gone: bytes([55]) * 20})
    if gone == "token":  # counters of zero, for a token that there is not
        nobody = replace(nobody, deposited=bytes(32), withdrawn=bytes(32), balance=bytes(32))
    with pytest.raises(RemoteFault, match=f"no {gone}"):
        shown.chains[1].evidence([nobody])
    stated = replace(shown.statement, custody=(nobody, *shown.terms[1:]))
    with refused(ProofCode.CUSTODY_NOT_PROVEN, VerificationFailed):
        check_custody(stated, shown.evidence)


def test_a_balance_is_read_where_genesis_says_and_nowhere_else(market):
    """Vyper's order of hashing, another mapping, fewer bits: each is another word of the token's storage."""
    shown = Shown(market)
    for balances in (
        BalanceLocation(BalanceOrder.SLOT_FIRST, u256(0)),
        BalanceLocation(BalanceOrder.KEY_FIRST, u256(1)),
        BalanceLocation(BalanceOrder.KEY_FIRST, u256(0), 8),
    ):
        term = replace(shown.terms[0], balances=balances)
        evidence = shown.chains[1].evidence([term])
        assert shown.refusal(evidence, shown.evidence[1], balances=balances) is ProofCode.CUSTODY_DIFFERS


def test_a_balance_without_a_place_is_never_called_proven(shown):
    first, *rest = shown.terms
    unknown = replace(first, balances=BalanceLocation(), balance=u256(10**30))
    stated = replace(shown.statement, custody=(unknown, *rest))
    evidence = (shown.chains[1].evidence([unknown]), shown.evidence[1])
    assert check_custody(stated, evidence)[0] is CustodyAssurance.COUNTERS_PROVEN
    assert check_custody(stated, shown.evidence[1:])[0] is CustodyAssurance.ATTESTED


@pytest.mark.parametrize(
    "word", [b"\x82\x00\x01", b"\xa1" + bytes(32) + b"\x01", b"\xc1\x05", b"\x80", b"\x00", b"\x81\x05", b"\xb8"]
)
def test_a_word_that_no_client_writes_is_no_number(market, word):
    """Leading zeros, 33 bytes, a list, nothing, a zero that would be absent, a needless prefix, a length cut short."""
    shown = Shown(market)
    place = vault_storage_key(VAULT_DEPOSITED, shown.terms[0].token)
    assert shown.chains[1].evidence(shown.terms[:1]).nodes
    shown.chains[1].words(shown.terms[0].vault)[place] = word
    with refused(BaseCode.BAD_TRIE_PROOF):
        shown.chains[1].evidence(shown.terms[:1])


def test_a_vault_of_the_quorums_own_making_is_found_by_whoever_has_the_genesis(market, shown):
    """A contract whose storage says what is wanted proves itself: only genesis says which vault is the network's."""
    listed = frozenset(
        ListedCustody(
            term.chain_id, term.vault, term.token, term.balances, term.unit, shown.statement.slots[term.slot].name
        )
        for term in shown.terms
    )
    shot = market.snapshot()
    good = read_package(market.honest(replace(shot, statement=shown.statement)))
    honest = write_package(replace(good, custody=shown.evidence))
    assert verify_package(honest, listed=listed).ok
    first, *rest = shot.statement.custody
    for changes in ({"vault": bytes([200]) * 20}, {"token": bytes([0, 1]) * 10}, {"unit": 1}):
        lie = replace(first, **changes)
        if "unit" in changes:  # the same coins, a hundred times as many claims
            others = lie.owed - lie.held
            lie = replace(lie, deposited=u256(lie.held + others), withdrawn=bytes(32), balance=u256(lie.held + others))
        stated, evidence = proven(replace(shot.statement, custody=(lie, *rest)))
        package = read_package(market.honest(replace(shot, statement=stated)))
        data = write_package(replace(package, custody=evidence))
        alone = verify_package(data)
        assert alone.ok, "the file alone cannot tell"
        assert any("compare them with a trusted genesis file" in limit for limit in alone.not_proven)
        verdict = verify_package(data, listed=listed)
        assert (verdict.failed, verdict.checks[-1].code) == ("custody", ProofCode.CUSTODY_UNLISTED)
