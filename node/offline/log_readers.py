"""What a block log says of one account: receipts of some kinds, a daily statement, exit leaves.

Rule: every block is executed and checked again; nothing is read from a log that was not computed here. For the day on
which no node answers any more.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from clearing.base.certificate import Certificate
from clearing.base.codec import decode
from clearing.base.units import DAY_MS
from clearing.opening import initial_state
from clearing.schema.terms.genesis import Genesis
from clearing.state.state import State
from clearing.validators.validator_sets import validator_sets
from consensus.light_client import LightBlock
from consensus.messages import BLOCK_BYTES_MAX, Block
from member.api.receipts import ReceiptAt
from member.api.statements import MemberStatement
from member.explaining.formatting import listing_of
from member.explaining.receipt_pages import ReceiptSeries
from member.statements.days import StatementDays
from member.statements.statement import member_statement
from node.agreement.application import DecidedHeight
from node.epochs.exits import AccountExit, account_exit, exit_tree_record
from node.offline.replay import replay
from node.store.records import BlockRecord


def statement_of_log(
    genesis: Genesis, salt: bytes, records: Iterable[BlockRecord], member: int, day: int
) -> MemberStatement | None:
    """The statement of a member and day; None when the log has no block of that day or genesis no such member.

    Raises as `node.offline.replay.replay`, and Bug when a balance is not the sum of its transfers.
    """
    days = StatementDays(initial_state(genesis, salt), kept=2)
    newest: list[State] = []

    def tell(decided: DecidedHeight) -> None:
        days.decided(decided.header.time_ms, decided.result, decided.state)
        newest[:] = [decided.state]

    replay(genesis, salt, _until_after(records, day), tell)
    found = days.day(day)
    if not newest or found is None:
        return None
    state = newest[0]
    accounts = [each for each, record in state.accounts.ordered() if record.member == member]
    return member_statement(state.terms, member, accounts, found) if accounts else None


def _until_after(records: Iterable[BlockRecord], day: int) -> Iterator[BlockRecord]:
    """Up to the first block of a later day, that one included: it shows that the day is over."""
    for record in records:
        yield record
        if decode(record.block, Block, 2 * BLOCK_BYTES_MAX).header.time_ms // DAY_MS > day:
            return


def exit_of_log(
    genesis: Genesis, salt: bytes, records: Iterable[BlockRecord], account: int, epoch: int | None
) -> tuple[AccountExit, LightBlock] | None:
    """The leaves at an epoch, by default the log's newest, and the header that carries their root.

    None when the log has no such epoch, or no such account at it. Raises as `node.offline.replay.replay`.
    """
    found: list[tuple[AccountExit | None, LightBlock]] = []
    current: list[BlockRecord] = []

    def read() -> Iterator[BlockRecord]:
        for record in records:
            current[:] = [record]
            yield record
            if epoch is not None and found:
                return

    def tell(decided: DecidedHeight) -> None:
        if not decided.result.snapshot_due or epoch not in (None, decided.result.epoch):
            return
        sets = validator_sets(decided.state)
        certificate = decode(current[0].certificate, Certificate)
        block = LightBlock(decided.header, certificate, sets.last, sets.now)
        found[:] = [(account_exit(exit_tree_record(decided.state), account), block)]

    replay(genesis, salt, read(), tell)
    own, block = found[0] if found else (None, None)
    return (own, block) if own is not None and block is not None else None


def receipts_of_log(
    genesis: Genesis, salt: bytes, records: Iterable[BlockRecord], kinds: Collection[type[Any]]
) -> ReceiptSeries:
    """All receipts of these kinds, by executing every block. Raises as `node.offline.replay.replay`."""
    found = ReceiptSeries()

    def tell(decided: DecidedHeight) -> None:
        told = [
            ReceiptAt(decided.header.height, index, receipt)
            for index, receipt in enumerate(decided.result.receipts)
            if type(receipt) in kinds
        ]
        if told:
            found.note(told, listing_of(decided.state.terms))

    replay(genesis, salt, records, tell)
    return found
