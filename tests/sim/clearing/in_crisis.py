"""What members ask for when somebody cannot pay: bids, rescues, contributions, cancellations, ways back.

Rule: as `tests.sim.clearing.agents`: asks, never writes; each member sees what the state shows to everybody.
"""

from random import Random

from clearing.context.member_status import member_status
from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.records.default import DefaultPhase, MemberStatus
from clearing.schema.requests.auctions import LiquidationBid
from clearing.schema.requests.default import MemberExit
from tests.kit.clearing.genesis import DOLLAR, HOUSE
from tests.kit.clearing.signer import secret
from tests.sim.clearing.exchange import Exchange

WHOLE = 10**9


def slice_bids(world: Exchange, account: int, chance: Random) -> list[Transaction]:
    """For what is for sale of those under liquidation, sometimes for more than there is or at no discount."""
    height = world.state.now.height + 1
    made: list[Transaction] = []
    for seller, sale in world.state.liquidations.ordered():
        if seller != account and sale.first_height <= height <= sale.last_height and len(made) < 3:
            share = chance.choice((WHOLE, WHOLE // 3, WHOLE // 10, 1))
            least = chance.choice((0, 0, 1_000, 5_000, 30_000))
            made.append(world.request(LiquidationBid, account, seller, sale.opened_height, share, least))
    return made


def default_bids(world: Exchange, account: int, chance: Random) -> list[Transaction]:
    """For a defaulter's portfolio: some want much for it, some give something, some take their bid back."""
    made: list[Transaction] = []
    for number, held in defaults_under_way(world.state):
        if held.phase is DefaultPhase.OPEN and held.auction_height > world.state.now.height:
            slices = chance.choice((0, 1, 3, 100))
            ask = chance.choice((-5, 0, 1, 20, 500, 10**7)) * DOLLAR
            made.append(world.default_bid(account, number, slices, ask))
    return made


def rescues(world: Exchange, account: int) -> list[Transaction]:
    """The clients of defaulters are welcome."""
    member = world.state.accounts[account].member
    made: list[Transaction] = []
    for number, held in defaults_under_way(world.state):
        for client in held.client_accounts:
            if held.phase is DefaultPhase.OPEN and held.porting_height > world.state.now.height and len(made) < 2:
                client_key = secret(world.signers.get(client, HOUSE))
                made.append(world.rescue(client, number, member, client_key))
    return made


def contributions(world: Exchange, account: int, chance: Random) -> list[Transaction]:
    """What the fund calls for, mostly as much as is missing."""
    record = world.state.contributions.get(world.state.accounts[account].member)
    missing = record.required - record.micros if record else 0
    if missing <= 0:
        return []
    return [world.pay(account, max(missing * chance.choice((1, 2, 3)) // 2, 1))]


def cancellations(world: Exchange, account: int) -> list[Transaction]:
    """Of every withdrawal of its own that waits."""
    waiting = [number for number, each in world.state.delayed_withdrawals.ordered() if each.account == account]
    return [world.withdrawal_cancellation(account, number) for number in waiting[:2]]


def ways_back(world: Exchange, account: int, chance: Random) -> list[Transaction]:
    """Who has defaulted asks to be taken in again; the house agrees."""
    member = world.state.accounts[account].member
    if member_status(world.state, member) is not MemberStatus.DEFAULTED or chance.random() > 0.5:
        return []
    return [world.readmission(account, member, world.state.member_statuses[member].default)]


def nonsense(world: Exchange, account: int, chance: Random) -> list[Transaction]:
    """Bids for what is not for sale, money that nobody called for, the withdrawals, clients and exits of others."""
    other = account - 1
    some = chance.choice((0, 1, 2, 7, 2**40))
    own = secret(account)
    rescue, readmission = world.rescue(other + 100, some, account, own), world.readmission(account, other, some, own)
    share = chance.choice((0, 1, WHOLE, 2**50))
    return chance.sample(
        [
            world.request(LiquidationBid, account, other, some, share, some % 2**32),
            world.default_bid(account, some, chance.choice((0, 1, 10**6)), chance.choice((-(2**61), 0, 2**61))),
            world.pay(account, chance.choice((0, 1, 2**61))),
            world.withdrawal_cancellation(account, some),
            world.request(MemberExit, account, other),
            rescue,
            world.sign(readmission, own),
        ],
        2,
    )
