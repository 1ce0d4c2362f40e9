"""What was certified for one vault serves no other: of its chain, of its address on another chain, of a later fork."""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from bridge.contracts.cold_quorum import GuardianReplacement
from bridge.contracts.vault import follow_order_call, replace_guardian_call
from clearing.base import secp256k1
from clearing.base.withdrawal_leaves import guardian_order_leaf_hash
from clearing.schema.records.exits import ExitKind, ExitTree
from devnet.anvil import Anvil, anvil_chain
from tests.kit.bridge.certified import Tree, certify, released
from tests.kit.bridge.exits import ALICE, BOB, EPOCH, Exits
from tests.kit.bridge.vault_chain import FOUR, UNIT, Refused, VaultChain, make_header, make_signers, refused
from tests.kit.chains import put_back

pytestmark = pytest.mark.chain
HEIR = secp256k1.address(bytes([41]) * 32)
Two = tuple[VaultChain, VaultChain]


def _second_of_the_same_tokens(first: VaultChain) -> VaultChain:
    second = VaultChain(first.chain, FOUR, assets=first.terms.assets, wrapped_native=first.wrapped_at.address)
    second.token_at, second.token = first.token_at, first.token
    second.user.send(first.token.functions.approve(second.vault.address, 2**256 - 1))
    return second


