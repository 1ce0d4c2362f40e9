"""What the solvency verifier on a chain takes for proven: exactly what its twin in Python does."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eth_account import Account
from web3.exceptions import ContractCustomError

from bridge.contracts import FOLDER
from bridge.contracts.cold_quorum import BranchChoice
from bridge.contracts.conflicts import choose_branch_call, freeze_call
from bridge.contracts.deploy import deploy, deploy_solvency_verifier
from bridge.contracts.solvency_verifier import (
    ProvenAccount,
    certify_call,
    check_call,
    keys_of_call,
    read_checked,
    show_call,
)
from clearing.base import bls, secp256k1
from clearing.base.certificate import VoteKind, signer_bitmap, vote_digest
from clearing.base.codec import u256
from clearing.base.errors import RemoteFault
from clearing.base.hashing import keccak256, sha256, tag_prefix
from clearing.base.merkle import LEAF_TAG, NODE_TAG, ROOT_TAG
from devnet.anvil import Anvil, anvil_chain
from proofs.algebra.domain import domain_of
from proofs.algebra.field import ORDER, inverse, scalar_bytes
from proofs.algebra.group import GENERATOR, GENERATOR_2, encode_point
from proofs.algebra.srs import basis, tau_g2
from proofs.errors import VerificationFailed as Disproved
from proofs.linear.statement import Witness, weights_of
from proofs.onchain.keys import (
    CERTIFIED_TAG,
    KEYS_TAG,
    EpochKeys,
    certified_digest,
    check_keys,
    presenter_secret,
    row_challenge,
    row_polynomials,
)
from proofs.onchain.messages import PROTOCOL, padded_point, read_padded
from proofs.onchain.presentation import PRESENTATION_TAG, Audience, check_presentation, present, presentation_digest
from proofs.onchain.verifier import table_point, verify_account
from tests.kit.bridge.vault_chain import (
    FOUR,
    NETWORK,
    USER,
    Refused,
    Signers,
    VaultChain,
    make_header,
    make_signers,
    refused,
)
from tests.kit.chains import put_back
from tests.kit.proofs.forgers.lattice import forge_digits
from tests.kit.proofs.onchain_epoch import ROWS, SHORTFALLS, Epoch, crowded, make_epoch
from tests.kit.proofs.onchain_lies import BAD_POINTS, POINTS, SCALARS, FalseClaim

pytestmark = pytest.mark.chain
GAS_MAX = 320_000
NOT_FOR_CALLER = "0x" + keccak256(b"NotForCaller(address,bytes32)")[:4].hex()
PURPOSE = sha256(b"loan 7 of this user")
TAGS = {
    "MerkleTree.sol": (LEAF_TAG, NODE_TAG, ROOT_TAG),
    "LinearProof.sol": (PROTOCOL,),
    "SolvencyVerifier.sol": (KEYS_TAG, CERTIFIED_TAG, PRESENTATION_TAG),
}
FIELDS = ("epoch", "height", "commitments_root", "layout", "leaves_root", "accounts", "constant", "sigma", "u", "v")


class SolvencyChain:
    """`SolvencyVerifier` that follows the vault's set."""

    def __init__(self, vault: VaultChain) -> None:
        self.vault = vault
        self.at = deploy_solvency_verifier(vault.user.web3, USER, vault.vault_at.address)
        self.contract = vault.user.contract("SolvencyVerifier", self.at)

    def certify(
        self,
        keys: EpochKeys,
        indices: tuple[int, ...] = (0, 1, 2),
        signers: Signers | None = None,
        words: bytes | None = None,
        digest: bytes | None = None,
        time_s: int | None = None,
    ) -> Any:
        """By default with the chain's own time."""
        signers = signers or self.vault.signers
        time_s = self.now() if time_s is None else time_s
        digest = digest or certified_digest(keys, signers.validators.hash, time_s)
        total = bls.aggregate([bls.sign(signers.secrets[index], digest) for index in indices])
        bitmap = int.from_bytes(signer_bitmap(indices), "big")
        shown = keys.words if words is None else words
        return self.vault.user.send(
            self.contract.functions.certify(shown, time_s, (bitmap, bls.signature_coordinates(total)))
        )

    def now(self) -> int:
        return int(self.vault.user.web3.eth.get_block("latest")["timestamp"])

    def audience(self, caller: bytes | None = None, purpose: bytes = PURPOSE) -> Audience:
        """By default of the account that sends this test's transactions."""
        own = bytes.fromhex(Account.from_key(USER).address[2:])
        return Audience(self.vault.chain.chain_id, self.at.address, own if caller is None else caller, purpose)

    def presented(
        self, epoch: Epoch, index: int, audience: Audience | None = None, words: bytes = b"", place: int | None = None
    ) -> tuple[bytes, bytes, bytes]:
        """By this account's key: of its own leaf or of that at another place, under the epoch's keys or others."""
        audience, context = audience or self.audience(), epoch.statement.linear.context
        keys_hash, shown = sha256(words or epoch.keys.words), epoch.leaves[index if place is None else place]
        secret = presenter_secret(epoch.seeds[index], context, epoch.leaves[index].account)
        signature = secp256k1.sign_digest(secret, presentation_digest(audience, keys_hash, shown.hash))
        s = int.from_bytes(signature[32:64], "big") | (signature[64] == 28) << 255
        if place is None and not words:
            own = present(audience, epoch.keys.hash, shown, epoch.seeds[index], context)
            assert (own.r, own.vs) == (signature[:32], u256(s))
            check_presentation(own, epoch.keys.hash, shown)
        return audience.purpose, signature[:32], u256(s)

    def show(self, epoch: Epoch, index: int, proof: bytes, **changes: Any) -> Any:
        """Mine `show`; parts may be replaced by name: words, leaf, place, path, proof, presentation."""
        arguments = {
            "words": epoch.keys.words,
            "leaf": epoch.leaves[index].words,
            "place": index,
            "path": list(epoch.path(index)),
            "proof": proof,
            "presentation": self.presented(epoch, index),
        } | changes
        return self.vault.user.send(self.contract.functions.show(*arguments.values()))

    def shown(self, receipt: Any) -> tuple[int, int, int]:
        """(epoch, account, shortfall) that the log tells."""
        (event,) = self.contract.events.Solvent().process_receipt(receipt)
        return event["args"]["epoch"], event["args"]["account"], event["args"]["shortfall"]


