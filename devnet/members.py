"""Devnet members: their keys, the requests they sign, and the files with which they find themselves in a package."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from clearing.accounts.commitment_seeds import account_owner
from clearing.base import secp256k1
from clearing.base.hashing import tagged_hash
from clearing.base.ids import NetworkId
from clearing.margin.statement.snapshot import RiskStatement
from clearing.schema.requests.trades import BundledTrade, Trade, TradeBundle
from clearing.schema.requests.withdrawals import Withdrawal
from clearing.state.holdings import current_holdings
from clearing.state.state import State
from member.keys.key_folder import KeyKind, new_secret
from member.keys.secret_files import make_secret_folder, write_secret
from member.signing.requests import UNSIGNED, signed

REQUEST_VALID_MS = 60_000
VENUE = 1
NAMES = ("house", "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj")


@dataclass(frozen=True, slots=True, repr=False)
class DevnetMember:
    """Member `id` has one account of the same number; the trade key is its wallet on every chain."""

    id: int
    name: str
    secret: bytes

    @property
    def address(self) -> bytes:
        """EVM address of the trade key."""
        return secp256k1.address(self.secret)


def make_members(seed: int, count: int) -> tuple[DevnetMember, ...]:
    """The house (0) and members 1 to `count`."""
    return tuple(
        DevnetMember(number, _name(number), new_secret(KeyKind.SECP256K1, devnet_entropy(seed, f"member/{number}")))
        for number in range(count + 1)
    )


def devnet_entropy(seed: int, purpose: str) -> bytes:
    """32 bytes for one purpose of one devnet."""
    return tagged_hash("crossclear/devnet/entropy/v1", seed.to_bytes(8, "big"), purpose.encode())


def signed_trade(
    network: NetworkId,
    trade_id: int,
    buyer: DevnetMember,
    seller: DevnetMember,
    instrument: int,
    lots: int,
    ticks: int,
    now_ms: int,
) -> Trade:
    """A trade that both sides signed."""
    not_after = now_ms + REQUEST_VALID_MS
    plain = Trade(VENUE, trade_id, buyer.id, seller.id, instrument, lots, ticks, not_after, UNSIGNED, UNSIGNED)
    return signed(network, plain, buyer_signature=buyer.secret, seller_signature=seller.secret)


def signed_bundle(
    network: NetworkId,
    account: DevnetMember,
    counterparty: DevnetMember,
    trades: tuple[BundledTrade, ...],
    now_ms: int,
) -> TradeBundle:
    """Trades between two members that both signed once."""
    plain = TradeBundle(VENUE, account.id, counterparty.id, trades, now_ms + REQUEST_VALID_MS, UNSIGNED, UNSIGNED)
    return signed(network, plain, signature=account.secret, counterparty_signature=counterparty.secret)


def signed_withdrawal(
    network: NetworkId, member: DevnetMember, asset: int, units: int, nonce: int, now_ms: int
) -> Withdrawal:
    """A withdrawal to the member's own wallet on the asset's chain."""
    not_after = now_ms + REQUEST_VALID_MS
    plain = Withdrawal(member.id, asset, units, member.address, nonce, not_after, UNSIGNED)
    return signed(network, plain, signature=member.secret)


def _name(number: int) -> str:
    return NAMES[number] if number < len(NAMES) else f"member-{number}"


@dataclass(frozen=True, slots=True)
class MemberFiles:
    """Paths of seed, holdings and owner's address of one member."""

    account: int
    seed: Path
    holdings: Path
    owner: Path

    @property
    def arguments(self) -> list[str]:
        """For `crossclear verify`."""
        own = ["--account", str(self.account), "--owner", str(self.owner)]
        return [*own, "--seed-file", str(self.seed), "--holdings", str(self.holdings)]


def member_files(folder: Path, name: str, account: int) -> MemberFiles:
    """Their names, in a folder of the member's own."""
    own = folder / name
    return MemberFiles(account, own / "seed", own / "holdings.json", own / "owner")


def write_member_files(files: MemberFiles, statement: RiskStatement, state: State, seed: bytes) -> None:
    """Write them; `state` is the one that `statement` is about."""
    holdings = current_holdings(state, files.account)
    names = [slot.name for slot in statement.slots if slot.is_public]
    amounts = dict(zip(names, (*holdings.cash, *holdings.tokens, *holdings.lots), strict=True))
    make_secret_folder(files.seed.parent)
    write_secret(files.seed, seed.hex().encode() + b"\n")
    files.owner.write_text(f"0x{account_owner(state, files.account).hex()}\n")
    files.holdings.write_text(json.dumps({name: str(amount) for name, amount in amounts.items() if amount}, indent=1))


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000
