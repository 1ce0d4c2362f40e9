"""The exit tree of a state: built when an epoch closes. Its root is in the state at once, in headers an epoch later.

Rule: a function of the state at which the epoch closes. It promises no more than the inventory. A second call in the
same block returns the same tree.

A vault pays by the root in the newest header that it knows, and who has no file of that tree cannot claim. So headers
carry the root of the epoch before the newest closed one: everybody has had an epoch's time to fetch the file.
"""

import hmac
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from clearing.base.codec import encode, u256
from clearing.base.errors import BaseCode, Bug, RemoteFault
from clearing.base.hashing import tagged_hash
from clearing.base.header import Header
from clearing.base.ids import Hash32
from clearing.collateral.cash_tokens import current_assets
from clearing.context.request_checks import owner_key
from clearing.epochs.exit_close_out import close_out
from clearing.schema.records.exits import ExitKind, ExitLeaf, ExitRecord, ExitTotals, ExitTree
from clearing.state.asset_flows import TokenAtVault, asset_flow
from clearing.state.ledger import STRAY_ACCOUNT, can_hold, inventory_units
from clearing.state.modules import Module, record_key
from clearing.state.record_opening import RecordOpening, check_record, open_record
from clearing.state.state import State
from clearing.withdrawals.delay_queue import delayed_amounts

NO_EXITS = tagged_hash("crossclear/exit-tree/v2/empty")
"""The root until two epochs have closed, and of a tree without leaves. Under it a vault gives all deposits back, which
needs no file."""
_SALT_TAG = b"crossclear/exit-tree/v2/salt"


def exit_tree(state: State) -> ExitTree:
    """The exit tree of a state at which an epoch closes."""
    leaves = (*_account_leaves(state), *_withdrawal_leaves(state), *_deposit_leaves(state))
    return ExitTree(state.now.epoch, state.now.snapshot_height, _totals(state, leaves), leaves)


def store_exit_tree(state: State) -> None:
    """Store the tree's root in the state at which an epoch closes. Raises Bug when it promises more than
    the inventory."""
    tree = exit_tree(state)
    promised = {(totals.chain_id, totals.vault, totals.token): totals.accounts for totals in tree.totals}
    waiting: dict[int, int] = {}
    for (_, asset_id), amount in delayed_amounts(state).items():
        waiting[asset_id] = waiting.get(asset_id, 0) + amount
    for asset in current_assets(state):
        place = (asset.chain_id, asset.vault, asset.token)
        if promised[place] > asset.to_amount(inventory_units(state, asset)) + waiting.get(asset.id, 0):
            raise Bug(
                f"exits promise {promised[place]} of asset {asset.name}, "
                f"the inventory is {inventory_units(state, asset)} units"
            )
    state.exits.put(tree.epoch, ExitRecord(tree.epoch, tree.height, tree.count, tree.root))
    if tree.epoch - 2 in state.exits:
        state.exits.remove(tree.epoch - 2)
    state.exit_tree = tree


def closed_exit_tree(state: State) -> ExitTree:
    """The tree of the epoch that closed at this state; rebuilt where another process closed it.

    Raises Bug when its root is not the one in the state.
    """
    built = state.exit_tree
    tree = built or exit_tree(state)
    record = state.exits.get(state.now.epoch)
    stated = record and (record.epoch, record.height, record.leaves)
    # The root of a tree in memory needs no check: the stored root was computed from it.
    if stated != (tree.epoch, tree.height, tree.count) or (built is None and record and tree.root != record.root):
        raise Bug(f"exits of epoch {tree.epoch} are not those of height {state.now.height}")
    return tree


def header_exit_root(state: State) -> Hash32:
    """The exit root in the header of this state: of the epoch before the newest closed one."""
    found = state.exits.get(state.now.epoch - 1)
    return Hash32(found.root) if found and found.leaves else NO_EXITS


def open_exit_root(state: State) -> RecordOpening:
    """Shows the record of the newest closed epoch's tree in the state that its epoch closed at."""
    return open_record(state, Module.WITHDRAWALS, record_key("exits", state.now.epoch))


def check_exit_root(header: Header, record: ExitRecord, opening: RecordOpening) -> None:
    """Check that the epoch of a tree closed at this header's height, with this root.

    Raises RemoteFault WRONG_VALUE for another epoch or height, BAD_MERKLE_PROOF for another root or count of leaves.
    """
    if (header.epoch, header.height) != (record.epoch, record.height):
        raise RemoteFault(
            BaseCode.WRONG_VALUE,
            "exit root",
            epoch=record.epoch,
            height=record.height,
            certified_epoch=header.epoch,
            certified_height=header.height,
        )
    check_record(header, Module.WITHDRAWALS, record_key("exits", record.epoch), encode(record), opening)


