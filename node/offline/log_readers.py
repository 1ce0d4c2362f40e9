"""One account in a block log: receipts of some kinds, a daily statement, exit leaves.

Rule: every block is executed and checked again; every answer is computed here. For the day on which no node answers any
more.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from clearing.base.certificate import Certificate
from clearing.base.codec import decode
from clearing.base.errors import LocalFault
from clearing.base.units import DAY_MS
from clearing.initial_state import initial_state
from clearing.margin_explanation import MarginInputs, collect_margin_inputs
from clearing.schema.terms.genesis import Genesis
from clearing.state.state import State
from clearing.validators.validator_sets import validator_sets
from consensus.light_client import LightBlock
from consensus.messages import BLOCK_BYTES_MAX, Block
from member.api.receipts import ReceiptAt
from member.api.statements import MemberStatement
from member.codes import NodeCode
from member.explaining.formatting import listing_of
from member.explaining.receipt_pages import ReceiptSeries
from member.statements.days import StatementDays
from member.statements.statement import member_statement
from node.agreement.application import DecidedHeight
from node.epochs.member_files import AccountExit, account_exit, exit_tree_record
from node.offline.homes import OpenedLog
from node.offline.replay import replay
from node.store.records import BlockRecord


def statement_of_log(log: OpenedLog, member: int, day: int) -> MemberStatement:
    """The statement of a member and day.

    Raises LocalFault API_NOT_FOUND when the log has no block of that day or genesis no such member, Bug when a balance
    is not the sum of its transfers, and as `node.offline.replay.replay`.
    """
    days = StatementDays(initial_state(log.genesis, log.salt), kept=2, lines_max=None)
    newest: list[State] = []

    def add(decided: DecidedHeight) -> None:
        days.decided(decided.header.time_ms, decided.result, decided.state)
        newest[:] = [decided.state]

    replay(log.genesis, log.salt, _until_after(log.records, day), add)
    found = days.day(day)
    accounts = (
        [account for account, record in newest[0].accounts.ordered() if record.member == member] if newest else []
    )
    if found is None or not accounts:
        raise LocalFault(NodeCode.API_NOT_FOUND, "statement", member=member, day=day)
    return member_statement(newest[0].terms, member, accounts, found)


def margin_inputs_of_log(log: OpenedLog, account: int) -> tuple[MarginInputs, Genesis]:
    """What the margin of an account is computed from after the log's last block, and the terms then in force.

    Raises LocalFault API_NOT_FOUND for an unknown account, and as `node.offline.replay.replay`.
    """
    newest: list[State] = []

    def keep(decided: DecidedHeight) -> None:
        newest[:] = [decided.state]

    replay(log.genesis, log.salt, log.records, keep)
    if not newest or account not in newest[0].accounts:
        raise LocalFault(NodeCode.API_NOT_FOUND, "account", account=account)
    return collect_margin_inputs(newest[0], account), newest[0].terms.genesis


def _until_after(records: Iterable[BlockRecord], day: int) -> Iterator[BlockRecord]:
    """Up to the first block of a later day, that one included: it shows that the day is over."""
    for record in records:
        yield record
        if decode(record.block, Block, 2 * BLOCK_BYTES_MAX).header.time_ms // DAY_MS > day:
            return


def exit_of_log(log: OpenedLog, account: int, epoch: int | None) -> tuple[AccountExit, LightBlock]:
    """The leaves at an epoch, by default the log's newest, and the header that carries their root.

    Raises LocalFault API_NOT_FOUND when the log has no such epoch or no such account at it, and as
    `node.offline.replay.replay`.
    """
    found: list[tuple[AccountExit | None, LightBlock]] = []
    current: list[BlockRecord] = []

    def read() -> Iterator[BlockRecord]:
        for record in log.records:
            current[:] = [record]
            yield record
            if epoch is not None and found:
                return

    def note(decided: DecidedHeight) -> None:
        if not decided.result.snapshot_due or epoch not in (None, decided.result.epoch):
            return
        sets = validator_sets(decided.state)
        certificate = decode(current[0].certificate, Certificate)
        block = LightBlock(decided.header, certificate, sets.last, sets.now)
        found[:] = [(account_exit(exit_tree_record(decided.state), account), block)]

    replay(log.genesis, log.salt, read(), note)
    own, block = found[0] if found else (None, None)
    if own is None or block is None:
        raise LocalFault(NodeCode.API_NOT_FOUND, "epoch", epoch=epoch or 0, account=account)
    return own, block


def receipts_of_log(log: OpenedLog, kinds: Collection[type[Any]]) -> ReceiptSeries:
    """All receipts of these kinds, by executing every block. Raises as `node.offline.replay.replay`."""
    found = ReceiptSeries()

    def add(decided: DecidedHeight) -> None:
        receipts = [
            ReceiptAt(decided.header.height, index, receipt)
            for index, receipt in enumerate(decided.result.receipts)
            if type(receipt) in kinds
        ]
        if receipts:
            found.note(receipts, listing_of(decided.state.terms))

    replay(log.genesis, log.salt, log.records, add)
    return found