@pytest.fixture(scope="module")
def epoch() -> Epoch:
    return make_epoch(2048)


@pytest.fixture(scope="module")
def proof(epoch: Epoch) -> bytes:
    return epoch.prove(1)


@pytest.fixture(scope="module")
def shared(anvil_binary: Path, tmp_path_factory: pytest.TempPathFactory, epoch: Epoch) -> Iterator[SolvencyChain]:
    with anvil_chain(31337, tmp_path_factory.mktemp("chain")) as chain:
        found = SolvencyChain(VaultChain(chain, FOUR))
        found.certify(epoch.keys)
        yield found


@pytest.fixture
def solvency(shared: SolvencyChain) -> Iterator[SolvencyChain]:
    """As it was once the epoch was certified; what a test does to it is taken back."""
    with put_back(shared.vault.chain):
        yield shared


@pytest.mark.parametrize("index", range(5))
def test_every_account_of_a_certified_epoch_can_be_shown(solvency: SolvencyChain, epoch: Epoch, index: int) -> None:
    receipt = solvency.show(epoch, index, epoch.prove(index))
    assert solvency.shown(receipt) == (3, index + 1, SHORTFALLS[index])


def test_a_view_tells_other_contracts_without_a_transaction(
    solvency: SolvencyChain, epoch: Epoch, proof: bytes
) -> None:
    shown = solvency.presented(epoch, 1)
    arguments = epoch.keys.words, epoch.leaves[1].words, 1, list(epoch.path(1)), proof, shown
    sender = {"from": Account.from_key(USER).address}
    time_s = solvency.contract.functions.timeOf(3).call()
    assert solvency.contract.functions.check(*arguments).call(sender) == [3, 2, 0, time_s]


