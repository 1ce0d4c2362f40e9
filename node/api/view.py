"""`NodeView`: all that the API may know of the node, and may ask of it.

Rule: synchronous and quick (memory, or one indexed row); what takes long is done before it is asked for. It shows
decided heights only. The API decides who may see what; the view answers for any account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from clearing.base.errors import Rejected
from clearing.base.ids import NetworkId
from clearing.margin_explanation import MarginInputs
from clearing.schema.blocks.transaction import Transaction
from consensus.application import Misbehaviour
from consensus.evidence.attack import LightClientAttack
from consensus.light_client import LightBlock
from member.api.accounts import AccountView, TradingView, WithdrawalsView
from member.api.chain import HeaderView, ValidatorsView
from member.api.proofs import FundView, PackageLine
from member.api.receipts import DefaultUnderWay, InstrumentTicks, ReceiptAt, Series, SliceSale
from member.api.state import Check, StateView
from node.pool.mempool import Accepted

if TYPE_CHECKING:
    from clearing.schema.terms.genesis import Genesis
    from member.api.governance import EffectView, GovernanceView
    from member.explaining.masking import Masks
    from member.statements.statement import StatementInputs
    from node.epochs.exits import ExitQuestion
    from node.epochs.holdings import HoldingsQuestion
    from node.p2p.peers import PeerStatus


@dataclass(frozen=True, slots=True)
class PackageAt:
    """One epoch package, as it is on disk."""

    epoch: int
    height: int
    digest: bytes
    data: bytes


class NodeView(Protocol):
    """Implemented by the node's application, and by a fake in tests."""

    @property
    def network(self) -> NetworkId:
        """The network id."""
        ...

    def state(self) -> StateView | None:
        """The newest decided height; None before the first."""
        ...

    def validators(self) -> ValidatorsView:
        """The validator sets after the decided height."""
        ...

    def fund(self) -> FundView:
        """Size and composition of the default fund."""
        ...

    def governance(self) -> "GovernanceView":
        """Proposals, amendments, halts after the decided height."""
        ...

    def terms(self) -> "Genesis":
        """Genesis as amended."""
        ...

    def amendments(self) -> bytes | None:
        """The file of all amendments, certified; None: nothing was ever proposed."""
        ...

    def effect(self, number: int, address: bytes) -> "EffectView | None":
        """What proposal `number` would do to the accounts of the member with this key; None: it is not under way."""
        ...

    def header(self, height: int | None) -> HeaderView | None:
        """A certified header, by default the newest."""
        ...

    def light_block(self, height: int | None) -> LightBlock | None:
        """What a light client checks of a height, by default the newest."""
        ...

    def submit_attack(self, attack: LightClientAttack) -> Sequence[Misbehaviour]:
        """Evidence of a light client: whom it accuses. Raises CrossclearError when it proves nothing new."""
        ...

    def owner(self, account: int) -> bytes | None:
        """Address of the trade key of the account's member; None for no such account."""
        ...

    def is_member(self, address: bytes) -> bool:
        """Whether this is the trade key of any member."""
        ...

    def account(self, account: int) -> AccountView | None:
        """Holdings and margin of one account."""
        ...

    def trading(self, account: int) -> TradingView | None:
        """Held trades and mandates of one account."""
        ...

    def withdrawals(self, account: int) -> WithdrawalsView | None:
        """Withdrawals of one account on their way."""
        ...

    def margin_inputs(self, account: int) -> MarginInputs | None:
        """All that the margin of one account depends on, as frozen values."""
        ...

    def statement_inputs(self, address: bytes, day: int) -> "StatementInputs | None":
        """A kept day (days since 1970) of all accounts of the member with this key; None: no such day is kept."""
        ...

    def receipts(self, account: int, after: tuple[int, int], limit: int) -> Sequence[ReceiptAt]:
        """At most `limit` receipts that concern an account, later than (height, index), in order."""
        ...

    def crisis_receipts(self, series: Series, after: tuple[int, int], limit: int) -> Sequence[ReceiptAt]:
        """At most `limit` receipts of a series, later than (height, index), in order."""
        ...

    def masks(self, address: bytes) -> "Masks":
        """The names under which the member with this key sees accounts: its own as they are, others masked."""
        ...

    def instrument_ticks(self) -> Sequence[InstrumentTicks]:
        """All instruments."""
        ...

    def slice_sales(self) -> Sequence[SliceSale]:
        """What can be bid for in liquidations."""
        ...

    def defaults_under_way(self) -> Sequence[DefaultUnderWay]:
        """Defaults that have not ended."""
        ...

    def inclusion(self, account: int, epoch: int | None) -> "HoldingsQuestion | Rejected":
        """What to read of an account at an epoch, by default the newest package's. Rejected: nothing is kept here."""
        ...

    def exit(self, account: int, epoch: int | None) -> "ExitQuestion | None":
        """What to read of an account's exit leaves, by default of the newest epoch; None: no epoch has closed here."""
        ...

    def package(self, epoch: int | None) -> PackageAt | None:
        """The package of an epoch, by default the newest."""
        ...

    def packages(self, after: int, limit: int) -> Sequence[PackageLine]:
        """At most `limit` packages of epochs later than `after`, in order."""
        ...

    def submit(self, transaction: Transaction) -> Accepted | Rejected:
        """Check a transaction, let it wait, gossip it."""
        ...

    async def journaled(self) -> None:
        """Return when what was submitted is durable here."""
        ...

    def submit_collateral_event(self, chain_id: int, transaction_hash: bytes) -> bool | Rejected:
        """Look for a vault's event in this transaction; False when it is known already."""
        ...

    def peers(self) -> "Sequence[PeerStatus]":
        """Every peer that may connect."""
        ...

    def readiness(self) -> Sequence[Check]:
        """Peers, blocks behind, oracle age, finality lag per chain, last proof age."""
        ...

    def metrics(self) -> bytes:
        """Prometheus' text format."""
        ...
