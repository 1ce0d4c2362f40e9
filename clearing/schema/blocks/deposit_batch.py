"""`DepositBatch`: consecutive deposits of one vault in a vote extension, written short.

Rule: only a way to write `DepositSeen` facts. What repeats is written once, so that an extension has room for four
times as many. Attestations are counted by deposit, never by batch: validators may cut their batches differently. A
batch whose numbers lead nowhere is refused with its extension.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, TypeAlias

import msgspec

from clearing.base.codec import U32, U63, Bytes20, Bytes32, Wire
from clearing.base.errors import BaseCode, RemoteFault
from clearing.schema.facts import DepositSeen, Fact

DEPOSITS_MAX = 64
"""In all batches of an extension."""
NONCE_MAX = 2**63 - 1


class SeenBlock(Wire, frozen=True):
    """A block with deposits."""

    number: U63
    hash: Bytes32


class BatchedDeposit(Wire, frozen=True):
    """What is a deposit's own. `block`, `token` and `depositor` count in the batch's lists."""

    block: U32
    token: U32
    depositor: U32
    account: U63
    amount: Annotated[bytes, msgspec.Meta(max_length=32)]
    """Token base units, big-endian."""
    source: Bytes32


class DepositBatch(Wire, frozen=True, tag=8):
    """Deposits of one vault with nonces from `first_nonce` on, without gaps."""

    chain_id: U63
    vault: Bytes20
    first_nonce: U63
    blocks: tuple[SeenBlock, ...]
    tokens: tuple[Bytes20, ...]
    depositors: tuple[Bytes20, ...]
    deposits: tuple[BatchedDeposit, ...]


WrittenFact: TypeAlias = Fact | DepositBatch
"""A fact as an extension has it."""


def check_batches(facts: Sequence[WrittenFact]) -> None:
    """Check the numbers of all batches. Raises RemoteFault OUT_OF_RANGE."""
    batches = [fact for fact in facts if isinstance(fact, DepositBatch)]
    count = sum(len(batch.deposits) for batch in batches)
    if count > DEPOSITS_MAX:
        raise RemoteFault(BaseCode.OUT_OF_RANGE, "extension.deposits", count=count)
    for batch in batches:
        beyond = batch.first_nonce + len(batch.deposits) - 1 > NONCE_MAX
        if beyond or not all(_is_known(batch, deposit) for deposit in batch.deposits):
            raise RemoteFault(BaseCode.OUT_OF_RANGE, "extension.batch", first_nonce=batch.first_nonce)


def _is_known(batch: DepositBatch, deposit: BatchedDeposit) -> bool:
    known = deposit.block < len(batch.blocks) and deposit.token < len(batch.tokens)
    return known and deposit.depositor < len(batch.depositors)


def read_facts(facts: Iterable[WrittenFact]) -> Iterator[Fact]:
    """The facts of a checked extension, each deposit by itself, in order."""
    for fact in facts:
        if isinstance(fact, DepositBatch):
            yield from (_read(fact, at) for at in range(len(fact.deposits)))
        else:
            yield fact


def _read(batch: DepositBatch, at: int) -> DepositSeen:
    deposit = batch.deposits[at]
    block = batch.blocks[deposit.block]
    return DepositSeen(
        chain_id=batch.chain_id,
        vault=batch.vault,
        nonce=batch.first_nonce + at,
        token=batch.tokens[deposit.token],
        account=deposit.account,
        amount=deposit.amount.rjust(32, b"\0"),
        block_number=block.number,
        block_hash=block.hash,
        source=deposit.source,
        depositor=batch.depositors[deposit.depositor],
    )


def write_facts(facts: Iterable[Fact]) -> tuple[WrittenFact, ...]:
    """The same facts, deposits of a vault without a gap as one batch: others first, then batches by chain and nonce."""
    others: list[WrittenFact] = []
    runs: list[list[DepositSeen]] = []
    deposits: list[DepositSeen] = []
    for fact in facts:
        if isinstance(fact, DepositSeen):
            deposits.append(fact)
        else:
            others.append(fact)
    for deposit in sorted(deposits, key=lambda fact: (fact.chain_id, fact.vault, fact.nonce)):
        last = runs[-1][-1] if runs else None
        follows = last is not None and (last.chain_id, last.vault, last.nonce + 1) == (
            deposit.chain_id,
            deposit.vault,
            deposit.nonce,
        )
        if follows:
            runs[-1].append(deposit)
        else:
            runs.append([deposit])
    return (*others, *(run[0] if len(run) == 1 else _write(run) for run in runs))


def _write(run: Sequence[DepositSeen]) -> DepositBatch:
    blocks = sorted({(deposit.block_number, deposit.block_hash) for deposit in run})
    tokens = sorted({deposit.token for deposit in run})
    depositors = sorted({deposit.depositor for deposit in run})
    return DepositBatch(
        chain_id=run[0].chain_id,
        vault=run[0].vault,
        first_nonce=run[0].nonce,
        blocks=tuple(SeenBlock(number, hash_) for number, hash_ in blocks),
        tokens=tuple(tokens),
        depositors=tuple(depositors),
        deposits=tuple(
            BatchedDeposit(
                block=blocks.index((deposit.block_number, deposit.block_hash)),
                token=tokens.index(deposit.token),
                depositor=depositors.index(deposit.depositor),
                account=deposit.account,
                amount=deposit.amount.lstrip(b"\0"),
                source=deposit.source,
            )
            for deposit in run
        ),
    )