def test_the_adapters_calls_are_the_contracts(solvency: SolvencyChain, epoch: Epoch, proof: bytes) -> None:
    web3, functions = solvency.vault.user.web3, solvency.contract.functions
    nobody = solvency.presented(epoch, 1, solvency.audience(caller=bytes(20)))
    shown = ProvenAccount(epoch.keys.words, epoch.leaves[1].words, 1, epoch.path(1), proof, nobody)
    arguments = shown.keys, shown.leaf, shown.index, list(shown.path), shown.proof, shown.presentation
    assert show_call(shown) == bytes.fromhex(functions.show(*arguments)._encode_transaction_data()[2:])
    to = solvency.contract.address
    assert read_checked(bytes(web3.eth.call({"to": to, "data": check_call(shown)})))[:3] == (3, 2, 0)
    assert bytes(web3.eth.call({"to": to, "data": keys_of_call(3)})) == epoch.keys.hash
    assert bytes(web3.eth.call({"to": to, "data": keys_of_call(4)})) == bytes(32)
    signers = solvency.vault.signers
    shares = [bls.sign(secret, certified_digest(epoch.keys, signers.validators.hash, 77)) for secret in signers.secrets]
    total = bls.aggregate(shares)
    wanted = functions.certify(shown.keys, 77, (15, bls.signature_coordinates(total)))._encode_transaction_data()
    assert certify_call(shown.keys, 77, signer_bitmap((0, 1, 2, 3)), total) == bytes.fromhex(wanted[2:])
    for bad in (b"", bytes(127), bytes(129), bytes([255]) * 128):
        with pytest.raises(RemoteFault):
            read_checked(bad)


def test_among_a_thousand_accounts_one_is_shown_below_the_gas_goal(solvency: SolvencyChain) -> None:
    many = crowded(make_epoch(2048, number=9), 1000)
    solvency.certify(many.keys)
    receipt = solvency.show(many, 1, many.prove(1))
    assert solvency.shown(receipt) == (9, 2, 0)
    assert len(many.path(1)) == 10
    assert receipt["gasUsed"] < GAS_MAX


def test_two_columns_are_shown_too(solvency: SolvencyChain) -> None:
    wide = make_epoch(2048, rows=ROWS * 130, number=8)
    assert wide.layout.columns == 2
    solvency.certify(wide.keys)
    receipt = solvency.show(wide, 4, wide.prove(4))
    assert solvency.shown(receipt) == (8, 5, 200)


FALSE_HOLDINGS = {
    "equity of minus one": (-11, 0, 0),
    "a negative token": (10**6, -1, 0),
    "a third of a token": (10**6, inverse(3), 0),
    "a position out of range": (2**62, 0, 2**39),
}


@pytest.mark.parametrize("case", FALSE_HOLDINGS)
def test_what_breaks_a_range_or_a_row_is_refused(solvency: SolvencyChain, case: str) -> None:
    epoch = make_epoch(2048, [FALSE_HOLDINGS[case]], shortfalls=(0,), number=7, check=False)
    solvency.certify(epoch.keys)
    assert refused(solvency.show, epoch, 0, epoch.prove(0)) == "ProofRefused"


@pytest.mark.parametrize("part", "DUVT")
def test_a_false_claim_that_would_close_a_false_row_is_refused(solvency: SolvencyChain, part: str) -> None:
    epoch = make_epoch(2048, [(-11, 0, 0)], shortfalls=(0,), number=7, check=False)
    solvency.certify(epoch.keys)
    claimed = FalseClaim(epoch, 0, part).run(check=False).data
    assert refused(solvency.show, epoch, 0, claimed) == "ProofRefused"


