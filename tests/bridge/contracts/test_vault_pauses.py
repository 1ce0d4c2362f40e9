"""What a pause costs: time for everybody, and nobody's money or time to be paid."""

import random

import pytest

from bridge.contracts.cold_quorum import PauseEnd
from bridge.contracts.vault import deadline_call, end_pause_call, pause_call
from tests.kit.bridge.certified import Tree, certify, released
from tests.kit.bridge.vault_chain import GUARDIAN, UNIT, VaultChain, make_header, refusal, refused

pytestmark = pytest.mark.chain
DAY = 86_400


def deadline(vault: VaultChain, not_after: int) -> int:
    """As a node asks for it."""
    answer = vault.user.web3.eth.call({"to": vault.vault.address, "data": "0x" + deadline_call(not_after).hex()})
    assert int.from_bytes(answer, "big") == vault.view("deadline", not_after)
    return int.from_bytes(answer, "big")


def test_a_withdrawal_has_as_much_time_after_a_pause_as_it_had_before(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    start, pause_s = vault.now() + 100, vault.terms.pause_s
    limits = (start - 1, start, start + 50, start + pause_s + 7)
    entries = [released(vault, nonce, not_after_s=limit) for nonce, limit in enumerate(limits)]
    tree = certify(vault, [leaf for _, leaf in entries])
    assert [deadline(vault, limit) for limit in limits] == list(limits)
    vault.at(start)
    vault.guard()
    assert [deadline(vault, limit) for limit in limits] == [limits[0], *(limit + pause_s for limit in limits[1:])]
    vault.at(start + pause_s)
    vault.withdraw(entries[1][0], tree.proof(1))
    found = refusal(vault.withdraw, entries[0][0], tree.proof(0))
    assert (found.name, found.values[0]) == ("Expired", limits[0])
    vault.at(start + pause_s + 50)
    vault.withdraw_batch([entries[2][0]], tree.proof_of_many([2]))
    vault.at(limits[3] + pause_s)
    vault.withdraw(entries[3][0], tree.proof(3))


def test_a_second_past_the_longer_time_is_too_late(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    limit = vault.now() + 1_000
    entry, leaf = released(vault, 0, not_after_s=limit)
    tree = certify(vault, [leaf])
    vault.guard()
    vault.at(limit + vault.terms.pause_s + 1)
    assert refused(vault.withdraw, entry, tree.proof(0)) == "Expired"


def test_a_pause_that_ends_early_adds_what_it_lasted(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    limit = vault.now() + 1_000
    entry, leaf = released(vault, 0, not_after_s=limit)
    tree = certify(vault, [leaf])
    start = vault.now() + 10
    vault.at(start)
    vault.guard()
    signatures = vault.decided(PauseEnd(vault.view("pausedUntil")))
    vault.at(start + 400)
    vault.call(end_pause_call(signatures))
    assert vault.view("pausedUntil") == start + 400
    assert deadline(vault, limit) == limit + 400
    vault.at(limit + 400)
    vault.withdraw(entry, tree.proof(0))


def test_a_deadline_that_has_passed_never_changes(vault: VaultChain) -> None:
    """Else a withdrawal could be paid after the network has credited it again."""
    limit = vault.now() + 1_000
    vault.at(limit + 1)
    vault.guard()
    assert deadline(vault, limit) == limit
    vault.at(vault.view("pausedUntil") + vault.terms.pause_s)
    vault.certified(make_header(vault.signers, time_ms=vault.now() * 1_000))
    vault.guard()
    assert deadline(vault, limit) == limit


def test_a_pause_long_before_a_withdrawals_time_adds_nothing(vault: VaultChain) -> None:
    start, period = vault.now() + 10, vault.terms.trusting_s
    vault.at(start)
    vault.guard()
    assert deadline(vault, start + period) == start + period + vault.terms.pause_s
    assert deadline(vault, start + period + 1) == start + period + 1
    assert deadline(vault, 2**64 - 1) == 2**64 - 1


def slow_deadline(pauses: list[tuple[int, int]], not_after: int, period: int) -> int:
    """The rule, one pause after the other."""
    end = not_after
    for start, stop in pauses:
        if not_after - period <= start <= end:
            end += stop - start
    return end


def test_a_greedy_guardian_locks_half_the_time_and_takes_no_second_from_a_withdrawal(vault: VaultChain) -> None:
    """It pauses as soon as it may, and brings the checkpoints that it needs for it."""
    pauses, chance = list[tuple[int, int]](), random.Random(7)
    begun = vault.now()
    for height in range(1, 9):
        vault.guard()
        start, end = vault.now(), vault.view("pausedUntil")
        assert refused(vault.guard) in ("PausedAlready", "PauseTooSoon")
        pauses.append((start, end))
        vault.at(end)
        vault.certified(make_header(vault.signers, height, time_ms=end * 1_000))
        assert refused(vault.guard) == "PauseTooSoon"
        vault.at(end + vault.terms.pause_s + chance.randrange(3))
        vault.chain.mine()
    assert 2 * sum(end - start for start, end in pauses) <= vault.now() - begun
    for _ in range(40):
        not_after = chance.randrange(begun, vault.now() + DAY)
        found = deadline(vault, not_after)
        assert found == slow_deadline(pauses, not_after, vault.terms.trusting_s)
        # Every second of the last trusting period is given back.
        locked = sum(
            max(min(end, found) - max(start, begun), 0)
            for start, end in pauses
            if start >= not_after - vault.terms.trusting_s
        )
        assert found == not_after + locked


def test_a_withdrawal_is_paid_after_two_pauses(vault: VaultChain) -> None:
    vault.deposit(10 * UNIT)
    limit = vault.now() + 5 * DAY
    entry, leaf = released(vault, 0, not_after_s=limit)
    tree = Tree([leaf])
    vault.guard()
    vault.at(vault.view("pausedUntil") + vault.terms.pause_s)
    vault.certified(make_header(vault.signers, withdrawals_root=tree.root, withdrawals_count=1))
    vault.guard()
    assert deadline(vault, limit) == limit + 2 * vault.terms.pause_s
    vault.at(deadline(vault, limit))
    vault.withdraw_batch([entry], tree.proof_of_many([0]))


def test_only_the_guardians_key_pauses(vault: VaultChain) -> None:
    assert refused(vault.call, pause_call()) == "NotGuardian"
    vault.call(pause_call(), GUARDIAN)
    assert refused(vault.deposit, UNIT) == "IsPaused"
