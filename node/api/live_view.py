"""`LiveView`: what the HTTP API shows, read from the decided state and the store.

Rule: synchronous and quick; shows decided heights only. It hands transactions in and reads everything else.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bridge.codes import BridgeCode
from clearing.base.errors import Rejected
from clearing.base.hashing import sha256
from clearing.base.header import Header
from clearing.base.ids import HOUSE_ACCOUNT, NetworkId
from clearing.margin_explanation import MarginInputs, collect_margin_inputs
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.terms.genesis import AccountKind, Genesis
from clearing.state.holdings import Holdings, current_arrays, current_holdings, holdings_margin
from clearing.state.state import State
from clearing.validators.validator_sets import validator_sets
from consensus.application import Misbehaviour
from consensus.blocks.store import BlockStore, load_committed
from consensus.evidence.attack import LightClientAttack
from consensus.light_client import LightBlock
from member.api.accounts import AccountView, CashHolding, Position, TokenHolding, TradingView, WithdrawalsView
from member.api.chain import HeaderView, ValidatorsView
from member.api.governance import EffectView, GovernanceView
from member.api.proofs import FundView, PackageLine
from member.api.receipts import DefaultUnderWay, InstrumentTicks, ReceiptAt, Series, SliceSale
from member.api.state import Check, StateView
from member.api.types import hexed
from member.codes import NodeCode
from member.explaining.masking import Masks
from member.statements.days import StatementDays
from member.statements.statement import STATEMENT_LINES_MAX, StatementInputs
from node.agreement.application import ClearingApplication
from node.api import receipts as crises
from node.api.accounts import calls_of, trading_of, withdrawals_of
from node.api.chain import header_view
from node.api.fund import fund_of
from node.api.governance import amendments_file, effect_on_member, governance_of
from node.api.state import assets_now, collateral_sales, feed_price, group_ranges, instrument_mark
from node.api.validators import validators_of
from node.api.view import PackageAt
from node.epochs.exits import EpochExits, ExitQuestion
from node.epochs.holdings import EpochHoldings, HoldingsQuestion
from node.p2p.peers import PeerStatus
from node.pool.mempool import Accepted
from node.store.blocks import light_block_at
from node.store.records import receipt_at
from node.store.store import Store


class LiveView:
    """Implements `node.api.view.NodeView`."""

    def __init__(
        self,
        genesis: Genesis,
        application: ClearingApplication,
        store: Store,
        blocks: BlockStore,
        home: Path,
        *,
        submit: Callable[[Transaction], Accepted | Rejected],
        kept: Callable[[], Awaitable[None]],
        look_for_event: Callable[[int, bytes], bool],
        submit_attack: Callable[[LightClientAttack], Sequence[Misbehaviour]],
        checks: Callable[[], Sequence[Check]],
        render_metrics: Callable[[], bytes],
        peers: Callable[[], Sequence[PeerStatus]] = tuple,
        holdings: EpochHoldings | None = None,
        exits: EpochExits | None = None,
    ) -> None:
        self._genesis = genesis
        self._application = application
        self._store = store
        self._blocks = blocks
        self._home = home
        self._submit, self._kept = submit, kept
        self._look_for_event = look_for_event
        self._submit_attack = submit_attack
        self._checks = checks
        self._render_metrics = render_metrics
        self._peers = peers
        self._holdings = holdings
        self._exits = exits
        self._newest: Header | None = None
        self._statements = StatementDays(application.state)
        application.listen(lambda each: self._statements.decided(each.header.time_ms, each.result, each.state))

    @property
    def network(self) -> NetworkId:
        """The network id."""
        return self._application.state.terms.network

    def decided(self, header: Header) -> None:
        """Note the newest header."""
        self._newest = header

    def state(self) -> StateView | None:
        """The newest decided height."""
        header, state = self._newest, self._application.state
        if header is None:
            return None
        package = self._store.package()
        return StateView(
            network=hexed(self.network),
            height=header.height,
            time_ms=header.time_ms,
            header_hash=hexed(header.hash),
            state_root=hexed(header.state_root),
            epoch=header.epoch,
            validators=len(validator_sets(state).now.validators),
            package_epoch=package.epoch if package else 0,
            prices=tuple(feed_price(state, feed.id, feed.name) for feed in state.terms.genesis.feeds),
            marks=tuple(
                instrument_mark(state, instrument, mark)
                for instrument in state.terms.genesis.instruments
                if (mark := state.marks.get(instrument.id)) is not None
            ),
            ranges=group_ranges(state),
            assets=assets_now(state),
            sales=collateral_sales(state),
        )

    def validators(self) -> ValidatorsView:
        """As the decided state has them."""
        return validators_of(self._application.state)

    def fund(self) -> FundView:
        """As the decided state has it."""
        return fund_of(self._application.state)

    def header(self, height: int | None) -> HeaderView | None:
        """A certified header."""
        committed = load_committed(self._blocks, height or self._blocks.height())
        return header_view(committed.block.header, committed.certificate) if committed else None

    def light_block(self, height: int | None) -> LightBlock | None:
        """Out of the store."""
        return light_block_at(self._store, height or self._blocks.height())

    def submit_attack(self, attack: LightClientAttack) -> Sequence[Misbehaviour]:
        """To consensus, which judges it."""
        return self._submit_attack(attack)

    def governance(self) -> GovernanceView:
        """As the decided state has it."""
        return governance_of(self._application.state)

    def terms(self) -> Genesis:
        """Genesis as amended."""
        return self._application.state.terms.genesis

    def amendments(self) -> bytes | None:
        """Against the newest header, once the state is its own."""
        return amendments_file(self._application.state, self.light_block(None))

    def effect(self, number: int, address: bytes) -> EffectView | None:
        """Of all accounts of the member with this key."""
        return effect_on_member(self._application.state, number, address)

    def owner(self, account: int) -> bytes | None:
        """The trade address of the account's member."""
        record = self._application.state.accounts.get(account)
        member = self._application.state.members.get(record.member) if record else None
        return member.trade_address if member else None

    def is_member(self, address: bytes) -> bool:
        """Whether any member signs with this key."""
        return any(record.trade_address == address for _, record in self._application.state.members.ordered())

    def account(self, account: int) -> AccountView | None:
        """Holdings and margin."""
        state = self._application.state
        record = state.accounts.get(account)
        if record is None:
            return None
        holdings = current_holdings(state, account)
        margin = holdings_margin(current_arrays(state), holdings)
        nonce = state.nonces.get(account)
        return AccountView(
            account=account,
            member=record.member,
            height=state.now.height,
            equity_micros=str(margin.equity),
            initial_margin_micros=str(margin.initial),
            maintenance_margin_micros=str(margin.maintenance),
            called=record.called_height > 0,
            next_nonce=nonce.nonce + 1 if nonce else 1,
            cash=self._cash(holdings),
            tokens=_tokens(state, holdings),
            positions=_positions(state, holdings),
            kind="client" if record.kind is AccountKind.CLIENT else "house",
            parent=record.parent,
            sub_accounts=record.children,
            pending_trades=state.pending_counts.get(account) or 0,
            calls=calls_of(state, account),
            in_liquidation=account in state.liquidations,
        )

    def trading(self, account: int) -> TradingView | None:
        """Held trades and mandates."""
        return trading_of(self._application.state, account)

    def withdrawals(self, account: int) -> WithdrawalsView | None:
        """Withdrawals on their way."""
        return withdrawals_of(self._application.state, account)

    def margin_inputs(self, account: int) -> MarginInputs | None:
        """All that the margin of one account depends on, as frozen values."""
        state = self._application.state
        return collect_margin_inputs(state, account) if account in state.accounts else None

    def statement_inputs(self, address: bytes, day: int) -> StatementInputs | None:
        """A kept day of all accounts of the member with this key, as frozen values."""
        state, found = self._application.state, self._statements.day(day)
        member = next((each for each, record in state.members.ordered() if record.trade_address == address), None)
        if member is None or found is None:
            return None
        accounts = [each for each, record in state.accounts.ordered() if record.member == member]
        if found.size(accounts) > STATEMENT_LINES_MAX:
            return StatementInputs(state.terms, member, accounts, None)
        return StatementInputs(state.terms, member, accounts, found.excerpt(accounts))

    def receipts(self, account: int, after: tuple[int, int], limit: int) -> Sequence[ReceiptAt]:
        """Receipts that name the account."""
        return [receipt_at(record) for record in self._store.receipts_of(account, after, limit)]

    def crisis_receipts(self, series: Series, after: tuple[int, int], limit: int) -> Sequence[ReceiptAt]:
        """Receipts of a series."""
        return [receipt_at(record) for record in self._store.receipts_of(int(series), after, limit)]

    def masks(self, address: bytes) -> Masks:
        """Own accounts as they are, and those that genesis gives a part; others masked."""
        state = self._application.state
        member = next((each for each, record in state.members.ordered() if record.trade_address == address), None)
        public = (HOUSE_ACCOUNT, state.terms.crisis.liquidation.backstop_account)

        def is_told(account: int) -> bool:
            record = state.accounts.get(account)
            return account in public or (record is not None and record.member == member)

        return Masks(state.salt, is_told)

    def instrument_ticks(self) -> Sequence[InstrumentTicks]:
        """As the decided state has them."""
        return crises.instrument_ticks(self._application.state)

    def slice_sales(self) -> Sequence[SliceSale]:
        """For the next block."""
        return crises.slice_sales(self._application.state)

    def defaults_under_way(self) -> Sequence[DefaultUnderWay]:
        """As the decided state has them."""
        return crises.under_way(self._application.state)

    def inclusion(self, account: int, epoch: int | None) -> HoldingsQuestion | Rejected:
        """What is asked of an account at an epoch; the file is read by whoever wants the answer."""
        if self._holdings is None:
            return Rejected(NodeCode.API_NO_SEEDS, "inclusion")
        kept = self._holdings.epochs
        if epoch is None:
            package = self._store.package()
            epoch = package.epoch if package is not None and package.epoch in kept else max(kept, default=0)
        record = self._store.package(epoch)
        here = record is not None and (self._home / record.path).is_file()
        return HoldingsQuestion(self._holdings, account, self.owner(account), epoch, here)

    def exit(self, account: int, epoch: int | None) -> ExitQuestion | None:
        """What is asked of an account's leaves; the file is read by whoever wants the answer."""
        kept = self._exits.epochs if self._exits is not None else ()
        if self._exits is None or not kept:
            return None
        return ExitQuestion(self._exits, account, self.owner(account), kept[-1] if epoch is None else epoch)

    def package(self, epoch: int | None) -> PackageAt | None:
        """A package as it is on disk; one that no longer matches its digest is not shown."""
        record = self._store.package(epoch)
        path = self._home / record.path if record else None
        if record is None or path is None or not path.is_file():
            return None
        data = path.read_bytes()
        if sha256(data) != record.digest:
            return None
        return PackageAt(record.epoch, record.height, record.digest, data)

    def packages(self, after: int, limit: int) -> Sequence[PackageLine]:
        """What the store has on record; the files are looked at when they are asked for."""
        return [
            PackageLine(epoch=package.epoch, height=package.height, bytes=package.size, sha256=hexed(package.digest))
            for package in self._store.packages(after, limit)
        ]

    def submit(self, transaction: Transaction) -> Accepted | Rejected:
        """Into the pool, and on to the peers."""
        return self._submit(transaction)

    async def journaled(self) -> None:
        """On the own disk."""
        await self._kept()

    def submit_collateral_event(self, chain_id: int, transaction_hash: bytes) -> bool | Rejected:
        """Have the own watcher look; the submitter's word is worth nothing."""
        if chain_id not in self._application.state.terms.chains:
            return Rejected(BridgeCode.WRONG_CHAIN, "chain_id", (("chain_id", chain_id),))
        return self._look_for_event(chain_id, transaction_hash)

    def peers(self) -> Sequence[PeerStatus]:
        """Every peer that may connect."""
        return self._peers()

    def readiness(self) -> Sequence[Check]:
        """All checks."""
        return self._checks()

    def metrics(self) -> bytes:
        """Prometheus' text."""
        return self._render_metrics()

    def _cash(self, holdings: Holdings) -> tuple[CashHolding, ...]:
        return tuple(
            CashHolding(cash_group=group.id, name=group.name, amount_micros=str(micros))
            for group, micros in zip(self._application.state.terms.genesis.cash_groups, holdings.cash, strict=True)
            if micros
        )


def _tokens(state: State, holdings: Holdings) -> tuple[TokenHolding, ...]:
    return tuple(
        TokenHolding(asset=token.id, name=token.name, amount_units=str(units))
        for token, units in zip(state.terms.tokens, holdings.tokens, strict=True)
        if units
    )


def _positions(state: State, holdings: Holdings) -> tuple[Position, ...]:
    return tuple(
        Position(instrument=each.id, name=each.name, lots=str(lots))
        for each, lots in zip(state.terms.instruments.values(), holdings.lots, strict=True)
        if lots
    )