@pytest.fixture(scope="module")
def of_one_chain(anvil_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    with anvil_chain(31337, tmp_path_factory.mktemp("one")) as chain:
        first = VaultChain(chain, FOUR)
        yield first, _second_of_the_same_tokens(first)


@pytest.fixture(scope="module")
def of_two_chains(anvil_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Deployed alike, so that vaults and tokens have the same addresses on both."""
    with (
        anvil_chain(1001, tmp_path_factory.mktemp("one")) as one,
        anvil_chain(1002, tmp_path_factory.mktemp("other")) as other,
    ):
        first, second = VaultChain(one, FOUR), VaultChain(other, FOUR)
        assert (first.vault_at.address, first.token_at.address) == (second.vault_at.address, second.token_at.address)
        yield first, second


@pytest.fixture(params=["of_one_chain", "of_two_chains"])
def two(request: pytest.FixtureRequest) -> Iterator[Two]:
    first, second = request.getfixturevalue(request.param)
    with put_back(first.chain):
        if second.chain is first.chain:
            yield first, second
        else:
            with put_back(second.chain):
                yield first, second


def test_a_withdrawal_of_another_vault_is_not_paid_alone_or_in_a_batch(two: Two) -> None:
    """Both vaults trust the one root of the network, which has the leaves of both."""
    first, second = two
    for vault in two:
        vault.deposit(5 * UNIT)
    entries, leaves = zip(released(first, 0), released(second, 1), released(first, 2), strict=True)
    tree = Tree(list(leaves))
    for vault in two:
        certify(vault, list(leaves))
    assert refused(second.withdraw, entries[0], tree.proof(0)) == "BadProof"
    assert refused(second.withdraw_batch, entries[:2], tree.proof_of_many((0, 1))) == "BadProof"
    assert refused(second.withdraw_batch, [entries[0], entries[2]], tree.proof_of_many((0, 2))) == "BadProof"
    second.withdraw(entries[1], tree.proof(1))
    first.withdraw_batch([entries[0], entries[2]], tree.proof_of_many((0, 2)))
    assert [second.view("isPaid", nonce) for nonce in range(3)] == [False, True, False]
    assert [first.view("isPaid", nonce) for nonce in range(3)] == [True, False, True]


def test_an_order_or_a_decision_about_another_vaults_guardian_is_void(two: Two) -> None:
    first, second = two
    place = {"chain_id": first.chain.chain_id, "vault": first.vault_at.address}
    leaf = guardian_order_leaf_hash(nonce=0, guardian=HEIR, **place)
    certify(second, [leaf])
    order = follow_order_call(0, HEIR, second.root_number, Tree([leaf]).proof(0))
    assert refused(second.call, order) == "BadProof"
    decided = replace_guardian_call(HEIR, first.decided(GuardianReplacement(HEIR)))
    assert refused(second.call, decided) == "NotAColdKey"
    first.call(decided)


def _exits_of(two: Two) -> tuple[Exits, Exits]:
    """One tree with the payments and totals of both, certified at both."""
    made = [Exits(vault) for vault in two]
    for exits, owner in zip(made, (ALICE, BOB), strict=True):
        exits.vault.deposit(10 * UNIT)
        exits.owe(4 * UNIT, owner, 1)
        exits.owe(6 * UNIT, owner, 0, ExitKind.WITHDRAWAL)
        exits.close(withdrawals=1)
    totals = sorted((entry for exits in made for entry in exits.tree.totals), key=lambda entry: entry.at)
    leaves = [leaf for exits in made for leaf in exits.leaves]
    for exits in made:
        exits.leaves, exits.tree = leaves, ExitTree(EPOCH, 1, tuple(totals), tuple(leaves))
        exits.certify()
    return made[0], made[1]


def test_a_vault_exits_by_its_own_totals_and_payments_only(two: Two) -> None:
    made = _exits_of(two)
    chains = {id(exits.vault.chain): exits for exits in made}.values()
    for exits in chains:
        exits.wait(2 * exits.quarter() + 2)
    for exits in made:
        exits.trigger()
    for exits in chains:
        exits.wait(exits.quarter() + 2)
    for exits in made:
        place = (exits.vault.chain.chain_id, exits.vault.vault_at.address)
        ats = [(totals.chain_id, totals.vault) for totals in exits.tree.totals]
        own = ats.index(place)
        assert refused(exits.open, 1 - own) == "WrongTotals"
        exits.open(own)
    for exits in chains:
        exits.wait(exits.quarter() + 2)
    for number, exits in enumerate(made):
        mine, others = exits.leaves[2 * number : 2 * number + 2], exits.leaves[2 - 2 * number : 4 - 2 * number]
        assert [refused(exits.claim, leaf) for leaf in others] == ["BadProof"] * 2
        assert [exits.claim(leaf) for leaf in mine] == [4 * UNIT, 6 * UNIT]
        assert [exits.claim(leaf) for leaf in mine] == [0, 0]


def test_a_leaf_has_one_place_in_a_tree(vault: VaultChain) -> None:
    """What was paid is kept by index: by another one a leaf would be paid twice."""
    vault.deposit(100 * UNIT)
    exits = Exits(vault)
    for number in range(1, 5):
        exits.owe(10 * UNIT, ALICE, number)
    exits.close()
    exits.certify()
    exits.settle()
    exits.begin_payments()
    leaf = exits.leaves[3]
    own = exits.place(4)
    paths = [exits.place(at)["path"] for at in range(exits.tree.count)]
    paths += [own["path"][:-1], own["path"][1:], [*own["path"], bytes(32)], own["path"][::-1]]
    accepted = []
    for index, count, path in product((*range(9), 2**32 + 4, 2**64 + 4, 2**255 + 4), (*range(1, 10), 2**40), paths):
        place = {"index": index, "count": count, "path": path}
        try:
            exits.vault.user.ask(_claim(exits, leaf, place))
        except Refused as refusal:
            assert refusal.name in ("BadPath", "BadProof")
        else:
            accepted.append(place)
    assert accepted == [own]


def _claim(exits: Exits, leaf: Any, place: dict[str, Any]) -> Any:
    given = {
        "salt": leaf.salt,
        "kind": int(leaf.kind),
        "epoch": exits.tree.epoch,
        "number": leaf.number,
        "token": Web3.to_checksum_address(leaf.token),
        "to": Web3.to_checksum_address(leaf.to),
        "amount": leaf.amount,
        "account": leaf.account,
        "notAfter": leaf.not_after_s,
    }
    return exits.vault.vault.functions.claimExit(given, place)


def test_a_fork_of_the_chain_that_takes_another_number_takes_none_of_the_first_ones(
    anvil: Callable[..., Anvil],
) -> None:
    vault = VaultChain(anvil(1003), FOUR)
    vault.deposit(5 * UNIT)
    entry, leaf = released(vault, 0)
    tree = certify(vault, [leaf])
    decided = replace_guardian_call(HEIR, vault.decided(GuardianReplacement(HEIR)))
    vault.chain.rpc("anvil_setChainId", 1004)
    assert refused(vault.withdraw, entry, tree.proof(0)) == "BadProof"
    assert refused(vault.call, decided) == "NotAColdKey"
    vault.chain.rpc("anvil_setChainId", 1003)
    vault.withdraw(entry, tree.proof(0))
    vault.call(decided)


def test_no_set_is_skipped_and_none_that_was_replaced_certifies(vault: VaultChain) -> None:
    everybody = (0, 1, 2, 3)
    sets = [vault.signers, *(make_signers((1, 1, 1, 1), name) for name in (b"second", b"third"))]

    def shown(by: int, height: int, after: int) -> Any:
        header = make_header(sets[by], height, next_validators_hash=sets[after].validators.hash)
        return vault.checkpoint(header, sets[by].certify(header, everybody))

    assert refused(shown, 1, 2, 2) == refused(shown, 2, 2, 2) == "WrongValidatorSet", "what nobody rotated to"
    shown(0, 1, 1)
    assert refused(vault.install, sets[2].validators) == "WrongValidatorSet"
    assert refused(shown, 0, 2, 2) == "WrongValidatorSet", "the set that has just been replaced"
    vault.install(sets[1].validators)
    for by, after in ((0, 0), (0, 2), (2, 2), (2, 1)):
        assert refused(shown, by, 3, after) == "WrongValidatorSet"
    forged = make_header(sets[1], 3, next_validators_hash=sets[0].validators.hash)
    for signers in (sets[0], sets[2]):
        assert refused(vault.checkpoint, forged, signers.certify(forged, everybody)) == "BadSignature"
    shown(1, 3, 2)
    vault.install(sets[2].validators)
    assert [refused(shown, by, 4, by) for by in (0, 1)] == ["WrongValidatorSet"] * 2
    shown(2, 4, 0)
    vault.install(sets[0].validators)
    assert refused(shown, 0, 1, 1) == "NotNewer", "its own first header, now that the set has come back"
    assert refused(shown, 1, 5, 2) == "WrongValidatorSet"
    shown(0, 5, 0)
