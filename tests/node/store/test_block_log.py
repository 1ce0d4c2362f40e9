"""Rules of the flat block log and its replay: a recorded log gives its roots again, and a changed one does not."""

import struct
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.base.codec import decode, encode
from clearing.base.errors import LocalFault, RemoteFault
from consensus.codes import ConsensusCode
from consensus.messages import BLOCK_BYTES_MAX, Block
from member.codes import NodeCode
from member.keys.key_folder import KeyKind, new_password, new_secret, write_key
from member.keys.keystore import Strength
from node.offline.log_trust import ABOVE, IN_FORCE, LATER
from node.offline.replay import replay
from node.store.block_log import MAGIC, block_log_network, count_blocks, read_block_log, write_block_log
from node.store.records import BlockRecord
from tests.kit.command_line import CommandLine
from tests.kit.node.recorded import HEIGHTS, Recorded
from tests.kit.refusals import refused

NETWORK = b"n" * 32
BLOCKS = [BlockRecord(height=h, block=bytes(40 + h), certificate=b"c" * 9, extended_commit=b"") for h in range(1, 6)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "blocks.log"
    assert write_block_log(path, NETWORK, BLOCKS) == 5
    return path


def test_a_log_reads_back_as_it_was_written(log: Path) -> None:
    assert list(read_block_log(log)) == BLOCKS
    assert count_blocks(log) == 5
    assert block_log_network(log) == NETWORK


def test_the_bytes_of_a_log_are_magic_network_and_records_with_length_and_checksum(log: Path) -> None:
    records = [encode(block) for block in BLOCKS]
    framed = b"".join(struct.pack(">II", len(record), zlib.crc32(record)) + record for record in records)
    assert log.read_bytes() == b"crossclear/blocks/v1\n" + NETWORK + framed


def test_an_existing_log_is_never_overwritten(log: Path) -> None:
    with refused(NodeCode.OUTPUT_EXISTS, LocalFault):
        write_block_log(log, NETWORK, [])


def test_a_torn_tail_is_refused_and_can_be_cut(log: Path) -> None:
    whole = log.read_bytes()
    for cut in (1, 20, 60):
        log.write_bytes(whole[:-cut])
        with refused(NodeCode.BLOCK_LOG_TORN):
            list(read_block_log(log))
        assert list(read_block_log(log, cut_torn_tail=True)) == BLOCKS[:4]


def test_a_flipped_bit_in_the_middle_is_refused_even_with_the_tail_cut(log: Path) -> None:
    whole = bytearray(log.read_bytes())
    whole[len(MAGIC) + 32 + 8 + 5] ^= 1
    log.write_bytes(whole)
    with refused(NodeCode.BLOCK_LOG_CORRUPT):
        list(read_block_log(log, cut_torn_tail=True))


def test_heights_that_do_not_rise_by_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gap.log"
    write_block_log(path, NETWORK, BLOCKS[::2])
    with refused(NodeCode.BLOCK_LOG_CORRUPT):
        list(read_block_log(path))


@given(data=st.binary(max_size=300), magic=st.booleans())
@settings(deadline=None)
def test_no_bytes_crash_the_reader(data: bytes, magic: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "blocks.log"
    path.write_bytes((MAGIC + NETWORK if magic else b"") + data)
    try:
        list(read_block_log(path, cut_torn_tail=True))
    except RemoteFault as fault:
        assert fault.code.label


def test_a_recorded_log_gives_its_roots_again(recorded: Recorded) -> None:
    seen: list[int] = []
    result = replay(
        recorded.home.genesis, recorded.home.salt, recorded.records, lambda each: seen.append(each.header.height)
    )
    assert seen == [1, 2, 3, 4, 5]
    assert (result.height, result.blocks, result.transactions) == (HEIGHTS, HEIGHTS, HEIGHTS)
    assert result.receipts >= HEIGHTS
    assert result.state_root == recorded.state_root


def test_another_salt_gives_other_roots(recorded: Recorded) -> None:
    with refused(ConsensusCode.WRONG_ROOTS):
        replay(recorded.home.genesis, bytes(32), recorded.records)


def test_a_log_that_begins_late_or_leaves_out_a_height_is_refused(recorded: Recorded) -> None:
    whole = recorded.records
    for records in (whole[1:], whole[:2] + whole[3:]):
        with refused(NodeCode.STORE_GAP, LocalFault):
            replay(recorded.home.genesis, recorded.home.salt, records)


def test_a_certificate_of_another_height_is_refused(recorded: Recorded) -> None:
    records = recorded.records
    records[-1] = msgspec.structs.replace(records[-1], certificate=records[-2].certificate)
    with pytest.raises(RemoteFault):
        replay(recorded.home.genesis, recorded.home.salt, records)


@pytest.mark.parametrize("field", ["block", "certificate", "extended_commit"])
def test_a_flipped_bit_in_any_part_of_a_block_is_refused(recorded: Recorded, field: str) -> None:
    records = recorded.records
    record, data = records[2], getattr(records[2], field)
    for at in range(0, len(data), 29):
        forged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        records[2] = msgspec.structs.replace(record, **{field: forged})
        with pytest.raises(RemoteFault):
            replay(recorded.home.genesis, recorded.home.salt, records)


def test_the_command_replays_a_file(recorded: Recorded, tmp_path: Path, cli: CommandLine) -> None:
    foreign, torn = tmp_path / "foreign.log", tmp_path / "torn.log"
    write_block_log(foreign, b"m" * 32, recorded.records)
    torn.write_bytes(recorded.log_file.read_bytes()[:-3])
    options = ["--home", recorded.home.path, *recorded.genesis_options, "--no-strict", "--output", "json"]
    assert cli("replay", recorded.log_file, *options, "--devnet").json["state_root"] == recorded.state_root.hex()
    cli("replay", recorded.log_file, *options, code=7)
    cli("replay", foreign, *options, "--devnet", code=6)
    cli("replay", torn, *options, "--devnet", code=6)
    assert cli("replay", torn, *options, "--devnet", "--cut-torn-tail").json["height"] == HEIGHTS - 1


def test_a_replay_names_whose_word_the_log_is(recorded: Recorded, cli: CommandLine) -> None:
    """The sets of a log, once retired, can certify another one of the same genesis."""
    asked = ("replay", recorded.log_file, "--home", recorded.home.path, *recorded.genesis_options, "--devnet")
    text, strict = cli(*asked).out, cli(*asked, "--output", "json", code=6).json
    assert IN_FORCE in text
    assert (strict["ok"], strict["strict"], strict["open"]) == (False, True, ["anchor"])
    assert strict["not_proven"] == [IN_FORCE, LATER]
    assert cli(*asked, "--output", "json", "--no-strict").json["open"] == ["anchor"]
    assert "NOT VERIFIED" in cli(*asked, "--strict", code=6).out
    whole = ("--trust", f"{HEIGHTS}:{strict['header_hash']}")
    bound = cli(*asked, *whole, "--output", "json").json
    assert (bound["ok"], bound["open"], bound["not_proven"]) == (True, [], [LATER])
    assert bound["header_time_ms"] == strict["header_time_ms"]


def test_a_trusted_header_binds_a_log_up_to_its_height(recorded: Recorded, cli: CommandLine) -> None:
    asked = ("replay", recorded.log_file, "--home", recorded.home.path, *recorded.genesis_options, "--devnet")
    second = decode(recorded.records[1].block, Block, 2 * BLOCK_BYTES_MAX).header.hash.hex()
    below = cli(*asked, "--trust", f"2:{second}", "--no-strict", "--output", "json").json
    assert (below["open"], below["not_proven"]) == (["anchor"], [ABOVE.format(height=2), LATER])
    beyond = cli(*asked, "--trust", f"{HEIGHTS + 1}:{second}", "--no-strict", "--output", "json").json
    assert beyond["not_proven"] == [IN_FORCE, LATER]
    assert "R0126" in cli(*asked, "--trust", f"1:{second}", code=6).err
    cli(*asked, "--trust", "second", code=3)


def test_what_reads_a_log_says_whose_word_it_is(recorded: Recorded, cli: CommandLine) -> None:
    second = decode(recorded.records[1].block, Block, 2 * BLOCK_BYTES_MAX).header.hash.hex()
    asked = ("liquidations", "explain", *recorded.options)
    said = cli(*asked).err
    assert f"blocks up to height {HEIGHTS}, header " in said
    assert IN_FORCE in said
    assert ABOVE.format(height=2) in cli(*asked, "--trust", f"2:{second}").err
    cli(*asked, "--trust", f"1:{second}", code=6)
    cli("liquidations", "explain", "--trust", f"2:{second}", code=2)


def test_another_network_seed_is_refused(recorded: Recorded, tmp_path: Path, cli: CommandLine) -> None:
    seed = new_secret(KeyKind.SEED)
    write_key(tmp_path, "network-seed", KeyKind.SEED, seed, new_password(tmp_path), Strength.DEVNET)
    cli("replay", recorded.log_file, "--home", tmp_path, "--devnet", *recorded.genesis_options, code=6)


@settings(max_examples=50)
@given(cut=st.integers(0, 400))
def test_whole_records_of_a_torn_log_are_counted(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "blocks.log"
    write_block_log(path, NETWORK, BLOCKS)
    data = path.read_bytes()
    path.write_bytes(data[: max(len(MAGIC) + 32, len(data) - cut)])
    assert count_blocks(path) == len(list(read_block_log(path, cut_torn_tail=True)))
