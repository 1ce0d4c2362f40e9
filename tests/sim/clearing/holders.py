"""What members and clients ask for about accounts: opening, closing, moving money between them, porting, swaps.

Rule: as `tests.sim.clearing.agents`: asks, never writes. A client with a key signs for its money, its member for the
rest; what is asked without the word that it needs is asked, too.
"""

from random import Random

from clearing.base.secp256k1 import address
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.accounts import ClaimSwap
from clearing.schema.requests.withdrawals import LimitedWithdrawal
from clearing.schema.terms.genesis import OPENED_ACCOUNTS, AccountKind
from clearing.state.ledger import balance, cash_currency, token_currency
from tests.kit.clearing.genesis import HOUSE
from tests.kit.clearing.requests import PAYEE
from tests.kit.clearing.signer import secret
from tests.sim.clearing.exchange import TOKENS, Exchange

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
