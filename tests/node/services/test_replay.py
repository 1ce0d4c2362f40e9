"""Rules of replay: a recorded log gives its roots again, and a changed one does not."""

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from clearing.base import bls, ed25519
from clearing.base.certificate import VoteKind, make_certificate, vote_digest
from clearing.base.codec import encode
from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.ids import NetworkId
from clearing.base.validators import ValidatorSet
from clearing.genesis import (
    AccountKind,
    AccountTerms,
    Genesis,
    MarketParameters,
    MemberTerms,
    genesis_to_json,
)
from clearing.margin.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.opening import open_state
from clearing.transactions import CashTransfer, Transaction
from consensus.blocks.chain import Position, chain_at
from consensus.blocks.executor import BlockExecutor
from consensus.codes import ConsensusCode
from consensus.messages import Evidence, Extension, SignedExtension, extension_digest
from consensus.signing import CertificateCache, CurveVerifier
from node.application import ClearingApplication
from node.cli.main import run
from node.codes import NodeCode
from node.keys.keystore import Strength
from node.keys.ring import KeyKind, new_password, new_secret, open_node_keys, write_key
from node.replay import StatedCommitments, _silent, replay, state_salt
from node.store.block_log import write_block_log
from node.store.records import BlockRecord
from node.testnet import create_testnet

HEIGHTS = 5
START = 1_584_000_000_000


@dataclass
class OneTransfer:
    """A pool that proposes a transfer that will be refused, so that there are receipts."""

    nonce: int = 0

    def select(self, time_ms: int) -> tuple[Transaction, ...]:
        self.nonce += 1
        return (CashTransfer(1, 2, 1, 5, self.nonce, time_ms + 1000, bytes(64) + b"\x1b"),)


@dataclass
class Recorded:
    """A chain of one validator, as a node would have recorded it."""

    genesis: Genesis
    network: NetworkId
    salt: bytes
    records: list[BlockRecord]
    state_root: bytes
    home: Path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("recorded")

    def build(validators: ValidatorSet) -> Genesis:
        house = MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),))
        risk = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN)
        return Genesis("tiny", START, validators, (), (), (), (), (), risk, MarketParameters(), (house,))

    made = create_testnet(folder / "net", build, validators=1, devnet=True, seed=3)
    keys = open_node_keys(made.nodes[0].home, made.nodes[0].home / "password", allow_weak=True)
    salt, validators = state_salt(keys.network_seed), made.genesis.validators
    application = ClearingApplication(
        made.genesis, open_state(made.genesis, salt), OneTransfer(), StatedCommitments(), _silent
    )
    verifier = CurveVerifier()
    executor = BlockExecutor(application, verifier, CertificateCache(verifier, made.network))
    chain = chain_at(made.network, START, Position(0, validators, validators, validators), None)
    records = []
    for height in range(1, HEIGHTS + 1):
        block = executor.build(chain, Evidence())
        value = block.header.hash
        digest = vote_digest(made.network, validators.hash, VoteKind.PRECOMMIT, height, 0, value)
        share = bls.sign(keys.validator, digest)
        certificate = make_certificate(VoteKind.PRECOMMIT, height, 0, value, validators, {0: share})
        extension = Extension(time_ms=START + 100 * height, data=b"")
        signed = extension_digest(made.network, validators.hash, height, 0, value, extension)
        extensions = (SignedExtension(0, extension, ed25519.sign(keys.envelope, signed)),)
        chain = executor.apply(chain, block, certificate, extensions)
        records.append(BlockRecord(height, encode(block), encode(certificate), encode(extensions)))
    return Recorded(made.genesis, made.network, salt, records, block.header.state_root, made.nodes[0].home)


def test_a_recorded_log_gives_its_roots_again(recorded: Recorded) -> None:
    seen: list[int] = []
    result = replay(recorded.genesis, recorded.salt, recorded.records, lambda each: seen.append(each.header.height))
    assert seen == [1, 2, 3, 4, 5]
    assert (result.height, result.blocks, result.transactions) == (HEIGHTS, HEIGHTS, HEIGHTS)
    assert result.receipts >= HEIGHTS
    assert result.state_root == recorded.state_root


def test_another_salt_gives_other_roots(recorded: Recorded) -> None:
    with pytest.raises(RemoteFault) as refusal:
        replay(recorded.genesis, bytes(32), recorded.records)
    assert refusal.value.code is ConsensusCode.WRONG_ROOTS


def test_a_log_that_begins_late_or_leaves_out_a_height_is_refused(recorded: Recorded) -> None:
    for records in (recorded.records[1:], recorded.records[:2] + recorded.records[3:]):
        with pytest.raises(LocalFault) as refusal:
            replay(recorded.genesis, recorded.salt, records)
        assert refusal.value.code is NodeCode.STORE_GAP


def test_a_certificate_of_another_height_is_refused(recorded: Recorded) -> None:
    records = list(recorded.records)
    records[-1] = msgspec.structs.replace(records[-1], certificate=records[-2].certificate)
    with pytest.raises(RemoteFault):
        replay(recorded.genesis, recorded.salt, records)


@pytest.mark.parametrize("field", ["block", "certificate", "extended_commit"])
def test_a_flipped_bit_in_any_part_of_a_block_is_refused(recorded: Recorded, field: str) -> None:
    data = getattr(recorded.records[2], field)
    for at in range(0, len(data), 29):
        forged = bytearray(data)
        forged[at] ^= 1
        records = list(recorded.records)
        records[2] = msgspec.structs.replace(records[2], **{field: bytes(forged)})
        with pytest.raises(RemoteFault):
            replay(recorded.genesis, recorded.salt, records)


def test_the_command_replays_a_file(recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, genesis = tmp_path / "blocks.log", tmp_path / "genesis.json"
    write_block_log(log, recorded.network, recorded.records)
    genesis.write_bytes(genesis_to_json(recorded.genesis))
    command = ["replay", str(log), "--genesis", str(genesis), "--home", str(recorded.home), "--output", "json"]
    assert run([*command, "--devnet"]) == 0
    assert json.loads(capsys.readouterr().out)["state_root"] == recorded.state_root.hex()
    assert run(command) == 7
    foreign = tmp_path / "foreign.log"
    write_block_log(foreign, b"m" * 32, recorded.records)
    assert run(["replay", str(foreign), *command[2:], "--devnet"]) == 6
    log.write_bytes(log.read_bytes()[:-3])
    assert run([*command, "--devnet"]) == 6
    capsys.readouterr()
    assert run([*command, "--devnet", "--cut-torn-tail"]) == 0
    assert json.loads(capsys.readouterr().out)["height"] == HEIGHTS - 1


def test_another_network_seed_is_refused(recorded: Recorded, tmp_path: Path) -> None:
    log, genesis, home = tmp_path / "blocks.log", tmp_path / "genesis.json", tmp_path / "home"
    write_block_log(log, recorded.network, recorded.records)
    genesis.write_bytes(genesis_to_json(recorded.genesis))
    write_key(home, "network-seed", KeyKind.SEED, new_secret(KeyKind.SEED), new_password(home), Strength.DEVNET)
    assert run(["replay", str(log), "--genesis", str(genesis), "--home", str(home), "--devnet"]) == 6
