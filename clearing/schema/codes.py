"""The stable codes of clearing's refusals: 02xx accounts and requests, 03xx prices and facts, 04xx rules of the block.

Rule: a number never changes and is never reused. Each code states what the refused party can do.
"""

from clearing.base.errors import CodeBook, Detail, Rejected


class ClearingCode(CodeBook):
    """Refusals by the state machine, in receipts (02xx, 03xx) and as faults (04xx)."""

    REQUEST_EXPIRED = 201, "The block's time is past the request's not-after. Sign it again with a later not-after."
    REQUEST_TOO_FAR_AHEAD = 202, "The not-after is beyond the horizon that genesis allows. Sign with an earlier one."
    COLLATERAL_NEEDED_FOR_MARGIN = (
        203,
        "Equity after this request would be below initial margin. Deposit collateral, request less, or reduce risk.",
    )
    UNKNOWN_ACCOUNT = 204, "No such account. Check the id against genesis."
    UNKNOWN_INSTRUMENT = 205, "No such instrument. Check the id against genesis."
    UNKNOWN_ASSET = 206, "No such asset. Check the id against genesis."
    UNKNOWN_CASH_GROUP = 207, "No such cash group. Check the id against genesis."
    WRONG_SIGNER = (
        208,
        "The signature is malformed, or not by the trade key of the account's member. Check key, network id "
        "and fields.",
    )
    TRADE_ALREADY_NOVATED = 209, "The venue's trade id was already novated. Use a new trade id."
    NONCE_USED = 210, "The nonce is not above the account's last one. Sign with a higher nonce."
    BAD_SIZE = 211, "A size is zero or above its limit."
    SAME_ACCOUNT = 212, "Both sides are the same account. Name two."
    NOT_OWN_ACCOUNT = 213, "Cash moves only between accounts of one member."
    PRICE_OUTSIDE_BAND = 214, "The trade's price is too far from the mark. The values have the band."
    INSTRUMENT_EXPIRED = 215, "The instrument has expired. Trade another expiry."
    POSITION_LIMIT = 216, "The position, alone or with the account's others, would be above its limit. Trade less."
    CASH_LIMIT = 217, "The account's settlement cash would fall below the limit of genesis. Deposit cash."
    BALANCE_TOO_SMALL = 218, "The account's balance is below the requested amount."
    CHAIN_INVENTORY_TOO_SMALL = (
        219,
        "The vault on that chain has less of the token than requested. Withdraw less, or on another chain.",
    )
    BAD_RECIPIENT = 220, "The receiving address is zero. Name an address that can spend."
    CHAIN_SILENT = (
        221,
        "Too few validators see new final blocks of that chain. Wait until it resumes, or withdraw on another chain.",
    )
    ASSET_HALTED = (
        272,
        "The asset's vault was proven to have less of the token than it owes. Withdraw another asset, or wait until a "
        "vote releases this one.",
    )
    INFLOW_WAITS = (
        273,
        "Large inflow waits before it may leave. Withdraw less, or wait: `crossclear withdrawals show` has "
        "the heights.",
    )
    UNKNOWN_VENUE = 222, "Genesis lists no venue with this id."
    VENUE_SUSPENDED = (
        223,
        "The venue is suspended. Wait until the house reinstates it, or agree the trade without the venue.",
    )
    VENUE_SIGNATURE_NEEDED = (
        224,
        "A trade in the name of a venue of genesis needs the venue's signature. Have the venue report it.",
    )
    MANDATE_NEEDED = 225, "A side neither signed nor has a valid mandate to the venue. Sign, or give a mandate."
    MANDATE_EXCEEDED = (
        226,
        "The trade exceeds the limits of a side's mandate. Trade less, sign it, or raise the mandate's limits.",
    )
    TRADE_ID_OUTSIDE_WINDOW = (
        227,
        "The venue's trade id is too far below or above its last ids. The values give the window.",
    )
    TRADE_TIME = 228, "The trade was agreed too long ago, or its time is after the block's time."
    HOLD_TOO_LONG = 229, "The trade would be pending longer than genesis allows. Report it later."
    HELD_TRADES_FULL = 230, "Too many trades are pending, for this account or in total. Wait until some are novated."
    NO_SUCH_HELD_TRADE = (
        231,
        "No trade with this key is pending: it was novated, cancelled or dropped, or the sides differ.",
    )
    WRONG_REVISION = 232, "The pending trade was changed meanwhile. Review it and sign for its present revision."
    BAD_STATEMENT = (
        233,
        "A part of the statement is out of order, or its lines do not rise or are too many. The values give what is "
        "expected.",
    )
    STATEMENT_DAY = 234, "The day is not over yet or too long ago, or its statement is complete."
    UNKNOWN_MEMBER = 235, "No such member. Check the id against genesis."
    ACCOUNTS_FULL = 236, "The member has as many accounts as genesis allows. Close an empty one."
    BAD_PARENT = 237, "The parent is not a suitable account of the same member, or is itself a sub-account."
    ACCOUNT_NOT_EMPTY = 238, "The account has money, positions, pending trades or sub-accounts. Empty it first."
    NOT_CLOSABLE = 239, "Accounts of genesis stay open. Only accounts opened by request can be closed."
    CLIENT_MONEY = 240, "A client's money moves to another owner only with the client's own signature."
    NOT_PORTABLE = (
        241,
        "Only client accounts that are not sub-accounts can be ported, to another member, after their calls are met.",
    )
    SESSION_KEYS_FULL = (
        242,
        "The account has as many session keys as it may. Revoke one, or wait until one has expired.",
    )
    SESSION_TOO_LONG = 243, "A session key would be good for longer than it may. The values give the latest time."
    SESSION_EXPIRED = 244, "The session key has expired. Name it again with the account's trade key, or sign with that."
    SESSION_EXCEEDED = (
        245,
        "The trade exceeds the limits of the session key that signed it. Trade less, or sign with the trade key.",
    )
    NO_SUCH_LIQUIDATION = (
        250,
        "No slices of this account are for sale in this block. The receipts list the open liquidations.",
    )
    DISCOUNT_TOO_SMALL = 251, "The block's discount is below the bid's. Accept less, or bid later."
    OWN_LIQUIDATION = 252, "A member cannot bid in a liquidation of its own account."
    NOTHING_TO_TAKE = (
        253,
        "The slice rounds to no lots: it is too small, initial margin is restored already, or no position has an open "
        "price.",
    )
    LIQUIDATED_ENOUGH = 254, "The block has reached the liquidation limit of genesis. Bid in the next block."
    MAY_NOT_TAKE_SLICES = 255, "Neither the house nor a restricted account may bid for slices. Bid for another account."
    DEFICIT_RESERVE = (
        268,
        "A deficit is unresolved. Until the given height every account must leave its possible share of it. Withdraw "
        "less, or later.",
    )
    RATE_LIMIT = (
        269,
        "The withdrawal exceeds the limit of this window, of this owner or of all. Withdraw less, or from the given "
        "height on.",
    )
    WITHDRAWALS_WAITING_FULL = (
        270,
        "A withdrawal of this size is delayed, and the limit of delayed withdrawals is reached, of this owner or of "
        "all. Withdraw less, cancel a delayed one, or try later.",
    )
    NO_SUCH_WAITING_WITHDRAWAL = (
        271,
        "This account has no delayed withdrawal with this number: it was released or refunded, or is another "
        "account's.",
    )
    NO_FUND = 264, "This network has no default fund with member contributions."
    CONTRIBUTION_NOT_OWED = (
        265,
        "The payment exceeds what is missing of the member's required contribution. See `crossclear fund` and pay the "
        "missing amount.",
    )
    CONTRIBUTION_OF_CLIENT_MONEY = (
        266,
        "Contributions come from the member's own money. Pay from its own account, not from a client's.",
    )
    MEMBER_NOT_ACTIVE = (
        257,
        "The account's member is restricted, in default, or has left. Deposit collateral and pay open calls; a "
        "defaulted member asks the house for readmission. A client asks another member to take over the account.",
    )
    NO_SUCH_DEFAULT = 258, "No default with this number is under way. See GET /v1/defaults."
    OWN_DEFAULT = 259, "A member cannot bid for its own portfolio, and the house takes over only what nobody buys."
    NOT_READMITTABLE = (
        260,
        "A member is readmitted after its default is over, when it owes nothing and has paid its fund contribution.",
    )
    CANNOT_LEAVE = (
        261,
        "A member leaves for itself, without positions, debts or pending trades, its clients' included, and without "
        "clients whose money only it can withdraw. The house, a member in default and one that has left cannot. Close "
        "what the values count; where defaults are open or accounts are below zero, or another request to leave was "
        "checked in this block, ask again later.",
    )
    NOT_RESCUABLE = (
        262,
        "Only client accounts that are not sub-accounts can be taken over from a defaulter, by another active member "
        "that has paid its own calls. See the values.",
    )
    NONCE_TOO_FAR = 275, "The nonce is too far above the account's last one. Sign with the next one."
    BALANCE_LIMIT = (
        281,
        "The account's cash would exceed what one account may have or owe after a trade. Trade less, or from another "
        "account.",
    )
    BAD_AFFILIATION = (
        285,
        "The two accounts have one owner already, one is the house's, or the affiliation to be ended does not exist. "
        "Only the house ends one, and none of a member in default.",
    )
    AFFILIATIONS_FULL = 286, "This owner has as many declared affiliates as are allowed. The house can end one."
    STRESS_NOT_COVERED = (
        287,
        "Afterwards the member would lack more in a stress scenario than the default fund was sized for. Trade fewer "
        "lots, bring money, or wait until the next sizing was paid.",
    )
    BAD_STANDBY = (
        290,
        "Only a client's account that is not a sub-account has a standby: another active member, not the house, where "
        "genesis has standby members. To end it there must be one.",
    )
    STANDBY_CALLED = (
        291,
        "The standby member does not meet a call itself, so it takes no client over. Another member may.",
    )
    PRICE_MISSING = 301, "A feed that this request depends on has no price yet. Wait for the oracle."
    PRICE_NOT_OPEN = 302, "A feed that this request depends on is stale or halted. Wait until it reopens."
    DEPOSIT_OF_UNKNOWN_TOKEN = (
        310,
        "A vault received a token that the terms do not list. The deposit is refunded to its depositor.",
    )
    DEPOSIT_TO_UNKNOWN_ACCOUNT = (
        311,
        "A deposit names an account that does not exist. If the depositor's own key opens the account in time, it is "
        "credited, else refunded to its depositor.",
    )
    DEPOSIT_ABOVE_CAP = (
        312,
        "A deposit would raise the holdings of a token above its cap. It is credited if room appears in time, else "
        "refunded to its depositor.",
    )
    CASH_GROUP_SUSPENDED = (
        313,
        "A token of the cash group is outside its price band. Withdrawals and bids in the group are suspended until "
        "the token is back or has left, within a few blocks. Wait.",
    )
    ACCOUNT_RESTRICTED = (
        314,
        "The chain reverted a deposit that the house lent against. Until the given height, and while cash is owed, the "
        "account may only reduce risk and deposit.",
    )
    SOFT_CREDIT_IS_LENT = (
        315,
        "The requested amount, or a trade's price and fees, includes a loan against a deposit that is not final. Wait "
        "until the deposit is final, or trade closer to the mark.",
    )
    NO_SUCH_AUCTION = 316, "No collateral of this account is for sale. The receipts list the open auctions."
    BID_BELOW_PRICE = 317, "The bid's limit is below the auction's price in this block. Bid higher, or later."
    NOTHING_FOR_SALE = 318, "The account has none of this token, or it has no open price. Bid for another."
    UNKNOWN_CURRENCY = 319, "No such currency: neither a cash group nor 2^32 + the id of a collateral token."
    FEE_ABOVE_LIMIT = 320, "The skew fee is above the signed limit. Withdraw on another chain, or later."
    BAD_BLOCK = 401, "A block's structure violates a rule: heights, order of extensions, sizes."
    BAD_GENESIS = 402, "Genesis is inconsistent. The values name the field."
    BAD_SNAPSHOT = 403, "The state snapshot is damaged or of another genesis. Restore another."
    STALE_FORK = 404, "The state was used after another fork of its parent was decided. Fork the decided state."
    NO_SUCH_WITHDRAWAL = 405, "No withdrawal with this nonce has been released."
    SNAPSHOT_NOT_READY = 406, "This state has no epoch snapshot: prices are missing, or custody is behind."
    INSTRUMENT_SETTLED = 407, "The instrument was settled and is no longer traded. Trade another."
    ONLY_REDUCING = (
        408,
        "The feed has no fresh price: until it has, neither side's position may grow. Wait, or reduce both positions.",
    )
    NO_AUCTION = (
        409,
        "Orders are accepted in perpetuals of a halted feed, where genesis has reopening auctions. Trade, or wait for "
        "a halt.",
    )
    AUCTION_FULL = 410, "The auction has reached its limit of orders. Wait until the feed reopens."
    DEFAULT_AUCTION_OVER = 417, "The auction of this portfolio is closed, or there is nothing to sell."
    ASK_TOO_HIGH = 418, "The ask for a slice is above the limit in the values. Ask for less."
    GAINS_RESERVED = (
        430,
        "The account gained what a member in default lost, and these gains may have to bear its loss: a trade may not "
        "pass them on. The values have the reserve. Trade at the mark, or wait until the default has ended.",
    )
    BIDS_ARE_SEALED = (
        419,
        "Bids for this portfolio are sealed. Commit to the bid, then reveal it: `crossclear waterfall bid` does both.",
    )
    BIDS_ARE_OPEN = 420, "Bids for this portfolio are not sealed. Send a plain bid: `crossclear waterfall bid`."
    COMMIT_PHASE_OVER = 421, "Commitments to bids were accepted up to the height in the values. The auction goes on."
    REVEAL_TOO_EARLY = 422, "Bids are revealed from the height in the values on. Keep the bid and its salt until then."
    NO_SUCH_COMMITMENT = (
        423,
        "The account's member did not commit to this bid. Reveal exactly the last one that was committed to: account, "
        "slices, ask and salt.",
    )
    BID_REVEALED = 424, "This bid is revealed already. There is nothing more to do."
    BAD_MODEL = (
        440,
        "A risk model contradicts itself or the portfolio, or needs too much work. The path names the field.",
    )
    BAD_PORTFOLIO = 441, "A portfolio refers to something it does not list, or a number is out of range. See the path."
    BAD_STEP = 442, "A rule or a settlement step has an invalid number. The path names the field."
    ORDER_NOT_MARGINED = (
        456,
        "No term of the model margins the open order at the path. Use a term that counts orders, or remove the order.",
    )
    VALIDATOR_CHANGE_UNDER_WAY = (
        460,
        "The last change is not complete: the values count the vaults that have not followed it. Wait, or relay the "
        "header that rotates them.",
    )
    WRONG_VALIDATOR_SET = (
        461,
        "The change starts from a set other than the one in force. Propose it again: `crossclear validators propose`.",
    )
    BAD_VALIDATOR_CHANGE = (
        462,
        "The change names keys out of order or twice, removes an unknown validator, changes nothing, makes an invalid "
        "set, or one other than it states.",
    )
    TOO_MUCH_POWER_MOVES = (
        463,
        "More than a third of the power would leave, or of the new power enter, at once. Split it into "
        "several changes.",
    )
    TOO_FEW_APPROVALS = (
        464,
        "Validators with at most two thirds of the power signed the change. Collect more: `crossclear validators "
        "approve`.",
    )
    BAD_APPROVAL = (
        465,
        "An approval is out of order, not by a validator in force, or not by its envelope key on this change.",
    )
    BAD_POSSESSION = (
        466,
        "An entering BLS key or EVM address has no valid proof of possession. Get one from its owner.",
    )
    GOVERNANCE_OFF = 467, "Genesis has no governance: nothing can be proposed or voted on."
    BAD_AMENDMENT = (
        468,
        "The path does not exist, or the new value does not fit there. See `crossclear governance dry-run`.",
    )
    AMENDMENT_STALE = 469, "Another amendment changed the same place meanwhile. Propose again from the present value."
    AMENDMENT_REFUSED = (
        470,
        "With this change the terms violate a rule of genesis, a bound that no vote can pass, or the state. The values "
        "name the place.",
    )
    AMENDMENT_FROZEN = 471, "No vote can change this place: balances, debts or proofs depend on it."
    NO_SUCH_PROPOSAL = 472, "No open proposal has this hash. See `crossclear governance show`."
    TOO_MANY_PROPOSALS = 473, "The proposer has as many open proposals as genesis allows. Wait until one ends."
    PROPOSAL_KNOWN = 474, "This proposal was already made. To repeat it, sign it with another not-after."
    VOTE_USED = 475, "The vote's revision is not above the last one of this validator. Sign a higher one."
    VOTING_OVER = 476, "The proposal was not approved in time, or more than a third of the power withdrew its approval."
    INSTRUMENT_HALTED = 477, "The instrument is halted: until the given height, positions can only be reduced."
    HALT_REFUSED = (
        478,
        "The halt is longer than genesis allows, of an instrument that cannot be halted, or too soon after the last.",
    )
    DETACHMENT_REFUSED = (
        479,
        "No validator change waits for this vault, or not for long enough, or it is the last vault.",
    )
    GUARDIAN_ORDER_REFUSED = (
        481,
        "No listed vault has this chain and address, it was detached, or the guardian is the zero address.",
    )
    UPGRADE_REFUSED = (
        482,
        "Only the next protocol version can be scheduled, for a height with the stated notice. A scheduled upgrade is "
        "moved or cancelled by its height, and only before it is frozen. See `crossclear governance show`.",
    )
    RELEASE_TOO_OLD = (
        483,
        "From the stated height on, the network follows a protocol version that this release does not have. Install "
        "the release that has it: docs/how-to/upgrade.md.",
    )
    RELEASE_TOO_NEW = (
        484,
        "This release no longer has the protocol version of these blocks. Run an older release up to the height of "
        "the upgrade, or fetch a later state from peers.",
    )
    RING_FENCED = (
        425,
        "The house's stated capital, the margin of its inventory and its part of open defaults stay in its account. "
        "Take out no more than what is above them.",
    )
    RECOVERY_OWED = (
        426,
        "The house took this token in a default, so it is for the payers of that default. Sell it to members, or wait "
        "until the recovery has ended.",
    )
    BAD_SEALED_SEED = (
        443,
        "A sealed seed is three words that are not zero, and one that was chosen can be ended by three words of "
        "zeros. Make it with `crossclear proof rotate-seed`.",
    )
    NO_INVENTORY_SALE = 427, "The house has nothing of this for sale in this block."
    SURFACE_STALE = (
        431,
        "There is no fresh volatility surface of this option's risk group, so positions in its options may only be "
        "reduced, and nothing leaves an account that has any. Wait until validators agree on one.",
    )
    SURFACE_CLOSED = (
        432,
        "The volatility surface of this option's risk group is too old to trade or liquidate at. Wait until validators "
        "agree on one, or until the voted surface applies.",
    )
    VAULT_LEAVES = 480, "This vault is about to be detached, so it pays no new withdrawals. Withdraw on another chain."


def reject(code: ClearingCode, at: str, /, **values: Detail) -> Rejected:
    """A refusal as a value, for a receipt."""
    return Rejected(code, at, tuple(values.items()))
