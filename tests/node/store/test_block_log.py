"""Rules of the flat block log."""

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import encode
from clearing.base.errors import LocalFault, RemoteFault
from member.codes import NodeCode
from node.store.block_log import MAGIC, block_log_network, read_block_log, write_block_log
from node.store.records import BlockRecord

NETWORK = b"n" * 32
BLOCKS = [BlockRecord(height=h, block=bytes(40 + h), certificate=b"c" * 9, extended_commit=b"") for h in range(1, 6)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "blocks.log"
    assert write_block_log(path, NETWORK, BLOCKS) == 5
    return path


def test_a_log_reads_back_as_it_was_written(log: Path) -> None:
    assert list(read_block_log(log)) == BLOCKS
    assert block_log_network(log) == NETWORK


def test_the_bytes_of_a_log_are_magic_network_and_records_with_length_and_checksum(log: Path) -> None:
    records = [encode(block) for block in BLOCKS]
    framed = b"".join(struct.pack(">II", len(record), zlib.crc32(record)) + record for record in records)
    assert log.read_bytes() == b"crossclear/blocks/v1\n" + NETWORK + framed


def test_an_existing_log_is_never_overwritten(log: Path) -> None:
    with pytest.raises(LocalFault) as refusal:
        write_block_log(log, NETWORK, [])
    assert refusal.value.code is NodeCode.OUTPUT_EXISTS


def test_a_torn_tail_is_refused_and_can_be_cut(log: Path) -> None:
    whole = log.read_bytes()
    for cut in (1, 20, 60):
        log.write_bytes(whole[:-cut])
        with pytest.raises(RemoteFault) as refusal:
            list(read_block_log(log))
        assert refusal.value.code is NodeCode.BLOCK_LOG_TORN
        assert list(read_block_log(log, cut_torn_tail=True)) == BLOCKS[:4]


def test_a_flipped_bit_in_the_middle_is_refused_even_with_the_tail_cut(log: Path) -> None:
    whole = bytearray(log.read_bytes())
    whole[len(MAGIC) + 32 + 8 + 5] ^= 1
    log.write_bytes(whole)
    with pytest.raises(RemoteFault) as refusal:
        list(read_block_log(log, cut_torn_tail=True))
    assert refusal.value.code is NodeCode.BLOCK_LOG_CORRUPT


def test_heights_that_do_not_rise_by_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gap.log"
    write_block_log(path, NETWORK, [BLOCKS[0], BLOCKS[2]])
    with pytest.raises(RemoteFault) as refusal:
        list(read_block_log(path))
    assert refusal.value.code is NodeCode.BLOCK_LOG_CORRUPT


@given(data=st.binary(max_size=300), magic=st.booleans())
@settings(deadline=None)
def test_no_bytes_crash_the_reader(data: bytes, magic: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "blocks.log"
    path.write_bytes((MAGIC + NETWORK if magic else b"") + data)
    try:
        list(read_block_log(path, cut_torn_tail=True))
    except RemoteFault as fault:
        assert fault.code.label
