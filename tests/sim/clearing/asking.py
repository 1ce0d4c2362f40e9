"""What members and clients ask for: about accounts, and when somebody cannot pay.

Rule: as `tests.sim.clearing.agents`: asks, never writes; each member sees what the state shows to everybody. A client
with a key signs for its money, its member for the rest; what is asked without the word that it needs is asked, too.
"""

from random import Random

from clearing.base.secp256k1 import address
from clearing.context.member_status import member_status
from clearing.context.unresolved_losses import defaults_under_way
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.records.default import DefaultPhase, MemberStatus
from clearing.schema.requests.accounts import ClaimSwap
from clearing.schema.requests.auctions import LiquidationBid
from clearing.schema.requests.default import MemberExit
from clearing.schema.requests.withdrawals import LimitedWithdrawal
from clearing.schema.terms.genesis import OPENED_ACCOUNTS, AccountKind
from clearing.state.holdings import positions_of
from clearing.state.ledger import balance, cash_currency, token_currency
from tests.kit.clearing.genesis import DOLLAR, HOUSE
from tests.kit.clearing.requests import PAYEE
from tests.kit.clearing.signer import secret
from tests.sim.clearing.exchange import TOKENS, Exchange

WHOLE = 10**9
NO_KEY = bytes(20)
CLIENT_SECRETS = 500
"""The client that member m opens an account for has the secret numbered CLIENT_SECRETS + m."""


def account_requests(world: Exchange, member: int, chance: Random) -> list[Transaction]:
    """One of all that there is to ask for about accounts, sometimes."""
    if chance.random() > 0.4 or member not in world.owned:
        return []
    kinds = (opened, closed, moved, moved, tokens_moved, ported, swapped, taken_out, taken_out)
    made: Transaction | None = chance.choice(kinds)(world, member, chance)
    return [made] if made is not None else []


def opened(world: Exchange, member: int, chance: Random) -> Transaction | None:
    """A house account, a client's with or without a key, or a sub-account of one that there is."""
    own = world.owned[member]
    kind, parent, key = chance.choice(list(AccountKind)), 0, NO_KEY
    if chance.random() < 0.5:
        parent = chance.choice(own)
        kind = world.state.accounts[parent].kind if chance.random() < 0.8 else kind
    elif kind is AccountKind.CLIENT and world.variant.keyed_clients and chance.random() < 0.6:
        key = address(secret(CLIENT_SECRETS + member))
    return world.opening(own[0], kind, parent, key)


def closed(world: Exchange, member: int, chance: Random) -> Transaction | None:
    """What was opened, empty or not."""
    more = [each for each in world.owned[member] if each >= OPENED_ACCOUNTS] or world.owned[member]
    return world.closing(chance.choice(more))