def test_digits_forged_for_a_known_y_need_a_quorum_that_lies(solvency: SolvencyChain) -> None:
    """Told and not hidden: [U], [V] and c are the quorum's word here, and anybody's to derive elsewhere."""
    values, rows, early = (-11, 0, 0), ROWS * 4, row_challenge(bytes(32), bytes(32), bytes(32))
    plain = make_epoch(2048, [values], shortfalls=(0,), rows=rows, check=False)
    forged = Witness(values, forge_digits(plain.layout, early, values, 0), plain.witnesses[0].blinders)
    epoch = make_epoch(2048, [values], shortfalls=(0,), rows=rows, number=6, witnesses=[forged])
    weights = weights_of(epoch.layout, early)
    u, v = row_polynomials(epoch.layout, weights, basis(2048))
    constants = {"constant": scalar_bytes(weights.constant), "sigma": scalar_bytes(weights.shortfall)}
    lying = msgspec.structs.replace(epoch.keys, epoch=60, u=u, v=v, **constants)
    proof = epoch.prove(0, keys=lying, weights=weights)
    # By less than a quorum the keys cannot be brought, and under the honest ones the same digits prove nothing.
    assert refused(solvency.certify, lying, (0, 1)) == "UnderQuorum"
    assert refused(solvency.show, epoch, 0, proof, words=lying.words) == "NotCertified"
    solvency.certify(epoch.keys)
    assert refused(solvency.show, epoch, 0, epoch.prove(0)) == "ProofRefused"
    assert refused(solvency.show, epoch, 0, proof) == "ProofRefused"
    presentation = solvency.presented(epoch, 0, words=lying.words)
    with pytest.raises(Disproved):
        check_keys(lying, epoch.statement, epoch.leaves)
    solvency.certify(lying)
    assert solvency.shown(solvency.show(epoch, 0, proof, words=lying.words, presentation=presentation)) == (60, 1, 0)


def test_a_proof_is_of_its_account_alone(solvency: SolvencyChain, epoch: Epoch, proof: bytes) -> None:
    assert refused(solvency.show, epoch, 2, proof) == "ProofRefused"
    for index in (0, 2, 4):
        assert refused(solvency.show, epoch, 1, proof, place=index) == "NotInEpoch"
    leaf = epoch.leaves[1]
    for changes in ({"account": 7}, {"shortfall": 1}, {"c_w": epoch.leaves[0].c_w}, {"c_d": epoch.leaves[0].c_d}):
        assert refused(solvency.show, epoch, 1, proof, leaf=replace(leaf, **changes).words) == "NotInEpoch"
    for words in (u256(2**63) + leaf.words[32:], leaf.words[:32] + u256(2**63) + leaf.words[64:]):
        assert refused(solvency.show, epoch, 1, proof, leaf=words) == "OutOfRange"


@pytest.mark.parametrize("accounts", [1, 2, 3, 6, 9])
def test_a_tree_of_any_shape_is_the_networks(solvency: SolvencyChain, accounts: int) -> None:
    """Odd levels, too. Who copies another's points has a leaf, but no proof."""
    own = make_epoch(2048, [(1000, 5, -1)], shortfalls=(0,), number=20 + accounts)
    tree = crowded(own, accounts)
    solvency.certify(tree.keys)
    proof = tree.prove(0)
    assert solvency.shown(solvency.show(tree, 0, proof)) == (20 + accounts, 1, 0)
    for place in range(1, accounts):
        path = list(tree.path(place))
        signed = solvency.presented(tree, 0, place=place)
        shown = {"leaf": tree.leaves[place].words, "place": place, "path": path, "presentation": signed}
        assert refused(solvency.show, tree, 0, proof, **shown) == "ProofRefused"
        changed = [*path[:-1], sha256(path[-1])]
        assert refused(solvency.show, tree, 0, proof, **shown | {"path": changed}) == "NotInEpoch"


def test_a_path_is_as_long_as_the_tree_is_deep(solvency: SolvencyChain, epoch: Epoch, proof: bytes) -> None:
    path = list(epoch.path(1))
    for index, shown in ((1, path[:-1]), (1, [*path, path[0]]), (1, []), (5, path), (2**255, path), (1, path * 14)):
        assert refused(solvency.show, epoch, 1, proof, place=index, path=shown) == "BadPath"
    assert refused(solvency.show, epoch, 1, proof, path=path[::-1]) == "NotInEpoch"


@pytest.mark.parametrize("name", FIELDS)
def test_keys_that_nobody_certified_are_refused(solvency: SolvencyChain, epoch: Epoch, proof: bytes, name: str) -> None:
    value = getattr(epoch.keys, name)
    other = encode_point(GENERATOR)
    changed = (other,) if name == "u" else other if name == "v" else sha256(value) if isinstance(value, bytes) else 99
    words = _words(epoch.keys, name, changed)
    assert refused(solvency.show, epoch, 1, proof, words=words) == "NotCertified"


def _words(keys: EpochKeys, name: str, value: object) -> bytes:
    return msgspec.structs.replace(keys, **{name: value}).words


