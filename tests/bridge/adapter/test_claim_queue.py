"""Whose withdrawal a relayer claims next: each gets its turn, whatever becomes of the others."""

from bridge.contracts.vault import VaultClaim
from bridge.relay.claim_queue import (
    ALONE,
    BACKOFF_MAX_SECONDS,
    BATCH_MAX,
    PAID_SECONDS,
    ClaimQueue,
    RelayerPlace,
)


def claims(*nonces: int) -> list[VaultClaim]:
    return [VaultClaim(nonce, 1, b"\x70" * 20, b"\x33" * 20, 1, 2**40) for nonce in nonces]


def due(queue: ClaimQueue, nonces: range | list[int], now: float, place: RelayerPlace = ALONE) -> list[int]:
    return [claim.nonce for claim in queue.due(claims(*nonces), now, place)]


def test_the_oldest_go_first_as_many_as_fit() -> None:
    assert due(ClaimQueue(), range(100), 0.0) == list(range(BATCH_MAX))


def test_those_that_failed_wait_behind_all_others_and_are_claimed_alone() -> None:
    queue = ClaimQueue(retry_seconds=10.0)
    for nonce in due(queue, range(100), 0.0):
        queue.failed(nonce, 0.0)
    others = list(range(BATCH_MAX, 2 * BATCH_MAX))
    assert due(queue, range(100), 0.0) == others
    assert due(queue, range(100), 10.0) == others, "they were never tried"
    assert due(queue, range(BATCH_MAX), 10.0) == [0], "who made a batch fail cannot make another fail"
    queue.failed(0, 10.0)
    assert due(queue, range(BATCH_MAX), 10.0) == [1]


def test_one_that_failed_has_its_turn_under_a_flood() -> None:
    """A batch of new withdrawals each second, all of which are paid."""
    queue = ClaimQueue(retry_seconds=10.0)
    due(queue, [0], 0.0)
    queue.failed(0, 0.0)
    fresh = {second: range(BATCH_MAX * second, BATCH_MAX * (second + 1)) for second in range(1, 20)}
    turns = [second for second, nonces in fresh.items() if due(queue, [0, *nonces], float(second)) == [0]]
    assert turns[0] == 10


def test_each_failure_doubles_the_pause_up_to_a_bound() -> None:
    queue, now, pauses = ClaimQueue(retry_seconds=10.0), 0.0, []
    for _ in range(12):
        assert due(queue, [5], now) == [5]
        queue.failed(5, now)
        pause = next(step for step in range(10, 4000, 10) if due(queue, [5], now + step))
        pauses.append(pause)
        now += pause
    assert pauses[:4] == [10, 20, 40, 80]
    assert pauses[-1] == BACKOFF_MAX_SECONDS


def test_relayers_take_blocks_in_turn_and_over_from_one_that_is_silent() -> None:
    places = [RelayerPlace(index, 3) for index in range(3)]
    queues = [ClaimQueue(takeover_seconds=2.0) for _ in places]
    blocks = [list(range(start, start + BATCH_MAX)) for start in (0, BATCH_MAX, 2 * BATCH_MAX)]
    turns = [due(queue, range(3 * BATCH_MAX), 0.0, place) for queue, place in zip(queues, places, strict=True)]
    assert turns == blocks
    assert [due(queues[2], [0], now, places[2]) for now in (0.0, 3.9, 4.0)] == [[], [], [0]], "1 comes before it"


def test_what_is_no_longer_open_is_forgotten() -> None:
    queue = ClaimQueue(retry_seconds=10.0)
    due(queue, [1, 2], 0.0)
    queue.failed(1, 0.0)
    assert due(queue, [2], 1.0) == [2]
    assert due(queue, [1], 2.0) == [1]


def test_what_the_vault_has_paid_makes_room_before_the_network_knows() -> None:
    queue = ClaimQueue()
    for nonce in due(queue, range(100), 0.0):
        queue.paid(nonce, 0.0)
    assert due(queue, range(100), 0.0) == list(range(BATCH_MAX, 2 * BATCH_MAX))
    assert due(queue, range(BATCH_MAX), PAID_SECONDS) == list(range(BATCH_MAX)), "a payment may have been undone"


def holding_up(queue: ClaimQueue, now: float, root_number: int) -> list[int]:
    return [claim.nonce for claim in queue.holding_up(claims(1, 2, 3), now, root_number)]


def test_what_could_be_claimed_earlier_holds_up_a_checkpoint_while_it_is_new_and_did_not_fail() -> None:
    queue = ClaimQueue(hold_seconds=30.0)
    assert holding_up(queue, 0.0, 1) == [], "it is claimed under this root first"
    assert holding_up(queue, 1.0, 2) == [1, 2, 3]
    queue.failed(1, 1.0)
    queue.paid(2, 1.0)
    assert holding_up(queue, 2.0, 2) == [3]
    assert holding_up(queue, 30.0, 2) == []
