"""Withdrawals that wait: taken in, found, and dropped from the queue.

Rule: what waits has left its account as if it were released, so it cannot be spent twice nor count as collateral; it is
owed to its account all the same, in custody terms as released and in the exit tree as the account's own. How many may
wait is bounded, of all and of one owner, and no member's keep out those of the others.
"""

from collections import Counter

from clearing.assets import Asset
from clearing.base.codec import u256
from clearing.base.errors import Rejected
from clearing.codes import ClearingCode, reject
from clearing.gates.rates import forget_use, gate_of, used_by_owner
from clearing.gates.receipts import WithdrawalWaits
from clearing.gates.records import Waiting, WaitingClock
from clearing.gates.terms import AssetGate
from clearing.run import Run
from clearing.state.state import State


def check_queue(run: Run, at: str, account: int, owner: bytes) -> Rejected | None:
    """Whether one more withdrawal of this owner may wait.

    Half of the queue is kept for the members in equal parts: keys cost nothing, so a member with many clients could
    fill it, and nobody else's larger withdrawals would be taken in.
    """
    terms, accounts = run.terms.genesis.crisis.gates, run.state.accounts
    queue = [each for _, each in run.state.waiting.ordered()]
    own = sum(each.owner == owner for each in queue)
    members = Counter(accounts[each.account].member for each in queue if each.account in accounts)
    known = sum(1 for _ in run.state.members.ordered())
    fair = terms.waiting_max // (2 * known)
    mine = members.pop(accounts[account].member, 0)
    kept = fair * (known - 1) - sum(min(each, fair) for each in members.values())
    limit = terms.waiting_max if mine < fair else terms.waiting_max - kept
    if len(queue) >= limit or own >= terms.waiting_per_owner_max:
        return reject(
            ClearingCode.WITHDRAWALS_WAITING_FULL,
            at,
            waiting=len(queue),
            limit=limit,
            own=own,
            own_limit=terms.waiting_per_owner_max,
        )
    return None


def enqueue(
    run: Run, gate: AssetGate, owner: bytes, account: int, asset: Asset, units: int, to: bytes, nonce: int
) -> None:
    """Let a withdrawal wait, with a receipt. Its money has left the account already."""
    clock = run.state.waiting_clock.get(0)
    number = clock.numbered if clock else 0
    due = run.block.height + gate.delay_blocks
    used = used_by_owner(run, gate.asset, owner)
    run.state.waiting_clock.put(0, WaitingClock(number + 1))
    run.state.waiting.put(
        number,
        Waiting(
            account=account,
            asset=asset.id,
            units=units,
            to=to,
            amount=u256(asset.to_amount(units)),
            nonce=nonce,
            owner=owner,
            accepted_height=run.block.height,
            due_height=due,
        ),
    )
    run.receipts.append(
        WithdrawalWaits(
            number=number,
            account=account,
            asset=asset.id,
            units=units,
            to=to,
            nonce=nonce,
            due_height=due,
            window=used.window,
            prompt_units=used.prompt_units,
            threshold=gate.delay_above_units,
        )
    )


def dequeue(run: Run, number: int, waiting: Waiting, *, taken_back: bool) -> None:
    """Drop a withdrawal from the queue; what is taken back no longer counts against the window's limits."""
    run.state.waiting.remove(number)
    gate = gate_of(run, waiting.asset)
    if taken_back and gate is not None:
        amount = int.from_bytes(waiting.amount, "big")
        units = amount // run.terms.assets[waiting.asset].base_units
        window = waiting.accepted_height // run.terms.market.epoch_blocks
        forget_use(run, gate, waiting.owner, units, window)


def waiting_of(state: State, account: int) -> tuple[tuple[int, Waiting], ...]:
    """(number, withdrawal) of what waits of one account, in order of acceptance."""
    return tuple((number, each) for number, each in state.waiting.ordered() if each.account == account)


def waiting_amounts(state: State) -> dict[tuple[int, int], int]:
    """Token base units that wait, by account and asset."""
    found: dict[tuple[int, int], int] = {}
    for _, each in state.waiting.ordered():
        key = (each.account, each.asset)
        found[key] = found.get(key, 0) + int.from_bytes(each.amount, "big")
    return found
