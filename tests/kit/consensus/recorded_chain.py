"""A decided chain out of nothing but signers: blocks, certificates, extensions, as a store holds them."""

from collections.abc import Callable, Sequence

from clearing.base.certificate import Certificate, VoteKind, signer_bitmap
from clearing.base.validators import ValidatorSet
from consensus.application import Application
from consensus.blocks.executor import BlockExecutor
from consensus.blocks.store import keep_sets, save_committed
from consensus.chain_state import ApplicationPosition, ChainState, chain_at
from consensus.messages import CommittedBlock, Evidence, Extension, SignedExtension
from consensus.signing import CertificateCache, Signer, Verifier
from tests.kit.consensus.memory_store import MemoryBlockStore

SignersOf = Callable[[ValidatorSet], Sequence[Signer]]


class RecordedChain:
    """Decides one height after another; every quorum is all but the `silent` validator, which changes each height."""

    def __init__(
        self,
        network: bytes,
        genesis_ms: int,
        position: ApplicationPosition,
        application: Application,
        verifier: Verifier,
        signers_of: SignersOf,
    ) -> None:
        self.store = MemoryBlockStore()
        self.chain: ChainState = chain_at(network, genesis_ms, position, None)
        self._executor = BlockExecutor(application, verifier, CertificateCache(verifier, network))
        self._verifier, self._signers_of = verifier, signers_of

    def decide(self) -> CommittedBlock:
        """One more height."""
        chain = self.chain
        block = self._executor.build(chain, Evidence())
        signers, validators = self._signers_of(chain.validators), chain.validators
        count = len(signers)
        voters = [index for index in range(count) if count < 4 or index != (chain.height + 1) % count]
        where = (validators.hash, chain.height + 1, 0, block.header.hash)
        shares, extensions = [], []
        for index in voters:
            set_hash, height, round_, value = where
            shares.append(signers[index].sign_vote(set_hash, VoteKind.PRECOMMIT, height, round_, value))
            extension = Extension(time_ms=chain.time_ms + 100, data=b"")
            signature = signers[index].sign_extension(set_hash, height, round_, value, extension)
            extensions.append(SignedExtension(validator=index, extension=extension, signature=signature))
        certificate = Certificate(
            kind=VoteKind.PRECOMMIT,
            height=chain.height + 1,
            round=0,
            value=block.header.hash,
            validators_hash=validators.hash,
            signers=signer_bitmap(voters),
            aggregate=self._verifier.aggregate(shares),
        )
        committed = CommittedBlock(block=block, certificate=certificate, extensions=tuple(extensions))
        save_committed(self.store, committed)
        self.chain = self._executor.apply(chain, block, certificate, committed.extensions)
        keep_sets(self.store, self.chain)
        return committed

    def to(self, height: int) -> "RecordedChain":
        """Decide up to a height."""
        while self.chain.height < height:
            self.decide()
        return self