def moved(world: Exchange, member: int, chance: Random) -> Transaction | None:
    """Cash between two of its accounts; whose money it is, is for the rules to say."""
    own, group = world.owned[member], chance.choice(world.groups)
    giver, taker = chance.choice(own), chance.choice(own)
    have = balance(world.state, giver, cash_currency(group))
    if have <= 0:
        return None
    return world.transfer(giver, taker, chance.choice((1, have // 10 + 1, have // 3 + 1, have)), group)


def tokens_moved(world: Exchange, member: int, chance: Random) -> Transaction | None:
    """As cash."""
    own, asset = world.owned[member], chance.choice(TOKENS)
    held = [each for each in own if balance(world.state, each, token_currency(asset)) > 0]
    if not held:
        return None
    giver = chance.choice(held)
    units = max(balance(world.state, giver, token_currency(asset)) // chance.choice((1, 3, 10)), 1)
    return world.token_transfer(giver, chance.choice(own), units, asset, key=world.money_key(giver))


def ported(world: Exchange, member: int, chance: Random) -> Transaction | None:
    """A client goes to another member, with its word where it has a key, or without."""
    accounts = world.state.accounts
    clients = [each for each in world.owned[member] if accounts[each].kind is AccountKind.CLIENT]
    if not clients:
        return None
    client, to_member = chance.choice(clients), chance.choice(sorted(world.owned))
    consents = client in world.signers and chance.random() < 0.9
    return world.porting(client, to_member, client=world.money_key(client) if consents else None)


def swapped(world: Exchange, member: int, chance: Random) -> Transaction | None:
    """Claims of two members against each other: cash of one group for cash of another, or for a token."""
    giver = world.owned[member][0]
    other = chance.choice([each for each in sorted(world.owned) if each not in (member, HOUSE)] or [member])
    taker = world.owned[other][0]
    currencies = [cash_currency(group) for group in world.groups] + [token_currency(each) for each in TOKENS]
    given, taken = chance.choice(currencies), chance.choice(currencies)
    units = balance(world.state, giver, given) // 20
    if units <= 0:
        return None
    request = world.request(ClaimSwap, giver, taker, given, units, taken, units, key=world.money_key(giver))
    return world.sign(request, recipient_signature=world.money_key(taker))


def taken_out(world: Exchange, member: int, chance: Random) -> Transaction | None:
    """A withdrawal of cash or of a token, out of any of its accounts; with a key signed by it, or by the member."""
    account = chance.choice(world.owned[member])
    asset = chance.choice((*world.cash_tokens, *TOKENS))
    group = world.state.terms.assets[asset].cash_group
    have = balance(world.state, account, cash_currency(group) if group else token_currency(asset))
    if have <= 0:
        return None
    units, fee = have // chance.choice((1, 10, 50)) + 1, chance.choice((0, 10**6, 2**40))
    # A member tries to sign for its client now and then.
    key = world.key_of(account) if chance.random() < 0.3 else world.money_key(account)
    return world.request(LimitedWithdrawal, account, asset, units, PAYEE, fee, key=key)


def affiliations(world: Exchange, member: int) -> list[Transaction]:
    """Seldom: two accounts are said to be one owner's, by all that have to say so, by too few, or by the house."""
    chance = Random(world.state.now.height * 1_009 + member)
    if chance.random() > 0.02 or member not in world.owned:
        return []
    account, other = world.owned[member][0], chance.choice(world.owned[chance.choice(sorted(world.owned))])
    if chance.random() < 0.4:
        return [world.affiliation(account, other, key=secret(HOUSE), ends=chance.random() < 0.3)]
    agrees = world.money_key(other) if chance.random() < 0.9 else None
    return [world.affiliation(account, other, affiliate_key=agrees)]


def standbys(world: Exchange, member: int) -> list[Transaction]:
    """Seldom: a client names another member, which mostly accepts, or has no standby any more."""
    chance = Random(world.state.now.height * 2_003 + member)
    if chance.random() > 0.05 or member not in world.owned:
        return []
    account, standby = chance.choice(world.owned[member]), chance.choice((0, *sorted(world.owned)))
    accepts = secret(standby if chance.random() < 0.9 else HOUSE)
    return [world.standby(account, standby, world.money_key(account), accepts)]


def reopening_orders(world: Exchange, account: int, chance: Random) -> list[Transaction]:
    """For the perpetuals of feeds that are halted, near where the price is said to be."""
    made: list[Transaction] = []
    halted = world.halted()
    for instrument in world.traded if halted else ():
        terms = world.state.terms.instruments[instrument]
        if terms.feed in halted and chance.random() < 0.3 and len(made) < 2:
            ticks = max(world.ticks[terms.feed] * chance.randint(970, 1_030) // 1_000, 1)
            lots = chance.choice((-400, -50, 0, 50, 400, 10**6))
            made.append(world.order(account, lots, ticks, instrument))
    return made


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


def inventory_bids(world: Exchange, account: int, chance: Random) -> list[Transaction]:
    """For what the house took over, sometimes for more than there is, or at no such discount."""
    made: list[Transaction] = []
    if world.state.inventory_sales.get(0) is not None:
        for instrument, lots in positions_of(world.state, HOUSE).lots[:2]:
            size = max(abs(lots) // chance.choice((1, 1, 4)), 1)
            made.append(world.inventory_bid(account, size, chance.choice((0, 0, 5_000)), instrument=instrument))
    tokens = [token for _, record in world.state.recoveries.ordered() for token in record.tokens]
    made += [
        world.inventory_bid(account, token.units, chance.choice((1, 2**40)), asset=token.asset) for token in tokens[:1]
    ]
    return made


def default_bids(world: Exchange, account: int, chance: Random) -> list[Transaction]:
    """For a defaulter's portfolio: some want much for it, some give something, some take their bid back."""
    made: list[Transaction] = []
    for number, held in defaults_under_way(world.state):
        if held.phase is not DefaultPhase.OPEN or held.auction_height <= world.state.now.height:
            continue
        if held.reveal_height and chance.random() < 0.95:
            made.append(_sealed_bid(world, account, number, held.reveal_height, chance))
        else:
            slices = chance.choice((0, 1, 3, 100))
            ask = chance.choice((-5, 0, 1, 20, 500, 10**7)) * DOLLAR
            made.append(world.default_bid(account, number, slices, ask))
    return made


def _sealed_bid(world: Exchange, account: int, number: int, reveal_height: int, chance: Random) -> Transaction:
    """A commitment, or the reveal of what the account always bids for this default; seldom in the other's phase, or of
    another bid."""
    always = Random(account * 1_009 + number)
    slices, ask = always.choice((0, 1, 3, 100)), always.choice((-5, 0, 1, 20, 500, 10**7)) * DOLLAR
    slices = slices if chance.random() < 0.95 else slices + 1
    reveals = (world.state.now.height + 1 >= reveal_height) is (chance.random() < 0.95)
    return (world.bid_reveal if reveals else world.bid_commitment)(account, number, slices, ask)


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
