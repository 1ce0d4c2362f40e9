"""A small network whose assets have little room, and verbs for strays: how one stands, what refunds it, how it ends."""

from typing import Any

import msgspec

from clearing.base.codec import u256
from clearing.schema.facts import DepositSeen
from clearing.schema.records.stray_deposits import DepositRefundRecord
from clearing.schema.terms.genesis import Genesis
from clearing.schema.terms.withdrawals import AssetWithdrawalLimits
from clearing.state.state import State
from tests.kit.clearing.gated import gated_genesis
from tests.kit.clearing.genesis import DOLLAR, USDC_1, VAULTS, make_genesis
from tests.kit.clearing.world import DEPOSITOR, World

CAP = 1_000 * DOLLAR
WAIT = 5
UNLISTED = b"\x99" * 20
EDITH, FRANK = b"\xe1" * 20, b"\xf1" * 20
"""Depositors."""
Key = tuple[int, bytes, int]


def tight_genesis(*, smallest: int = 0, stray_blocks: int = WAIT, cap: int = CAP, **terms: Any) -> Genesis:
    """USDC-1 has room for a thousand dollars; no refund of it is below `smallest` micros."""
    base = make_genesis({"withdrawal_valid_ms": 60_000})
    usdc, *others = base.assets
    base = msgspec.structs.replace(base, assets=(msgspec.structs.replace(usdc, cap_units=cap), *others))
    limits = (AssetWithdrawalLimits(USDC_1, refund_units_min=smallest),) if smallest else ()
    return gated_genesis(*limits, base=base, stray_blocks=stray_blocks, **terms)


def tight(**terms: Any) -> World:
    world = World(tight_genesis(**terms))
    world.prices(790_000)
    return world


def pay_in(world: World, account: int, dollars: int, depositor: bytes = DEPOSITOR, asset: int = USDC_1) -> Key:
    """A deposit that is agreed in a block of its own."""
    fact = world.deposit_fact(account, asset, world.state.terms.assets[asset].to_amount(dollars * DOLLAR), depositor)
    world.block(facts=[fact])
    return key_of(fact)


def unlisted_fact(world: World, amount: int, depositor: bytes = DEPOSITOR) -> DepositSeen:
    """A deposit of a token that the vault accepts and the terms don't list."""
    fact = world.deposit_fact(1, USDC_1, 0, depositor)
    return msgspec.structs.replace(fact, token=UNLISTED, amount=u256(amount))


def key_of(fact: DepositSeen) -> Key:
    return fact.chain_id, fact.vault, fact.nonce


def refund_of(state: State, key: Key) -> DepositRefundRecord | None:
    """The refund that a deposit is part of."""
    part = state.refunded_deposits.get(key)
    return state.deposit_refunds[key[0], key[1], part.refund] if part else None


def stray_amount(state: State, token: bytes = b"\xc1" * 20, chain: int = 1) -> int:
    """Base units of a token that are neither credited nor released, counted from the records."""
    vault = chain, VAULTS[chain]
    waiting = sum(
        int.from_bytes(stray.deposit.amount, "big")
        for key, stray in state.stray_deposits.ordered()
        if key[:2] == vault and stray.deposit.token == token
    )
    return waiting + sum(
        int.from_bytes(refund.amount, "big")
        for key, refund in state.deposit_refunds.ordered()
        if key[:2] == vault and refund.token == token and refund.stage.name in ("BELOW_MINIMUM", "QUEUED")
    )
