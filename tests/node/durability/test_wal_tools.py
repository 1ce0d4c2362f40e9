"""Rules of looking into a log and repairing it: what is whole before damage stays, nothing behind it is believed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.base.certificate import VoteKind
from clearing.base.codec import encode
from clearing.base.errors import LocalFault
from cli.main import run
from consensus.codes import ConsensusCode
from consensus.messages import Vote
from consensus.signing import seal
from consensus.timeouts import TimerKind
from consensus.wal import (
    Record,
    RecordKind,
    TimeoutRecord,
    describe_record,
    encode_frame,
    pieces,
    read_frames,
    summarize_log,
)
from node.signer.local import LocalSigner
from node.signer.sign_state import SignGuard, SignStateFile
from node.store.wal import WalFile, repair
from tests.kit.consensus.crypto import VALIDATORS, secrets_of
from tests.kit.refusals import refused

ENVELOPE, BLS = secrets_of(4)[0]
SIGNER = LocalSigner(bytes(32), ENVELOPE, BLS, SignGuard())


def vote(kind: VoteKind, round_: int, value: bytes) -> Record:
    made = Vote(kind=kind, height=7, round=round_, value=value, validator=0, share=bytes(96))
    return Record(height=7, kind=RecordKind.OWN, data=seal(SIGNER, made))


TIMEOUT = encode(TimeoutRecord(kind=TimerKind.PROPOSE, round=1))
FRAMES = [
    (vote(VoteKind.PREVOTE, 0, b"v" * 32),),
    (Record(height=7, kind=RecordKind.TIMEOUT, data=TIMEOUT), vote(VoteKind.PREVOTE, 1, bytes(32))),
    (vote(VoteKind.PRECOMMIT, 1, bytes(32)),),
    (Record(height=8, kind=RecordKind.RECEIVED, data=b"XCW2 that is no message"),),
]
WHOLE = b"".join(encode_frame(frame) for frame in FRAMES)
ENDS = [len(b"".join(encode_frame(frame) for frame in FRAMES[:count])) for count in range(5)]


def damaged(at: int) -> bytes:
    """The log with a changed bit."""
    return WHOLE[:at] + bytes([WHOLE[at] ^ 1]) + WHOLE[at + 1 :]


@contextmanager
def voting(folder: Path, *, sync: bool = True) -> Iterator[tuple[SignStateFile, WalFile, LocalSigner]]:
    """A signer beside the log of its home."""
    guard, log = SignStateFile(folder / "sign-state", sync=sync), WalFile(folder / "consensus.wal")
    yield guard, log, LocalSigner(bytes(32), ENVELOPE, BLS, guard)
    log.close()
    guard.close()


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 7), st.integers(0, len(WHOLE)))
def test_the_pieces_are_the_file_and_agree_with_what_a_start_would_do(at: int, bit: int, cut: int) -> None:
    data = bytearray(WHOLE)
    data[at] ^= 1 << bit
    log = bytes(data[:cut])
    found = list(pieces(log))
    assert b"".join(log[piece.at : piece.at + piece.length] for piece in found) == log
    summary = summarize_log(log)
    whole = max(count for count in range(5) if ENDS[count] <= min(at, cut) or (at >= cut and ENDS[count] <= cut))
    assert (summary.frames, summary.good_bytes) == (whole, ENDS[whole])
    try:
        records, good = read_frames(log)
    except LocalFault as fault:
        assert fault.code is ConsensusCode.WAL_CORRUPT
        assert summary.damaged_at == ENDS[whole]
        assert summary.frames_behind > 0
    else:
        assert summary.damaged_at < 0
        assert (good, len(log) - good) == (summary.good_bytes, summary.torn_bytes)
        assert records == [record for frame in FRAMES[:whole] for record in frame]


@pytest.mark.parametrize("whole", range(3))
def test_a_repair_cuts_before_the_damage_and_keeps_the_damaged_file(tmp_path: Path, whole: int) -> None:
    path, data = tmp_path / "consensus.wal", damaged(ENDS[whole] + 30)
    for number in (1, 2):
        path.write_bytes(data)
        with pytest.raises(LocalFault):
            WalFile(path)
        assert repair(path, dry_run=True).backup_path == ""
        assert path.read_bytes() == data
        done = repair(path)
        assert Path(done.backup_path).name == f"consensus.wal.damaged-{number}"
        assert Path(done.backup_path).read_bytes() == data
        assert path.read_bytes() == WHOLE[: ENDS[whole]]
        assert path.stat().st_mode & 0o777 == 0o600
        log = WalFile(path)
        assert log.frames == whole
        log.close()
    assert repair(path).backup_path == "", "a whole log is left alone"


def test_beside_a_repaired_log_the_running_height_is_not_signed_for(tmp_path: Path) -> None:
    value, set_hash, path = b"v" * 32, VALIDATORS.hash, tmp_path / "consensus.wal"
    with voting(tmp_path) as (_, log, signer):
        signer.stand_beside(log, 6)
        for round_ in range(3):
            signer.sign_vote(set_hash, VoteKind.PREVOTE, 7, round_, value)
            log.append([vote(VoteKind.PREVOTE, round_, value)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1  # in the second of three frames
    path.write_bytes(data)
    assert run(["wal", "repair", str(path)]) == 0
    with voting(tmp_path) as (_, log, signer):
        assert not signer.stand_beside(log, 6)
        for round_ in (1, 3, 9):
            with refused(ConsensusCode.DOUBLE_SIGN, LocalFault):
                signer.sign_vote(set_hash, VoteKind.PREVOTE, 7, round_, bytes(32))
        assert signer.sign_vote(set_hash, VoteKind.PREVOTE, 8, 0, value), "the next height is signed for"


def test_an_unsynced_sign_state_that_fell_behind_its_log_takes_the_logs_word(tmp_path: Path) -> None:
    """The machine lost its power: the file is as it was some steps ago, the log holds all that was sent."""
    path, set_hash, value = tmp_path / "sign-state", VALIDATORS.hash, b"v" * 32
    SignStateFile(path, sync=False).close()
    old = path.read_bytes()
    with voting(tmp_path, sync=False) as (_, log, signer):
        signer.stand_beside(log, 6)
        signer.sign_vote(set_hash, VoteKind.PREVOTE, 7, 1, value)
        log.append([vote(VoteKind.PREVOTE, 1, value)])
    path.write_bytes(old)
    with voting(tmp_path, sync=False) as (_, log, signer):
        assert signer.stand_beside(log, 6)
        with refused(ConsensusCode.DOUBLE_SIGN, LocalFault):
            signer.sign_vote(set_hash, VoteKind.PREVOTE, 7, 1, bytes(32))
        assert signer.sign_vote(set_hash, VoteKind.PRECOMMIT, 7, 1, value)


def test_records_are_shown_in_words() -> None:
    words = [describe_record(record) for frame in FRAMES for record in frame]
    assert [(each.height, each.kind, each.description, each.round) for each in words] == [
        (7, "own", "prevote", 0),
        (7, "timeout", "propose", 1),
        (7, "own", "prevote", 1),
        (7, "own", "precommit", 1),
        (8, "received", "unreadable", -1),
    ]
    assert words[0].value == (b"v" * 32).hex()
    assert words[2].value == "nil"
    assert words[0].sender == SIGNER.envelope_key.hex()


def test_dump_tells_frames_and_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, data = tmp_path / "consensus.wal", damaged(ENDS[1] + 30)
    path.write_bytes(data)
    assert run(["wal", "dump", str(path), "--output", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [frame["whole"] for frame in answer["frames"]] == [True, False, True, True]
    assert (answer["standing"]["damaged_at"], answer["standing"]["frames_behind"]) == (ENDS[1], 2)
    assert run(["wal", "dump", str(path)]) == 0
    assert f"{ENDS[1]:>10} DAMAGED" in capsys.readouterr().out
    assert path.read_bytes() == data


def test_a_repair_is_refused_while_the_home_is_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, data = tmp_path / "consensus.wal", damaged(30)
    path.write_bytes(data)
    (tmp_path / "node.toml").write_text("")
    guard = SignStateFile(tmp_path / "sign-state")
    for where in ([str(path)], ["--home", str(tmp_path)]):
        assert run(["wal", "repair", *where]) == 7
        assert "R0520" in capsys.readouterr().err
        assert path.read_bytes() == data
    guard.close()
    assert run(["wal", "repair", "--home", str(tmp_path)]) == 0
    assert path.read_bytes() == b""


@pytest.mark.parametrize("arguments", [["dump"], ["repair"], ["dump", "x", "--home", "."]])
def test_one_place_is_named(arguments: list[str]) -> None:
    assert run(["wal", *arguments]) == 2


def test_a_log_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["wal", "dump", str(tmp_path / "none")]) == 7
    assert "R0521" in capsys.readouterr().err
