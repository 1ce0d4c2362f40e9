"""Two certified headers of one height: every vault that is shown them stops, and each way out from there."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.contracts.cold_quorum import BranchChoice, PauseEnd
from bridge.contracts.conflicts import (
    choose_branch_call,
    extended_history,
    freeze_by_history_call,
    freeze_call,
    reject_child_call,
    show_base_call,
)
from bridge.contracts.vault import FROZEN_S, end_pause_call
from clearing.base.certificate import Certificate, VoteKind
from clearing.base.hashing import sha256
from clearing.base.header import Header
from devnet.anvil import Anvil
from tests.kit.bridge.certified import Tree, certify, released
from tests.kit.bridge.exits import Exits
from tests.kit.bridge.vault_chain import FOUR, UNIT, Signers, VaultChain, make_header, make_signers, refusal, refused
from tests.kit.chains import put_back

pytestmark = pytest.mark.chain
FOLLOWING = make_signers((1, 1, 1, 1), b"following")
QUORUM = (0, 1, 2)
ZERO = bytes(32)


def certified(header: Header, by: Signers = FOUR, **changes: Any) -> tuple[Header, Certificate]:
    return header, by.certify(header, QUORUM, **changes)


def branches(height: int, *, of: Signers = FOUR, **changes: Any) -> tuple[Header, Header]:
    """Two headers of one height that differ in their payload."""
    first, second = (
        make_header(of, height, **changes | {"payload_root": sha256(name), "exit_root": sha256(b"exit " + name)})
        for name in (b"one", b"two")
    )
    return first, second


def freeze(vault: VaultChain, first: Header, second: Header, by: Signers = FOUR) -> Any:
    return vault.call(freeze_call(certified(first, by), certified(second, by)))


def choose(vault: VaultChain, header: Header) -> Any:
    return vault.call(choose_branch_call(header, vault.decided(BranchChoice(header.hash))))


def checkpointed(vault: VaultChain, *heights: int) -> list[Header]:
    headers = [make_header(vault.signers, height, exit_root=sha256(b"exit %d" % height)) for height in heights]
    for header in headers:
        vault.certified(header)
    return headers


def history(headers: list[Header]) -> bytes:
    found = ZERO
    for header in headers:
        found = extended_history(found, header.hash)
    return found


def test_a_conflict_stops_checkpoints_deposits_and_withdrawals(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entry, leaf = released(vault, 0)
    tree = certify(vault, [leaf], height=3)
    freeze(vault, *branches(8))
    refusals = [
        refusal(vault.deposit, UNIT),
        refusal(vault.withdraw, entry, tree.proof(0)),
        refusal(vault.withdraw_batch, [entry], tree.proof_of_many([0])),
        refusal(vault.certified, make_header(vault.signers, 9)),
    ]
    assert {(each.name, *each.values) for each in refusals} == {("IsFrozen", 8)}
    assert refused(vault.guard) == "PauseTooSoon"
    assert refused(vault.call, end_pause_call(vault.decided(PauseEnd(FROZEN_S)))) == "IsFrozen"


def test_the_same_evidence_stops_every_vault_of_the_network(anvil: Callable[..., Anvil]) -> None:
    vaults = [VaultChain(anvil(chain_id), FOUR) for chain_id in (1001, 1002)]
    for vault in vaults:
        freeze(vault, *branches(8))
        assert refused(vault.deposit, UNIT) == "IsFrozen"


ONE, TWO = branches(8)
STRANGERS = make_signers((1, 1, 1, 1), b"strangers")
FOREIGN = sha256(b"another network")
Shown = tuple[Header, Certificate]
NO_EVIDENCE: dict[str, tuple[str, Shown, Shown]] = {
    "the_same_header_twice": ("NoConflict", certified(ONE), certified(ONE, round_=1)),
    "two_heights": ("NoConflict", certified(ONE), certified(branches(9)[1])),
    "one_under_quorum": ("UnderQuorum", certified(ONE), (TWO, FOUR.certify(TWO, (0, 1)))),
    "prevotes": ("BadSignature", certified(ONE), certified(TWO, kind=VoteKind.PREVOTE)),
    "nil": ("BadSignature", certified(ONE), certified(TWO, value=ZERO)),
    "strangers": ("WrongValidatorSet", certified(ONE), certified(branches(8, of=STRANGERS)[1], STRANGERS)),
    "strangers_under_the_sets_name": (
        "BadSignature",
        certified(ONE),
        certified(TWO, Signers(FOUR.validators, STRANGERS.secrets)),
    ),
    "another_network": ("WrongNetwork", certified(ONE), certified(branches(8, network=FOREIGN)[1], network=FOREIGN)),
}


@pytest.mark.parametrize("case", NO_EVIDENCE)
@pytest.mark.parametrize("turned", [False, True])
def test_what_is_no_conflict_of_the_network_stops_nothing(vault: VaultChain, case: str, turned: bool) -> None:
    name, first, second = NO_EVIDENCE[case]
    assert refused(vault.call, freeze_call(*((second, first) if turned else (first, second)))) == name
    vault.deposit(UNIT)


def test_evidence_is_taken_during_a_pause_and_the_pause_does_not_end_it(vault: VaultChain) -> None:
    vault.guard()
    until = vault.view("pausedUntil")
    freeze(vault, *branches(8))
    vault.at(until + 1)
    assert refused(vault.deposit, UNIT) == "IsFrozen"


def rotated(vault: VaultChain) -> None:
    vault.certified(make_header(vault.signers, 3, next_validators_hash=FOLLOWING.validators.hash))
    vault.install(FOLLOWING.validators)


def test_a_set_that_was_replaced_is_still_evidence_within_the_trusting_period(vault: VaultChain) -> None:
    rotated(vault)
    trusted_at = vault.view("latest")[2]
    late = make_header(FOLLOWING, 4, time_ms=(vault.now() + 600_000) * 1_000)
    vault.at(trusted_at + vault.terms.trusting_s - 60)
    vault.checkpoint(late, FOLLOWING.certify(late, QUORUM))
    call = freeze_call(*map(certified, branches(3)))
    with put_back(vault.chain):
        vault.at(trusted_at + vault.terms.trusting_s)
        vault.call(call)
        assert refused(vault.deposit, UNIT) == "IsFrozen"
    vault.at(trusted_at + vault.terms.trusting_s + 1)
    assert refused(vault.call, call) == "TrustExpired"


RANGES = {
    "the former set, below its last checkpoint": (FOUR, 2, None),
    "at it": (FOUR, 3, None),
    "above it": (FOUR, 4, "WrongHeight"),
    "the current set, below its own checkpoints": (FOLLOWING, 3, "WrongHeight"),
    "at the first height that it certifies": (FOLLOWING, 4, None),
}


@pytest.mark.parametrize("case", RANGES)
def test_a_set_is_believed_only_of_heights_that_it_certified(vault: VaultChain, case: str) -> None:
    by, height, refusal_name = RANGES[case]
    rotated(vault)
    shown = branches(height, of=by)
    if refusal_name is None:
        freeze(vault, *shown, by=by)
        assert vault.view("conflict")[2] == height
        return
    found = refusal(freeze, vault, *shown, by=by)
    assert (found.name, *found.values) == (refusal_name, by.validators.hash, height)


@pytest.mark.parametrize("height", [3, 7, 10])
def test_a_set_that_came_back_is_believed_of_each_of_its_times(vault: VaultChain, height: int) -> None:
    """It certified up to 3, from 7 to 9, and is the current one from 12 on."""
    rotated(vault)
    for at, by, after in ((6, FOLLOWING, FOUR), (9, FOUR, FOLLOWING), (11, FOLLOWING, FOUR)):
        header = make_header(by, at, next_validators_hash=after.validators.hash)
        vault.checkpoint(header, by.certify(header, QUORUM))
        vault.install(after.validators)
    call = freeze_call(*map(certified, branches(height)))
    if height == 10:
        assert refused(vault.call, call) == "WrongHeight"
        return
    vault.call(call)
    assert vault.view("conflict")[2] == height


def test_todays_keys_cannot_forge_a_conflict_of_long_ago_to_choose_the_snapshot(vault: VaultChain) -> None:
    exits = Exits(vault)
    rotated(vault)
    vault.deposit(10 * UNIT)
    leaf = exits.owe(10 * UNIT, bytes([0xA1]) * 20, 1)
    exits.close()
    snapshot = make_header(FOLLOWING, 50, exit_root=exits.tree.root, time_ms=vault.now() * 1000)
    vault.checkpoint(snapshot, FOLLOWING.certify(snapshot, QUORUM))
    assert refused(freeze, vault, *branches(1, of=FOLLOWING), by=FOLLOWING) == "WrongHeight"
    exits.settle()
    exits.begin_payments()
    assert exits.claim(leaf) == 10 * UNIT


def test_a_choice_below_a_rotation_lets_the_set_hold_from_there(vault: VaultChain) -> None:
    """The set that it names may be one that the vault took from a later checkpoint of the other branch."""
    (below,) = checkpointed(vault, 3)
    astray = make_header(vault.signers, 12, next_validators_hash=FOLLOWING.validators.hash)
    vault.certified(astray)
    vault.install(FOLLOWING.validators)
    chosen, other = branches(8, next_validators_hash=FOLLOWING.validators.hash)
    freeze(vault, chosen, other)
    vault.call(show_base_call(below, astray, ZERO))
    choose(vault, chosen)
    freeze(vault, *branches(9, of=FOLLOWING, parent=chosen.hash), by=FOLLOWING)
    assert vault.view("conflict")[2] == 9


def test_the_current_set_is_no_evidence_once_its_trust_has_expired(vault: VaultChain) -> None:
    vault.at(vault.view("latest")[2] + vault.terms.trusting_s + 1)
    assert refused(freeze, vault, *branches(8)) == "TrustExpired"


@pytest.mark.parametrize("height", [3, 5, 8])
def test_a_certified_header_beside_a_checkpoint_of_the_vault_is_evidence(vault: VaultChain, height: int) -> None:
    accepted = checkpointed(vault, 3, 5, 8)
    index = (3, 5, 8).index(height)
    other = branches(height)[0]
    before, later = history(accepted[:index]), [header.hash for header in accepted[index + 1 :]]
    call = freeze_by_history_call(certified(other), accepted[index], before, later)
    wrong = freeze_by_history_call(certified(other), branches(height)[1], before, later)
    assert refused(vault.call, wrong) == "WrongHistory"
    same = freeze_by_history_call(certified(accepted[index]), accepted[index], before, later)
    assert refused(vault.call, same) == "NoConflict"
    vault.call(call)
    first, second, at, *_ = vault.view("conflict")
    assert (first, second, at) == (accepted[index].hash, other.hash, height)
    assert base(vault)[0] is False, "the newest checkpoint is below no conflict of its own height"


def test_the_base_is_the_newest_checkpoint_below_the_conflict(vault: VaultChain) -> None:
    accepted = checkpointed(vault, 3, 5, 8)
    freeze(vault, *branches(9))
    assert base(vault) == (True, history(accepted), accepted[2].exit_root), "known at once when it is the newest of all"
    freeze(vault, *branches(6))
    assert base(vault)[0] is False
    hashes = [header.hash for header in accepted]
    wrong = {
        "an older one": (accepted[0], accepted[1], ZERO, hashes[2:]),
        "one above": (accepted[2], branches(9)[0], history(accepted[:2]), []),
        "one that the vault does not have": (branches(4)[0], accepted[2], history(accepted[:1]), []),
        "no later ones": (accepted[1], accepted[2], ZERO, []),
        "none": (None, accepted[2], ZERO, []),
        "one after another that is left out": (None, accepted[2], history(accepted[:1]), []),
    }
    found = {name: refused(vault.call, show_base_call(*given)) for name, given in wrong.items()}
    assert found == dict.fromkeys(wrong, "WrongHistory") | {"an older one": "NoConflict", "one above": "NoConflict"}
    vault.call(show_base_call(accepted[1], accepted[2], history(accepted[:1])))
    assert base(vault) == (True, history(accepted[:2]), accepted[1].exit_root)


def base(vault: VaultChain) -> tuple[Any, ...]:
    """Whether it is known, its history and its exit root."""
    return tuple(vault.view("conflict")[4:])


def test_a_freeze_in_the_second_in_which_a_pause_ends_is_a_pause_of_its_own(vault: VaultChain) -> None:
    """Withdrawals for whose last trusting period the pause was too early have the time of the freeze."""
    vault.guard()
    end = vault.view("pausedUntil")
    vault.at(end)
    chosen, other = branches(8)
    freeze(vault, chosen, other)
    signatures = vault.decided(BranchChoice(chosen.hash))
    vault.at(end + 100)
    vault.call(choose_branch_call(chosen, signatures))
    limit = end + vault.terms.trusting_s
    assert vault.view("deadline", limit) == limit + 100


def test_below_all_checkpoints_there_is_no_exit_root(vault: VaultChain) -> None:
    accepted = checkpointed(vault, 3, 5)
    freeze(vault, *branches(2))
    vault.call(show_base_call(None, accepted[0], ZERO, [accepted[1].hash]))
    assert base(vault) == (True, ZERO, ZERO)


def test_a_lower_conflict_takes_the_place_of_a_higher_one_and_never_the_reverse(vault: VaultChain) -> None:
    vault.at(vault.view("latest")[2] + vault.terms.trusting_s)
    freeze(vault, *branches(8))
    since = vault.view("conflict")[3]
    until = since + vault.terms.trusting_s // 2
    assert vault.view("conflictEscapeFrom") == until
    for height in (8, 9):
        assert refused(freeze, vault, *branches(height)) == "IsFrozen"
    vault.at(until)  # a freeze stops the clock of trust
    freeze(vault, *branches(7))
    assert tuple(vault.view("conflict")[2:4]) == (7, since)
    assert vault.view("conflictEscapeFrom") == until
    assert refused(choose, vault, branches(8)[0]) == "NoSigner", (
        "it is not one of the two, and came without certificate"
    )


def test_the_cold_quorum_chooses_a_branch_and_the_other_is_never_accepted(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    entry, leaf = released(vault, 0)
    tree = Tree([leaf])
    chosen, rejected = branches(8, withdrawals_root=tree.root, withdrawals_count=1)
    freeze(vault, chosen, rejected)
    choose(vault, chosen)
    vault.withdraw(entry, tree.proof(0))
    vault.deposit(UNIT)
    assert vault.view("latest")[0] == 8
    assert vault.view("chosenAt", 8) == chosen.hash
    assert refused(freeze, vault, chosen, rejected) == "HeaderRejected"
    stated = {"withdrawals_root": tree.root, "withdrawals_count": 1}
    child = make_header(vault.signers, 9, parent=rejected.hash, **stated)
    assert refused(vault.certified, child) == "HeaderRejected"
    grandchild = make_header(vault.signers, 10, parent=child.hash, **stated)
    vault.call(reject_child_call(child))
    assert refused(vault.certified, grandchild) == "HeaderRejected"
    own = make_header(vault.signers, 9, parent=chosen.hash, **stated)
    for header in (own, chosen):
        assert refused(vault.call, reject_child_call(header)) == "NotRejected"
    assert refused(freeze, vault, own, child) == "HeaderRejected", "the lost branch stops the vault no second time"
    vault.certified(own)


def test_a_choice_needs_the_quorum_and_one_of_the_two(vault: VaultChain) -> None:
    one, two = branches(8)
    assert refused(choose, vault, one) == "NotOfConflict"
    freeze(vault, one, two)
    third = make_header(vault.signers, 8)
    assert refused(choose, vault, third) == "NoSigner"
    assert refused(vault.call, choose_branch_call(one, vault.decided(BranchChoice(two.hash)))) == "NotAColdKey"
    assert refused(vault.call, choose_branch_call(one, vault.decided(BranchChoice(one.hash))[:1])) == "UnderColdQuorum"
    signatures = vault.decided(BranchChoice(third.hash))
    elsewhere = make_header(vault.signers, 9)
    call = choose_branch_call(elsewhere, vault.decided(BranchChoice(elsewhere.hash)), certified(elsewhere)[1])
    assert refused(vault.call, call) == "NotOfConflict"
    uncertified = vault.signers.certify(third, (0, 1))
    assert refused(vault.call, choose_branch_call(third, signatures, uncertified)) == "UnderQuorum"
    vault.call(choose_branch_call(third, signatures, certified(third)[1]))
    for other in (one, two, make_header(vault.signers, 8, payload_root=sha256(b"four"))):
        assert refused(freeze, vault, third, other) == "HeaderRejected", "the height is settled"


def test_a_choice_below_an_earlier_one_undoes_it(vault: VaultChain) -> None:
    """What lost there may be of the branch that is chosen now."""
    (below,) = checkpointed(vault, 3)
    high, lost = branches(20)
    freeze(vault, high, lost)
    choose(vault, high)
    low, other = branches(8)
    freeze(vault, low, other)
    vault.call(show_base_call(below, high, ZERO))
    choose(vault, low)
    assert (vault.view("chosenAt", 8), vault.view("chosenAt", 20)) == (low.hash, ZERO)
    vault.certified(lost)


def test_a_choice_takes_the_vault_back_below_checkpoints_of_the_other_branch(vault: VaultChain) -> None:
    """It had followed the wrong branch: what that certified counts no more, and what was paid stays paid."""
    vault.deposit(10 * UNIT)
    paid, forged = released(vault, 0), released(vault, 1, to=bytes([0x66]) * 20)
    good, (bad_entry, bad_leaf) = released(vault, 1), forged
    (below,) = checkpointed(vault, 3)
    wrong, right = branches(8, withdrawals_root=Tree([paid[1], good[1]]).root, withdrawals_count=2)
    bad_tree = Tree([paid[1], bad_leaf])
    stated = {"withdrawals_root": bad_tree.root, "withdrawals_count": 2}
    above = make_header(vault.signers, 12, next_validators_hash=FOLLOWING.validators.hash, **stated)
    vault.certified(above)
    vault.install(FOLLOWING.validators)
    vault.withdraw(paid[0], bad_tree.proof(0))
    freeze(vault, wrong, right)
    assert refused(choose, vault, right) == "BaseUnknown"
    vault.call(show_base_call(below, above, ZERO))
    choose(vault, right)
    assert vault.view("latest")[0] == 8
    assert vault.view("latest")[6] == history([below, right])
    for root in range(1, vault.root_number):
        assert refused(vault.withdraw, bad_entry, bad_tree.proof(1), root) == "UnknownRoot"
    assert vault.view("validatorsHash") == FOUR.validators.hash
    vault.install(FOUR.validators)
    tree = Tree([paid[1], good[1]])
    vault.withdraw(good[0], tree.proof(1))
    assert refused(vault.withdraw, paid[0], tree.proof(0)) == "AlreadyPaid"
    # The set that the other branch named is no evidence any more.
    astray = branches(20, of=FOLLOWING)
    assert refused(freeze, vault, *astray, by=FOLLOWING) == "WrongValidatorSet"


def test_a_freeze_takes_no_time_from_a_withdrawal(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    limit = vault.now() + 1_000
    entry, leaf = released(vault, 0, not_after_s=limit)
    tree = Tree([leaf])
    chosen, rejected = branches(8, withdrawals_root=tree.root, withdrawals_count=1)
    start = vault.now() + 10
    vault.at(start)
    freeze(vault, chosen, rejected)
    assert vault.view("deadline", limit) > FROZEN_S - vault.now()
    vault.at(start + 5 * 86_400)
    choose(vault, chosen)
    assert vault.view("deadline", limit) == limit + 5 * 86_400
    vault.at(limit + 5 * 86_400)
    vault.withdraw(entry, tree.proof(0))


def test_without_a_conflict_there_is_nothing_to_show_or_choose(vault: VaultChain) -> None:
    (header,) = checkpointed(vault, 3)
    found = refusal(vault.call, show_base_call(None, header, ZERO))
    assert (found.name, found.values) == ("NoConflict", (0, 0))
    assert refused(choose, vault, header) == "NotOfConflict"
    assert vault.view("conflictEscapeFrom") == 0


def test_a_conflict_that_nobody_settles_ends_in_an_exit_by_the_checkpoint_below_it(vault: VaultChain) -> None:
    exits = Exits(vault)
    vault.deposit(10 * UNIT)
    leaf = exits.owe(10 * UNIT, bytes([0xA1]) * 20, 1)
    exits.close()
    exits.certify(3)
    below = make_header(vault.signers, 5, exit_root=exits.tree.root)
    above = make_header(vault.signers, 9, exit_root=sha256(b"the other branch"))
    for header in (below, above):
        vault.certified(header)
    freeze(vault, *branches(8))
    exits.wait(2 * exits.quarter() - 60)
    assert refused(exits.trigger) == "NotSilent"
    exits.wait(120)
    assert refused(exits.trigger) == "BaseUnknown"
    first = vault.vault.events.Checkpointed().get_logs(from_block=0)[0]["args"]["headerHash"]
    vault.call(show_base_call(below, above, extended_history(ZERO, first)))
    exits.trigger()
    exits.wait(exits.quarter() + 2)
    exits.open()
    exits.begin_payments()
    assert exits.claim(leaf) == 10 * UNIT
    assert refused(freeze, vault, *branches(2)) == "ConflictStands"
    assert refused(choose, vault, branches(8)[0]) == "EscapeBegan"


def test_below_all_checkpoints_a_conflict_ends_in_refunds_of_all_deposits(vault: VaultChain) -> None:
    exits = Exits(vault)
    vault.deposit(10 * UNIT)
    accepted = checkpointed(vault, 3)
    freeze(vault, *branches(2))
    vault.call(show_base_call(None, accepted[0], ZERO))
    exits.close(counted=0)
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    exits.wait(exits.quarter() + 2)
    exits.open_without_a_tree()
    exits.walk(1)
    exits.begin_payments()
    assert exits.refund(1) == 10 * UNIT


def test_until_an_escape_begins_the_cold_quorum_ends_it(vault: VaultChain) -> None:
    exits = Exits(vault)
    checkpointed(vault, 3)
    one, two = branches(8)
    freeze(vault, one, two)
    leaf = exits.owe(UNIT, bytes([0xA1]) * 20, 1)
    exits.close()
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    choose(vault, one)
    vault.certified(make_header(vault.signers, 10))
    assert vault.view("escapeFrom") == 0
    exits.wait(exits.quarter() + 2)
    assert refused(exits.claim, leaf) == "EscapeNotBegun"


def test_ever_lower_conflicts_do_not_put_off_the_escape(vault: VaultChain) -> None:
    """Keys that have long left could forge one a quarter, for ever."""
    exits = Exits(vault)
    vault.deposit(10 * UNIT)
    leaf = exits.owe(10 * UNIT, bytes([0xA1]) * 20, 1)
    exits.close()
    exits.certify(2)
    freeze(vault, *branches(1_000))
    for height in (999, 998):
        exits.wait(exits.quarter() - 60)
        freeze(vault, *branches(height))
    exits.wait(122)
    assert refused(freeze, vault, *branches(997)) == "ConflictStands"
    exits.trigger()
    begins = vault.view("escapeFrom")
    for height in (997, 1):
        assert refused(freeze, vault, *branches(height)) == "ConflictStands"
    assert vault.view("escapeFrom") == begins
    exits.wait(exits.quarter() + 2)
    exits.open()
    exits.begin_payments()
    assert exits.claim(leaf) == 10 * UNIT


def test_a_late_lower_conflict_leaves_time_for_its_base(vault: VaultChain) -> None:
    """Where the base is follows from the conflict alone, and who shows it does not matter, nor when."""
    exits = Exits(vault)
    accepted = checkpointed(vault, 3, 5)
    freeze(vault, *branches(8))
    vault.at(vault.view("conflictEscapeFrom"))
    freeze(vault, *branches(4))
    exits.wait(exits.quarter())
    assert refused(exits.trigger) == "BaseUnknown"
    vault.call(show_base_call(*accepted, ZERO))
    exits.trigger()
    assert vault.view("latest")[5] == accepted[0].exit_root


def test_evidence_in_time_stops_the_escape_from_a_silent_network(vault: VaultChain) -> None:
    exits = Exits(vault)
    checkpointed(vault, 3)
    exits.wait(2 * exits.quarter() + 2)
    exits.trigger()
    freeze(vault, *branches(8))
    assert refused(exits.trigger) == "NotSilent", "the time of the conflict counts"


def test_a_base_below_any_number_of_checkpoints_is_shown_in_parts(vault: VaultChain) -> None:
    """The hashes of all since may not fit a transaction: neither escape nor choice would ever be possible."""
    accepted = checkpointed(vault, 3, 5, 8, 9, 12)
    chosen, other = branches(4)
    freeze(vault, chosen, other)
    vault.call(show_base_call(None, accepted[3], history(accepted[:3]), [accepted[4].hash]))
    assert base(vault)[0] is False
    vault.call(show_base_call(None, accepted[1], history(accepted[:1]), [accepted[2].hash]))
    assert base(vault)[0] is False
    vault.call(show_base_call(accepted[0], None, ZERO))
    assert base(vault) == (True, history(accepted[:1]), accepted[0].exit_root)
    choose(vault, chosen)


def test_no_part_goes_below_the_base(vault: VaultChain) -> None:
    accepted = checkpointed(vault, 3, 5, 8, 9)
    freeze(vault, *branches(6))
    hashes = [header.hash for header in accepted]
    assert refused(vault.call, show_base_call(None, accepted[1], history(accepted[:1]), hashes[2:])) == "NoConflict"
    vault.call(show_base_call(None, accepted[3], history(accepted[:3])))
    skipped = show_base_call(accepted[0], accepted[3], ZERO)
    assert refused(vault.call, skipped) == "WrongHistory"
    older = [show_base_call(accepted[0], None, ZERO, later) for later in ([], hashes[1:3])]
    assert {refused(vault.call, call) for call in (*older, show_base_call(None, None, ZERO))} == {"WrongHistory"}
    vault.call(show_base_call(None, None, history(accepted[:3])))
    assert base(vault)[0] is False, "a part that shows nothing changes nothing"
    freeze(vault, *branches(5))
    vault.call(show_base_call(accepted[0], accepted[1], ZERO, [accepted[2].hash]))
    assert base(vault) == (True, history(accepted[:1]), accepted[0].exit_root)
    again = (show_base_call(None, None, history(accepted[:1])), show_base_call(accepted[0], None, ZERO))
    assert {refused(vault.call, call) for call in again} == {"NoConflict"}, "it is known"
    freeze(vault, *branches(4))
    assert base(vault)[0] is False
    vault.call(show_base_call(accepted[0], None, ZERO))
    assert base(vault) == (True, history(accepted[:1]), accepted[0].exit_root), "it is below the lower conflict, too"


def test_a_conflict_below_the_first_height_of_a_new_vault_has_a_base(vault: VaultChain) -> None:
    one, two = branches(0)
    freeze(vault, one, two)
    assert base(vault) == (True, ZERO, ZERO)
    choose(vault, one)
    assert vault.view("latest")[6] == extended_history(ZERO, one.hash)


@pytest.mark.parametrize("height", [2**40 - 1, 2**40 - 2])
def test_a_choice_gives_the_guardian_its_brake_back(vault: VaultChain, height: int) -> None:
    """It paused at a height of the other branch that the chosen one may never reach."""
    (below,) = checkpointed(vault, 3)
    astray = make_header(vault.signers, height)
    vault.certified(astray)
    vault.guard()
    chosen, other = branches(8)
    freeze(vault, chosen, other)
    vault.call(show_base_call(below, astray, ZERO))
    choose(vault, chosen)
    end = vault.view("pausedUntil")
    vault.at(end + vault.terms.pause_s)
    vault.guard()
    assert refused(vault.deposit, UNIT) == "IsPaused"
