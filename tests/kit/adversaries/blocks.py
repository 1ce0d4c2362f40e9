"""Other blocks for one height: what a proposer shows to some in place of what it shows to the rest."""

import copy
from dataclasses import replace
from typing import Any, cast

import msgspec

from clearing.base.errors import CrossclearError
from clearing.base.hashing import tagged_hash
from clearing.base.header import Header
from clearing.base.validators import ValidatorSet
from consensus.application import Application, AppRoots, ExecutionContext
from consensus.blocks.executor import BlockExecutor
from consensus.messages import Block, Evidence, Proposal
from consensus.replica.replica import Replica
from tests.kit.adversaries.context import Adversary, AdversaryContext


class OtherPayload:
    """An application that builds other payloads than the one behind it, and never commits. All else is as behind it."""

    def __init__(self, context: AdversaryContext, application: Application) -> None:
        self._context = context
        # Applications keep what they executed by value: the copy's executions don't replace the original's.
        self._behind = copy.copy(application)

    def prepare(self, context: ExecutionContext) -> tuple[bytes, AppRoots]:
        payload, roots = self._behind.prepare(context)
        other = self._context.vary(payload, self._context.random)
        return (payload, roots) if other == payload else (other, self._behind.process(context, other))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def commit(self, header: Header) -> ValidatorSet:
        raise AssertionError("a second block is never decided here")


def other_executor(context: AdversaryContext, replica: Replica) -> BlockExecutor:
    """Builds and judges blocks beside the replica's own executor."""
    around = replica.context
    application = cast(Application, OtherPayload(context, around.application))
    return BlockExecutor(application, around.verifier, around.certificates)


def other_block(context: AdversaryContext, replica: Replica, evidence: Evidence) -> Block | None:
    """Another valid block for the running height: other extensions, another payload, other evidence."""
    chain, random = replica.run.chain, context.random
    kept = tuple(signed for signed in chain.extensions if random.randrange(4))
    power = sum(chain.last_validators.validators[signed.validator].power for signed in kept)
    if chain.last_validators.is_quorum(power):
        chain = replace(chain, extensions=kept)
    try:
        return other_executor(context, replica).build(chain, Evidence() if random.randrange(2) else evidence)
    except CrossclearError:
        return None


def broken_block(block: Block) -> Block:
    """The same block with a root that its execution does not give."""
    wrong = tagged_hash("adversary/root", block.header.hash)
    header = msgspec.structs.replace(block.header, module_roots=(*block.header.module_roots[:-1], wrong))
    return msgspec.structs.replace(block, header=header)


def proposal_of(adversary: Adversary, like: Proposal, block: Block) -> Proposal | None:
    """The own fresh proposal of another block in the same round."""
    validators = adversary.validators_at(like.height)
    if validators is None:
        return None
    value = block.header.hash
    return Proposal(
        height=like.height,
        round=like.round,
        pol_round=-1,
        block=block,
        certificate=None,
        signature=adversary.signer.sign_proposal(validators.hash, like.height, like.round, -1, value),
    )
