"""Giving the money of a withdrawal back to its account, whatever became of the withdrawal.

Rule: the exact opposite of what accepting it did: the ledger owes again what it released, in the units that the asset
has now, rounded down, and the skew fee is that of a deposit, so that no way out and back earns anything. It does not
ask why: whoever calls knows that the vault has not paid and cannot pay any more.
"""

import msgspec

from clearing.assets import Asset
from clearing.base.codec import u256
from clearing.base.errors import Bug
from clearing.collateral.listing import asset_now
from clearing.collateral.skew import fee_of, settle_fee
from clearing.gates.receipts import GivenBackWhy, WithdrawalGivenBack
from clearing.ledger import SUSPENSE_ACCOUNT, can_hold, currency_of, external_account, held
from clearing.run import Run
from clearing.transfers import TransferCode


def count_released(run: Run, asset: int, amount: int) -> None:
    """Note that `amount` base units left the ledger for the vault to pay; negative: came back.

    Flows are counted in the units of genesis, also for a token that left its group and has coarser ones.
    """
    flow = run.state.flows[asset]
    total = int.from_bytes(flow.released_units, "big") + amount // run.terms.assets[asset].base_units
    if total < 0:
        raise Bug(f"more of asset {asset} came back than was ever released")
    run.state.flows.put(asset, msgspec.structs.replace(flow, released_units=u256(total)))


def has_room(run: Run, asset: Asset, units: int) -> bool:
    """Whether the ledger may owe so much more of an asset."""
    return held(run.state, asset) + units <= asset.cap_units


def owed_outside(run: Run, asset: Asset) -> int:
    """Units that left the ledger and may come back: room under the asset's cap that no deposit can take.

    What waits, and where unpaid withdrawals are given back all that the vault was not seen to have paid; rounded up.
    """
    if run.terms.genesis.crisis.gates.give_back_expired:
        flow, seen = run.state.flows[asset.id], run.state.custody.get(asset.id)
        released = int.from_bytes(flow.released_units, "big") * run.terms.assets[asset.id].base_units
        paid = int.from_bytes(seen.seen.withdrawn, "big") if seen else 0
        return -(-max(released - paid, 0) // asset.base_units)
    waiting = sum(
        int.from_bytes(each.amount, "big") for _, each in run.state.waiting.ordered() if each.asset == asset.id
    )
    return -(-waiting // asset.base_units)


def give_back(
    run: Run, number: int, account: int, asset_id: int, amount: int, why: GivenBackWhy, code: int = 0
) -> WithdrawalGivenBack:
    """Credit `amount` base units again, with a receipt."""
    asset = asset_now(run.state, run.terms.assets[asset_id])
    units, rest = asset.to_units(amount)
    known = can_hold(run.state, account)
    credited = account if known else SUSPENSE_ACCOUNT
    fee = fee_of(run, asset, units) if asset.is_cash else 0
    transfer = TransferCode.UNPAID_GIVEN_BACK if why is GivenBackWhy.NOT_PAID else TransferCode.WAITING_GIVEN_BACK
    count_released(run, asset_id, -amount)
    run.journal.transfer(external_account(asset_id), credited, currency_of(asset), units, transfer, number)
    settle_fee(run, credited, asset, units, fee if known else max(fee, 0), number)
    run.touched.add(credited)
    receipt = WithdrawalGivenBack(number, account, credited, asset_id, units, rest, why, code)
    run.receipts.append(receipt)
    return receipt
