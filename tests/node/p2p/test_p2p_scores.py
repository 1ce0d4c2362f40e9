"""Rules of scores, bans and the allow-list, without sockets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.errors import BaseCode, CodeBook, RemoteFault
from consensus.codes import ConsensusCode
from node.p2p.codes import P2pCode
from node.p2p.peers import Role, Roster
from node.p2p.scores import (
    BAN_SECONDS_FIRST,
    BAN_SECONDS_MAX_OBSERVER,
    BAN_SECONDS_MAX_VALIDATOR,
    DEFAULT_POINTS,
    FORGIVEN_SECONDS,
    HALF_LIFE_SECONDS,
    PERFECT,
    POINTS,
    FaultResponse,
    PeerScores,
    points_of,
)

KEYS = tuple(bytes([number]) * 32 for number in range(1, 11))
A, B, C = KEYS[:3]


def fault(code: CodeBook) -> RemoteFault:
    return RemoteFault(code, "test")


PROVEN = fault(ConsensusCode.DOUBLE_SIGN)
NONSENSE = fault(BaseCode.MALFORMED)
STALE = fault(ConsensusCode.WRONG_HEIGHT)


def scores_of(*validators: bytes, others: tuple[bytes, ...] = ()) -> PeerScores:
    scores = PeerScores()
    scores.admit(validators, others)
    return scores


@pytest.fixture
def scores() -> PeerScores:
    return scores_of(A, B, C)


def test_two_votes_of_one_round_are_a_ban_at_once(scores: PeerScores) -> None:
    assert scores.charge(A, PROVEN, 1.0) is FaultResponse.BAN
    assert scores.banned_seconds(A, 1.0) == BAN_SECONDS_FIRST
    assert scores.banned_seconds(A, 1.0 + BAN_SECONDS_FIRST) == 0
    assert scores.score(B, 1.0) == PERFECT


def test_nonsense_costs_the_connection_first_and_then_a_ban(scores: PeerScores) -> None:
    verdicts = [scores.charge(A, NONSENSE, 0.1 * number) for number in range(4)]
    assert verdicts == [FaultResponse.KEEP, FaultResponse.DISCONNECT, FaultResponse.KEEP, FaultResponse.BAN]
    assert scores.record(A).faults.total() == 4
    assert "malformed" in scores.record(A).last_fault


def test_what_honest_peers_send_now_and_then_is_forgotten_faster_than_it_adds_up(scores: PeerScores) -> None:
    now = 0.0
    for _ in range(2000):
        now += 2.0
        assert scores.charge(A, STALE, now) is FaultResponse.KEEP
    assert scores.score(A, now) > 50
    assert scores.score(A, now + 10 * HALF_LIFE_SECONDS) == PERFECT


def test_a_broken_path_costs_nothing(scores: PeerScores) -> None:
    for code in (P2pCode.HEARTBEAT_LOST, P2pCode.WRITE_STALLED, P2pCode.STREAM_ENDED, P2pCode.WRONG_VERSION):
        for _ in range(100):
            assert scores.charge(A, fault(code), 1.0) is FaultResponse.KEEP
    assert scores.score(A, 1.0) == PERFECT


def test_who_comes_back_from_a_ban_is_on_probation_and_the_next_ban_is_longer_up_to_a_cap(
    scores: PeerScores,
) -> None:
    now, lengths = 0.0, list[float]()
    for _ in range(12):
        charged = 0
        while scores.charge(A, NONSENSE, now) is not FaultResponse.BAN:
            charged += 1
        assert charged <= 3
        lengths.append(scores.banned_seconds(A, now))
        now += lengths[-1]
    assert lengths[:4] == [10.0, 20.0, 40.0, 80.0]
    assert lengths[-1] == BAN_SECONDS_MAX_VALIDATOR
    now += FORGIVEN_SECONDS + 1
    scores.charge(A, PROVEN, now)
    assert scores.banned_seconds(A, now) == BAN_SECONDS_FIRST


@given(
    st.integers(1, 10),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([PROVEN, NONSENSE, STALE]), st.floats(0, 30)), max_size=200),
)
def test_never_a_third_of_the_validators_is_banned_and_none_for_ever(
    count: int, faults: list[tuple[int, RemoteFault, float]]
) -> None:
    scores, now = scores_of(*KEYS[:count]), 0.0
    for who, what, seconds in faults:
        now += seconds
        scores.charge(KEYS[who], what, now)
        banned = [key for key in KEYS if scores.banned_seconds(key, now)]
        # With ourselves we are count + 1; what is banned and what stays must leave more than two thirds.
        assert 3 * len(banned) < count + 1
        assert all(0 < scores.banned_seconds(key, now) <= BAN_SECONDS_MAX_VALIDATOR for key in banned)
        assert all(0 <= scores.score(key, now) <= PERFECT for key in KEYS)
    assert not any(scores.banned_seconds(key, now + BAN_SECONDS_MAX_VALIDATOR) for key in KEYS)


def test_observers_are_banned_without_regard_to_the_third_and_longer() -> None:
    scores = scores_of(A, others=(B, C))
    assert scores.charge(A, PROVEN, 0.0) is FaultResponse.DISCONNECT  # of two validators none may be missing
    assert scores.record(A).spared == 1
    now = 0.0
    for _ in range(12):
        assert scores.charge(B, PROVEN, now) is FaultResponse.BAN
        assert scores.charge(C, PROVEN, now) is FaultResponse.BAN
        now += scores.banned_seconds(B, now)
    scores.charge(B, PROVEN, now)
    assert scores.banned_seconds(B, now) == BAN_SECONDS_MAX_OBSERVER


def test_strangers_have_no_account_and_who_leaves_has_none_any_more(scores: PeerScores) -> None:
    assert scores.charge(KEYS[7], PROVEN, 0.0) is FaultResponse.KEEP
    assert scores.record(KEYS[7]).faults == {}
    scores.charge(A, NONSENSE, 0.0)
    scores.admit([A, B])
    assert scores.score(A, 0.0) == 75
    scores.admit([B])
    scores.admit([A, B])
    assert scores.score(A, 0.0) == PERFECT


def test_a_fault_during_a_ban_does_not_make_it_longer(scores: PeerScores) -> None:
    scores.charge(A, PROVEN, 0.0)
    before = scores.banned_seconds(A, 5.0)
    assert scores.charge(A, PROVEN, 5.0) is FaultResponse.KEEP
    assert scores.banned_seconds(A, 5.0) == before


def test_a_code_without_a_price_costs_the_default() -> None:
    assert points_of(ConsensusCode.WRONG_ROOTS) == DEFAULT_POINTS
    assert all(points >= 0 for points in POINTS.values())


@pytest.mark.parametrize("code", [P2pCode.BANNED, P2pCode.MISBEHAVED, P2pCode.NO_LONGER_ADMITTED, P2pCode.REPLACED])
def test_what_we_did_to_a_peer_ourselves_is_not_charged_to_it(code: P2pCode) -> None:
    assert points_of(code) == 0


def test_until_validators_are_told_whom_the_configuration_names_may_connect() -> None:
    roster = Roster(A, [B, C], [KEYS[5]])
    assert roster.keys == {B, C, KEYS[5]}
    assert roster.role(B) is Role.VALIDATOR
    assert roster.role(KEYS[5]) is Role.OBSERVER
    assert roster.role(KEYS[6]) is None


def test_the_allow_list_follows_the_set_and_who_left_stays_out_although_the_configuration_names_it() -> None:
    roster = Roster(A, [B, C], [KEYS[5]])
    assert roster.admit([A, B, C]) == frozenset()
    assert roster.admit([A, B, KEYS[3]]) == {C}
    assert roster.keys == {B, KEYS[3], KEYS[5]}
    assert roster.role(KEYS[3]) is Role.VALIDATOR
    assert roster.admit([A, B, C, KEYS[3]]) == frozenset()
    assert roster.role(C) is Role.VALIDATOR


def test_a_node_that_is_behind_keeps_the_peers_that_its_own_state_does_not_know_yet() -> None:
    roster = Roster(A, [B, C])
    assert roster.admit([B, KEYS[3]]) == frozenset()
    assert roster.role(C) is Role.CONFIGURED
    assert roster.keys == {B, C, KEYS[3]}


def test_admitting_the_same_set_again_changes_nothing() -> None:
    roster = Roster(A, [B])
    assert roster.would_change([A, B])
    roster.admit([A, B])
    assert not roster.would_change([B, A])
    assert roster.would_change([B, C])


def test_while_the_state_is_known_to_be_new_the_configuration_alone_lets_nobody_in() -> None:
    roster = Roster(A, [B, C], [KEYS[5]])
    assert roster.close() == frozenset()  # before any set is told, there is nothing else to go by
    assert roster.admit([A, B]) == {C}
    assert roster.keys == {B, KEYS[5]}
    assert roster.role(C) is None
    roster.open()
    assert roster.role(C) is Role.CONFIGURED
    assert roster.close() == {C}
    assert roster.admit([A, B, C]) == frozenset()
    assert roster.role(C) is Role.VALIDATOR