def _totals(state: State, leaves: tuple[ExitLeaf, ...]) -> tuple[ExitTotals, ...]:
    """Of every listed token, whether or not anybody is paid in it, and of every other that a vault took in. So a token
    without totals has no deposit that was counted, and no withdrawal that was released."""
    accounts, seniors = Counter[TokenAtVault](), Counter[TokenAtVault]()
    for leaf in leaves:
        sums = accounts if leaf.kind is ExitKind.ACCOUNT else seniors
        sums[leaf.chain_id, leaf.vault, leaf.token] += leaf.amount
    listed = {(asset.chain_id, asset.vault, asset.token) for asset in state.terms.assets.values()}
    totals = []
    for token in sorted(listed.union(token for token, _ in state.unlisted_flows.ordered())):
        cursor = state.deposit_cursors.get(token[:2])
        totals.append(
            ExitTotals(
                *token,
                accounts=accounts[token],
                seniors=seniors[token],
                counted=asset_flow(state, token).deposited,
                deposit_cursor=cursor.nonce if cursor else 0,
                withdrawals_count=state.now.withdrawals_released,
            )
        )
    return tuple(totals)


def _account_leaves(state: State) -> Iterator[ExitLeaf]:
    for payout in close_out(state):
        asset, to = state.terms.assets[payout.asset], owner_key(state, payout.account)
        token = (asset.chain_id, asset.vault, asset.token)
        yield _leaf(state, ExitKind.ACCOUNT, payout.account, payout.account, token, to, payout.amount)


def _withdrawal_leaves(state: State) -> Iterator[ExitLeaf]:
    for nonce, _ in state.unpaid_withdrawals.ordered():
        released = state.withdrawals[nonce]
        token, amount = (released.chain_id, released.vault, released.token), int.from_bytes(released.amount, "big")
        leaf = _leaf(state, ExitKind.WITHDRAWAL, nonce, released.account, token, released.to, amount)
        yield replace(leaf, not_after_s=released.not_after_s)


def _deposit_leaves(state: State) -> Iterator[ExitLeaf]:
    """Stray deposits that wait to be credited, then refunds that were not released.

    A depositor that owns an account finds them among that account's payments.
    """
    strays = list(state.stray_deposits.ordered())
    owed = {(chain_id, vault, opened.refund) for (chain_id, vault, _, _), opened in state.open_refunds.ordered()}
    owed |= {(chain_id, vault, queued.refund) for (chain_id, vault, _), queued in state.queued_refunds.ordered()}
    accounts = _accounts_by_owner(state) if strays or owed else {}
    for (chain_id, vault, nonce), stray in strays:
        token, amount = (chain_id, vault, stray.deposit.token), int.from_bytes(stray.deposit.amount, "big")
        depositor = stray.deposit.depositor
        account = accounts.get(depositor, STRAY_ACCOUNT)
        named = stray.deposit.account
        yield _leaf(state, ExitKind.DEPOSIT, named, account, token, depositor, amount, nonce)
    for chain_id, vault, number in sorted(owed):
        refund = state.deposit_refunds[chain_id, vault, number]
        token, amount = (chain_id, vault, refund.token), int.from_bytes(refund.amount, "big")
        account = accounts.get(refund.depositor, STRAY_ACCOUNT)
        yield _leaf(state, ExitKind.REFUND, number, account, token, refund.depositor, amount)


def _accounts_by_owner(state: State) -> dict[bytes, int]:
    """The lowest account of each owner."""
    found: dict[bytes, int] = {}
    for account, _ in state.accounts.ordered():
        if can_hold(state, account):
            found.setdefault(owner_key(state, account), account)
    return found


def _leaf(
    state: State,
    kind: ExitKind,
    number: int,
    account: int,
    token: TokenAtVault,
    to: bytes,
    amount: int,
    deposit: int = 0,
) -> ExitLeaf:
    """`deposit`: its nonce, because its number, the account that it names, may be that of others, too."""
    chain_id, vault, address = token
    key = b"".join(
        (_SALT_TAG, u256(state.now.epoch), u256(kind), u256(number), u256(deposit), u256(chain_id), vault, address)
    )
    return ExitLeaf(kind, number, account, *token, to, amount, salt=hmac.digest(state.salt, key, "sha256"))
