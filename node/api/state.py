"""The newest height (prices, marks, ranges in force, public collateral), and the node: health, readiness, peers."""

from collections.abc import Iterator

import msgspec
from starlette.responses import Response

from clearing.collateral import cash_tokens
from clearing.margin_calls.cash_calls import auction_price, is_sale_open, units_for_sale
from clearing.schema.records.prices import FeedState, Mark, PriceStatus
from clearing.schema.terms.instruments import Instrument
from clearing.settlement.accrual import settlement_average
from clearing.settlement.funding import average_premium_ppb, funding_rate_ppb
from clearing.state.asset_halts import missing_amount, missing_ppm
from clearing.state.effective_parameters import effective_asset, effective_risk_group
from clearing.state.ledger import inventory_units
from clearing.state.state import State
from clearing.validators.validator_sets import validator_sets
from member.api.state import (
    AssetNow,
    AssetShortage,
    CollateralSale,
    ExpiryShown,
    FeedPrice,
    GroupRange,
    Health,
    InstrumentMark,
    PeersView,
    PeerView,
    Readiness,
    StateView,
)
from member.api.types import hexed
from node.api.calls import ApiCall, Routes, ready, respond
from node.ops.metrics import CONTENT_TYPE
from node.p2p.peers import PeerStatus

routes = Routes()


@routes.get("/v1/state", refusals=(503,))
def state(call: ApiCall) -> StateView:
    """The newest decided height."""
    header, state = ready(call.view.newest, "state"), call.state
    return StateView(
        network=hexed(state.terms.network),
        height=header.height,
        time_ms=header.time_ms,
        header_hash=hexed(header.hash),
        state_root=hexed(header.state_root),
        epoch=header.epoch,
        validators=len(validator_sets(state).now.validators),
        package_epoch=call.view.newest_package(),
        prices=tuple(
            feed_price(state, feed.id, feed.name, call.view.ticks_per_unit.get(feed.id, 0))
            for feed in state.terms.genesis.feeds
        ),
        marks=tuple(
            instrument_mark(state, instrument, mark)
            for instrument in state.terms.genesis.instruments
            if (mark := state.marks.get(instrument.id)) is not None
        ),
        ranges=group_ranges(state),
        assets=assets_now(state),
        sales=collateral_sales(state),
        proving=call.view.proving(),
    )


def group_ranges(state: State) -> tuple[GroupRange, ...]:
    """One for every risk group, ordered by id."""
    found = []
    for group in state.terms.risk.groups:
        current, published = effective_risk_group(state, group), state.price_ranges.get(group.id)
        shown = GroupRange(
            group=group.id,
            name=group.name,
            range_ppm=current.range_ppm,
            volatility_ppm=current.volatility_ppm,
            volatility_range_ppm=current.volatility_range_ppm,
        )
        if published is not None:
            shown = msgspec.structs.replace(
                shown,
                raw_ppm=published.raw_ppm,
                stressed_ppm=published.stressed_ppm,
                floor_ppm=published.floor_ppm,
                target_ppm=published.target_ppm,
                buffer_ppm=published.buffer_ppm,
                multiple_ppm=published.multiple_ppm,
                horizon_ms=published.horizon_ms,
                change_ratio_ppm=published.ratio_ppm,
                lowest_ppm=published.lowest_ppm,
                highest_ppm=published.highest_ppm,
                published_height=published.height,
            )
        found.append(_with_surface(state, shown))
    return tuple(found)


def _with_surface(state: State, shown: GroupRange) -> GroupRange:
    """The range with the last agreed surface of a group that has live ones."""
    if shown.group not in state.terms.surfaces:
        return shown
    agreed = state.surfaces.get(shown.group)
    if agreed is None:
        return msgspec.structs.replace(shown, surface_status=PriceStatus.NO_NEW_RISK.name.lower())
    return msgspec.structs.replace(
        shown,
        surface=tuple(ExpiryShown(**msgspec.structs.asdict(quote)) for quote in agreed.expiries),
        surface_status=agreed.status.name.lower(),
        surface_in_force=agreed.in_force,
        surface_agreed_ms=agreed.time_ms,
        surface_since_height=agreed.since_height,
    )


def feed_price(state: State, feed: int, name: str, ticks_per_unit: int = 0) -> FeedPrice:
    """A feed's last good price, and what it may be used for."""
    feed_state = state.feeds[feed]
    return FeedPrice(
        feed=feed,
        name=name,
        index_ticks=str(feed_state.ticks),
        status=feed_state.status.name.lower(),
        rung=feed_state.price_status.name.lower(),
        confidence_ticks=str(feed_state.confidence_ticks),
        since_height=feed_state.since_height,
        settles_at_height=_settles_at(state, feed_state),
        ticks_per_unit=ticks_per_unit,
    )


