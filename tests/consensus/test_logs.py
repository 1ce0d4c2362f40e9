"""The write-ahead log and the sign state: what a crash or a bad disk may do to them, and what then happens."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.certificate import VoteKind
from clearing.base.errors import LocalFault
from consensus.codes import ConsensusCode
from consensus.wal import FRAMES as RECORDS
from consensus.wal import Record, RecordKind, encode_frame, read_frames, summarize_log
from node.signer.local import LocalSigner
from node.signer.sign_state import SignedStep, SignGuard, SignStateFile
from node.store.wal import ROTATE_BYTES, WalFile, repair
from tests.kit.consensus.crypto import secrets_of, validator_set
from tests.kit.refusals import refused

FRAMES = [
    (Record(height=7, kind=RecordKind.RECEIVED, data=b"a" * 50), Record(height=7, kind=RecordKind.OWN, data=b"b")),
    (Record(height=7, kind=RecordKind.TIMEOUT, data=b"c" * 9),),
    (Record(height=8, kind=RecordKind.OWN, data=b"XCW2 inside a record" * 3),),
]
WHOLE = b"".join(encode_frame(frame) for frame in FRAMES)
ENDS = [len(b"".join(encode_frame(frame) for frame in FRAMES[:count])) for count in range(4)]


@given(st.integers(0, len(WHOLE)))
def test_a_log_cut_anywhere_gives_every_whole_frame(length: int) -> None:
    records, good = read_frames(WHOLE[:length])
    whole = max(count for count in range(4) if ENDS[count] <= length)
    assert good == ENDS[whole]
    assert records == [record for frame in FRAMES[:whole] for record in frame]


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_refused_in_the_middle_and_cut_at_the_end(at: int, bit: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[at] ^= 1 << bit
    if at >= ENDS[2]:
        records, good = read_frames(bytes(damaged))
        assert (good, len(records)) == (ENDS[2], 3)
    else:
        with refused(ConsensusCode.WAL_CORRUPT, LocalFault):
            read_frames(bytes(damaged))


def test_the_log_file_cuts_a_torn_tail_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "wal"
    log = WalFile(path)
    for frame in FRAMES:
        log.append(frame)
    log.close()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(path.read_bytes()[:-3])
    again = WalFile(path)
    assert again.cut_bytes > 0
    assert again.records == [record for frame in FRAMES[:2] for record in frame]
    again.append(FRAMES[2])
    again.close()
    assert path.read_bytes() == WHOLE


@pytest.mark.parametrize("behind", [b"", encode_frame(FRAMES[2])])
def test_a_whole_frame_that_cannot_be_read_is_refused_and_not_cut(tmp_path: Path, behind: bytes) -> None:
    path, foreign = tmp_path / "wal", RECORDS.encode(b"a record of another version")
    path.write_bytes(encode_frame(FRAMES[0]) + foreign + behind)
    with refused(ConsensusCode.WAL_CORRUPT, LocalFault):
        WalFile(path)
    summary = summarize_log(path.read_bytes())
    assert (summary.frames, summary.damaged_at, summary.frames_behind) == (1, ENDS[1], 1 if behind else 0)
    assert repair(path).backup_path
    assert WalFile(path).records == list(FRAMES[0])


def test_the_log_file_starts_over_when_it_has_grown(tmp_path: Path) -> None:
    path = tmp_path / "wal"
    log = WalFile(path)
    log.append(FRAMES[0])
    log.height_stored(7)
    assert path.stat().st_size == ENDS[1]
    log.append((Record(height=9, kind=RecordKind.RECEIVED, data=bytes(ROTATE_BYTES)),))
    log.height_stored(8)
    assert path.stat().st_size > ROTATE_BYTES, "after a rollback the height above stays in the log"
    log.append((Record(height=8, kind=RecordKind.RECEIVED, data=b""),))
    log.height_stored(8)
    assert path.stat().st_size > ROTATE_BYTES, "also when a lower height was written after it"
    log.height_stored(9)
    assert path.stat().st_size == 0
    log.append(FRAMES[0])
    log.close()
    assert path.read_bytes() == WHOLE[: ENDS[1]]


STEPS = st.builds(SignedStep, st.integers(0, 3), st.integers(0, 3), st.integers(0, 2))


@given(st.lists(st.tuples(STEPS, st.integers(0, 2)), max_size=40))
def test_no_step_is_ever_signed_twice_with_another_value(asked: list[tuple[SignedStep, int]]) -> None:
    guard = SignGuard()
    signed: dict[SignedStep, int] = {}
    for at, value in asked:
        try:
            guard.advance(at, bytes([value]) * 32)
        except LocalFault:
            continue
        assert signed.setdefault(at, value) == value
        assert at == max(signed)


def test_the_sign_state_survives_restarts_and_a_torn_slot(tmp_path: Path) -> None:
    path = tmp_path / "sign.state"
    state = SignStateFile(path)
    state.advance(SignedStep(5, 0, 1), b"x" * 32)
    state.advance(SignedStep(5, 0, 2), b"y" * 32)
    state.close()
    assert path.stat().st_mode & 0o777 == 0o600
    state = SignStateFile(path)
    assert state.last == SignedStep(5, 0, 2)
    state.advance(SignedStep(5, 0, 2), b"y" * 32)
    for at, digest in (((5, 0, 2), b"z" * 32), ((5, 0, 1), b"x" * 32), ((4, 9, 2), b"x" * 32)):
        with refused(ConsensusCode.DOUBLE_SIGN, LocalFault):
            state.advance(SignedStep(*at), digest)
    state.close()
    data = bytearray(path.read_bytes())
    newest = 0 if data[16:24] > data[528:536] else 512
    data[newest + 30] ^= 1
    path.write_bytes(bytes(data))
    state = SignStateFile(path)
    assert state.last == SignedStep(5, 0, 1), "the write before the torn one"
    state.close()


def test_a_sign_state_with_both_slots_damaged_or_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sign.state"
    SignStateFile(path).close()
    whole = path.read_bytes()
    for data in (bytes(1024), os.urandom(1024), whole[:512], whole[:-1], whole[:1]):
        path.write_bytes(data)
        with refused(ConsensusCode.SIGN_STATE_CORRUPT, LocalFault):
            SignStateFile(path)


def test_a_sign_state_of_another_version_is_refused_with_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "sign.state"
    path.write_bytes(b"XCSS0002".ljust(512, b"\0") * 2)
    with pytest.raises(LocalFault) as refused:
        SignStateFile(path)
    assert refused.value.code is ConsensusCode.SIGN_STATE_CORRUPT
    assert refused.value.values["begins_with"] == b"XCSS0002"


def test_the_signer_repeats_itself_and_never_contradicts_itself(tmp_path: Path) -> None:
    envelope_secret, bls_secret = secrets_of(4)[1]
    guard = SignStateFile(tmp_path / "sign.state")
    signer = LocalSigner(bytes(32), envelope_secret, bls_secret, guard)
    set_hash = validator_set(4).hash
    first = signer.sign_vote(set_hash, VoteKind.PREVOTE, 3, 1, b"v" * 32)
    assert signer.sign_vote(set_hash, VoteKind.PREVOTE, 3, 1, b"v" * 32) == first
    with pytest.raises(LocalFault):
        signer.sign_vote(set_hash, VoteKind.PREVOTE, 3, 1, b"w" * 32)
    with pytest.raises(LocalFault):
        signer.sign_proposal(set_hash, 3, 1, -1, b"w" * 32)
    guard.close()


def test_the_inside_of_a_torn_frame_is_not_searched_for_frames() -> None:
    """Others choose what a block holds: whole frames, for instance, so that a torn tail would look like damage."""
    inner = encode_frame([Record(height=1, kind=RecordKind.OWN, data=b"inner")])
    whole = encode_frame([Record(height=1, kind=RecordKind.OWN, data=b"first")])
    torn = encode_frame([Record(height=2, kind=RecordKind.RECEIVED, data=inner * 3)])[:-2]
    records, good = read_frames(whole + torn)
    assert [record.data for record in records] == [b"first"]
    assert good == len(whole)


def test_beside_a_log_that_lacks_frames_the_running_height_is_not_signed_for(tmp_path: Path) -> None:
    """The lock went with the log: another value must not be voted for, whatever round it is."""
    first, other = b"v" * 32, b"w" * 32

    @contextmanager
    def opened(*, whole: bool) -> Iterator[tuple[WalFile, LocalSigner]]:
        guard, log = SignStateFile(tmp_path / "sign.state"), WalFile(tmp_path / "log")
        signer = LocalSigner(bytes(32), *secrets_of(4)[0], guard)
        assert signer.stand_beside(log, 6) is whole
        yield log, signer
        guard.close()
        log.close()

    with opened(whole=True) as (log, signer):
        signer.sign_vote(bytes(32), VoteKind.PREVOTE, 7, 0, first)
        log.append([Record(height=7, kind=RecordKind.OWN, data=b"prevote")])
        signer.sign_vote(bytes(32), VoteKind.PRECOMMIT, 7, 0, first)
    with opened(whole=True) as (_, signer):  # the step that was not logged was not sent
        signer.sign_vote(bytes(32), VoteKind.PREVOTE, 7, 1, first)
    (tmp_path / "log").unlink()
    for _ in range(2):
        with opened(whole=False) as (_, signer):
            for round_ in (1, 9):
                with pytest.raises(LocalFault):
                    signer.sign_vote(bytes(32), VoteKind.PREVOTE, 7, round_, other)
    with opened(whole=False) as (_, signer):
        signer.sign_vote(bytes(32), VoteKind.PREVOTE, 8, 0, other)
