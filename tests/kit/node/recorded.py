"""A chain of one validator, recorded as a node would."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from clearing.base import bls, ed25519
from clearing.base.certificate import VoteKind, vote_digest
from clearing.base.codec import encode
from clearing.base.ids import NetworkId
from clearing.base.validators import ValidatorSet
from clearing.initial_state import initial_state
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.accounts import CashTransfer
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MarketParameters, MemberTerms
from consensus.blocks.executor import BlockExecutor
from consensus.chain_state import ApplicationPosition, chain_at
from consensus.messages import Evidence, Extension, SignedExtension, extension_digest
from consensus.signing import CertificateCache, CurveVerifier
from devnet.testnet import create_testnet
from node.agreement.application import ClearingApplication, state_salt
from node.offline.replay import StatedCommitments, _silent
from node.signer.node_keys import open_node_keys
from node.store.records import BlockRecord
from tests.kit.certificates import make_certificate

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
        made.genesis, initial_state(made.genesis, salt), OneTransfer(), StatedCommitments(), _silent
    )
    verifier = CurveVerifier()
    executor = BlockExecutor(application, verifier, CertificateCache(verifier, made.network))
    chain = chain_at(made.network, START, ApplicationPosition(0, validators, validators, validators), None)
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
