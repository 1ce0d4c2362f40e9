"""A statement out of a block log, every block of which is executed and checked again.

Rule: as `node.replay`: certificates and roots are compared; reading stops with the first block after the day.
"""

from collections.abc import Iterable, Iterator

from clearing.base.codec import decode
from clearing.base.units import DAY_MS
from clearing.genesis import Genesis
from clearing.opening import open_state
from clearing.state.state import State
from consensus.messages import BLOCK_BYTES_MAX, Block
from node.api.statement_shapes import MemberStatement
from node.application import Decided
from node.replay import replay
from node.statements.days import StatementDays
from node.statements.statement import member_statement
from node.store.records import BlockRecord


def statement_of_log(
    genesis: Genesis, salt: bytes, records: Iterable[BlockRecord], member: int, day: int
) -> MemberStatement | None:
    """The statement of a member and day; None when the log has no block of that day or genesis no such member.

    Raises as `node.replay.replay`, and Bug when a balance is not the sum of its transfers.
    """
    days = StatementDays(open_state(genesis, salt), kept=2)
    newest: list[State] = []

    def tell(decided: Decided) -> None:
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
