"""The stable codes of clearing's refusals: 02xx accounts and requests, 03xx prices and facts, 04xx rules of the block.

Rule: a number never changes and is never reused. `REMEDIES` states for every code what the refused party can do.
"""

from clearing.base.errors import CodeBook, Detail, Rejected


class ClearingCode(CodeBook):
    """Refusals by the state machine, in receipts (02xx, 03xx) and as faults (04xx)."""

    REQUEST_EXPIRED = 201
    REQUEST_TOO_FAR_AHEAD = 202
    COLLATERAL_NEEDED_FOR_MARGIN = 203
    UNKNOWN_ACCOUNT = 204
    UNKNOWN_INSTRUMENT = 205
    UNKNOWN_ASSET = 206
    UNKNOWN_CASH_GROUP = 207
    WRONG_SIGNER = 208
    TRADE_ALREADY_NOVATED = 209
    NONCE_USED = 210
    BAD_SIZE = 211
    SAME_ACCOUNT = 212
    NOT_OWN_ACCOUNT = 213
    PRICE_OUTSIDE_BAND = 214
    INSTRUMENT_EXPIRED = 215
    POSITION_LIMIT = 216
    CASH_LIMIT = 217
    BALANCE_TOO_SMALL = 218
    CHAIN_INVENTORY_TOO_SMALL = 219
    BAD_RECIPIENT = 220
    CHAIN_SILENT = 221
    UNKNOWN_VENUE = 222
    VENUE_SUSPENDED = 223
    VENUE_SIGNATURE_NEEDED = 224
    MANDATE_NEEDED = 225
    MANDATE_EXCEEDED = 226
    TRADE_ID_OUTSIDE_WINDOW = 227
    TRADE_TIME = 228
    HOLD_TOO_LONG = 229
    HELD_TRADES_FULL = 230
    NO_SUCH_HELD_TRADE = 231
    WRONG_REVISION = 232
    BAD_STATEMENT = 233
    STATEMENT_DAY = 234
    UNKNOWN_MEMBER = 235
    ACCOUNTS_FULL = 236
    BAD_PARENT = 237
    ACCOUNT_NOT_EMPTY = 238
    NOT_CLOSABLE = 239
    CLIENT_MONEY = 240
    NOT_PORTABLE = 241
    NO_SUCH_LIQUIDATION = 250
    DISCOUNT_TOO_SMALL = 251
    OWN_LIQUIDATION = 252
    NOTHING_TO_TAKE = 253
    LIQUIDATED_ENOUGH = 254
    MAY_NOT_TAKE_SLICES = 255
    DEFICIT_RESERVE = 268
    RATE_LIMIT = 269
    WITHDRAWALS_WAITING_FULL = 270
    NO_SUCH_WAITING_WITHDRAWAL = 271
    NO_FUND = 264
    CONTRIBUTION_NOT_OWED = 265
    CONTRIBUTION_OF_CLIENT_MONEY = 266
    MEMBER_NOT_ACTIVE = 257
    NO_SUCH_DEFAULT = 258
    OWN_DEFAULT = 259
    NOT_READMITTABLE = 260
    CANNOT_LEAVE = 261
    NOT_RESCUABLE = 262
    NONCE_TOO_FAR = 275
    PRICE_MISSING = 301
    PRICE_NOT_OPEN = 302
    DEPOSIT_OF_UNKNOWN_TOKEN = 310
    DEPOSIT_TO_UNKNOWN_ACCOUNT = 311
    DEPOSIT_ABOVE_CAP = 312
    CASH_GROUP_SUSPENDED = 313
    ACCOUNT_RESTRICTED = 314
    SOFT_CREDIT_IS_LENT = 315
    NO_SUCH_AUCTION = 316
    BID_BELOW_PRICE = 317
    NOTHING_FOR_SALE = 318
    UNKNOWN_CURRENCY = 319
    FEE_ABOVE_LIMIT = 320
    BAD_BLOCK = 401
    BAD_GENESIS = 402
    BAD_SNAPSHOT = 403
    STALE_FORK = 404
    NO_SUCH_WITHDRAWAL = 405
    SNAPSHOT_NOT_READY = 406
    INSTRUMENT_SETTLED = 407
    ONLY_REDUCING = 408
    NO_AUCTION = 409
    AUCTION_FULL = 410
    DEFAULT_AUCTION_OVER = 417
    ASK_TOO_HIGH = 418
    BAD_MODEL = 440
    BAD_PORTFOLIO = 441
    BAD_STEP = 442
    VALIDATOR_CHANGE_UNDER_WAY = 460
    WRONG_VALIDATOR_SET = 461
    BAD_VALIDATOR_CHANGE = 462
    TOO_MUCH_POWER_MOVES = 463
    TOO_FEW_APPROVALS = 464
    BAD_APPROVAL = 465
    BAD_POSSESSION = 466
    GOVERNANCE_OFF = 467
    BAD_AMENDMENT = 468
    AMENDMENT_STALE = 469
    AMENDMENT_REFUSED = 470
    AMENDMENT_FROZEN = 471
    NO_SUCH_PROPOSAL = 472
    TOO_MANY_PROPOSALS = 473
    PROPOSAL_KNOWN = 474
    VOTE_USED = 475
    VOTING_OVER = 476
    INSTRUMENT_HALTED = 477
    HALT_REFUSED = 478
    DETACHMENT_REFUSED = 479
    VAULT_LEAVES = 480


