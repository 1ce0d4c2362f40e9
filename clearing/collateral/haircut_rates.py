"""Haircuts: base, volatility, liquidity, finality, oracle confidence, shortage, chain outage, refreshed in every block.

Rule: a token counts for no more than the share of it that its vault has. All else moves a haircut only where the
token's terms say so. A function of the state and the block's time, in integers. A chain's silence counts only time in
which there were blocks, so a halt of this network is not an outage of the chain.
`clearing.state.effective_parameters` writes the result into the asset, and `clearing.pricing.value_after_haircut`
applies it. This module must not know accounts.
"""

from clearing.base.units import PPM, mul_div_up
from clearing.context.block_context import BlockContext
from clearing.schema.receipts.collateral import HaircutChanged
from clearing.schema.records.collateral import ChainSilenceRecord, HaircutRecord
from clearing.schema.terms.assets import Asset
from clearing.schema.terms.collateral import SILENCE_PER_BLOCK_MS, stepped_haircut
from clearing.state.asset_halts import missing_ppm
from clearing.state.effective_parameters import effective_parameters
from clearing.state.indexes import CURRENCY_HOLDERS, holders
from clearing.state.ledger import token_currency
from clearing.state.state import State
from clearing.validators.chain_attestations import chain_seen_ms


def chain_silence_ms(state: State, chain_id: int) -> int:
    """Milliseconds of silence; 0 for a chain whose silence has no effect."""
    silence = state.chain_silences.get(chain_id)
    return silence.silent_ms if silence else 0


def update_chain_silence(context: BlockContext) -> None:
    """Extend the silence of every monitored chain by one block."""
    for chain_id in context.terms.watched_chains:
        seen_ms = chain_seen_ms(context.state, chain_id, context.block.total_power)
        before = context.state.chain_silences.get(chain_id)
        if not seen_ms:
            continue
        if before is None or seen_ms != before.seen_ms:
            silent = min(context.time_ms - seen_ms, SILENCE_PER_BLOCK_MS)
        else:
            silent = before.silent_ms + min(context.time_ms - before.updated_ms, SILENCE_PER_BLOCK_MS)
        context.state.chain_silences.put(chain_id, ChainSilenceRecord(seen_ms, silent, context.time_ms))


def refresh_haircuts(context: BlockContext) -> None:
    """Phase 5: recompute every haircut that may differ from its base."""
    if [token for token in context.terms.tokens if _refresh_haircut(context, token)]:
        context.rebuild_arrays()


def take_shortage(context: BlockContext, asset: int) -> None:
    """Phase 7: recompute a token's haircut on newly agreed counters. Nothing where the asset is cash."""
    for token in context.terms.tokens:
        if token.id == asset and _refresh_haircut(context, token):
            context.revalue_arrays()


def _refresh_haircut(context: BlockContext, token: Asset) -> bool:
    """Whether the haircut changed. Record a change, and mark the token's holders for a margin check."""
    moves = token.haircut.is_dynamic or missing_ppm(context.state, token.id) > 0
    record = context.state.haircuts.get(token.id)
    if not moves and record is None:
        return False
    parts = _haircut_components(context, token)
    haircut_ppm = total_haircut(parts, token.haircut.step_ppm) if moves else token.base_haircut_ppm
    before = record.haircut_ppm if record else token.base_haircut_ppm
    if not moves:
        context.state.haircuts.remove(token.id)
    elif record is None or haircut_ppm != before:
        context.state.haircuts.put(token.id, HaircutRecord(haircut_ppm))
    if haircut_ppm == before:
        return False
    context.receipts.append(HaircutChanged(token.id, haircut_ppm, before, parts))
    context.touched_accounts.update(holders(context.state, CURRENCY_HOLDERS, token_currency(token.id)))
    return True


def total_haircut(parts: tuple[tuple[str, int], ...], step_ppm: int) -> int:
    """The haircut from its components: rounded up to a multiple of the step, at most 100 %."""
    return stepped_haircut(sum(ppm for _, ppm in parts), step_ppm)


def _haircut_components(context: BlockContext, token: Asset) -> tuple[tuple[str, int], ...]:
    """(name, parts per million) of the components of a haircut, without those at zero."""
    terms = token.haircut
    parts = (
        ("base", token.base_haircut_ppm),
        ("volatility", _volatility_component(context.state, token)),
        ("liquidity", terms.liquidity_ppm),
        ("finality", terms.finality_ppm),
        ("confidence", mul_div_up(_feed_confidence_ppm(context.state, token.feed), terms.confidence_share_ppm, PPM)),
        ("shortage", missing_ppm(context.state, token.id)),
        ("outage", outage_component(token, chain_silence_ms(context.state, token.chain_id))),
    )
    return tuple((name, ppm) for name, ppm in parts if ppm)


def _volatility_component(state: State, token: Asset) -> int:
    """The asset's share of the widest range in force of a risk group on its feed; the fixed figure without one. Nothing
    where scenarios move it with its feed, which would count the move twice."""
    terms = token.haircut
    if token.is_spot:
        return 0
    if not terms.range_share_ppm:
        return terms.volatility_ppm
    ranges = [group.range_ppm for group in effective_parameters(state).groups if group.feed == token.feed]
    return mul_div_up(max(ranges), terms.range_share_ppm, PPM) if ranges else terms.volatility_ppm


def _feed_confidence_ppm(state: State, feed: int) -> int:
    """The feed's own uncertainty as a fraction of its price; of its last good price while it has none."""
    feed_state = state.feeds.get(feed)
    return (
        mul_div_up(feed_state.confidence_ticks, PPM, feed_state.ticks)
        if feed_state is not None and feed_state.ticks
        else 0
    )


def outage_component(token: Asset, silence_ms: int) -> int:
    """A haircut step for every step of silence begun beyond the tolerated silence."""
    terms = token.haircut
    beyond = silence_ms - terms.outage_ms
    if not terms.outage_ms or beyond <= 0:
        return 0
    return min(-(-beyond // terms.outage_step_ms) * terms.outage_step_ppm, PPM)