def test_keys_of_one_epoch_show_nothing_of_another(solvency: SolvencyChain, epoch: Epoch, proof: bytes) -> None:
    later = make_epoch(2048, number=4)
    assert refused(solvency.show, later, 1, later.prove(1)) == "NotCertified"
    solvency.certify(later.keys)
    assert refused(solvency.show, later, 1, proof) == "ProofRefused"
    assert refused(solvency.show, epoch, 1, proof, words=later.keys.words) == "NotInEpoch"
    assert solvency.shown(solvency.show(later, 1, later.prove(1))) == (4, 2, 0)


def test_calldata_has_its_lengths(solvency: SolvencyChain, epoch: Epoch, proof: bytes) -> None:
    for changed in (b"", proof[:-1], proof[:-128], proof + b"\0", proof + bytes(192)):
        assert refused(solvency.show, epoch, 1, proof=changed) == "MalformedProof"
    leaf = epoch.leaves[1].words
    for changed in (b"", leaf[:-1], leaf + b"\0", leaf + bytes(128)):
        assert refused(solvency.show, epoch, 1, proof, leaf=changed) == "MalformedLeaf"
    words = epoch.keys.words
    for changed in (b"", words[:383], words[:511]):
        assert refused(solvency.show, epoch, 1, proof, words=changed) == "MalformedKeys"
    for changed in (words[:-1], words + b"\0"):
        assert refused(solvency.show, epoch, 1, proof, words=changed) == "NotCertified"


@pytest.mark.parametrize("kind", BAD_POINTS)
def test_a_point_that_is_not_canonical_is_refused(
    solvency: SolvencyChain, epoch: Epoch, proof: bytes, kind: str
) -> None:
    expected = "PointAtInfinity" if kind == "infinity" else "PrecompileFailed"
    for at in POINTS:
        changed = proof[:at] + BAD_POINTS[kind](proof[at : at + 128]) + proof[at + 128 :]
        assert refused(solvency.show, epoch, 1, changed) == expected, at


def test_every_point_and_scalar_of_a_proof_counts(solvency: SolvencyChain, epoch: Epoch, proof: bytes) -> None:
    for at in POINTS:
        moved = padded_point(read_padded(proof[at : at + 128], "point") + GENERATOR)
        assert refused(solvency.show, epoch, 1, proof[:at] + moved + proof[at + 128 :]) == "ProofRefused"
    for at in SCALARS:
        value = int.from_bytes(proof[at : at + 32], "big")
        for moved, expected in (
            ((value + 1) % ORDER, "ProofRefused"),
            (value + ORDER, "BadScalar"),
            (ORDER, "BadScalar"),
        ):
            if moved < 2**256:
                changed = proof[:at] + u256(moved) + proof[at + 32 :]
                assert refused(solvency.show, epoch, 1, changed) == expected


def test_the_contract_and_its_twin_judge_alike(solvency: SolvencyChain, epoch: Epoch, proof: bytes) -> None:
    """Damaged in a hundred places and not at all."""
    for at in (None, *range(3, len(proof), 61)):
        changed = bytearray(proof)
        if at is not None:
            changed[at] ^= 1 << at % 8
        try:
            verify_account(epoch.keys, epoch.leaves[1], 1, epoch.path(1), bytes(changed))
            verdict = True
        except Disproved:
            verdict = False
        try:
            solvency.show(epoch, 1, bytes(changed))
        except Refused:
            assert not verdict, at
        else:
            assert verdict, at


def test_keys_need_more_than_two_thirds_of_the_vaults_set(solvency: SolvencyChain) -> None:
    keys = make_epoch(2048, number=5).keys
    assert refused(solvency.certify, keys, (0, 1)) == "UnderQuorum"
    stranger = make_signers((1, 1, 1, 1), b"another set")
    assert refused(solvency.certify, keys, signers=stranger) == "BadSignature"
    now = solvency.now()
    signed = certified_digest(keys, solvency.vault.signers.validators.hash, now)
    changed = {"words": _words(keys, "constant", bytes(32)), "digest": signed}
    assert refused(solvency.certify, keys, **changed, time_s=now) == "BadSignature"
    assert refused(solvency.certify, keys, digest=signed, time_s=now - 1) == "BadSignature"
    solvency.certify(keys, (1, 2, 3))