REMEDIES: dict[ClearingCode, str] = {
    ClearingCode.REQUEST_EXPIRED: (
        "The block's time is past the request's not-after. Sign it again with a later not-after."
    ),
    ClearingCode.REQUEST_TOO_FAR_AHEAD: (
        "The not-after is beyond the horizon that genesis allows. Sign with an earlier one."
    ),
    ClearingCode.COLLATERAL_NEEDED_FOR_MARGIN: (
        "Equity after this request would be below initial margin. Deposit collateral, request less, or reduce risk."
    ),
    ClearingCode.UNKNOWN_ACCOUNT: "No such account. Check the id against genesis.",
    ClearingCode.UNKNOWN_INSTRUMENT: "No such instrument. Check the id against genesis.",
    ClearingCode.UNKNOWN_ASSET: "No such asset. Check the id against genesis.",
    ClearingCode.UNKNOWN_CASH_GROUP: "No such cash group. Check the id against genesis.",
    ClearingCode.WRONG_SIGNER: (
        "The signature is malformed, or not by the trade key of the account's member. Check key, network id and fields."
    ),
    ClearingCode.TRADE_ALREADY_NOVATED: "The venue's trade id was already novated. Use a new trade id.",
    ClearingCode.NONCE_USED: "The nonce is not above the account's last one. Sign with a higher nonce.",
    ClearingCode.NONCE_TOO_FAR: "The nonce is too far above the account's last one. Sign with the next one.",
    ClearingCode.BAD_SIZE: "A size is zero or above its limit.",
    ClearingCode.SAME_ACCOUNT: "Both sides are the same account. Name two.",
    ClearingCode.NOT_OWN_ACCOUNT: "Cash moves only between accounts of one member.",
    ClearingCode.PRICE_OUTSIDE_BAND: "The trade's price is too far from the mark. The values have the band.",
    ClearingCode.INSTRUMENT_EXPIRED: "The instrument has expired. Trade another expiry.",
    ClearingCode.POSITION_LIMIT: (
        "The position, alone or with the account's others, would be above its limit. Trade less."
    ),
    ClearingCode.CASH_LIMIT: "The account's settlement cash would fall below the limit of genesis. Deposit cash.",
    ClearingCode.BALANCE_TOO_SMALL: "The account's balance is below the requested amount.",
    ClearingCode.CHAIN_INVENTORY_TOO_SMALL: (
        "The vault on that chain has less of the token than requested. Withdraw less, or on another chain."
    ),
    ClearingCode.BAD_RECIPIENT: "The receiving address is zero. Name an address that can spend.",
    ClearingCode.CHAIN_SILENT: (
        "Too few validators see new final blocks of that chain. Wait until it resumes, or withdraw on another chain."
    ),
    ClearingCode.UNKNOWN_VENUE: "Genesis lists no venue with this id.",
    ClearingCode.VENUE_SUSPENDED: (
        "The venue is suspended. Wait until the house reinstates it, or agree the trade without the venue."
    ),
    ClearingCode.VENUE_SIGNATURE_NEEDED: (
        "A trade in the name of a venue of genesis needs the venue's signature. Have the venue report it."
    ),
    ClearingCode.MANDATE_NEEDED: "A side neither signed nor has a valid mandate to the venue. Sign, or give a mandate.",
    ClearingCode.MANDATE_EXCEEDED: (
        "The trade exceeds the limits of a side's mandate. Trade less, sign it, or raise the mandate's limits."
    ),
    ClearingCode.TRADE_ID_OUTSIDE_WINDOW: (
        "The venue's trade id is too far below or above its last ids. The values give the window."
    ),
    ClearingCode.TRADE_TIME: "The trade was agreed too long ago, or its time is after the block's time.",
    ClearingCode.HOLD_TOO_LONG: "The trade would be pending longer than genesis allows. Report it later.",
    ClearingCode.HELD_TRADES_FULL: (
        "Too many trades are pending, for this account or in total. Wait until some are novated."
    ),
    ClearingCode.NO_SUCH_HELD_TRADE: (
        "No trade with this key is pending: it was novated, cancelled or dropped, or the sides differ."
    ),
    ClearingCode.WRONG_REVISION: (
        "The pending trade was changed meanwhile. Review it and sign for its present revision."
    ),
    ClearingCode.BAD_STATEMENT: (
        "A part of the statement is out of order, or its lines do not rise or are too many. The values give what is "
        "expected."
    ),
    ClearingCode.STATEMENT_DAY: "The day is not over yet or too long ago, or its statement is complete.",
    ClearingCode.UNKNOWN_MEMBER: "No such member. Check the id against genesis.",
    ClearingCode.ACCOUNTS_FULL: "The member has as many accounts as genesis allows. Close an empty one.",
    ClearingCode.BAD_PARENT: "The parent is not a suitable account of the same member, or is itself a sub-account.",
    ClearingCode.ACCOUNT_NOT_EMPTY: "The account has money, positions, pending trades or sub-accounts. Empty it first.",
    ClearingCode.NOT_CLOSABLE: "Accounts of genesis stay open. Only accounts opened by request can be closed.",
    ClearingCode.CLIENT_MONEY: "A client's money moves to another owner only with the client's own signature.",
    ClearingCode.NOT_PORTABLE: (
        "Only client accounts that are not sub-accounts can be ported, to another member, after their calls are met."
    ),
    ClearingCode.NO_SUCH_LIQUIDATION: (
        "No slices of this account are for sale in this block. The receipts list the open liquidations."
    ),
    ClearingCode.DISCOUNT_TOO_SMALL: "The block's discount is below the bid's. Accept less, or bid later.",
    ClearingCode.OWN_LIQUIDATION: "A member cannot bid in a liquidation of its own account.",
    ClearingCode.NOTHING_TO_TAKE: (
        "The slice rounds to no lots: it is too small, initial margin is restored already, or no position has an open "
        "price."
    ),
    ClearingCode.LIQUIDATED_ENOUGH: "The block has reached the liquidation limit of genesis. Bid in the next block.",
    ClearingCode.MAY_NOT_TAKE_SLICES: (
        "Neither the house nor a restricted account may bid for slices. Bid for another account."
    ),
    ClearingCode.DEFICIT_RESERVE: (
        "A deficit is unresolved. Until the given height every account must leave its possible share of it. Withdraw "
        "less, or later."
    ),
    ClearingCode.RATE_LIMIT: (
        "The withdrawal exceeds the limit of this window, of this owner or of all. Withdraw less, or from the given "
        "height on."
    ),
    ClearingCode.WITHDRAWALS_WAITING_FULL: (
        "A withdrawal of this size is delayed, and the limit of delayed withdrawals is reached, of this owner or of "
        "all. Withdraw less, cancel a delayed one, or try later."
    ),
    ClearingCode.NO_SUCH_WAITING_WITHDRAWAL: (
        "This account has no delayed withdrawal with this number: it was released or refunded, or is another account's."
    ),
    ClearingCode.NO_FUND: "This network has no default fund with member contributions.",
    ClearingCode.CONTRIBUTION_NOT_OWED: (
        "The payment exceeds what is missing of the member's required contribution. See `crossclear fund` and pay the "
        "missing amount."
    ),
    ClearingCode.CONTRIBUTION_OF_CLIENT_MONEY: (
        "Contributions come from the member's own money. Pay from its own account, not from a client's."
    ),
    ClearingCode.MEMBER_NOT_ACTIVE: (
        "The account's member is restricted, in default, or has left. Deposit collateral and pay open calls; a "
        "defaulted member asks the house for readmission. A client asks another member to take over the account."
    ),
    ClearingCode.NO_SUCH_DEFAULT: "No default with this number is under way. See GET /v1/defaults.",
    ClearingCode.OWN_DEFAULT: (
        "A member cannot bid for its own portfolio, and the house takes over only what nobody buys."
    ),
    ClearingCode.NOT_READMITTABLE: (
        "A member is readmitted after its default is over, when it owes nothing and has paid its fund contribution."
    ),
    ClearingCode.CANNOT_LEAVE: (
        "A member can leave without positions, money, debts, clients or open defaults. The values name what is left."
    ),
    ClearingCode.NOT_RESCUABLE: (
        "Only client accounts that are not sub-accounts can be taken over from a defaulter, by another active member "
        "that has paid its own calls. See the values."
    ),
    ClearingCode.PRICE_MISSING: "A feed that this request depends on has no price yet. Wait for the oracle.",
    ClearingCode.PRICE_NOT_OPEN: "A feed that this request depends on is stale or halted. Wait until it reopens.",
    ClearingCode.DEPOSIT_OF_UNKNOWN_TOKEN: (
        "A vault received a token that genesis does not list. It is recorded as a stray; governance returns it."
    ),
    ClearingCode.DEPOSIT_TO_UNKNOWN_ACCOUNT: (
        "A deposit names an account that does not exist. It is in suspense; governance assigns it."
    ),
    ClearingCode.DEPOSIT_ABOVE_CAP: (
        "A deposit would raise the holdings of a token above its cap. It is recorded as a stray; governance returns it."
    ),
    ClearingCode.CASH_GROUP_SUSPENDED: (
        "A token of the cash group is outside its price band. Withdrawals and bids in the group are suspended until "
        "the token is back or has left, within a few blocks. Wait."
    ),
    ClearingCode.ACCOUNT_RESTRICTED: (
        "The chain reverted a deposit that the house lent against. Until the given height, and while cash is owed, the "
        "account may only reduce risk and deposit."
    ),
    ClearingCode.SOFT_CREDIT_IS_LENT: (
        "The requested amount, or a trade's price and fees, includes a loan against a deposit that is not final. Wait "
        "until the deposit is final, or trade closer to the mark."
    ),
    ClearingCode.NO_SUCH_AUCTION: "No collateral of this account is for sale. The receipts list the open auctions.",
    ClearingCode.BID_BELOW_PRICE: "The bid's limit is below the auction's price in this block. Bid higher, or later.",
    ClearingCode.NOTHING_FOR_SALE: "The account has none of this token, or it has no open price. Bid for another.",
    ClearingCode.UNKNOWN_CURRENCY: "No such currency: neither a cash group nor 2^32 + the id of a collateral token.",
    ClearingCode.FEE_ABOVE_LIMIT: "The skew fee is above the signed limit. Withdraw on another chain, or later.",
    ClearingCode.BAD_BLOCK: "A block's structure violates a rule: heights, order of extensions, sizes.",
    ClearingCode.BAD_GENESIS: "Genesis is inconsistent. The values name the field.",
    ClearingCode.BAD_SNAPSHOT: "The state snapshot is damaged or of another genesis. Restore another.",
    ClearingCode.STALE_FORK: "The state was used after another fork of its parent was decided. Fork the decided state.",
    ClearingCode.NO_SUCH_WITHDRAWAL: "No withdrawal with this nonce has been released.",
    ClearingCode.INSTRUMENT_SETTLED: "The instrument was settled and is no longer traded. Trade another.",
    ClearingCode.ONLY_REDUCING: (
        "The feed has no fresh price: until it has, neither side's position may grow. Wait, or reduce both positions."
    ),
    ClearingCode.NO_AUCTION: (
        "Orders are accepted in perpetuals of a halted feed, where genesis has reopening auctions. Trade, or wait for "
        "a halt."
    ),
    ClearingCode.AUCTION_FULL: "The auction has reached its limit of orders. Wait until the feed reopens.",
    ClearingCode.SNAPSHOT_NOT_READY: "This state has no epoch snapshot: prices are missing, or custody is behind.",
    ClearingCode.DEFAULT_AUCTION_OVER: "The auction of this portfolio is closed, or there is nothing to sell.",
    ClearingCode.ASK_TOO_HIGH: "The ask for a slice is above the limit in the values. Ask for less.",
    ClearingCode.BAD_MODEL: (
        "A risk model contradicts itself or the portfolio, or needs too much work. The path names the field."
    ),
    ClearingCode.BAD_PORTFOLIO: (
        "A portfolio refers to something it does not list, or a number is out of range. See the path."
    ),
    ClearingCode.BAD_STEP: "A rule or a settlement step has an invalid number. The path names the field.",
    ClearingCode.VALIDATOR_CHANGE_UNDER_WAY: (
        "The last change is not complete: the values count the vaults that have not followed it. Wait, or relay the "
        "header that rotates them."
    ),
    ClearingCode.WRONG_VALIDATOR_SET: (
        "The change starts from a set other than the one in force. Propose it again: `crossclear validators propose`."
    ),
    ClearingCode.BAD_VALIDATOR_CHANGE: (
        "The change names keys out of order or twice, removes an unknown validator, changes nothing, makes an invalid "
        "set, or one other than it states."
    ),
    ClearingCode.TOO_MUCH_POWER_MOVES: (
        "More than a third of the power would leave, or of the new power enter, at once. Split it into several changes."
    ),
    ClearingCode.TOO_FEW_APPROVALS: (
        "Validators with at most two thirds of the power signed the change. Collect more: `crossclear validators "
        "approve`."
    ),
    ClearingCode.BAD_APPROVAL: (
        "An approval is out of order, not by a validator in force, or not by its envelope key on this change."
    ),
    ClearingCode.BAD_POSSESSION: (
        "An entering key is not a BLS key, or has no valid proof of possession. Get one from its owner."
    ),
    ClearingCode.GOVERNANCE_OFF: "Genesis has no governance: nothing can be proposed or voted on.",
    ClearingCode.BAD_AMENDMENT: (
        "The path does not exist, or the new value does not fit there. See `crossclear governance dry-run`."
    ),
    ClearingCode.AMENDMENT_STALE: (
        "Another amendment changed the same place meanwhile. Propose again from the present value."
    ),
    ClearingCode.AMENDMENT_REFUSED: (
        "With this change the terms violate a rule of genesis, a bound that no vote can pass, or the state. The values "
        "name the place."
    ),
    ClearingCode.AMENDMENT_FROZEN: "No vote can change this place: balances, debts or proofs depend on it.",
    ClearingCode.NO_SUCH_PROPOSAL: "No open proposal has this hash. See `crossclear governance show`.",
    ClearingCode.TOO_MANY_PROPOSALS: "The proposer has as many open proposals as genesis allows. Wait until one ends.",
    ClearingCode.PROPOSAL_KNOWN: "This proposal was already made. To repeat it, sign it with another not-after.",
    ClearingCode.VOTE_USED: "The vote's revision is not above the last one of this validator. Sign a higher one.",
    ClearingCode.VOTING_OVER: (
        "The proposal was not approved in time, or more than a third of the power withdrew its approval."
    ),
    ClearingCode.INSTRUMENT_HALTED: "The instrument is halted: until the given height, positions can only be reduced.",
    ClearingCode.HALT_REFUSED: (
        "The halt is longer than genesis allows, of an instrument that cannot be halted, or too soon after the last."
    ),
    ClearingCode.DETACHMENT_REFUSED: (
        "No validator change waits for this vault, or not for long enough, or it is the last vault."
    ),
    ClearingCode.VAULT_LEAVES: (
        "This vault is about to be detached, so it pays no new withdrawals. Withdraw on another chain."
    ),
}


def reject(code: ClearingCode, at: str, /, **values: Detail) -> Rejected:
    """A refusal as a value, for a receipt."""
    return Rejected(code, at, tuple(values.items()))
