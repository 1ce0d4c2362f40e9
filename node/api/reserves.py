"""What the vaults have and what they owe, epoch by epoch, as the packages here state it.

Rule: figures are those of public statements, which each package proves; nothing is computed of the state. A package is
read once, in a worker thread, and how many figures are remembered is bounded.
"""

from collections import OrderedDict
from collections.abc import Sequence

from clearing.base.errors import CrossclearError
from clearing.margin.statement.snapshot import RiskStatement
from member.api.reserves import RESERVES_EPOCHS_MAX, EpochReserves, ReservesView, TokenReserves
from member.api.types import hexed
from node.api.calls import ApiCall, Routes, run_in_worker
from node.api.view import NodeView
from node.store.records import PackageRecord
from proofs.epoch.package import read_package

routes = Routes()


@routes.get("/v1/reserves")
async def reserves(call: ApiCall) -> ReservesView:
    """What each vault has and what it owes in the newest epochs of which this node keeps a package, at most 64.

    The node's word for what the packages prove: `crossclear verify` checks one, `crossclear proof history` all.
    """
    view = call.view
    records = view.packages(max(view.newest_package() - RESERVES_EPOCHS_MAX, -1), RESERVES_EPOCHS_MAX)
    return ReservesView(epochs=await run_in_worker(_remembered.of, view, records))


class ReservesHistory:
    """Figures of the packages that were read last, by epoch and digest."""

    def __init__(self) -> None:
        self._of: OrderedDict[tuple[int, bytes], EpochReserves | None] = OrderedDict()

    def of(self, view: NodeView, records: Sequence[PackageRecord]) -> tuple[EpochReserves, ...]:
        """Of the packages that are on disk and that this release reads, in the order of the records."""
        for record in records:
            if (record.epoch, record.digest) not in self._of:
                self._of[record.epoch, record.digest] = _read(view, record)
                if len(self._of) > 2 * RESERVES_EPOCHS_MAX:
                    self._of.popitem(last=False)
        shown = (self._of.get((record.epoch, record.digest)) for record in records)
        return tuple(found for found in shown if found is not None)


_remembered = ReservesHistory()
"""Of this process."""


def _read(view: NodeView, record: PackageRecord) -> EpochReserves | None:
    package = view.package(record.epoch)
    if package is None:
        return None
    try:
        statement = read_package(package.data).statement
    except CrossclearError:
        return None  # of a release with another format
    return EpochReserves(epoch=record.epoch, height=record.height, tokens=token_reserves(statement))


def token_reserves(statement: RiskStatement) -> tuple[TokenReserves, ...]:
    """One for each custody term, in the statement's order."""
    return tuple(
        TokenReserves(
            chain_id=term.chain_id,
            vault=hexed(term.vault),
            token=hexed(term.token),
            slot=statement.slots[term.slot].name,
            claims_amount=str(term.held * term.unit),
            owed_amount=str(term.owed),
            balance_amount=str(int.from_bytes(term.balance, "big")),
        )
        for term in statement.custody
    )
