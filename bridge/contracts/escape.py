"""The vault's way out of a silent network as bytes: calls of it, and what it answers.

Rule: as `bridge.contracts.vault`, of the functions in `Escape.sol`; tests compare it with the committed ABI.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import IntEnum

from eth_abi.abi import encode

from bridge.contracts.vault import selector
from bridge.evm.hexadecimal import malformed
from clearing.base.codec import u256

_PLACE = "(uint256,uint256,bytes32[])"
_TOKEN = "(uint256,address,address)"
_TOTALS = f"(uint64,{_TOKEN},uint256,uint256,uint256,uint64,uint64,{_TOKEN})"
_PAYMENT = "(bytes32,uint8,uint64,uint64,address,address,uint256,uint64,uint64)"
_DEPOSIT = "(address,uint64,uint256,address)"
_PAID = "(uint64,uint64,address,address,uint256)"

TRIGGER = selector("triggerEscape()")
OPEN_EXIT = selector(f"openExit(address,{_TOTALS},{_PLACE})")
WALK_PAYMENTS = selector(f"walkPayments(uint256,{_PAID}[])")
CLAIM_EXIT = selector(f"claimExit({_PAYMENT},{_PLACE})")
WALK_DEPOSITS = selector(f"walkDeposits(bytes32,{_DEPOSIT}[])")
REFUND_DEPOSIT = selector(f"refundDeposit(uint64,{_DEPOSIT})")
ESCAPE_FROM = selector("escapeFrom()")
PAYMENTS_FROM = selector("paymentsFrom()")
SILENT_FROM = selector("silentFrom()")
EXIT_OF = selector("exitOf(address)")
EXIT_LEAF = selector("exitLeaf(uint256)")
IS_SHOWN = selector("isShown(uint64)")
WALK_NONCE = selector("walkNonce()")
WALKED_DEPOSIT = selector("walkedDeposit(uint64)")
PAYMENTS_IN_WORD = 40
"""Withdrawals whose payments share a rolling hash: numbers with the same quotient."""


@dataclass(frozen=True, slots=True)
class ExitPlace:
    """Where a leaf stands in the tree, and the siblings that prove it, from the leaf up."""

    index: int
    count: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class VaultTotals:
    """What is due in one token, as the vault takes it, and the token after it in the ring of all totals. Amounts in
    base units; tokens as (chain, vault, address)."""

    epoch: int
    own: tuple[int, bytes, bytes]
    accounts: int
    seniors: int
    counted: int
    deposit_cursor: int
    withdrawals_count: int
    next: tuple[int, bytes, bytes]


_NOWHERE = (0, bytes(20), bytes(20))
NO_TREE = VaultTotals(0, _NOWHERE, 0, 0, 0, 0, 0, _NOWHERE), ExitPlace(0, 0, ())
"""What opens a token where no exit tree was certified: the vault looks at neither."""


@dataclass(frozen=True, slots=True)
class ExitPayment:
    """A payment of the exit tree, as the vault takes it. `amount` in base units."""

    salt: bytes
    kind: int
    epoch: int
    number: int
    token: bytes
    to: bytes
    amount: int
    account: int
    not_after_s: int


@dataclass(frozen=True, slots=True)
class PastDeposit:
    """A deposit as its event states it. `amount` in base units."""

    token: bytes
    account: int
    amount: int
    sender: bytes


@dataclass(frozen=True, slots=True)
class PastPayment:
    """A payment as its event states it. `amount` in base units."""

    nonce: int
    account: int
    token: bytes
    to: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class EscapeTimes:
    """When what begins, in seconds. `escape_from` and `payments_from` are 0 while no escape was triggered."""

    silent_from: int
    escape_from: int
    payments_from: int

    def stage(self, now: int) -> "EscapeStage":
        """What the vault does at a time."""
        if not self.escape_from:
            return EscapeStage.SILENT if now > self.silent_from else EscapeStage.NONE
        if now < self.escape_from:
            return EscapeStage.RETURN
        return EscapeStage.SETTLEMENT if now < self.payments_from else EscapeStage.PAYMENT


class EscapeStage(IntEnum):
    """The stages of an escape, in order."""

    NONE = 0
    """The network is not silent."""
    SILENT = 1
    """Anybody may trigger the escape."""
    RETURN = 2
    """The network may still come back."""
    SETTLEMENT = 3
    """The vault's own records since the snapshot are shown to it."""
    PAYMENT = 4


@dataclass(frozen=True, slots=True)
class TokenExit:
    """What the vault knows of a token's exit."""

    is_open: bool
    deposit_cursor: int
    withdrawals_count: int
    debts: int
    accounts: int
    accounts_settled: int
    accounts_paid: int
    seniors: int
    seniors_settled: int
    seniors_paid: int


@dataclass(frozen=True, slots=True)
class ExitLeafState:
    """What became of a leaf. Amounts in base units."""

    is_settled: bool
    paid: int


def trigger_call() -> bytes:
    """State the network's silence."""
    return TRIGGER


def open_exit_call(token: bytes, totals: VaultTotals, place: ExitPlace) -> bytes:
    """Show a token's totals, or those that skip it."""
    return OPEN_EXIT + encode(("address", _TOTALS, _PLACE), (token, astuple(totals), astuple(place)))


def claim_exit_call(payment: ExitPayment, place: ExitPlace) -> bytes:
    """Claim by a leaf."""
    return CLAIM_EXIT + encode((_PAYMENT, _PLACE), (astuple(payment), astuple(place)))


def walk_payments_call(word: int, payments: Sequence[PastPayment]) -> bytes:
    """Show all payments of the withdrawals that share a word, in the order in which they were made."""
    return WALK_PAYMENTS + encode(("uint256", f"{_PAID}[]"), (word, [astuple(each) for each in payments]))


def walk_deposits_call(before: bytes, deposits: Sequence[PastDeposit]) -> bytes:
    """Show deposits, in order of nonce, back from the newest not shown. `before`: the rolling hash before the first."""
    return WALK_DEPOSITS + encode(("bytes32", f"{_DEPOSIT}[]"), (before, [astuple(each) for each in deposits]))


def refund_deposit_call(nonce: int, deposit: PastDeposit) -> bytes:
    """Refund a deposit that was shown."""
    return REFUND_DEPOSIT + encode(("uint64", _DEPOSIT), (nonce, astuple(deposit)))


def exit_of_call(token: bytes) -> bytes:
    """What the vault knows of a token's exit; `read_token_exit` reads the answer."""
    return EXIT_OF + token.rjust(32, b"\0")


def exit_leaf_call(index: int) -> bytes:
    """What became of a leaf: settled, net, paid; `read_exit_leaf` reads the answer."""
    return EXIT_LEAF + u256(index)


def read_token_exit(data: bytes) -> TokenExit:
    """The answer to `exit_of_call`. Raises RemoteFault MALFORMED_ANSWER."""
    if len(data) != 10 * 32:
        raise malformed("exitOf", len(data))
    words = [int.from_bytes(data[start : start + 32], "big") for start in range(0, len(data), 32)]
    return TokenExit(bool(words[0]), *words[1:])


def read_exit_leaf(data: bytes) -> ExitLeafState:
    """The answer to `exit_leaf_call`. Raises RemoteFault MALFORMED_ANSWER."""
    if len(data) != 3 * 32:
        raise malformed("exitLeaf", len(data))
    words = [int.from_bytes(data[start : start + 32], "big") for start in range(0, len(data), 32)]
    return ExitLeafState(bool(words[0]), words[2])
