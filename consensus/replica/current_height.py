"""`CurrentHeight`: the decided chain of one replica, and the height that runs above it.

Rule: the only place that knows which height runs. The parts of a replica read it; only the replica itself advances it.
"""

from dataclasses import replace

from clearing.base.certificate import Certificate
from consensus.blocks.height_context import HeightContext
from consensus.chain_state import ChainState
from consensus.messages import SignedExtension
from consensus.replica.height import HeightRun
from consensus.wal import Record


class CurrentHeight:
    """The chain and the running height, shared by the inbox, block sync and the replica."""

    def __init__(self, chain: ChainState, context: HeightContext, recorded: tuple[Record, ...]) -> None:
        self._context = context
        self.chain = chain
        self.run = HeightRun(chain, context, recorded)
        self._missing = context.application.missing_version(chain.height + 1)

    @property
    def missing_version(self) -> int | None:
        """The protocol version that the running height needs and this release lacks. Then the replica stands still: it
        signs nothing for this height and takes nothing in for it, from the network or from its log."""
        return self._missing

    def advance(self, chain: ChainState, recorded: tuple[Record, ...]) -> None:
        """A block was decided and applied: the next height runs above `chain`."""
        self.chain = chain
        self.run = HeightRun(chain, self._context, recorded)
        self._missing = self._context.application.missing_version(chain.height + 1)

    def add_late_extensions(self, extensions: tuple[SignedExtension, ...]) -> None:
        """More checked extensions of the last decided height, for the own next proposal."""
        chain = self.run.chain.with_extensions(extensions)
        if chain is not self.chain:
            self.chain = chain
            self.run.take_extensions(chain)

    def recommit(self, certificate: Certificate) -> None:
        """Take another final certificate of the last decided block, to gather its extensions instead."""
        self.chain = self.run.chain = replace(self.run.chain, commit=certificate, extensions=())