def test_a_vote_is_no_signature_over_keys(solvency: SolvencyChain) -> None:
    keys = make_epoch(2048, number=5).keys
    for kind in VoteKind:
        vote = vote_digest(NETWORK, solvency.vault.signers.validators.hash, kind, keys.height, 0, keys.hash)
        assert refused(solvency.certify, keys, digest=vote) == "BadSignature"
    assert refused(solvency.certify, keys, digest=keys.hash) == "BadSignature"


def test_an_epoch_is_certified_once(solvency: SolvencyChain, epoch: Epoch) -> None:
    assert refused(solvency.certify, epoch.keys) == "CertifiedAlready"
    other = msgspec.structs.replace(epoch.keys, sigma=bytes(32))
    assert refused(solvency.certify, other) == "CertifiedAlready"


def test_malformed_keys_are_refused_even_from_a_quorum(solvency: SolvencyChain) -> None:
    keys = make_epoch(2048, number=5).keys
    reduced = ORDER.to_bytes(32, "big")
    cases = {
        "WrongNetwork": [{"network": bytes(32)}],
        "OutOfRange": [
            {"size": 256},
            {"size": 4096},
            {"accounts": 0},
            {"accounts": 2**20 + 1},
            {"constant": reduced},
            {"sigma": reduced},
        ],
        "MalformedKeys": [{"u": ()}, {"u": keys.u * 17}],
    }
    for expected, changes in cases.items():
        for change in changes:
            bad = msgspec.structs.replace(keys, **change)
            assert refused(solvency.certify, bad) == expected, change
    words = keys.words
    for shown in (b"", words[:-1], words + b"\0", bytes(32) + words[32:], words[:352] + u256(2) + words[384:]):
        assert refused(solvency.certify, keys, words=shown) == "MalformedKeys"
    for at in (64, 96):
        assert refused(solvency.certify, keys, words=words[:at] + u256(2**63) + words[at + 32 :]) == "OutOfRange"


def test_keys_are_certified_by_the_set_that_the_vault_has_come_to(solvency: SolvencyChain) -> None:
    keys, old, new = make_epoch(2048, number=5).keys, solvency.vault.signers, make_signers((3, 1, 1), b"next set")
    header = make_header(old, 7, next_validators_hash=new.validators.hash)
    solvency.vault.certified(header)
    assert refused(solvency.certify, keys, signers=old) == "ValidatorsNotInstalled"
    solvency.vault.install(new.validators)
    assert refused(solvency.certify, keys, signers=old, indices=(0, 1, 2, 3)) in {"StraySigner", "BadSignature"}
    solvency.certify(keys, signers=new, indices=(0, 1))


def test_a_set_that_the_vault_believes_no_longer_certifies_nothing(anvil: Callable[..., Anvil]) -> None:
    solvency = SolvencyChain(VaultChain(anvil(), FOUR))
    keys = make_epoch(2048, number=5).keys
    chain = solvency.vault.chain
    with put_back(chain):
        later = solvency.now() + solvency.vault.terms.trusting_s + 60
        solvency.vault.at(later)
        assert refused(solvency.certify, keys, time_s=later) == "TrustExpired"
    solvency.certify(keys)


def test_while_the_vault_is_paused_nothing_is_certified(solvency: SolvencyChain) -> None:
    """Somebody saw a danger: until it is settled, the vault's set is not asked to vouch for anything."""
    vault, keys = solvency.vault, make_epoch(2048, number=5).keys
    vault.guard()
    until = vault.vault.functions.pausedUntil().call()
    assert until > solvency.now()
    assert refused(solvency.certify, keys) == "VaultPaused"
    vault.chain.rpc("evm_setNextBlockTimestamp", until)
    vault.chain.rpc("evm_mine")
    solvency.certify(keys)


def test_keys_serve_a_week_from_the_time_of_their_header(solvency: SolvencyChain, epoch: Epoch, proof: bytes) -> None:
    chain, now, week = solvency.vault.chain, solvency.now(), 7 * 86_400
    old, later = make_epoch(2048, number=5), make_epoch(2048, number=6)
    assert refused(solvency.certify, old.keys, time_s=now - week - 60) == "KeysExpired"
    assert refused(solvency.certify, old.keys, time_s=now + 3_600) == "FromTheFuture"
    assert solvency.contract.functions.timeOf(epoch.keys.epoch).call() > now - 3_600
    solvency.certify(old.keys, time_s=now - week + 3_600)
    assert solvency.shown(solvency.show(old, 1, old.prove(1)))[0] == 5
    chain.rpc("evm_increaseTime", hex(3_700))
    chain.rpc("evm_mine")
    assert refused(solvency.show, old, 1, old.prove(1)) == "KeysExpired"
    solvency.show(epoch, 1, proof)
    assert refused(solvency.certify, later.keys, time_s=now - week + 3_600) == "KeysExpired"


