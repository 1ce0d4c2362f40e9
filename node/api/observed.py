"""What validators observe of chains and prices: final blocks, custody, and how far their reports are apart.

Rule: of the agreed state, so every node shows the same, but for the price sources: those are this node's own, each by
its name, age and verdict. Its address and what the venue said in words stay here: an address may hold a key.
"""

from collections.abc import Mapping, Sequence

from clearing.schema.terms.chains import ChainTerms
from clearing.state.state import State
from clearing.validators.chain_attestations import agreed_final_block, chain_seen_ms, is_detached
from clearing.validators.validator_sets import attesting_set
from member.api.observed import USABLE, ChainObserved, FeedObserved, ObservedView, SourceObserved
from member.api.types import hexed
from node.api.calls import ApiCall, Routes
from node.oracle.combination import SourceVerdict
from node.oracle.several_sources import FeedStanding

routes = Routes()


@routes.get("/v1/observed")
def observed(call: ApiCall) -> ObservedView:
    """Chains with finality and custody, and feeds with the spread of their reports, as validators observe them; and of
    each feed the price sources of the node that answers."""
    return observed_of(call.state, call.view.feeds())


def observed_of(state: State, standings: Sequence[FeedStanding] = ()) -> ObservedView:
    """All chains by id and all feeds by number. `standings`: the feeds of this node's settings, as last read."""
    terms = state.terms.genesis
    own = {standing.config.feed: standing.judgement.verdicts for standing in standings}
    return ObservedView(
        height=state.now.height,
        time_ms=state.now.time_ms,
        validators=len(attesting_set(state).validators),
        chains=tuple(_chain(state, chain) for chain in terms.chains),
        feeds=tuple(_feed(state, feed.id, feed.name, own) for feed in terms.feeds),
    )


def _chain(state: State, chain: ChainTerms) -> ChainObserved:
    validators = attesting_set(state)
    assets = [each.id for each in state.terms.assets.values() if each.chain_id == chain.chain_id]
    custody = [
        record.counters.block_number if (record := state.custody.get(asset)) is not None else 0 for asset in assets
    ]
    beats = [state.heartbeats.get((chain.chain_id, each)) for each in range(len(validators.validators))]
    return ChainObserved(
        chain_id=chain.chain_id,
        name=chain.name,
        vault=hexed(chain.vault),
        detached=is_detached(state, chain.chain_id, chain.vault),
        final_block=agreed_final_block(state, chain.chain_id),
        seen_ms=chain_seen_ms(state, chain.chain_id, validators.total_power),
        reporting=len([beat for beat in beats if beat is not None]),
        custody_block=min(custody, default=0),
    )


def _feed(state: State, feed: int, name: str, own: Mapping[int, Sequence[SourceVerdict]]) -> FeedObserved:
    kept = [state.price_reports.get((feed, each)) for each in range(len(attesting_set(state).validators))]
    reports = [report for report in kept if report is not None]
    return FeedObserved(
        feed=feed,
        name=name,
        reporting=len(reports),
        lowest_ticks=str(min((each.ticks for each in reports), default=0)),
        highest_ticks=str(max((each.ticks for each in reports), default=0)),
        oldest_ms=min((each.time_ms for each in reports), default=0),
        sources=tuple(_source(verdict) for verdict in own.get(feed, ())),
    )


def _source(verdict: SourceVerdict) -> SourceObserved:
    flaw = verdict.flaw
    return SourceObserved(
        name=verdict.name,
        age_ms=None if verdict.price_e18 is None else verdict.age_ms,
        verdict=USABLE if flaw is None else flaw.code.name.lower(),
        code="" if flaw is None else flaw.code.label,
    )
