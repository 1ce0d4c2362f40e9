"""What members and clients ask for about accounts: opening, closing, moving money between them, porting, swaps.

Rule: as `tests.sim.clearing.agents`: asks, never writes. A client with a key signs for its money, its member for the
rest; what is asked without the word that it needs is asked, too.
"""

from random import Random

import msgspec

from clearing.base.secp256k1 import address
from clearing.schema.blocks.transaction import Transaction
from clearing.schema.requests.accounts import AccountClosing, AccountOpening, AccountPorting, ClaimSwap, TokenTransfer
from clearing.schema.requests.auctions import ReopeningOrder
from clearing.schema.requests.default import MemberExit
from clearing.schema.requests.withdrawals import LimitedWithdrawal
from clearing.schema.terms.genesis import OPENED_ACCOUNTS, AccountKind
from clearing.state.ledger import balance, cash_currency, token_currency
from tests.kit.clearing.genesis import HOUSE
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
    return world.ask(AccountOpening, own[0], kind, parent, key)  # type: ignore[no-any-return]


def closed(world: Exchange, member: int, chance: Random) -> Transaction | None:
    """What was opened, empty or not."""
    more = [each for each in world.owned[member] if each >= OPENED_ACCOUNTS] or world.owned[member]
    return world.ask(AccountClosing, chance.choice(more))  # type: ignore[no-any-return]


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
    words = world.worded(TokenTransfer, giver, chance.choice(own), asset, units)
    return world.signed_by(words, signature=world.signer(giver))  # type: ignore[no-any-return]


def ported(world: Exchange, member: int, chance: Random) -> Transaction | None:
    """A client goes to another member, with its word where it has a key, or without."""
    accounts = world.state.accounts
    clients = [each for each in world.owned[member] if accounts[each].kind is AccountKind.CLIENT]
    if not clients:
        return None
    client, to_member = chance.choice(clients), chance.choice(sorted(world.owned))
    words = world.worded(AccountPorting, client, to_member, signatures=3)
    signers = {"signature": member, "member_signature": to_member}
    if client in world.signers and chance.random() < 0.9:
        signers["client_signature"] = world.signer(client)
    return _without_empty(world.signed_by(words, **signers))


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
    words = world.worded(ClaimSwap, giver, taker, given, units, taken, units, signatures=2)
    signers = {"signature": world.signer(giver), "recipient_signature": world.signer(taker)}
    return world.signed_by(words, **signers)  # type: ignore[no-any-return]


def taken_out(world: Exchange, member: int, chance: Random) -> Transaction | None:
    """A withdrawal of cash or of a token, out of any of its accounts; with a key signed by it, or by the member."""
    account = chance.choice(world.owned[member])
    asset = chance.choice((*world.cash_tokens, *TOKENS))
    group = world.state.terms.assets[asset].cash_group
    have = balance(world.state, account, cash_currency(group) if group else token_currency(asset))
    if have <= 0:
        return None
    units, fee = have // chance.choice((1, 10, 50)) + 1, chance.choice((0, 10**6, 2**40))
    words = world.worded(LimitedWithdrawal, account, asset, units, b"\x77" * 20, fee)
    # A member tries to sign for its client now and then.
    signer = world.owner[account] if chance.random() < 0.3 else world.signer(account)
    return world.signed_by(words, signature=signer)  # type: ignore[no-any-return]


def leaving(world: Exchange, member: int) -> list[Transaction]:
    """Whoever has nothing left goes."""
    return [world.ask(MemberExit, world.owned[member][0], member)] if member in world.owned else []


def reopening_orders(world: Exchange, account: int, chance: Random) -> list[Transaction]:
    """For the perpetuals of feeds that are halted, near where the price is said to be."""
    made: list[Transaction] = []
    halted = world.halted()
    for instrument in world.traded if halted else ():
        terms = world.state.terms.instruments[instrument]
        if terms.feed in halted and chance.random() < 0.3 and len(made) < 2:
            ticks = max(world.ticks[terms.feed] * chance.randint(970, 1_030) // 1_000, 1)
            lots = chance.choice((-400, -50, 0, 50, 400, 10**6))
            made.append(world.ask(ReopeningOrder, account, instrument, lots, ticks))
    return made


def _without_empty(words: AccountPorting) -> AccountPorting:
    """A signature that nobody gave has no bytes."""

    if any(words.client_signature):
        return words
    return msgspec.structs.replace(words, client_signature=b"")