def instrument_mark(state: State, instrument: Instrument, mark: Mark) -> InstrumentMark:
    """An instrument's mark, and what is accruing."""
    average, premium = settlement_average(state, instrument), state.premia.get(instrument.id)
    terms, rate = instrument.funding, 0
    if premium is not None and terms.interval_ms:
        accrued = average_premium_ppb(premium.funding_weighted, premium.funding_ms)
        rate = funding_rate_ppb(accrued, terms.interest_ppm, terms.dampener_ppm, terms.rate_cap_ppm)
    return InstrumentMark(
        instrument=instrument.id,
        name=instrument.name,
        mark_ticks=str(mark.ticks),
        settled=mark.settled,
        premium_ppb=str(premium.premium_ppb if premium else 0),
        funding_rate_ppb=str(rate),
        averaged_ticks=str(average.ticks if average.covered_ms else 0),
        averaged_ms=average.covered_ms,
    )


def _settles_at(state: State, feed_state: FeedState) -> int:
    blocks = state.terms.market.prices.settle_blocks
    return (
        feed_state.since_height + blocks
        if blocks and feed_state.since_height and feed_state.price_status != PriceStatus.SETTLED
        else 0
    )


def _shortage(state: State, asset: int) -> AssetShortage | None:
    halt = state.asset_halts.get(asset)
    if halt is None:
        return None
    newest = state.custody[asset].counters
    return AssetShortage(
        since_height=halt.since_height,
        block_number=newest.block_number,
        missing_amount=str(missing_amount(newest)),
        missing_ppm=missing_ppm(state, asset),
    )


def assets_now(state: State) -> tuple[AssetNow, ...]:
    """All tokens, ordered by id."""
    return tuple(
        AssetNow(
            asset=asset.id,
            name=asset.name,
            chain_id=asset.chain_id,
            cash_group=asset.cash_group,
            haircut_ppm=0 if asset.is_cash else effective_asset(state, asset).haircut_ppm,
            unit_decimals=asset.unit_decimals,
            inventory_units=str(inventory_units(state, asset)),
            shortage=_shortage(state, asset.id),
            suspended=asset.is_cash and cash_tokens.is_cash_group_suspended(state, asset.cash_group),
        )
        for asset in cash_tokens.current_assets(state)
    )


def collateral_sales(state: State) -> tuple[CollateralSale, ...]:
    """What can be bid for in the next block; ordered by seller, group and asset."""
    return tuple(_sales(state, state.now.height + 1))


def _sales(state: State, height: int) -> Iterator[CollateralSale]:
    for seller, call in state.cash_calls.ordered():
        for group, terms in state.terms.cash_terms.items():
            if not is_sale_open(state, call, group, height):
                continue
            for token in state.terms.tokens:
                price = auction_price(state, call, group, token, height)
                units = units_for_sale(state, call, seller, group, token, price) if price else 0
                if units > 0:
                    yield CollateralSale(
                        seller=seller,
                        cash_group=group,
                        asset=token.id,
                        units=str(units),
                        micros_per_unit=str(price),
                        last_height=call.auction_height + terms.call.auction_blocks - 1,
                    )


@routes.get("/v1/peers")
def peers(call: ApiCall) -> PeersView:
    """Who may connect to this node, who is connected, and the score of each."""
    return PeersView(peers=tuple(peer_view(peer) for peer in call.view.peers()))


def peer_view(status: PeerStatus) -> PeerView:
    """One peer in JSON's terms."""
    return PeerView(
        key=status.key.hex(),
        role=status.role.value,
        connected=status.connected,
        connections=status.connections,
        rtt_ms=round(status.rtt_ms),
        score=status.score,
        faults=status.faults,
        last_fault=status.last_fault[:300],
        bans=status.bans,
        banned_ms=round(1000 * status.banned_seconds),
    )


@routes.get("/healthz", limited=False)
def health(_: ApiCall) -> Health:
    """The process answers."""
    return Health()


@routes.get("/readyz", answer=Readiness, statuses=(200, 503), limited=False)
def readiness(call: ApiCall) -> Response:
    """200 when the node does its work, else 503; with reasons."""
    checks = tuple(call.view.checks())
    ready = bool(checks) and all(check.ok for check in checks)
    return respond(Readiness(ready=ready, checks=checks), 200 if ready else 503)


@routes.get("/metrics", media=CONTENT_TYPE, limited=False)
def metrics(call: ApiCall) -> Response:
    """Prometheus metrics."""
    return Response(call.view.render_metrics(), media_type=CONTENT_TYPE)