def test_anothers_calldata_is_of_no_use(solvency: SolvencyChain, epoch: Epoch, proof: bytes) -> None:
    """Who copies a transaction before it is mined has keys, leaf, path and proof, and the signature for its sender."""
    stranger = Account.from_key(bytes([0x42]) * 32).address
    copied = [epoch.keys.words, epoch.leaves[1].words, 1, list(epoch.path(1)), proof, solvency.presented(epoch, 1)]
    call = solvency.contract.functions.check(*copied)
    assert call.call({"from": Account.from_key(USER).address})[:3] == [3, 2, 0]
    with pytest.raises(ContractCustomError, match=NOT_FOR_CALLER):
        call.call({"from": stranger})
    for audience in (
        solvency.audience(caller=bytes.fromhex(stranger[2:])),
        msgspec.structs.replace(solvency.audience(), verifier=bytes(20)),
        msgspec.structs.replace(solvency.audience(), chain_id=1),
    ):
        shown = solvency.presented(epoch, 1, audience)
        assert refused(solvency.show, epoch, 1, proof, presentation=shown) == "NotForCaller"
    purpose, r, vs = solvency.presented(epoch, 1)
    for changed in ((sha256(b"another loan"), r, vs), (purpose, vs, r), (purpose, bytes(32), bytes(32))):
        assert refused(solvency.show, epoch, 1, proof, presentation=changed) == "NotForCaller"
    other = solvency.presented(epoch, 2)
    assert refused(solvency.show, epoch, 1, proof, presentation=other) == "NotForCaller"
    later = make_epoch(2048, number=4)
    solvency.certify(later.keys)
    old = solvency.presented(epoch, 1)
    assert refused(solvency.show, later, 1, later.prove(1), presentation=old) == "NotForCaller"


def test_the_log_names_the_caller_and_the_purpose(solvency: SolvencyChain, epoch: Epoch, proof: bytes) -> None:
    (event,) = solvency.contract.events.Solvent().process_receipt(solvency.show(epoch, 1, proof))
    assert event["args"]["caller"] == Account.from_key(USER).address
    assert bytes(event["args"]["purpose"]) == PURPOSE


def test_the_contract_and_its_twin_ask_for_the_same_signature(solvency: SolvencyChain, epoch: Epoch) -> None:
    audience, leaf = solvency.audience(), epoch.leaves[1]
    caller = solvency.vault.user.web3.to_checksum_address(audience.caller)
    arguments = (caller, audience.purpose, epoch.keys.hash, leaf.hash)
    found = bytes(solvency.contract.functions.presentationDigest(*arguments).call())
    assert found == presentation_digest(audience, epoch.keys.hash, leaf.hash)


def test_a_set_that_a_conflict_froze_certifies_nothing(solvency: SolvencyChain) -> None:
    """More than a third of it signed twice: the vault believes nothing of it until the conflict is settled."""
    vault, keys = solvency.vault, make_epoch(2048, number=5).keys
    one, two = (make_header(vault.signers, 8, payload_root=sha256(name)) for name in (b"one", b"two"))
    shown = [(header, vault.signers.certify(header, (0, 1, 2))) for header in (one, two)]
    vault.call(freeze_call(*shown))
    assert refused(solvency.certify, keys) == "VaultFrozen"
    vault.call(choose_branch_call(one, vault.decided(BranchChoice(one.hash))))
    solvency.certify(keys)


def test_a_verifier_follows_a_vault_that_exists(solvency: SolvencyChain) -> None:
    web3 = solvency.vault.user.web3
    with pytest.raises(Exception, match=r"revert|0x"):
        deploy(web3, USER, "SolvencyVerifier", web3.to_checksum_address(bytes(19) + b"\x77"))


