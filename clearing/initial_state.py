"""`initial_state`: the first state of a network, built from genesis.

Rule: height 0 contains members, accounts, validators and empty cursors; no money, no prices.
"""

from clearing.base.ids import HOUSE_ACCOUNT
from clearing.schema.records.accounts import Account, ClockRecord, Member
from clearing.schema.records.collateral import AssetFlowRecord, DepositCursorRecord
from clearing.schema.records.prices import FeedState, FeedStatus
from clearing.schema.terms.genesis import AccountKind, Genesis
from clearing.state.indexes import MEMBER_ACCOUNTS, set_holder
from clearing.state.ledger import FEE_POT_ACCOUNT, FUND_ACCOUNT, ROUNDING_ACCOUNT, SUSPENSE_ACCOUNT
from clearing.state.state import State
from clearing.validators.validator_sets import initialise_sets


def initial_state(genesis: Genesis, state_salt: bytes) -> State:
    """The state before height 1. `genesis` must have passed `check_genesis`.

    `state_salt`: 32 bytes known only to validators. It salts every leaf of the roots and is in no block.
    """
    state = State.empty(genesis, state_salt)
    initialise_sets(state, genesis.validators)
    for member in genesis.members:
        state.members.put(member.id, Member(member.trade_address))
        for account in member.accounts:
            state.accounts.put(account.id, Account(member.id, account.kind, key=account.key))
            set_holder(state, MEMBER_ACCOUNTS, member.id, account.id, holds=True)
    state.accounts.put(SUSPENSE_ACCOUNT, Account(HOUSE_ACCOUNT, AccountKind.HOUSE))
    state.accounts.put(ROUNDING_ACCOUNT, Account(HOUSE_ACCOUNT, AccountKind.HOUSE))
    if any(group.skew.rate_ppm for group in genesis.cash_groups):
        state.accounts.put(FEE_POT_ACCOUNT, Account(HOUSE_ACCOUNT, AccountKind.HOUSE))
    if genesis.crisis.fund.enabled:
        state.accounts.put(FUND_ACCOUNT, Account(HOUSE_ACCOUNT, AccountKind.HOUSE))
    for chain in genesis.chains:
        state.deposit_cursors.put((chain.chain_id, chain.vault), DepositCursorRecord(0))
    for asset in genesis.assets:
        state.asset_flows.put(asset.id, AssetFlowRecord())
    for feed in genesis.feeds:
        state.feeds.put(feed.id, FeedState(FeedStatus.UNOPENED, 0, 0))
    state.clock.put(0, ClockRecord(0, genesis.time_ms, genesis.time_ms, 0, 0))
    return state
