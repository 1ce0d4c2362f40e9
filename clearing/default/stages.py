"""Step 6, default: from the accounts that failed to the end of every default, stage by stage.

Rule: bids and porting until their heights; then everything left is closed, the loss shared, what is assessed taken at
its deadline, the rest borne by gains; a default has ended by the height that its declaration tells. Nobody can stop it.
"""

import msgspec

from clearing.base.errors import Bug
from clearing.base.ids import HOUSE_ACCOUNT
from clearing.default.auction import sell
from clearing.default.close_out import close_positions
from clearing.default.declare import declare_defaults
from clearing.default.estate import settle_own
from clearing.default.gains import close_windows, forget_windows, note_shifts, open_windows
from clearing.default.means import deficits_of
from clearing.default.ranks import Ranks
from clearing.default.receipts import ClientClosedOut, DefaultEnded, StatusChanged
from clearing.default.records import DefaultHeld, MemberStatus, Phase, Standing
from clearing.default.sharing_out import call_assessments, share_first, share_late, share_rest, take_assessments
from clearing.default.terms import STEPS_PER_BLOCK
from clearing.default.unresolved import NO_DEFAULTS, defaults_under_way
from clearing.fund.use import call_replenishment
from clearing.holdings import book_of, feeds_of, holdings_of
from clearing.ledger import balance, cash_currency
from clearing.prices.degradation import may_close_out
from clearing.run import Run


def resolve_defaults(run: Run) -> None:
    """Declare defaults and take those under way one block further. Costs nothing where there is no trouble."""
    if not run.terms.crisis.default.enabled and not defaults_under_way(run.state):
        forget_windows(run)
        return
    open_windows(run)
    note_shifts(run)
    declare_defaults(run)
    steps = STEPS_PER_BLOCK
    for number, _ in defaults_under_way(run.state):
        steps -= _advance(run, number, steps)
    note_shifts(run)
    close_windows(run, {held.member for _, held in defaults_under_way(run.state)})


def _advance(run: Run, number: int, steps: int) -> int:
    """One block of one default, which takes no more than so many steps, but at its deadline; how many it took."""
    height, held = run.block.height, run.state.defaults[number]
    if height > held.deadline_height:
        raise Bug(f"default {number} goes on after block {held.deadline_height}, by which it was to end")
    last, took = height == held.deadline_height, 0
    if held.phase is Phase.OPEN:
        if held.auction_height == height:
            held = sell(run, number, held)
            run.state.defaults.put(number, held)
        early = height < max(held.auction_height, held.porting_height) or _waits(run, held)
        if (early or steps < 1) and not last:
            return 0
        held, took = _close(run, number, held), 1
    if height >= held.assessment_height and (steps > took or last):
        _end(run, number, take_assessments(run, number, share_late(run, number, held)))
        took += 1
    return took


def _waits(run: Run, held: DefaultHeld) -> bool:
    """Whether prices of what is to be closed are not open, and there is still time to wait for them."""
    last = max(held.auction_height, held.porting_height) + run.terms.crisis.default.halt_blocks
    if run.block.height >= min(last, held.deadline_height):
        return False
    feeds = {feed for each in (*held.own, *held.clients) for feed in feeds_of(run.state, holdings_of(run.state, each))}
    return not all(may_close_out(run.state, feed) for feed in feeds)


def _close(run: Run, number: int, held: DefaultHeld) -> DefaultHeld:
    """Close all positions, let clients pay what is theirs, share the loss; assess members for what is left."""
    ranks = Ranks(run, held)
    for account in held.own:
        close_positions(run, number, account, ranks)
    for account in held.clients:
        if book_of(run.state, account).lots:
            close_positions(run, number, account, ranks)
            groups = run.terms.cash_groups
            cash = tuple((group, balance(run.state, account, cash_currency(group))) for group in groups)
            run.receipts.append(ClientClosedOut(number, account, cash))
        settle_own(run, number, account)
    held = share_first(run, number, held)
    terms, height = run.terms.crisis.default, run.block.height
    due = min(height + terms.assessment_blocks, held.deadline_height) if held.assessed else height
    held = msgspec.structs.replace(held, phase=Phase.ASSESSING, assessment_height=due)
    run.state.defaults.put(number, held)
    if held.assessed:
        call_assessments(run, number, held)
    return held


def _end(run: Run, number: int, held: DefaultHeld) -> None:
    """Let gains bear what is left, and end the default: its member has defaulted, survivors are called again."""
    run.state.defaults.put(number, held)
    held, rest = share_rest(run, number, held)
    state, height, terms = run.state, run.block.height, run.terms.crisis.default
    if deficits_of(state, (*held.own, *held.clients)):
        raise Bug(f"default {number} ends while something is still owed")
    ended = msgspec.structs.replace(held, phase=Phase.ENDED, ended_height=height)
    state.defaults.put(number, ended)
    clock = state.default_clock.get(0) or NO_DEFAULTS
    under_way = tuple(each for each in clock.under_way if each != number)
    state.default_clock.put(0, msgspec.structs.replace(clock, under_way=under_way))
    state.standings.put(held.member, Standing(MemberStatus.DEFAULTED, height, number))
    run.receipts.append(StatusChanged(held.member, MemberStatus.DEFAULTING, MemberStatus.DEFAULTED, number))
    replenish = height + terms.replenishment_blocks if terms.replenishment_blocks else 0
    used = held.used if replenish else ()
    called = tuple((member, call_replenishment(run, member, micros, replenish)) for member, micros in used)
    run.touched.update((*held.own, *held.clients, HOUSE_ACCOUNT))
    run.receipts.append(
        DefaultEnded(
            number=number,
            member=held.member,
            loss=held.borne + rest,
            by_layer=held.by_layer,
            house=rest,
            replenished=tuple(each for each in called if each[1]),
            replenishment_height=replenish,
        )
    )