def test_the_contracts_constants_are_the_domains(solvency: SolvencyChain) -> None:
    source = (FOLDER / "src" / "LinearProof.sol").read_text()
    domain = domain_of(2048)
    joined = source.replace('"\n        hex"', "")
    assert f"{domain.omega:#066x};" in source
    assert f"{inverse(2048):#066x};" in source
    assert f"{ORDER:#066x};" in source
    second = [bytes(point.to_xy_bytes_be()) for point in (tau_g2(), -GENERATOR_2)]
    for file, tags in TAGS.items():
        text = (FOLDER / "src" / file).read_text()
        assert all(f'"{tag}".' in text and f"= 0x{tag_prefix(tag).hex()};" in text for tag in tags)
        assert text.count('/// SHA-256 of "') == len(tags)
    wanted = [padded_point(GENERATOR), padded_point(table_point(2048))]
    wanted += [b"".join(bytes(16) + xy[i : i + 48] for i in range(0, 192, 48)) for xy in second]
    assert all(f'hex"{point.hex()}"' in joined for point in wanted)


def at_second(solvency: SolvencyChain, second: int, call: Callable[..., object], *given: Any, **named: Any) -> str:
    """The refusal of a call in a block of this very second, or nothing; the chain is put back."""
    chain = solvency.vault.chain
    with put_back(chain):
        chain.rpc("evm_setNextBlockTimestamp", second)
        try:
            call(*given, **named)
        except Refused as found:
            assert solvency.now() == second
            return found.name
        assert solvency.now() == second
        return ""


def test_every_time_ends_at_its_own_second(solvency: SolvencyChain) -> None:
    """The last second of each is in it, and the next one is not."""
    keys, week, vault = make_epoch(2048, number=5).keys, 7 * 86_400, solvency.vault
    now = solvency.now() + 10
    for time_s, wanted in (
        (now - week, ""),
        (now - week - 1, "KeysExpired"),
        (now + 300, ""),
        (now + 301, "FromTheFuture"),
    ):
        assert at_second(solvency, now, solvency.certify, keys, time_s=time_s) == wanted
    trusted = vault.vault.functions.latest().call()[2] + vault.terms.trusting_s
    for second, wanted in ((trusted, ""), (trusted + 1, "TrustExpired")):
        assert at_second(solvency, second, solvency.certify, keys, time_s=second) == wanted
    vault.guard()
    until = vault.vault.functions.pausedUntil().call()
    for second, wanted in ((until - 1, "VaultPaused"), (until, "")):
        assert at_second(solvency, second, solvency.certify, keys, time_s=second) == wanted


def test_keys_are_shown_until_their_last_second(solvency: SolvencyChain, epoch: Epoch, proof: bytes) -> None:
    last = solvency.contract.functions.timeOf(epoch.keys.epoch).call() + 7 * 86_400
    for second, wanted in ((last, ""), (last + 1, "KeysExpired")):
        assert at_second(solvency, second, solvency.show, epoch, 1, proof) == wanted


def test_a_time_that_is_signed_serves_no_other(solvency: SolvencyChain) -> None:
    """The keys of an epoch with the quorum's signature over another header's time."""
    keys, now = make_epoch(2048, number=5).keys, solvency.now()
    signed = certified_digest(keys, solvency.vault.signers.validators.hash, now - 3_600)
    assert refused(solvency.certify, keys, digest=signed, time_s=now) == "BadSignature"
    solvency.certify(keys, digest=signed, time_s=now - 3_600)
    again = certified_digest(keys, solvency.vault.signers.validators.hash, now)
    assert refused(solvency.certify, keys, digest=again, time_s=now) == "CertifiedAlready", "no later time renews them"


def test_calldata_for_one_verifier_serves_no_second_one_of_the_same_vault(
    solvency: SolvencyChain, epoch: Epoch, proof: bytes
) -> None:
    """Certified keys are the network's, whichever contract asks; for whom an account is shown, its presenter says."""
    other = SolvencyChain(solvency.vault)
    other.certify(epoch.keys)
    assert refused(other.show, epoch, 1, proof, presentation=solvency.presented(epoch, 1)) == "NotForCaller"
    assert other.shown(other.show(epoch, 1, proof)) == (3, 2, 0)
